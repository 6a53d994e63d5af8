"""Work that runs ahead of whoever takes its results: in order, on some threads, with little of it in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, most: int
) -> Iterator[Iterator[Result]]:
    """Give `work` of every item, in their order; the first are begun at once, before any is asked for.

    threads: how many are worked on at a time. most: begun and not yet taken; 1 or more.
    What `work` or the items raise is raised where that result is taken. What is not begun at the end never is.

    >>> with ahead(str, range(5), threads=2, most=3) as results:
    ...     list(results)
    ['0', '1', '2', '3', '4']
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    try:
        rest = iter(items)
        yield _taken(pool, work, rest, deque(pool.submit(work, item) for item in islice(rest, most)))
    finally:
        pool.shutdown(cancel_futures=True)


def _taken(
    pool: ThreadPoolExecutor,
    work: Callable[[Item], Result],
    rest: Iterator[Item],
    begun: deque[Future[Result]],
) -> Iterator[Result]:
    """Yield the results in order, and begin one more for each that is taken."""
    while begun:
        result = begun.popleft().result()
        begun.extend(pool.submit(work, item) for item in islice(rest, 1))
        yield result
