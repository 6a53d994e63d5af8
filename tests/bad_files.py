"""Ordinary image files, and files with everything that goes wrong with image files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from image_bytes import encode, picture, png_bytes, png_chunk, tiff_bytes
from PIL import Image

GOOD_SUFFIXES = (".jpg", ".png", ".tif", ".webp", ".bmp", ".jpeg")


@dataclass(frozen=True)
class BadFolder:
    """A folder of broken files: its path, and for each relative name the words its error must contain."""

    path: Path
    words: dict[str, str]


@pytest.fixture
def bad_folder(tmp_path: Path) -> BadFolder:
    """A new folder with every kind of broken image file in it."""
    folder = tmp_path / "bad"
    return BadFolder(folder, write_bad_files(folder))


def write_good_images(folder: Path, n: int) -> list[Path]:
    """Write `n` ordinary images of several formats and sizes; the same n gives the same pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(n):
        pixels = picture(height=72 + 8 * (number % 5), width=90 + 10 * (number % 4), seed=number)
        paths.append(folder / f"good_{number:02d}{GOOD_SUFFIXES[number % len(GOOD_SUFFIXES)]}")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def flip(data: bytes, *places: int) -> bytes:
    """Return a copy with all bits of the bytes at `places` turned."""
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def write_bad_files(folder: Path) -> dict[str, str]:
    """Write files that cannot be read; return relative name -> words that the error must contain.

    A file without read permission is there only where this process is not root, who may read all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {**_not_images(), **_cut_short(), **_damaged(), **_refused(), **_odd_names()}
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    words = {name: expected for name, (_, expected) in files.items()}
    (folder / "d.jpg").mkdir()
    (folder / "broken_link.png").symlink_to("gone.png")
    (folder / "own_link.png").symlink_to("own_link.png")
    words |= {"d.jpg": "is a folder", "broken_link.png": "link to a file that is not there"}
    words |= {"own_link.png": "symbolic links"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "f.jpg")
        words["f.jpg"] = "is not a file but a pipe"
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        secret = folder / "secret.png"
        secret.write_bytes(encode(picture(), "PNG"))
        secret.chmod(0)
        words["secret.png"] = "may not be read by this user"
    return words


def _not_images() -> dict[str, tuple[bytes, str]]:
    dicom = b"\0" * 128 + b"DICM\x02\0\0\0UL\x04\0"
    return {
        "empty.jpg": (b"", "is empty (0 bytes)"),
        "page.jpg": (b"<!DOCTYPE html>\n<html><body>Please log in</body></html>", "HTML page"),
        "note.png": ("Befund: Dermatitis, é\n".encode() * 100, "holds text"),
        "unicode_note.png": ("Befund\n".encode("utf-16"), "holds text"),
        "bm_note.bmp": (b"BMI of the patients\n22.5\n31.0\n", "holds text"),
        "report.tif": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF document"),
        "archive.jpg": (b"PK\x03\x04\x14\0\0\0\x08\0" + b"x" * 50, "ZIP archive"),
        "packed.png": (b"\x1f\x8b\x08\0\0\0\0\0", "gzip archive"),
        "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40, "export it as JPEG"),
        "film.jpg": (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "film"),
        "dicom.jpg": (dicom, "DICOM"),
        "scan.dcm": (dicom, "DICOM"),
        "slide.svs": (b"II*\0" + b"\x01" * 60, "slide"),
        "drawing.png": (b'<?xml version="1.0"?>\n<svg width="9" height="9"></svg>', "SVG drawing"),
        "pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        "random.png": (np.random.default_rng(1).bytes(500), "no image format that is known"),
        "zeros.jpg": (b"\0" * 4096, "nothing but zero bytes"),
        "animation.jpg": (encode(picture(), "GIF")[:300], "GIF"),
    }


def _cut_short() -> dict[str, tuple[bytes, str]]:
    jpeg, png = encode(picture(), "JPEG"), encode(picture(), "PNG")
    progressive = encode(picture(), "JPEG", progressive=True)
    tiff, webp, bmp = tiff_bytes([picture()], 2), encode(picture(), "WEBP"), encode(picture(), "BMP")
    deflated = tiff_bytes([picture()], 2, deflate=True)
    return {
        "half.jpg": (jpeg[: len(jpeg) // 2], "cut short"),
        "progressive_half.jpg": (progressive[: len(progressive) // 2], "cut short"),
        "header_only.jpg": (jpeg[:24], "JPEG"),
        "three_bytes.jpg": (jpeg[:3], "JPEG"),
        "half.png": (png[: len(png) // 2], "cut short"),
        "no_end.png": (png[:-12], "cut short"),
        "only_mark.png": (png[:8], "PNG"),
        "half.bmp": (bmp[: len(bmp) // 2], "cut short"),
        "half.webp": (webp[: len(webp) // 2], "damaged WebP"),
        # the directory of these TIFFs comes last
        "half.tif": (tiff[: len(tiff) // 2], "TIFF"),
        "half_deflated.tif": (deflated[: len(deflated) // 2], "TIFF"),
        "strip_beyond.tif": (tiff_bytes([picture()], 2, tags={273: 20_000}), "cut short"),
    }


def _damaged() -> dict[str, tuple[bytes, str]]:
    jpeg, png = encode(picture(), "JPEG"), png_bytes(picture(), 2)
    frame = jpeg.index(b"\xff\xc0")
    tiff = tiff_bytes([picture()], 2)
    no_size = bytearray(tiff)
    first_tag = int.from_bytes(tiff[4:8], "little") + 2
    no_size[first_tag] = 250  # where the width stood
    no_size[-4:] = tiff[4:8]  # the next page is this one
    half_tile = tiff_bytes([picture()], 2, tags={278: 40})
    return {
        "crc_header.png": (flip(png, 29), "damaged PNG"),
        "crc_pixels.png": (flip(png, png.index(b"IEND") - 5), "damaged PNG"),
        "pixels.png": (flip(png, png.index(b"IDAT") + 200), "damaged PNG"),
        "zlib.png": (png[:33] + png_chunk(b"IDAT", b"no zlib data") + png[-12:], "PNG"),
        "flipped_header.jpg": (flip(jpeg, frame, frame + 1), "JPEG"),
        "ifd_beyond.tif": (tiff[:4] + (10**9).to_bytes(4, "little") + tiff[8:], "TIFF"),
        "cyclic_without_size.tif": (bytes(no_size), "Missing dimensions"),
        "half_the_strips.tif": (half_tile, "parts of its picture are missing"),
        "zero_width.png": (png_bytes(picture(), 2, size=(0, 80)), "zero width or height"),
        "webp_body.webp": (b"RIFF\x40\0\0\0WEBPVP8 \x30\0\0\0" + b"?" * 48, "damaged WebP"),
    }


def _refused() -> dict[str, tuple[bytes, str]]:
    wide = picture().astype(np.uint16) * 257
    decimal = picture()[..., 0].astype(np.float32)
    jpeg = encode(picture(), "JPEG")
    size = jpeg.index(b"\xff\xc0") + 5
    huge = jpeg[:size] + b"\xff\xdc\xff\xdc" + jpeg[size + 4 :]
    return {
        "bomb.png": (png_bytes(picture(), 2, size=(60_000, 60_000)), "--max-pixels"),
        "bomb.jpg": (huge, "--max-pixels"),
        "bomb.tif": (tiff_bytes([picture()], 2, tags={256: 10**6, 257: 10**6}), "1000000 x 1000000 pixels"),
        "tile_bomb.tif": (
            tiff_bytes([picture()], 2, tile=32, deflate=True, tags={322: 2**15, 323: 2**15}),
            "a tile of 32768 x 32768 pixels",
        ),
        "float.tif": (tiff_bytes([decimal / 255], 1, sample_format=3), "floating point"),
        "double.tif": (tiff_bytes([decimal.astype(np.float64)], 1, sample_format=3), "64-bit numbers"),
        "signed.tif": (tiff_bytes([wide[..., 0].astype(np.int16)], 1, sample_format=2), "signed numbers"),
        "whole_32.tif": (tiff_bytes([wide[..., 0].astype(np.uint32)], 1), "32-bit or signed numbers"),
        "lab.tif": (tiff_bytes([picture()], 8), "CIE Lab"),
        "seven_channels.tif": (tiff_bytes([np.zeros((80, 96, 7), np.uint8)], 1), "not read"),
        "jpeg_2000_inside.tif": (tiff_bytes([picture()], 2, tags={259: 33005}), "not read"),
        "planes_16.tif": (tiff_bytes([wide], 2, separate=True), "separate colour planes"),
    }


def _odd_names() -> dict[str, tuple[bytes, str]]:
    names = ["two words .png", "new\nline.png", "поражение кожи 皮膚.png"]
    if os.name == "posix" and os.uname().sysname == "Linux":  # elsewhere every name is Unicode
        names.append(os.fsdecode(b"caf\xe9.png"))
    return {name: (encode(picture(), "PNG")[:150], "cut short") for name in names}
