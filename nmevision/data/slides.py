"""A whole slide: opened and judged, its scale as the file tells it, and any area of it at any resolution.

Integrity comes first, so that a broken file is called broken and not "without resolution"; then the scale, which is
never assumed. Damaged files can end the native libraries: `slide_process` runs this module in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmevision.data.dicom import is_whole_slide
from nmevision.data.file_kinds import HEAD_BYTES, SLIDE_SUFFIXES, image_kind, is_dicom, why_no_image
from nmevision.data.image_errors import COPY_AGAIN, check_regular_file
from nmevision.data.slide_readers import OpenSlideReader, Pixels, SlideReader, TiffReader, plain
from nmevision.data.slide_tiles import faster
from nmevision.data.tiff_head import is_pyramid, pages_of
from nmevision.errors import ImageError

SLIDE_MPP = (0.05, 10.0)
"""Micrometres per pixel that a microscope makes. TIFFs of other programs tell of paper: 72 to 1200 dots per inch are
353 to 21."""
LARGE_FIELD = 50_000_000
"""Pixels from which a flat TIFF is read in tiles: no camera on a microscope has as many; seen whole by a network,
nothing would be left of its cells."""
MOST_AREA = 40_000_000_000
"""Pixels of the level that the overview is made of; more is no scan but a damaged header."""
OVERVIEW_SIDE = (256, 2048)
"""Least and greatest longer side of an overview, pixels."""
OVERVIEW_STEPS = 64
"""Pixels of an overview along one tile, within OVERVIEW_SIDE: about 6 micrometres each, a cell."""
_BLOCK = 2048  # pixels of a level that are read at once for the overview: 12 MB
_LEAST_BLOCK = 256  # pixels: of a damaged block that is not looked into further; a tile of most scanners
_UNEVEN = 0.02  # relative difference of mpp in x and y that is worth a word
_OTHER_SCALE = 0.1  # relative difference between two statements of the scale that is


def is_slide(path: Path, modality: str = "histology") -> bool:
    """Tell whether a file is read in tiles (a whole slide), by its name and its first bytes; missing ones by name.

    modality: of the model. A huge flat TIFF is read in tiles for `histology` only.
    """
    suffix = path.suffix.lower()
    if suffix in SLIDE_SUFFIXES - {".dcm"}:
        return True
    if not path.is_file():
        return False
    if suffix == ".dcm" or suffix not in SLIDE_SUFFIXES | {".tif", ".tiff"}:
        return is_dicom(path) and is_whole_slide(path)
    pages = pages_of(path)
    largest = max((page.area for page in pages), default=0)
    return is_pyramid(pages) or (modality == "histology" and largest > LARGE_FIELD)


@dataclass(frozen=True)
class Slide:
    """An open slide.

    mpp: micrometres per level-0 pixel, None where nobody said. notes: what its row has to say.
    """

    name: str
    reader: SlideReader
    mpp: float | None
    notes: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in level-0 pixels."""
        return self.reader.levels[0].width, self.reader.levels[0].height

    def area(self, x: float, y: float, side: float, pixels: int) -> Pixels:
        """Return a square of `side` level-0 pixels from (x, y) as pixels x pixels RGB, white outside the slide.

        Raises ImageError where that part of the file is damaged.
        """
        level = self._level_for(side / pixels)
        scale = self.reader.levels[level].scale
        wide = max(1, round(side / scale))
        found = self.reader.region(level, round(x / scale), round(y / scale), wide, wide)
        return resized(found, pixels, pixels)

    def overview(self, tile: int, busy: Callable[[], None] = lambda: None) -> Pixels:
        """Return the whole slide small, read block by block; `busy` is called after each.

        tile: side of the tiles that will be looked for, level-0 pixels.
        Raises ImageError where no part of it can be read.
        """
        width, height = self.size
        longest = max(width, height)
        side = min(longest, int(np.clip(longest * OVERVIEW_STEPS / tile, *OVERVIEW_SIDE)))
        small = max(1, round(width * side / longest)), max(1, round(height * side / longest))
        index = self._level_for(longest / side)
        level = self.reader.levels[index]
        step = max(1, int(_BLOCK * side / max(level.width, level.height)))
        out = np.full((small[1], small[0], 3), 255, np.uint8)
        damage: list[ImageError] = []
        read = 0
        for top in range(0, small[1], step):
            for left in range(0, small[0], step):
                box = left, top, min(left + step, small[0]), min(top + step, small[1])
                read += self._fill(out, index, box, damage)
                busy()
        if damage and not read:
            raise ImageError(f"{self.name!r} {damage[0]}: no part of it can be read; {COPY_AGAIN}")
        return out

    def _fill(self, out: Pixels, index: int, box: tuple[int, int, int, int], damage: list[ImageError]) -> int:
        """Read a box (left, top, right, below) of an overview, around what is damaged; return how many pixels."""
        level, (height, width) = self.reader.levels[index], out.shape[:2]
        left, top, right, below = box
        x, y = left * level.width // width, top * level.height // height
        wide = max(1, right * level.width // width - x)
        high = max(1, below * level.height // height - y)
        try:
            piece = self.reader.region(index, x, y, wide, high)
        except ImageError as problem:
            damage.append(problem)
            middle = (left + right) // 2, (top + below) // 2
            if max(wide, high) <= _LEAST_BLOCK or min(right - left, below - top) < 2:
                return 0
            columns, rows = ((left, middle[0]), (middle[0], right)), ((top, middle[1]), (middle[1], below))
            return sum(self._fill(out, index, (a, c, b, d), damage) for a, b in columns for c, d in rows)
        out[top:below, left:right] = resized(piece, right - left, below - top)
        return (right - left) * (below - top)

    def _level_for(self, scale: float) -> int:
        """Return the coarsest level that is at least as fine as `scale` level-0 pixels per pixel."""
        fine = [i for i, level in enumerate(self.reader.levels) if level.scale <= scale * 1.01]
        return max(fine, default=0, key=lambda i: self.reader.levels[i].scale)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return RGB pixels at another size, averaged where they shrink."""
    if pixels.shape[:2] == (height, width):
        return pixels
    import cv2  # only in the process that reads slides

    shrinks = pixels.shape[0] >= height and pixels.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)


def open_slide(path: Path, given: float | None = None, given_by: str = "") -> Slide:
    """Open a slide and judge it: first whether it is whole, then its scale.

    given: micrometres per pixel where the file does not say, and given_by who says so (such as "the manifest").
    Raises ImageError with the file's name, what is wrong with it and what to do.
    """
    path = Path(path)
    try:
        check_regular_file(path)
        reader, odd = _reader(path)
    except ImageError as problem:
        raise ImageError(f"{path.name!r} {problem}") from None
    except PermissionError:
        raise ImageError(f"{path.name!r} may not be read by this user: ask for read permission") from None
    except OSError as problem:
        words = f"could not be read ({problem.strerror}): check the disk or network drive it lies on"
        raise ImageError(f"{path.name!r} {words}") from None
    mpp, notes = _scale(reader, given, given_by)
    return Slide(path.name, reader, mpp, (*odd, *notes))


def _reader(path: Path) -> tuple[SlideReader, tuple[str, ...]]:
    """Return what reads the file, after looking into its levels, and notes; raise ImageError in words."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    kind = image_kind(head)
    notes: tuple[str, ...] = ()
    try:
        reader: SlideReader = faster(path, OpenSlideReader(path))
    except Exception as problem:  # OpenSlide's errors, and ctypes' where the library is missing
        said = plain(problem)
        if kind != "TIFF":
            raise ImageError(_broken(path, head, said)) from None
        try:
            reader = TiffReader(path)
        except ImageError:
            raise
        except Exception as second:  # tifffile raises a dozen kinds for damaged files
            own = (
                plain(second) if type(second).__name__ == "TiffFileError" else said
            )  # others speak of Python
            raise ImageError(f"is a broken slide or TIFF ({own}): {COPY_AGAIN}") from None
        if path.suffix.lower() in SLIDE_SUFFIXES:
            notes = (f"damaged or incomplete as {path.suffix} ({said}): read as a plain TIFF",)
    try:
        _check_levels(reader)
    except ImageError:
        reader.close()
        raise
    return reader, notes


def _broken(path: Path, head: bytes, said: str) -> str:
    """Return why a file that is no TIFF is no slide either."""
    if path.suffix.lower() == ".mrxs":
        return (
            f"cannot be read ({said}): a MIRAX slide is the .mrxs file and a folder of the same name beside it; "
            "copy both, unchanged"
        )
    if head[128:132] == b"DICM":
        return f"is a whole slide in DICOM that cannot be read (a damaged or missing part?): {COPY_AGAIN}"
    if image_kind(head) or path.suffix.lower() in (".vms", ".vmu"):
        return f"is named like a whole slide and cannot be read as one ({said}): {COPY_AGAIN}"
    return f"is a broken slide: it {why_no_image(head)}"


def _check_levels(reader: SlideReader) -> None:
    """Refuse sizes that no slide has, and a slide of which neither end of the overview can be read."""
    for level in reader.levels:
        if level.width < 1 or level.height < 1 or not 0 < level.scale < 1e6:
            raise ImageError(f"is damaged: a level of {level.width} x {level.height} pixels: {COPY_AGAIN}")
    last = reader.levels[-1]
    if last.width * last.height > MOST_AREA:
        raise ImageError(
            f"claims {last.width} x {last.height} pixels in one level, more than any scan "
            f"(a damaged header?): {COPY_AGAIN}, or save it as a pyramid"
        )


def _scale(reader: SlideReader, given: float | None, given_by: str) -> tuple[float | None, tuple[str, ...]]:
    """Return micrometres per pixel and what there is to say of it."""
    low, high = SLIDE_MPP
    stored = reader.mpp
    notes = []
    if stored is not None and not all(low <= one <= high for one in stored):
        notes.append(
            f"its metadata say {stored[0]:.4g} micrometres per pixel, which no microscope makes: not used"
        )
        stored = None
    if stored is None:
        if given is not None:
            return given, (*notes, f"scale {given:g} micrometres per pixel by {given_by}")
        hint = f" (a {reader.objective}x objective is no measure)" if reader.objective else ""
        notes.append(
            f"scale unknown: no micrometres per pixel in the file{hint}; give --mpp or the manifest's column mpp"
        )
        return None, tuple(notes)
    across, down = stored
    if abs(across - down) > _UNEVEN * across:
        notes.append(f"pixels are not square ({across:.4g} x {down:.4g} micrometres)")
    mpp = float(np.sqrt(across * down))
    if given is not None and abs(given - mpp) > _OTHER_SCALE * mpp:
        notes.append(
            f"{given_by} says {given:g} micrometres per pixel, the file {mpp:.4g}: the file's was used"
        )
    return mpp, tuple(notes)
