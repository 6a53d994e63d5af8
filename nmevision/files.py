"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

_ONE_AT_A_TIME = threading.Lock()
_AT_ONCE = 1 << 22
"""Bytes read and hashed at a time. hashlib.file_digest takes 2**18 and asks for the interpreter after each, which another
thread may hold for milliseconds: a network's weights then take five times as long."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` when the block ends well.

    A block that raises leaves `path` as it was and nothing else behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp is private; a result file is not
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return the permissions that new files are not to have, which can be read by changing them alone."""
    with _ONE_AT_A_TIME:  # two threads at once would leave the process without any
        umask = os.umask(0)
        os.umask(umask)
    return umask


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, frame: DataFrame, decimals: int | None = None) -> None:
    """Write a table to `path` atomically, without its index; `pandas.read_csv` gives every cell back.

    decimals: how many digits a float gets; all that it has by default.
    """
    texts = frame.select_dtypes(exclude="number")
    returns = any("\r" in str(cell) for name in texts for cell in texts[name])
    with atomic_path(path) as temporary:
        frame.to_csv(
            temporary,
            index=False,
            lineterminator="\n",
            float_format=None if decimals is None else f"%.{decimals}f",
            quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL,  # else a file name may break a row
        )


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path` atomically; NaN is refused (say None and why)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as stream:
        while part := stream.read(_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def sha256_of_text(text: str) -> str:
    """Return the SHA-256 of a text (UTF-8) as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def user_cache() -> Path:
    """Return this user's folder for what can be made again; it need not exist, and may be removed at any time."""
    named = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(named) if named else Path.home() / ".cache") / "nmevision"
