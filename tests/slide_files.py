"""Small whole slides with known pixels: pyramids and flat TIFFs through tifffile, DICOM through pydicom."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

Pixels = NDArray[np.uint8]
PATIENT = "Mustermann^Erika"
"""Stands in every DICOM file written here, and must stand in no output."""
GLASS, PINK, PURPLE = (243, 242, 244), (225, 130, 180), (120, 70, 150)


def skin(width: int = 1200, height: int = 800, thick: int = 100) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return a picture of one strip of skin (purple surface above, pink below) on glass, and where it is."""
    rng = np.random.default_rng(3)
    pixels = np.empty((height, width, 3), np.float32)
    pixels[:] = GLASS
    mask = np.zeros((height, width), bool)
    top, bottom, left, right = height // 4, 3 * height // 4, width // 8, 7 * width // 8
    mask[top:bottom, left:right] = True
    pixels[top:bottom, left:right] = PINK
    pixels[top : top + thick, left:right] = PURPLE
    noise = rng.normal(0, 14, (height, width, 1)).astype(np.float32) * mask[..., None] + rng.normal(
        0, 1, pixels.shape
    )
    return np.clip(pixels + noise, 0, 255).astype(np.uint8), mask


def write_pyramid(
    path: Path, pixels: Pixels, mpp: float | None = 0.5, levels: int = 3, **options: Any
) -> Path:
    """Write a tiled pyramidal TIFF, each level half the one before."""
    resolution = {} if mpp is None else {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level in range(levels):
            part = np.asarray(Image.fromarray(pixels).reduce(2**level))
            writer.write(
                part, tile=(128, 128), photometric="rgb", subfiletype=int(level > 0), metadata=None,
                **(resolution if level == 0 else {}), **options,
            )  # fmt: skip
    return path


def write_flat(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write a TIFF of one page in strips."""
    tifffile.imwrite(path, pixels, **{"rowsperstrip": 64, "compression": "zlib", "metadata": None} | options)
    return path


def _dicom(path: Path, kind: str, syntax: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = kind, syntax
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    found = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    found.PatientName, found.PatientID, found.PatientBirthDate = PATIENT, "4711", "19000101"
    found.Modality = "SM"
    return found


def write_dicom_photo(
    path: Path,
    values: NDArray[Any],
    kind: str = "1.2.840.10008.5.1.4.1.1.77.1.4",
    jpeg: bool = False,
    **tags: Any,
) -> Path:
    """Write a single-frame DICOM image of grey or RGB values, uint8 or uint16."""
    found = _dicom(path, kind, JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian)
    found.Rows, found.Columns = values.shape[:2]
    found.SamplesPerPixel = 3 if values.ndim == 3 else 1
    found.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    found.BitsAllocated = 8 * values.dtype.itemsize
    found.BitsStored, found.PixelRepresentation = found.BitsAllocated, 0
    if values.ndim == 3:
        found.PlanarConfiguration = 0
    if jpeg:
        found.PhotometricInterpretation = "YBR_FULL_422"
        found.PixelData = encapsulate([_jpeg(values)])
    else:
        data = values.tobytes()
        found.PixelData = data + b"\0" * (len(data) % 2)
        found["PixelData"].VR = "OB" if values.dtype == np.uint8 else "OW"
    for name, value in tags.items():
        setattr(found, name, value)
        if name == "BitsStored":
            found.HighBit = value - 1
    found.setdefault("HighBit", found.BitsStored - 1)
    found.save_as(path, enforce_file_format=True)
    return path


def _jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def write_dicom_slide(
    path: Path, pixels: Pixels, mpp: float, series: str, scale: int = 1, tile: int = 128
) -> Path:
    """Write one level of a DICOM whole slide (tiles in rows, JPEG); `series` binds the levels together."""
    found = _dicom(path, "1.2.840.10008.5.1.4.1.1.77.1.6", JPEGBaseline8Bit)
    level = np.asarray(Image.fromarray(pixels).reduce(scale))
    height, width = level.shape[:2]
    down, across = -(-height // tile), -(-width // tile)
    padded = np.pad(
        level, ((0, down * tile - height), (0, across * tile - width), (0, 0)), constant_values=255
    )
    frames = [
        _jpeg(padded[r * tile : (r + 1) * tile, c * tile : (c + 1) * tile])
        for r in range(down)
        for c in range(across)
    ]
    found.SeriesInstanceUID, found.StudyInstanceUID = series, series
    found.FrameOfReferenceUID = series
    found.ImageType = [
        "ORIGINAL" if scale == 1 else "DERIVED",
        "PRIMARY",
        "VOLUME",
        "NONE" if scale == 1 else "RESAMPLED",
    ]
    found.Rows = found.Columns = tile
    found.TotalPixelMatrixRows, found.TotalPixelMatrixColumns = height, width
    found.NumberOfFrames = len(frames)
    found.SamplesPerPixel, found.PhotometricInterpretation, found.PlanarConfiguration = 3, "YBR_FULL_422", 0
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit, found.PixelRepresentation = 7, 0
    found.DimensionOrganizationType = "TILED_FULL"
    found.ImagedVolumeWidth, found.ImagedVolumeHeight = width * mpp * scale / 1e3, height * mpp * scale / 1e3
    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing = [mpp * scale / 1e3, mpp * scale / 1e3]
    measures.SliceThickness = 0.001
    groups.PixelMeasuresSequence = Sequence([measures])
    found.SharedFunctionalGroupsSequence = Sequence([groups])
    found.PixelData = encapsulate(frames)
    found["PixelData"].VR = "OB"
    found.save_as(path, enforce_file_format=True)
    return path
