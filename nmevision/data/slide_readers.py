"""Pieces of a slide's levels as RGB, through OpenSlide, or through tifffile where OpenSlide does not read it."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nmevision.data.image_errors import COPY_AGAIN
from nmevision.errors import ImageError

Pixels = npt.NDArray[np.uint8]

CACHE_BYTES = 128 * 2**20
"""Decoded parts of a TIFF that are kept: two rows of tiles of a slide 80,000 pixels wide."""
PART_BYTES = 256 * 2**20
"""The largest part (strip or tile) of a TIFF that is decoded at once; a larger one is refused."""
_PHYSICAL = re.compile(r'PhysicalSizeX="([0-9.eE+-]+)"(?:[^>]*?PhysicalSizeXUnit="([^"]*)")?')  # OME-XML
_APERIO = re.compile(r"\|\s*MPP\s*=\s*([0-9.]+)")
_TO_MICRON = {"": 1.0, "µm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3}
_PER_UNIT = {2: 25_400.0, 3: 10_000.0}  # micrometres in TIFF 6.0's units of resolution: inch, centimetre


class Level(NamedTuple):
    """A picture of the pyramid: its size in pixels, and level-0 pixels per pixel of it."""

    width: int
    height: int
    scale: float


class SlideReader(Protocol):
    """Gives pieces of a slide.

    levels: the finest first. mpp: micrometres per level-0 pixel as (x, y), None where the file does not say.
    objective: magnification in the metadata, "" where unknown. origin: level-0 pixel of the scanned area's corner,
    from which QuPath counts.
    """

    levels: tuple[Level, ...]
    mpp: tuple[float, float] | None
    objective: str
    origin: tuple[int, int]

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Return a piece in the pixels of `level`, white outside the slide; raise ImageError where damaged."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class OpenSlideReader:
    """A slide that OpenSlide reads; vendor: its name of the format."""

    def __init__(self, path: Path) -> None:
        """Open it; OpenSlide's own errors pass."""
        import openslide

        self._openslide, self._path = openslide, path
        self._slide = openslide.OpenSlide(str(path))
        sizes, scales = self._slide.level_dimensions, self._slide.level_downsamples
        self.levels = tuple(Level(*size, float(scale)) for size, scale in zip(sizes, scales, strict=True))
        self.mpp = _openslide_mpp(self._slide.properties)
        self.objective = str(self._slide.properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER, ""))
        self.vendor = str(self._slide.properties.get(openslide.PROPERTY_NAME_VENDOR, ""))
        self.origin = _openslide_origin(self._slide.properties)

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Return a piece; after an error the slide is opened afresh, for OpenSlide reads no more of it."""
        scale = self.levels[level].scale
        try:
            corner = round(x * scale), round(y * scale)
            rgba = np.asarray(self._slide.read_region(corner, level, (width, height)))
        except self._openslide.OpenSlideError as problem:
            self._slide.close()
            self._slide = self._openslide.OpenSlide(str(self._path))
            raise ImageError(f"is damaged inside ({plain(problem)})") from None
        return over_white(rgba)

    def close(self) -> None:
        """Release the file."""
        self._slide.close()


def over_white(rgba: Pixels) -> Pixels:
    """Return RGB for RGBA: what a scanner left out is white."""
    alpha = rgba[..., 3:]
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    whole = alpha.astype(np.uint16)
    return ((rgba[..., :3] * whole + 255 * (255 - whole)) // 255).astype(np.uint8)


def plain(problem: Exception) -> str:
    """Return a library's words without any path of this machine, cut short."""
    said = " ".join(str(problem).split())
    return re.sub(r"\S*[/\\]\S*", "the file", said)[:120]


def _openslide_mpp(properties: Mapping[str, str]) -> tuple[float, float] | None:
    """Return micrometres per pixel from OpenSlide's properties, or from an OME description."""
    try:
        return float(properties["openslide.mpp-x"]), float(properties["openslide.mpp-y"])
    except (KeyError, ValueError):
        return _described_mpp(properties.get("tiff.ImageDescription", ""))


def _openslide_origin(properties: Mapping[str, str]) -> tuple[int, int]:
    """Return the corner of the area that was scanned, as OpenSlide gives it for some scanners."""
    try:
        return int(properties["openslide.bounds-x"]), int(properties["openslide.bounds-y"])
    except (KeyError, ValueError):
        return 0, 0


def _described_mpp(text: str) -> tuple[float, float] | None:
    """Return micrometres per pixel from a description: OME-XML, or Aperio's list of values."""
    found, aperio = _PHYSICAL.search(text), _APERIO.search(text)
    try:
        size = float(found[1]) * _TO_MICRON[found[2] or ""] if found else float(aperio[1]) if aperio else 0.0
    except (ValueError, KeyError):
        return None
    return (size, size) if size > 0 else None


class TiffReader:
    """A TIFF, flat or pyramidal, of which only the parts that are asked for are decoded."""

    objective = ""
    origin = (0, 0)

    def __init__(self, path: Path) -> None:
        """Open it; raise ImageError where its pixels are of a kind that is not read."""
        import tifffile

        self._file = tifffile.TiffFile(path)
        try:
            self._pages: list[Any] = _levels(self._file)
            for page in self._pages:
                _check_page(page)
        except Exception:
            self._file.close()
            raise
        first = self._pages[0]
        self.levels = tuple(
            Level(page.imagewidth, page.imagelength, first.imagewidth / page.imagewidth)
            for page in self._pages
        )
        self.mpp = _described_mpp(str(first.description)) or _tag_mpp(first.tags)
        self._parts: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._kept = 0

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """Return a piece in the pixels of `level`, white outside the slide."""
        page = self._pages[level]
        out = np.full((height, width, 3), 255, np.uint8)
        tall, wide = _part_shape(page)
        across = -(-page.imagewidth // wide)
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + width, page.imagewidth), min(y + height, page.imagelength)
        for row in range(y0 // tall, -(-y1 // tall)):
            for column in range(x0 // wide, -(-x1 // wide)):
                part = self._part(level, row * across + column)
                left, top = column * wide, row * tall
                a, b = max(x0, left), min(x1, left + part.shape[1])
                c, d = max(y0, top), min(y1, top + part.shape[0])
                if a < b and c < d:
                    out[c - y : d - y, a - x : b - x] = part[c - top : d - top, a - left : b - left]
        return out

    def _part(self, level: int, index: int) -> Pixels:
        """Return one decoded strip or tile, from memory where it was decoded lately."""
        key = level, index
        if key in self._parts:
            self._parts.move_to_end(key)
            return self._parts[key]
        part = self._decoded(self._pages[level], index)
        self._parts[key] = part
        self._kept += part.nbytes
        while self._kept > CACHE_BYTES and len(self._parts) > 1:
            self._kept -= self._parts.popitem(last=False)[1].nbytes
        return part

    def _decoded(self, page: Any, index: int) -> Pixels:
        """Decode one strip or tile; a sparse one is white."""
        tall, wide = _part_shape(page)
        try:
            offset, count = page.dataoffsets[index], page.databytecounts[index]
            if not count:
                return np.full((tall, wide, 3), 255, np.uint8)
            stream = self._file.filehandle
            stream.seek(offset)
            data = stream.read(count)
            if len(data) < count:
                raise ImageError("is cut short (an interrupted copy or download?)")
            values, _, _ = page.decode(data, index, jpegtables=page.jpegtables)
        except ImageError:
            raise
        except Exception as problem:  # every codec has its own kinds of errors
            raise ImageError(f"is damaged inside ({plain(problem)})") from None
        if values is None:
            return np.full((tall, wide, 3), 255, np.uint8)
        return _as_rgb(np.asarray(values)[0], page)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _levels(file: Any) -> list[Any]:
    """Return the first page of each level; of the file alone where its metadata describe what is not there."""
    try:
        return [level.pages[0].aspage() for level in file.series[0].levels]
    except Exception:  # tifffile raises many kinds for odd metadata
        if not len(file.pages):
            raise ImageError(
                f"is a broken slide or TIFF without any picture in it (cut short?): {COPY_AGAIN}"
            ) from None
        return [file.pages[0].aspage()]


def _part_shape(page: Any) -> tuple[int, int]:
    """Return height and width of a page's strips or tiles."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return int(min(page.rowsperstrip, page.imagelength)), int(page.imagewidth)


def _check_page(page: Any) -> None:
    """Refuse kinds of pixels that would be shown wrongly, and parts too large to decode."""
    if page.dtype is None or not page.dataoffsets or page.imagewidth < 1 or page.imagelength < 1:
        raise ImageError(f"is a broken slide or TIFF that describes no picture: {COPY_AGAIN}")
    if page.dtype.kind != "u" or page.dtype.itemsize > 2:
        raise ImageError(f"holds values of type {page.dtype}, not 8 or 16 bits: export it as 8-bit RGB TIFF")
    if page.samplesperpixel not in (1, 3, 4) or (page.planarconfig == 2 and page.samplesperpixel > 1):
        raise ImageError("holds colours in separate planes or many channels: export it as 8-bit RGB TIFF")
    tall, wide = _part_shape(page)
    size = tall * wide * page.samplesperpixel * page.dtype.itemsize
    if size > PART_BYTES:
        raise ImageError(
            f"is stored in parts of {wide} x {tall} pixels, which do not fit into memory one by one: "
            "save it as a tiled TIFF (for example `vips tiffsave --tile --pyramid`)"
        )


def _as_rgb(values: npt.NDArray[Any], page: Any) -> Pixels:
    """Return a decoded part (height x width x samples) as 8-bit RGB."""
    if values.dtype == np.uint16:
        values = values >> 8
    values = values.astype(np.uint8)
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] == 1:
        values = 255 - values if page.photometric == 0 else values
        return np.repeat(values, 3, axis=2)
    return np.ascontiguousarray(values[..., :3]) if values.shape[2] == 3 else over_white(values)


def _tag_mpp(tags: Any) -> tuple[float, float] | None:
    """Return micrometres per pixel from TIFF's resolution tags."""
    try:
        unit = _PER_UNIT[int(tags["ResolutionUnit"].value)]
        across, down = (tags[name].value for name in ("XResolution", "YResolution"))
        return unit * across[1] / across[0], unit * down[1] / down[0]
    except (KeyError, ValueError, TypeError, ZeroDivisionError, IndexError):
        return None
