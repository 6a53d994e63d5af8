"""A lock between processes, also on several machines with one drive: the system frees it when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmevision.errors import RunError


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a file's lock while the block runs; tell it whether it could be had (not where the folder is gone).

    Raises RunError where the system or the drive knows no locks.
    """
    try:
        import fcntl
    except ImportError:
        raise RunError("several processes at one task need the file locks of Linux or macOS") from None
    try:
        stream = path.open("a", encoding="utf-8")
    except FileNotFoundError:
        yield False
        return
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except BlockingIOError:
            mine = False
        except OSError as problem:
            raise RunError(
                f"{path.parent} lies on a drive without file locks ({problem.strerror}), without which several "
                "processes would disturb each other; choose a folder elsewhere"
            ) from None
        yield mine
