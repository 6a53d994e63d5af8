"""DICOM photographs and microscope fields: their pixels, and nothing of the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from slide_files import PATIENT, skin, write_dicom_photo

from nmevision.data.dicom import PHOTOGRAPHS
from nmevision.data.images import read_image
from nmevision.data.slides import is_slide
from nmevision.errors import ImageError

PIXELS = skin(160, 120, 20)[0]
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize("kind", ["1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.840.10008.5.1.4.1.1.77.1.2"])
def test_a_photograph_gives_its_pixels(tmp_path: Path, kind: str) -> None:
    path = write_dicom_photo(tmp_path / "photo.dcm", PIXELS, kind)
    assert kind in PHOTOGRAPHS
    assert not is_slide(path)
    found = read_image(path)
    assert np.array_equal(found.pixels, PIXELS)
    assert found.notes == ()


def test_a_compressed_photograph_by_any_name(tmp_path: Path) -> None:
    found = read_image(write_dicom_photo(tmp_path / "IMG0001.jpg", PIXELS, jpeg=True))
    assert np.abs(found.pixels.astype(int) - PIXELS).mean() < 6
    assert found.notes == ("named .jpg but holds DICOM",)


def test_grey_of_all_kinds(tmp_path: Path) -> None:
    grey = PIXELS[..., 1]
    twelve = write_dicom_photo(tmp_path / "12.dcm", grey.astype(np.uint16) * 16, BitsStored=12)
    assert np.array_equal(read_image(twelve).pixels[..., 2], grey)
    white = write_dicom_photo(tmp_path / "w.dcm", grey, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read_image(white).pixels[..., 0], 255 - grey)


def test_what_is_refused_and_noted(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="another kind of DICOM object"):
        read_image(write_dicom_photo(tmp_path / "ct.dcm", PIXELS, CT))
    with pytest.raises(ImageError, match="signed numbers"):
        read_image(write_dicom_photo(tmp_path / "s.dcm", PIXELS[..., 0], PixelRepresentation=1))
    with pytest.raises(ImageError, match="more than the limit of 100"):
        read_image(write_dicom_photo(tmp_path / "l.dcm", PIXELS), max_pixels=100)
    burned = write_dicom_photo(tmp_path / "b.dcm", PIXELS, BurnedInAnnotation="YES")
    assert "burned into the picture" in read_image(burned).notes[0]


def test_damage_is_said_and_no_patient_is_named(tmp_path: Path) -> None:
    whole = write_dicom_photo(tmp_path / "w.dcm", PIXELS).read_bytes()
    rng = np.random.default_rng(0)
    said = []
    for number in range(60):
        data = bytearray(whole[: int(rng.integers(140, len(whole)))] if number % 2 else whole)
        for place in rng.integers(132, min(len(data), 700), 6):
            data[place] ^= int(rng.integers(1, 256))
        path = tmp_path / f"d{number}.dcm"
        path.write_bytes(bytes(data))
        try:
            said += read_image(path).notes
        except ImageError as problem:
            said.append(str(problem))
    assert any("damaged DICOM" in text for text in said)
    assert not any(part in text for text in said for part in (*PATIENT.split("^"), "4711", "19000101"))
