"""What an audit keeps of every image: the file's hash, a small grey picture and a few measures.

A file is decoded once; what was seen is remembered in a folder of Parquet files, keyed by the file's SHA-256
and its suffix, so that an audit that was stopped goes on where it was and one that is repeated is quick.
The folder may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from nmevision.cores import usable_cores
from nmevision.data.image_quality import MEASURES, grey_of, measure
from nmevision.data.images import DEFAULT_MAX_PIXELS, read_image
from nmevision.errors import ImageError
from nmevision.files import atomic_path, sha256_of
from nmevision.manifest import Manifest

Grey = npt.NDArray[np.uint8]

SIDE = 72
"""Pixels of a thumbnail's side: 8 x 9 and 9 x 8, the two grids of a difference hash; 5 kB an image."""

_FLAT = 3.0  # grey levels: a row or column that spreads less at the edge belongs to a plain frame
_LOOKED_AT = 256  # pixels of the longer side on which frames are looked for
_PART = 1000  # images after which what was seen is written down
_VERSION = 1  # of what is remembered: files of another version are not read


@dataclass(frozen=True)
class Looks:
    """What was seen of every sample, in the manifest's order.

    Attributes:
        table: id, sha256 ("" where the file cannot be opened), readable (bool), message (why not, or notes),
            and the columns of `image_quality.MEASURES` (NaN where unreadable).
        thumbnails: uint8, samples x SIDE x SIDE, plain frames cut away; zeros where unreadable.
    """

    table: pd.DataFrame
    thumbnails: Grey


def look_at(
    manifest: Manifest,
    memory: Path | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int], None] | None = None,
) -> Looks:
    """Look at every image of a manifest once; byte-identical files are decoded once.

    memory: the folder where what was seen is remembered; nothing is remembered where it is None.
    progress: called with the number of rows done so far.
    """
    paths = [sample.path for sample in manifest.samples()]
    digests = [_digest(path) for path in paths]
    keys = [
        (digest or f"row {row}") + path.suffix.lower()
        for row, (digest, path) in enumerate(zip(digests, paths, strict=True))
    ]
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    seen: list[_Look | None] = [None] * len(paths)
    thumbnails = np.zeros((len(paths), SIDE, SIDE), np.uint8)
    done = 0
    for key, look, thumbnail in _all_looks(rows_of, paths, memory, max_pixels):
        for row in rows_of[key]:
            seen[row] = look
            thumbnails[row] = thumbnail
        done += len(rows_of[key])
        if progress is not None:
            progress(done)
    table = pd.DataFrame(seen, columns=["readable", "message", *MEASURES])
    table.insert(0, "sha256", digests)
    table.insert(0, "id", manifest.frame["id"].to_numpy())
    return Looks(table, thumbnails)


_Look = tuple[bool | str | float, ...]


def _all_looks(
    rows_of: dict[str, list[int]], paths: list[Path], memory: Path | None, max_pixels: int
) -> Iterator[tuple[str, _Look, Grey]]:
    """Yield key, look and thumbnail of every different file: the remembered ones, then the others."""
    missing = dict.fromkeys(rows_of)
    for key, look, thumbnail in _remembered(memory):
        if key in missing:
            del missing[key]
            yield key, look, thumbnail
    fresh: list[tuple[str, _Look, Grey]] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            looks = pool.map(lambda key: _look(paths[rows_of[key][0]], max_pixels), missing)
            for key, (look, thumbnail) in zip(missing, looks, strict=True):
                if look[0]:  # a broken file may be mended, and costs nothing to try again
                    fresh.append((key, look, thumbnail))
                if len(fresh) == _PART:
                    _remember(memory, fresh)
                    fresh = []
                yield key, look, thumbnail
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            _remember(memory, fresh)


def _digest(path: Path) -> str:
    """Return the SHA-256 of a regular file that can be read, or ""."""
    try:
        return sha256_of(path) if path.is_file() else ""  # a pipe would wait for ever
    except (OSError, ValueError):
        return ""


def _look(path: Path, max_pixels: int) -> tuple[_Look, Grey]:
    """Decode one file; return what is known of it and its thumbnail."""
    try:
        image = read_image(path, max_pixels)
    except ImageError as problem:
        return (False, str(problem), *(float("nan") for _ in MEASURES)), np.zeros((SIDE, SIDE), np.uint8)
    grey = grey_of(image.pixels)
    measures = measure(grey)
    return (True, "; ".join(image.notes), *(measures[name] for name in MEASURES)), thumbnail_of(grey)


def thumbnail_of(grey: Grey) -> Grey:
    """Return an image (uint8, height x width) without its plain frame, as SIDE x SIDE pixels.

    The shape is not kept: a turned image gives the turned thumbnail.
    """
    inner = _without_frame(grey)
    return np.asarray(cv2.resize(inner, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def _without_frame(grey: Grey) -> Grey:
    """Cut plain rows and columns away at the edges, unless less than half of a side would be left."""
    step = max(1, max(grey.shape) // _LOOKED_AT)
    small = np.asarray(
        cv2.resize(
            grey, (max(1, grey.shape[1] // step), max(1, grey.shape[0] // step)), interpolation=cv2.INTER_AREA
        )
    )
    cuts = []
    for axis in (0, 1):
        busy = np.flatnonzero(small.std(axis=1 - axis) > _FLAT)
        if not len(busy) or busy[-1] + 1 - busy[0] < small.shape[axis] / 2:
            return grey
        is_last = busy[-1] + 1 == small.shape[axis]
        cuts.append(slice(int(busy[0]) * step, None if is_last else int(busy[-1] + 1) * step))
    return grey[cuts[0], cuts[1]]


def _remember(memory: Path | None, looks: list[tuple[str, _Look, Grey]]) -> None:
    """Write one more part of what was seen."""
    if memory is None or not looks:
        return
    table = pd.DataFrame([look for _, look, _ in looks], columns=["readable", "message", *MEASURES])
    table.insert(0, "key", [key for key, _, _ in looks])
    table["thumbnail"] = [thumbnail.tobytes() for _, _, thumbnail in looks]
    number = len(list(memory.glob("*.parquet"))) if memory.is_dir() else 0
    while (path := memory / f"v{_VERSION}-{number:05d}.parquet").exists():
        number += 1
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def _remembered(memory: Path | None) -> Iterator[tuple[str, _Look, Grey]]:
    """Yield everything that earlier audits wrote; a part that cannot be read is as if it were not there."""
    parts: Iterable[Path] = sorted(memory.glob(f"v{_VERSION}-*.parquet")) if memory is not None else ()
    for path in parts:
        try:
            table = pd.read_parquet(path, columns=["key", "readable", "message", *MEASURES, "thumbnail"])
            pixels = np.frombuffer(b"".join(table["thumbnail"]), np.uint8).reshape(-1, SIDE, SIDE)
        except (OSError, ValueError, TypeError):
            continue
        looks = table[["readable", "message", *MEASURES]].itertuples(index=False, name=None)
        yield from zip(table["key"], looks, pixels, strict=True)
