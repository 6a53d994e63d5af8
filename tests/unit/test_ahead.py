"""Work ahead: results in order, few begun, none after the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmevision.ahead import ahead

SOON = 10.0
"""Seconds that a test waits for another thread at most; the machine may be busy."""


@given(items=st.lists(st.integers(), max_size=40), threads=st.integers(1, 4), most=st.integers(1, 9))
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int, most: int) -> None:
    def work(item: int) -> int:
        time.sleep(item % 3 / 2000)  # some are done before those begun earlier
        return -item

    with ahead(work, items, threads, most) as results:
        assert list(results) == [-item for item in items]


@given(most=st.integers(1, 9), taken=st.integers(0, 20))
def test_only_so_many_are_begun_and_not_taken(most: int, taken: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            asked.append(i)
            yield i

    with ahead(str, items(), 2, most) as results:
        assert len(asked) == most
        for _ in range(taken):
            next(results)
        assert len(asked) == most + taken


def test_work_begins_before_a_result_is_asked_for() -> None:
    begun = threading.Event()
    with ahead(lambda _: begun.set(), [0], 1, 1):
        assert begun.wait(SOON)


def test_all_threads_work_at_once() -> None:
    meet = threading.Barrier(3)
    with ahead(lambda _: meet.wait(SOON) >= 0, range(3), 3, 3) as results:
        assert list(results) == [True] * 3


def test_what_goes_wrong_is_raised_in_its_place_and_nothing_is_begun_after() -> None:
    done: list[int] = []

    def work(item: int) -> int:
        if item == 2:
            raise ValueError("the third")
        done.append(item)
        return item

    with ahead(work, range(100), 1, 4) as results:
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="the third"):
            next(results)
        assert list(results) == []
    assert set(done) <= {0, 1, 3, 4, 5}


def test_what_waits_at_the_end_is_never_begun() -> None:
    let_go, done = threading.Event(), []

    def work(item: int) -> None:
        assert let_go.wait(SOON)
        done.append(item)

    with ahead(work, range(100), 1, 50):
        threading.Timer(0.05, let_go.set).start()
    assert len(done) <= 1
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("ahead")]
