"""JPEG files decoded in one call: Pillow's pixels to the last one, and Pillow itself for whatever is odd."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from image_bytes import encode, picture
from PIL import Image

from nmevision.data import images
from nmevision.data.images import read_image
from nmevision.data.jpeg import decode_jpeg


def pillow(data: bytes, factor: int) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (image.width // factor, image.height // factor))
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(64, 64), (65, 333), (257, 130)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_pixels_are_pillows(factor: int, size: tuple[int, int], subsampling: int, progressive: bool) -> None:
    data = encode(picture(*size), "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    found = decode_jpeg(io.BytesIO(data), size[1], size[0], factor)
    np.testing.assert_array_equal(found, pillow(data, factor))


@pytest.mark.parametrize("factor", [1, 2])
def test_grey_becomes_rgb(factor: int) -> None:
    data = encode(picture(99, 70)[:, :, 0], "JPEG")
    np.testing.assert_array_equal(decode_jpeg(io.BytesIO(data), 70, 99, factor), pillow(data, factor))


def test_what_is_odd_is_left_to_pillow() -> None:
    data = encode(picture(90, 70), "JPEG")
    cmyk = io.BytesIO()
    Image.fromarray(picture(90, 70)).convert("CMYK").save(cmyk, "JPEG")
    tail = data + bytes(3 * 90 * 70)  # a film behind the picture
    stray = data.replace(b"\xff\xda", b"\0\0\xff\xda", 1)  # libjpeg only warns of bytes between markers
    for odd in (cmyk.getvalue(), tail, stray, data[: len(data) // 2], b"", b"no JPEG"):
        assert decode_jpeg(io.BytesIO(odd), 70, 90, 1) is None
    assert decode_jpeg(io.BytesIO(data), 90, 70, 1) is None  # another size than Pillow has judged
    assert decode_jpeg(io.BytesIO(data), 70, 90, 1) is not None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_pillow_turns(tmp_path: Path, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(picture(90, 140), "JPEG", exif=exif))
    found = read_image(path).pixels
    monkeypatch.setattr(images, "decode_jpeg", lambda *_: None)
    np.testing.assert_array_equal(found, read_image(path).pixels)
