"""JPEG tiles of a slide decoded straight from the file: the pixels that OpenSlide gives, without its compositing."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg  # unlike imagecodecs it tells of damage that libjpeg goes on after

from nmevision.data.slide_readers import CACHE_BYTES, PART_BYTES, OpenSlideReader, Pixels, SlideReader
from nmevision.errors import ImageError

VENDORS = ("aperio", "generic-tiff")
"""OpenSlide's names of formats whose levels are plain grids of tiles, one page of a TIFF each."""
MOST_PAGES = 64
"""Pages of a TIFF that are looked at; a scan has a dozen."""
_JPEG = 7  # TIFF's number of the compression
_RGB, _YCBCR = 2, 6  # TIFF's photometric interpretation: what the JPEG stores
_START, _END = b"\xff\xd8", b"\xff\xd9"  # of a JPEG
_NOT_YCBCR = b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(5)  # Adobe's marker: stored as it is, in RGB


@dataclass(frozen=True)
class Grid:
    """The tiles of one level, row by row.

    width, height: of the level, wide, tall: of a tile, pixels. offsets, counts: where each tile's bytes lie, and how many.
    head: what goes before each tile's bytes, without their first two, to make a whole JPEG.
    """

    width: int
    height: int
    wide: int
    tall: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    head: bytes

    @property
    def across(self) -> int:
        """Return how many tiles stand in a row."""
        return -(-self.width // self.wide)


class TileReader:
    """A slide of which the levels with a grid are read tile by tile, and the others by OpenSlide.

    Whatever is odd about a tile (missing, damaged) is left to OpenSlide too, so that it is answered as ever.
    """

    def __init__(self, path: Path, slide: OpenSlideReader, grids: list[Grid | None]) -> None:
        self.levels, self.mpp, self.objective, self.origin = (
            slide.levels,
            slide.mpp,
            slide.objective,
            slide.origin,
        )
        self.grids = grids
        self._slide = slide
        self._stream = path.open("rb", buffering=0)
        self._kept: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._bytes = 0

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Return a piece in the pixels of `level`, white outside the slide; raise ImageError where damaged."""
        grid = self.grids[level]
        found = None if grid is None else self._assembled(level, grid, x, y, width, height)
        return self._slide.region(level, x, y, width, height) if found is None else found

    def release(self) -> None:
        """Release the file, but not OpenSlide's hold of it."""
        self._stream.close()

    def close(self) -> None:
        """Release the file."""
        self.release()
        self._slide.close()

    def _assembled(self, level: int, grid: Grid, x: int, y: int, width: int, height: int) -> Pixels | None:
        """Return a piece put together from tiles, None where one cannot be had."""
        wide, tall = grid.wide, grid.tall
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, grid.width), min(y + height, grid.height)
        inside = (x0, y0, x1, y1) == (x, y, x + width, y + height)
        if inside and (width, height) == (wide, tall) and not x % wide and not y % tall:
            return self._tile(level, grid, y // tall * grid.across + x // wide, keep=False)
        out = np.empty((height, width, 3), np.uint8) if inside else np.full((height, width, 3), 255, np.uint8)
        if x0 >= x1 or y0 >= y1:
            return out
        for row in range(y0 // tall, -(-y1 // tall)):
            for column in range(x0 // wide, -(-x1 // wide)):
                tile = self._tile(level, grid, row * grid.across + column)
                if tile is None:
                    return None
                left, top = column * wide, row * tall
                a, b, c, d = max(x0, left), min(x1, left + wide), max(y0, top), min(y1, top + tall)
                out[c - y : d - y, a - x : b - x] = tile[c - top : d - top, a - left : b - left]
        return out

    def _tile(self, level: int, grid: Grid, index: int, keep: bool = True) -> Pixels | None:
        """Return one decoded tile, from memory where it was decoded lately; `keep` it there.

        One that is not kept is the caller's own.
        """
        key = level, index
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known if keep else known.copy()
        tile = self._decoded(grid, index)
        if tile is not None and keep:
            self._kept[key] = tile
            self._bytes += tile.nbytes
            while self._bytes > CACHE_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return tile

    def _decoded(self, grid: Grid, index: int) -> Pixels | None:
        """Decode one tile; None where it is missing, cut, damaged or not of the size that it should have."""
        count = grid.counts[index]
        if not 0 < count <= PART_BYTES:
            return None
        out = np.empty((grid.tall, grid.wide, 3), np.uint8)
        try:
            self._stream.seek(grid.offsets[index])
            data = self._stream.read(count)
            if len(data) < count:
                return None
            whole = grid.head + data[len(_START) :]
            found = simplejpeg.decode_jpeg(
                whole, "RGB", fastdct=False, fastupsample=False, buffer=out, strict=True
            )
        except Exception:  # OpenSlide is asked, which says what is wrong
            return None
        return out if found.shape == out.shape else None


def faster(path: Path, slide: OpenSlideReader) -> SlideReader:
    """Return a reader of the same pixels that decodes JPEG tiles itself, or `slide` where no level can be read so.

    Each level is tried on its fullest tile first: only where every pixel is OpenSlide's it is read directly. A level
    whose scale is no whole number is left to OpenSlide, which shifts it by parts of a pixel.
    """
    if slide.vendor not in VENDORS:
        return slide
    reader = None
    try:
        reader = TileReader(path, slide, _grids(path, slide))
        reader.grids = [
            grid if _agrees(reader, slide, level) else None for level, grid in enumerate(reader.grids)
        ]
    except Exception:  # tifffile raises a dozen kinds for files that OpenSlide reads
        pass
    else:
        if any(reader.grids):
            return reader
    if reader is not None:
        reader.release()
    return slide


def _grids(path: Path, slide: OpenSlideReader) -> list[Grid | None]:
    """Return the grid of each of OpenSlide's levels, None where it has none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        by_size: dict[tuple[int, int], Grid] = {}
        for page in itertools.islice(file.pages, MOST_PAGES):
            grid = _grid(page)
            if grid is not None:
                by_size.setdefault((grid.width, grid.height), grid)
    return [
        by_size.get((level.width, level.height)) if float(level.scale).is_integer() else None
        for level in slide.levels
    ]


def _grid(page: Any) -> Grid | None:
    """Return a page's grid, None where it is not one of 8-bit colour JPEG tiles."""
    if not page.is_tiled or page.compression != _JPEG or page.photometric not in (_RGB, _YCBCR):
        return None
    if page.dtype != np.uint8 or page.samplesperpixel != 3 or page.planarconfig != 1 or page.tiledepth > 1:
        return None
    grid = Grid(
        int(page.imagewidth),
        int(page.imagelength),
        int(page.tilewidth),
        int(page.tilelength),
        tuple(page.dataoffsets),
        tuple(page.databytecounts),
        _head(page),
    )
    whole = grid.across * -(-grid.height // grid.tall) == len(grid.offsets) == len(grid.counts)
    return grid if whole and 3 * grid.wide * grid.tall <= PART_BYTES else None


def _head(page: Any) -> bytes:
    """Return a page's shared JPEG tables as the head of each tile, with what TIFF alone knows: the colours stored."""
    tables = page.jpegtables or _START + _END
    return _START + (_NOT_YCBCR if page.photometric == _RGB else b"") + tables[len(_START) : -len(_END)]


def _agrees(reader: TileReader, slide: OpenSlideReader, level: int) -> bool:
    """Tell whether a level's fullest tile has OpenSlide's pixels."""
    grid = reader.grids[level]
    if grid is None:
        return False
    row, column = divmod(int(np.argmax(grid.counts)), grid.across)
    mine = reader._tile(level, grid, row * grid.across + column, keep=False)
    try:
        theirs = slide.region(level, column * grid.wide, row * grid.tall, grid.wide, grid.tall)
    except ImageError:
        return False
    high, wide = (
        min(grid.tall, grid.height - row * grid.tall),
        min(grid.wide, grid.width - column * grid.wide),
    )
    return mine is not None and np.array_equal(mine[:high, :wide], theirs[:high, :wide])
