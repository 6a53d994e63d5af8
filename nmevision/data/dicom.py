"""DICOM: photographs and microscope fields of one frame as pixels, and which files are parts of one whole slide.

Nothing but pixels, sizes and notes leaves this module: no name, number or date of a patient is ever read out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nmevision.data.file_kinds import is_dicom
from nmevision.data.image_errors import COPY_AGAIN, EXPORT_8_BIT
from nmevision.errors import ImageError

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
PHOTOGRAPHS = {
    "1.2.840.10008.5.1.4.1.1.77.1.1": "VL endoscopic",
    "1.2.840.10008.5.1.4.1.1.77.1.2": "VL microscopic",
    "1.2.840.10008.5.1.4.1.1.77.1.3": "VL slide-coordinates microscopic",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VL photographic",
    "1.2.840.10008.5.1.4.1.1.77.1.7": "dermoscopic photography",
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "multi-frame grayscale byte secondary capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "multi-frame true colour secondary capture",
}
"""Kinds of DICOM images (SOP classes, PS3.4 B.5) that show what a camera saw."""
_PARTS = ["SOPClassUID", "SeriesInstanceUID", "TotalPixelMatrixColumns", "ImageType"]

Pixels = npt.NDArray[np.uint8]


def is_whole_slide(path: Path) -> bool:
    """Tell whether a DICOM file is (a level of) a whole slide; False where it cannot be read."""
    return _header(path).get("SOPClassUID") == WHOLE_SLIDE


def slide_parts(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return, for DICOM files that are further levels, labels or overviews of a slide, the file that stands for it.

    That is the file with the finest picture among those of one series in one folder; OpenSlide finds the others.
    """
    series: dict[tuple[Path, str], list[tuple[int, str, Path]]] = {}
    for path in paths:
        if path.suffix.lower() == ".dcm" and is_dicom(path):
            found = _header(path)
            if found.get("SOPClassUID") == WHOLE_SLIDE and found.get("SeriesInstanceUID"):
                is_volume = "VOLUME" in found.get("ImageType", "")
                size = int(found.get("TotalPixelMatrixColumns") or 0) if is_volume else 0
                key = path.parent, found["SeriesInstanceUID"]
                series.setdefault(key, []).append((-size, path.name, path))
    return {path: min(files)[2] for files in series.values() for _, _, path in files if path != min(files)[2]}


def _header(path: Path) -> dict[str, str]:
    """Return the few tags that tell what a file is; {} where it is no DICOM file."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_PARTS))
            return {name: str(found.get(name, "")) for name in _PARTS}
    except Exception:  # pydicom raises many kinds for damaged files; reading the pixels says what is wrong
        return {}


def read_dicom(stream: IO[bytes], max_pixels: int) -> tuple[Pixels, int, list[str]]:
    """Return a DICOM image's pixels (RGB, uint8), its bits per value and notes.

    Raises ImageError, in words without the file's name.
    """
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stream.seek(0)
            found = pydicom.dcmread(stream)
            notes = _judge(found, max_pixels)
            return (*_pixels(found), notes)
    except (ImageError, MemoryError):
        raise
    except Exception as problem:  # its own words may repeat what stands in the tags: they stay here
        raise ImageError(
            f"is a damaged DICOM file, or one compressed in a way that is not read "
            f"({type(problem).__name__}): {COPY_AGAIN}, or {EXPORT_8_BIT}"
        ) from None


def _judge(found: Any, max_pixels: int) -> list[str]:
    """Refuse what is no picture of a camera or too large; return notes."""
    kind = str(found.get("SOPClassUID", ""))
    if kind not in PHOTOGRAPHS:
        what = (
            "a whole slide" if kind == WHOLE_SLIDE else "another kind of DICOM object (a scan, a report, ...)"
        )
        raise ImageError(f"is {what}, not a photograph or a microscope field: leave it out")
    width, height = int(found.Columns), int(found.Rows)
    frames = int(found.get("NumberOfFrames") or 1)
    if width < 1 or height < 1:
        raise ImageError(f"is a damaged DICOM file whose picture has no size: {COPY_AGAIN}")
    if width * height * frames > max_pixels:
        raise ImageError(
            f"has {width} x {height} pixels in {frames} frames, more than the limit of {max_pixels}: export a "
            f"smaller field, or allow more with --max-pixels {width * height * frames}"
        )
    notes = [f"frame 1 of {frames} was read"] if frames > 1 else []
    if str(found.get("BurnedInAnnotation", "")).upper() == "YES":
        notes.append("its DICOM tags say that text is burned into the picture (perhaps a patient's name)")
    return notes


def _pixels(found: Any) -> tuple[Pixels, int]:
    """Return the first frame as 8-bit RGB, and the bits that were stored."""
    from pydicom.pixels import apply_color_lut, pixel_array

    values = np.asarray(pixel_array(found, index=0))
    bits = int(found.get("BitsStored") or 8)
    photometric = str(found.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR":
        values, bits = np.asarray(apply_color_lut(values, found)), 16
        values = values.astype(np.uint16)
        if values.max() < 256:  # a table of 8-bit colours
            bits = 8
    if int(found.get("PixelRepresentation") or 0) or values.dtype.kind != "u":
        raise ImageError(f"holds signed numbers, so that black and white are not known: {EXPORT_8_BIT}")
    values = (values >> max(0, bits - 8)).astype(np.uint8)
    if values.ndim == 2:
        values = 255 - values if photometric == "MONOCHROME1" else values
        values = np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(values[..., :3]), bits
