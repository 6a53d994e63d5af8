"""The one place where an image file becomes pixels, for training and for prediction.

A file is known by its first bytes, not by its name; its size is judged before its pixels are decoded,
by this module's own limit: Pillow's readers are used directly, so that Pillow's process-wide limit
neither applies nor is touched. What cannot be read says why in plain words. Only pixels and notes leave:
no EXIF, no GPS, no names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, features
from PIL import WebPImagePlugin as WebP
from PIL import __version__ as pillow_version

from nmevision.data.dicom import read_dicom
from nmevision.data.file_kinds import (
    FORMAT_OF_SUFFIX,
    HEAD_BYTES,
    IMAGE_SUFFIXES,
    SLIDE_SUFFIXES,
    SLIDE_WORDS,
    image_kind,
    why_no_image,
)
from nmevision.data.folder_scan import FoundFiles, find_images, text_of_path
from nmevision.data.image_errors import COPY_AGAIN, EXPORT_8_BIT, check_regular_file, plain_words
from nmevision.data.image_notes import NEARLY_BLANK, SMALL_SIDE, notes_about, spread_of
from nmevision.data.jpeg import VERSION as JPEG_VERSION
from nmevision.data.jpeg import decode_jpeg
from nmevision.errors import ImageError

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "SLIDE_SUFFIXES",
    "DecodedImage",
    "FoundFiles",
    "decoder_version",
    "find_images",
    "read_image",
    "text_of_path",
]

Pixels = npt.NDArray[np.uint8]

DEFAULT_MAX_PIXELS = 200_000_000
"""Largest image decoded unless the caller says otherwise: about 14 000 x 14 000, 600 MB as RGB."""

DECODER = 2
"""Raised whenever the same file comes to give other pixels: those that were kept on disk are then made anew."""

_MAX_PAGES = 500  # pages of a TIFF that are looked at: a longer chain is odd, and walking it takes seconds

_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # TIFF 6.0 tag and value: 0 is white
_IMAGE_WIDTH, _IMAGE_LENGTH, _PLANAR, _SEPARATE_PLANES = 256, 257, 284, 2  # TIFF 6.0
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF 6.0
_ORIENTATION = 0x0112  # EXIF 2.3 tag
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NO_RANGE = f"so that black and white are not known: {EXPORT_8_BIT}"


Shrink = Callable[[int, int], float]
"""Maps an image's height and width (pixels) to how many times smaller its reader can do with."""


@dataclass(frozen=True)
class DecodedImage:
    """The pixels of one image file, upright, and what a reader should know about them.

    Attributes:
        pixels: RGB, uint8, height x width x 3; may be read-only.
        notes: short sentences that make the image's row `flagged`; empty for an ordinary image.
    """

    pixels: Pixels
    notes: tuple[str, ...]


@cache
def decoder_version() -> str:
    """Return all that decides an image's pixels beside its file: the versions of this module and of those it decodes with."""
    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return f"{DECODER}, Pillow {pillow_version}, libjpeg {jpeg}, simplejpeg {JPEG_VERSION}"


def read_image(
    path: Path, max_pixels: int = DEFAULT_MAX_PIXELS, shrink: Shrink | None = None
) -> DecodedImage:
    """Decode an image file to upright 8-bit RGB; safe to call from several threads.

    Read are JPEG, PNG, TIFF, WebP, BMP and DICOM photographs, whatever the name says: grey, palette, CMYK
    and 16-bit values (scaled by the range of their type, never by their own maximum) become RGB, transparency
    is laid over white, EXIF orientation is applied. Of several pages the largest is read, and noted.

    Args:
        path: the file.
        max_pixels: the largest width x height that is decoded.
        shrink: how much smaller the picture may come out: a JPEG is then decoded at once to a half, a quarter
            or an eighth of its size, never below what was asked for. Notes and errors stay those of the whole.

    Raises:
        ImageError: the file is missing, cut short, damaged, too large or not an image; the message
            names the file (without its folder), what was found and what to do.
    """
    path = Path(path)
    try:
        check_regular_file(path)
        suffix = path.suffix.lower()
        if suffix in SLIDE_SUFFIXES - {".dcm"}:
            raise ImageError(SLIDE_WORDS)
        with path.open("rb") as stream:
            return _decode(stream, suffix, max_pixels, shrink)
    except ImageError as error:
        words = str(error)
    except MemoryError:
        words = "needs more memory than there is: export a smaller field, or fewer pixels per millimetre"
    except PermissionError:
        words = "may not be read by this user: ask for read permission"
    except OSError as error:
        words = f"could not be read ({error.strerror}): check the disk or network drive it lies on"
    except ValueError:  # from the operating system's door: decoding has its own words
        words = "has a name that cannot be used (it holds a zero byte): rename it"
    raise ImageError(f"{path.name!r} {words}") from None


def _decode(stream: IO[bytes], suffix: str, max_pixels: int, shrink: Shrink | None) -> DecodedImage:
    """Decode an open file; every failure of Pillow's becomes an ImageError in words."""
    head = stream.read(HEAD_BYTES)
    kind = image_kind(head)
    if kind is None:
        raise ImageError(why_no_image(head))
    promised = FORMAT_OF_SUFFIX.get(suffix, kind)
    notes = [f"named {suffix} but holds {kind}"] if promised != kind else []
    if kind == "DICOM":
        pixels, bits, said = read_dicom(stream, max_pixels)
        return DecodedImage(pixels, (*notes, *said, *notes_about(pixels, bits, spread_of(pixels))))
    try:
        image = _open(stream, kind, max_pixels, notes)
        bits = _bits_per_value(image)
        factor = _smaller_by(image, shrink)
        quick = _jpeg_pixels(stream, image, factor, notes)
        pixels = _loaded(image, factor, bits, notes) if quick is None else quick
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow raises a dozen kinds for damaged files; each means "unreadable"
        raise ImageError(plain_words(kind, error)) from error
    spread = spread_of(pixels)
    if factor > 1 and spread < NEARLY_BLANK:
        stream.seek(0)
        return _decode(stream, suffix, max_pixels, None)
    notes += notes_about(pixels, bits, spread)
    return DecodedImage(pixels, tuple(notes))


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """Pillow's TIFF reader without Pillow's process-wide pixel limit; `max_pixels` was applied before."""

    def load_prepare(self) -> None:
        """Make room for the pixels as stored (that is, before any turning)."""
        self.im = Image.core.new(self.mode, (self.tag_v2[_IMAGE_WIDTH], self.tag_v2[_IMAGE_LENGTH]))
        ImageFile.ImageFile.load_prepare(self)


_READERS: dict[str, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": _TiffFile,
    "WebP": WebP.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}


def _open(stream: IO[bytes], kind: str, max_pixels: int, notes: list[str]) -> ImageFile.ImageFile:
    """Read an image's header and choose its page; its pixels are not decoded yet."""
    image = _reopen(stream, kind)
    if isinstance(image, _TiffFile):
        image = _largest_page(stream, image, notes)
    elif getattr(image, "n_frames", 1) > 1:
        notes.append(f"page 1 of {getattr(image, 'n_frames', 1)} was read (an animation)")
    _check_size(image, max_pixels)
    if isinstance(image, _TiffFile):
        _check_tiff_layout(image)
    if kind == "PNG":
        image.verify()  # Pillow's decoder skips the checksums of the pixel data
        image = _reopen(stream, kind)
    return image


def _smaller_by(image: ImageFile.ImageFile, shrink: Shrink | None) -> int:
    """Return 2, 4 or 8 for a JPEG of which a half, a quarter or an eighth of its size is enough, else 1.

    libjpeg then leaves out the highest frequencies of each block of 8 x 8 pixels, which averages areas.
    """
    if shrink is None or not isinstance(image, JpegImagePlugin.JpegImageFile):
        return 1
    width, height = image.size
    most = min(shrink(height, width), shrink(width, height))  # EXIF may turn it
    most = min(most, min(width, height) / SMALL_SIDE)  # none becomes small that was not
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)


def _jpeg_pixels(
    stream: IO[bytes], image: ImageFile.ImageFile, factor: int, notes: list[str]
) -> Pixels | None:
    """Return the upright pixels of an ordinary JPEG, decoded at 1/`factor` of its size; None for all else."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    pixels = decode_jpeg(stream, *image.size, factor)
    if pixels is None:
        return None
    turn = _turn_of(image, notes)
    return pixels if turn is None else np.asarray(_turned(Image.fromarray(pixels), turn))


def _check_size(image: ImageFile.ImageFile, max_pixels: int) -> None:
    """Refuse more pixels than `max_pixels`, in the picture or in one tile: a tile may be the larger."""
    what, (width, height) = "", image.size
    if isinstance(image, _TiffFile) and _TILE_WIDTH in image.tag_v2:
        tile = image.tag_v2[_TILE_WIDTH], image.tag_v2[_TILE_LENGTH]
        if tile[0] * tile[1] > width * height:
            what, (width, height) = "a tile of ", tile
    if width * height > max_pixels:
        raise ImageError(
            f"has {what}{width} x {height} pixels, more than the limit of {max_pixels}: export a smaller "
            f"field, or allow more with --max-pixels {width * height} (each million takes 3 MB of memory)"
        )


def _reopen(stream: IO[bytes], kind: str) -> ImageFile.ImageFile:
    stream.seek(0)
    return _READERS[kind](stream)


def _largest_page(stream: IO[bytes], image: _TiffFile, notes: list[str]) -> _TiffFile:
    """Return the TIFF at its largest page (the first of equals), noting that there are others."""
    areas = [image.width * image.height]
    broken = False
    try:
        while len(areas) < _MAX_PAGES:
            image.seek(len(areas))
            areas.append(image.width * image.height)
    except EOFError:
        pass
    except Exception:  # any damage of a later page: the pages before it are whole
        broken = True
    if len(areas) == 1 and not broken:
        return image
    best = areas.index(max(areas))
    largest = " (the largest)" if min(areas) < max(areas) else ""
    if broken:
        notes.append(
            f"page {best + 1} was read{largest}; page {len(areas) + 1} is damaged or of another kind"
        )
    else:
        more = " or more" if len(areas) == _MAX_PAGES else ""
        notes.append(f"page {best + 1} of {len(areas)}{more} was read{largest}")
    stream.seek(0)
    chosen = _TiffFile(stream)  # afresh: a page that failed leaves the reader between two pages
    chosen.seek(best)
    return chosen


def _check_tiff_layout(image: _TiffFile) -> None:
    """Refuse two TIFFs that Pillow would decode to wrong or missing pixels without a word."""
    if image.tile[0].codec_name != "raw":
        return
    separate = image.tag_v2.get(_PLANAR, 1) == _SEPARATE_PLANES
    if separate and max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8:
        raise ImageError(f"is a 16-bit TIFF with separate colour planes, which is not read: {EXPORT_8_BIT}")
    planes = len(image.getbands()) if separate else 1
    boxes = [tile.extents for tile in image.tile if tile.extents is not None]
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    if covered < planes * image.width * image.height:
        raise ImageError(f"is a damaged TIFF (parts of its picture are missing): {COPY_AGAIN}")


def _bits_per_value(image: ImageFile.ImageFile) -> int:
    """Return the bits of each stored value (8, 12 or 16), which Pillow may have cut to 8 on reading."""
    if not isinstance(image, _TiffFile | PngImagePlugin.PngImageFile):
        return 8  # BMP's "16" is three values of 5 or 6 bits
    args = image.tile[0].args
    raw_mode = args if isinstance(args, str) else str(args[0]) if args else ""
    return 16 if ";16" in raw_mode else 12 if ";12" in raw_mode else 8


def _turn_of(image: ImageFile.ImageFile, notes: list[str]) -> Image.Transpose | None:
    """Return how an image must be turned as its EXIF orientation asks."""
    try:
        exif = image.getexif()
        if not len(exif) and image.info.get("exif"):
            Image.Exif().load(image.info["exif"])  # the JPEG reader may have swallowed its error
        return _TO_UPRIGHT.get(exif.get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF raises as many kinds as damaged pixels, and the pixels are whole
        notes.append("its EXIF data is damaged: shown as stored, perhaps turned")
        return None


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)


def _loaded(image: ImageFile.ImageFile, factor: int, bits: int, notes: list[str]) -> Pixels:
    """Decode an image that Pillow has opened, a JPEG at 1/`factor` of its size, to upright RGB."""
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    return _rgb_pixels(_turned(image, _turn_of(image, notes)), image, bits)


def _rgb_pixels(upright: Image.Image, source: ImageFile.ImageFile, bits: int) -> Pixels:
    """Turn a loaded image of any of Pillow's modes into RGB."""
    mode = upright.mode
    if mode == "RGB" and not upright.has_transparency_data:
        return np.asarray(upright)
    if mode.startswith("I;16"):
        grey = (np.asarray(upright) >> (bits - 8)).astype(np.uint8)
        if isinstance(source, _TiffFile) and source.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            grey = 255 - grey  # Pillow does this for 8 bits and fewer only
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if mode == "F":
        raise ImageError(f"holds decimal numbers (floating point), {_NO_RANGE}")
    if mode == "I":
        raise ImageError(f"holds 32-bit or signed numbers, {_NO_RANGE}")
    if mode == "LAB":
        raise ImageError(f"holds CIE Lab colours, which are not read: {EXPORT_8_BIT}")
    if upright.has_transparency_data:
        rgba = (upright.convert("LA") if mode == "La" else upright).convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(upright.convert("RGB"))
