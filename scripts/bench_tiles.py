"""Tiles of a JPEG pyramid: decoded straight from the file against OpenSlide, in turn, in one thread, pixels compared.

python scripts/bench_tiles.py [SLIDE ...] [--phantom 6144x4096] [--runs 5]

Without a slide a phantom is drawn. Aligned tiles are the file's own; unaligned windows are as large and lie half a tile
beside them. OpenSlide comes from its wheel: as RGB through Pillow, the way its documentation reads it, and over white, as nmevision
reads what it cannot read directly. Every pass opens the slide afresh (not timed), so that no cache remembers the last;
figures are medians of processor time per window, of one thread. The first `times` is against the former, the second
against the latter.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import openslide

from nmevision.cores import usable_cores
from nmevision.data.slide_readers import OpenSlideReader, Pixels, SlideReader
from nmevision.data.slide_tiles import Grid, TileReader, faster

MOST = 400
"""Windows of a pass, at most."""
Box = tuple[int, int, int, int]
Read = Callable[[Box], Pixels]
Close = Callable[[], None]


def main() -> None:
    """Read every slide both ways; print the table and end with 1 where a pixel differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("slides", nargs="*", type=Path)
    parser.add_argument("--phantom", default="", help="WIDTHxHEIGHT in multiples of 1024: draw one as well")
    parser.add_argument("--runs", type=int, default=5, help="passes of each, in turn; the median counts")
    options = parser.parse_args()
    print(_machine())
    print(
        f"{'slide':27}level tile {'':10}  OpenSlide  over white     direct   times  times  pixels that differ"
    )
    with tempfile.TemporaryDirectory() as name:
        slides = list(options.slides)
        if options.phantom or not slides:
            slides.append(_phantom(Path(name) / "phantom.tif", options.phantom or "6144x4096"))
        differ = sum(_race(slide, options.runs) for slide in slides)
    raise SystemExit(1 if differ else 0)


def _phantom(path: Path, size: str) -> Path:
    """Draw a slide of WIDTHxHEIGHT."""
    from nmevision.phantom.slide import make_slide

    width, height = (int(part) for part in size.split("x"))
    return make_slide(path, width=width, height=height)


def _race(path: Path, runs: int) -> int:
    """Print a line for each level and kind of window; return how many pixels differ."""
    reader = faster(path, OpenSlideReader(path))
    if not isinstance(reader, TileReader):
        print(f"{path.name[:31]:32}is read by OpenSlide alone: no level is a plain grid of JPEG tiles")
        return 0
    differ = 0
    for level, grid in enumerate(reader.grids):
        if grid is None:
            print(f"{path.name[:31]:32}{level:6} is read by OpenSlide alone")
            continue
        for kind, shift in (("aligned", 0), ("unaligned", 1)):
            boxes = _boxes(grid, shift)
            if boxes:
                differ += _line(path, level, grid, kind, boxes, runs)
    reader.close()
    return differ


def _boxes(grid: Grid, shift: int) -> list[Box]:
    """Return windows of a tile's size inside the level, row by row; `shift` of 1 moves them half a tile."""
    left, top = shift * grid.wide // 2, shift * grid.tall // 2
    across, down = (grid.width - left) // grid.wide, (grid.height - top) // grid.tall
    boxes = [
        (left + column * grid.wide, top + row * grid.tall, grid.wide, grid.tall)
        for row in range(down)
        for column in range(across)
    ]
    return boxes[:MOST]


def _line(path: Path, level: int, grid: Grid, kind: str, boxes: list[Box], runs: int) -> int:
    """Time all sides in turn, then compare every pixel; print a line."""
    times: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, opened in SIDES.items():
            read, close = opened(path, level)
            times.setdefault(name, []).append(_timed(read, boxes))
            close()
    (theirs, close), (ours, close_ours) = SIDES["OpenSlide"](path, level), SIDES["direct"](path, level)
    differ = sum(int((ours(box) != theirs(box)).any(axis=2).sum()) for box in boxes)
    close()
    close_ours()
    plain, white, direct = (1e6 * statistics.median(found) / len(boxes) for found in times.values())
    print(
        f"{path.name[:26]:27}{level:5}{grid.wide:5} {kind:10}{plain:8.0f} us{white:9.0f} us{direct:8.0f} us"
        f"{plain / direct:8.1f}{white / direct:7.1f}  {differ} in {len(boxes)} tiles"
    )
    return differ


def _plain(path: Path, level: int) -> tuple[Read, Close]:
    """OpenSlide as its documentation reads it: what the scanner left out is black."""
    slide = openslide.OpenSlide(str(path))
    scale = round(slide.level_downsamples[level])

    def read(box: Box) -> Pixels:
        picture = slide.read_region((box[0] * scale, box[1] * scale), level, box[2:])
        return np.asarray(picture.convert("RGB"))

    return read, slide.close


def _over_white(path: Path, level: int) -> tuple[Read, Close]:
    """OpenSlide as the rest of nmevision reads it: what the scanner left out is white."""
    reader = OpenSlideReader(path)
    return partial(_region, reader, level), reader.close


def _direct(path: Path, level: int) -> tuple[Read, Close]:
    """The tiles straight from the file, over white too."""
    reader = faster(path, OpenSlideReader(path))
    return partial(_region, reader, level), reader.close


def _region(reader: SlideReader, level: int, box: Box) -> Pixels:
    return reader.region(level, *box)


SIDES: dict[str, Callable[[Path, int], tuple[Read, Close]]] = {
    "OpenSlide": _plain,
    "over white": _over_white,
    "direct": _direct,
}


def _timed(read: Read, boxes: list[Box]) -> float:
    """Return the processor time of one pass."""
    started = time.thread_time()
    for box in boxes:
        read(box)
    return time.thread_time() - started


def _machine() -> str:
    """Return what the figures were measured on."""
    names = ("openslide-python", "openslide-bin", "simplejpeg", "tifffile", "pillow", "numpy")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    cv2.setNumThreads(1)
    return (
        f"{platform.system()} {platform.machine()}, {usable_cores()} cores, load before: {load}; Python "
        f"{platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in names)}"
    )


if __name__ == "__main__":
    main()
