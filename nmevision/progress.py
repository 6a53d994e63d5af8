"""A progress bar where someone watches, and silence where no one does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many of `total` images are done; the bar goes to stderr."""
    asked = {"FORCE_COLOR", "TTY_COMPATIBLE"} & os.environ.keys()  # rich knows what they ask for
    if sys.stderr is None or not (asked or sys.stderr.isatty()):
        yield lambda done: None
        return
    # brings rich, which takes longer to load than an image
    from nmevision.terminal_progress import terminal_progress

    with terminal_progress(what, total) as step:
        yield step
