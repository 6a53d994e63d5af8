"""Where uploads lie: a private temporary folder that goes with the server, or a folder that the user keeps."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TextIO

from nmevision.errors import RunError

PREFIX = "nmevision-serve-"
_LOCK = "lock"


class JobFolders:
    """Makes and removes the folders of jobs.

    keep: where they stay for good. Without it they lie in a private folder (mode 700) in the system's place for
        temporary files, which `close` removes; one that a killed server left behind is removed as well.
    """

    def __init__(self, keep: Path | None = None) -> None:
        self.keep = keep
        self._held: TextIO | None = None
        if keep is not None:
            self.root = Path(keep)
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self.root).close()
            except OSError as problem:
                raise RunError(
                    f"--keep {keep}: cannot be written ({problem.strerror}); name another folder"
                ) from None
            return
        remove_leftovers()
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX))
        early = self.root / f".{_LOCK}"
        self._held = early.open("w", encoding="ascii")
        _lock(self._held)
        with contextlib.suppress(OSError):  # Windows renames nothing that is open, and has no such lock
            early.rename(self.root / _LOCK)  # so that nobody meets it before it is held

    def place_of(self, identity: str) -> Path:
        """Return where a new job's folder is to be; kept ones are named so that they sort by time."""
        return self.root / (f"{time.strftime('%Y%m%d-%H%M%S')}-{identity}" if self.keep else identity)

    def remove(self, folder: Path) -> None:
        """Remove the folder of a job with all that is in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything that is not to be kept."""
        if self.keep is None:
            shutil.rmtree(self.root, ignore_errors=True)
        held, self._held = self._held, None
        if held is not None:
            held.close()


def _lock(stream: TextIO) -> bool:
    """Hold an open file for as long as this process lives; False where another does, or the system cannot tell."""
    try:
        import fcntl  # not on Windows

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def remove_leftovers() -> int:
    """Remove the temporary folders of this user's servers that were killed, and return how many there were.

    Only a folder whose lock nobody holds is removed.
    """
    removed = 0
    if not hasattr(os, "getuid"):
        return removed
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            status = root.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            with (root / _LOCK).open("r+", encoding="ascii") as stream:
                if _lock(stream):
                    shutil.rmtree(root, ignore_errors=True)
                    removed += 1
        except OSError:  # just being made, or just gone
            continue
    return removed
