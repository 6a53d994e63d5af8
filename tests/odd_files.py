"""Unusual image files that are right, with the pixels and notes they must decode to."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from image_bytes import Array, encode, picture, png_bytes, png_chunk, tiff_bytes
from PIL import Image


@dataclass(frozen=True)
class OddFile:
    """What an unusual file must decode to: RGB pixels within `tolerance` grey levels, and these notes."""

    pixels: npt.NDArray[np.uint8]
    tolerance: int = 0
    notes: tuple[str, ...] = ()


def write_odd_good_files(folder: Path) -> dict[str, OddFile]:
    """Write unusual files that can be read; return relative name -> what they must decode to."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {**_turned(), **_colour_kinds(), **_deep(), **_tiff_layouts(), **_names_and_pages()}
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: expected for name, (_, expected) in files.items()}


def stored_for(orientation: int, upright: Array) -> Array:
    """Return the pixels as stored under an EXIF orientation, by which side row 0 and column 0 show.

    EXIF 2.3: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top,
    7 right bottom, 8 left bottom (the visual side of row 0, then of column 0).
    """
    row, column = {1: "TL", 2: "TR", 3: "BR", 4: "BL", 5: "LT", 6: "RT", 7: "RB", 8: "LB"}[orientation]
    seen = upright
    if "B" in (row, column):
        seen = seen[::-1]
    if "R" in (row, column):
        seen = seen[:, ::-1]
    return np.ascontiguousarray(seen if row in "TB" else seen.swapaxes(0, 1))


def _turned() -> dict[str, tuple[bytes, OddFile]]:
    upright = picture()
    files = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = stored_for(orientation, upright)
        jpeg = encode(stored, "JPEG", quality=100, subsampling=0, exif=exif)
        files[f"turned_{orientation}.jpg"] = (jpeg, OddFile(upright, tolerance=6))
        files[f"turned_{orientation}.png"] = (encode(stored, "PNG", exif=exif), OddFile(upright))
        raw = tiff_bytes([stored], 2, tags={0x0112: orientation})
        files[f"turned_{orientation}.tif"] = (raw, OddFile(upright))
        deflated = tiff_bytes([stored], 2, deflate=True, tags={0x0112: orientation})
        files[f"turned_deflated_{orientation}.tif"] = (deflated, OddFile(upright))
    webp = encode(stored_for(6, upright), "WEBP", lossless=True, exif=_exif_of(6))
    files["turned_6.webp"] = (webp, OddFile(upright))
    return files


def _exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def over_white(colours: Array, alpha: Array) -> npt.NDArray[np.uint8]:
    """Return RGB colours laid over white by `alpha` (0-255), in exact arithmetic, rounded."""
    part = alpha.astype(float)[..., np.newaxis] / 255
    return np.rint(colours * part + 255 * (1 - part)).astype(np.uint8)


def _ink(cmyk: Array) -> npt.NDArray[np.uint8]:
    """Return the RGB of CMYK ink (0 none - 255 full) without colour profiles: (1 - ink)(1 - black)."""
    paper = 255.0 - cmyk
    return np.rint(paper[..., :3] * paper[..., 3:] / 255).astype(np.uint8)


def _grey3(grey: Array) -> npt.NDArray[np.uint8]:
    return np.repeat(grey.astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _colour_kinds() -> dict[str, tuple[bytes, OddFile]]:
    rgb = picture()
    grey, alpha = rgb[..., 1], np.tile(np.linspace(0, 255, 96).astype(np.uint8), (80, 1))
    bits = (grey > 150).astype(np.uint8)
    cmyk = np.dstack([255 - rgb, (rgb[..., 0] // 4)])
    index = (grey // 64).astype(np.uint8)
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [90, 90, 10]], np.uint8)
    opacity = np.array([255, 0, 128, 255], np.uint8)
    palette = png_chunk(b"PLTE", colours.tobytes())
    # YCCK: Adobe stores ink upside down, and its three colours as YCbCr; 2 in the Adobe marker says so
    ycc = np.asarray(Image.fromarray(cmyk[..., :3]).convert("YCbCr"))
    planes = np.dstack([255 - ycc, cmyk[..., 3]])
    as_cmyk = io.BytesIO()
    Image.fromarray(planes, "CMYK").save(as_cmyk, "JPEG", quality=100, subsampling=0)
    adobe = as_cmyk.getvalue().index(b"Adobe") + 11
    ycck = as_cmyk.getvalue()[:adobe] + b"\x02" + as_cmyk.getvalue()[adobe + 1 :]
    cmyk_jpeg = io.BytesIO()
    Image.fromarray(cmyk, "CMYK").save(cmyk_jpeg, "JPEG", quality=100, subsampling=0)
    bit_rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    one_bit = png_chunk(b"IHDR", b"\0\0\0\x60\0\0\0\x50\x01\0\0\0\0")
    one_bit += png_chunk(b"IDAT", zlib.compress(bit_rows)) + png_chunk(b"IEND", b"")
    return {
        "grey.png": (png_bytes(grey, 0), OddFile(_grey3(grey))),
        "grey.jpg": (encode(grey, "JPEG", quality=100), OddFile(_grey3(grey), 3)),
        "grey_alpha.png": (
            png_bytes(np.dstack([grey, alpha]), 4),
            OddFile(over_white(_grey3(grey), alpha), 1),
        ),
        "alpha.png": (png_bytes(np.dstack([rgb, alpha]), 6), OddFile(over_white(rgb, alpha), 1)),
        "alpha.webp": (
            encode(np.dstack([rgb, alpha]), "WEBP", lossless=True, exact=True),
            OddFile(over_white(rgb, alpha), 1),
        ),
        "alpha.tif": (
            tiff_bytes([np.dstack([rgb, alpha])], 2, tags={338: 2}),
            OddFile(over_white(rgb, alpha), 1),
        ),
        "palette.png": (png_bytes(index, 3, palette), OddFile(colours[index])),
        "palette_alpha.png": (
            png_bytes(index, 3, palette + png_chunk(b"tRNS", opacity.tobytes())),
            OddFile(over_white(colours[index], opacity[index]), 1),
        ),
        "one_bit.png": (b"\x89PNG\r\n\x1a\n" + one_bit, OddFile(_grey3(bits * 255))),
        "cmyk.tif": (tiff_bytes([cmyk], 5), OddFile(_ink(cmyk), 1)),
        "cmyk.jpg": (cmyk_jpeg.getvalue(), OddFile(_ink(cmyk), 6)),
        "ycck.jpg": (ycck, OddFile(_ink(cmyk), 8)),
    }


def _deep() -> dict[str, tuple[bytes, OddFile]]:
    """16-bit files: the high byte is what 8 bits can show, whatever the low byte holds."""
    rgb = picture()
    low = np.random.default_rng(2).integers(0, 256, rgb.shape)
    wide = (rgb.astype(np.uint16) * 256 + low).astype(np.uint16)
    grey = wide[..., 1]
    truth, grey_truth = OddFile(rgb), OddFile(_grey3(rgb[..., 1]))
    first, second = grey[:, ::2] >> 4, grey[:, 1::2] >> 4  # two 12-bit values lie in three bytes
    packed = np.dstack([first >> 4, (first & 15) << 4 | second >> 8, second & 255]).astype(np.uint8)
    twelve = tiff_bytes([packed.reshape(80, 144)], 1, tags={256: 96, 258: 12})
    dark = (grey // 16).astype(np.uint16)  # 12-bit data in 16-bit clothes
    dark_note = ("16-bit values all below 4096: looks like 12-bit data, image is dark",)
    dark_truth = OddFile(_grey3(dark // 256), notes=dark_note)
    return {
        "rgb_16.png": (png_bytes(wide, 2), truth),
        "rgb_16.tif": (tiff_bytes([wide], 2), truth),
        "rgb_16_big_endian.tif": (tiff_bytes([wide], 2, order=">"), truth),
        "rgb_16_deflated.tif": (tiff_bytes([wide], 2, deflate=True), truth),
        "rgb_16_tiled.tif": (tiff_bytes([wide], 2, tile=32), truth),
        "planes_16_deflated.tif": (tiff_bytes([wide], 2, separate=True, deflate=True), truth),
        "grey_16.png": (png_bytes(grey, 0), grey_truth),
        "grey_16.tif": (tiff_bytes([grey], 1), grey_truth),
        "grey_16_big_endian.tif": (tiff_bytes([grey], 1, order=">"), grey_truth),
        "grey_16_deflated.tif": (tiff_bytes([grey], 1, deflate=True), grey_truth),
        "white_is_zero_16.tif": (tiff_bytes([65535 - grey], 0), grey_truth),
        "turned_grey_16.tif": (tiff_bytes([stored_for(6, grey)], 1, tags={0x0112: 6}), grey_truth),
        "grey_12.tif": (twelve, grey_truth),
        "dark_16.png": (png_bytes(dark, 0), dark_truth),
        "dark_16.tif": (tiff_bytes([dark], 1), dark_truth),
    }


def _tiff_layouts() -> dict[str, tuple[bytes, OddFile]]:
    rgb = picture()
    grey = rgb[..., 1]
    truth = OddFile(rgb)
    return {
        "tiled.tif": (tiff_bytes([rgb], 2, tile=32), truth),
        "tiled_deflated.tif": (tiff_bytes([rgb], 2, tile=48, deflate=True), truth),
        "planes.tif": (tiff_bytes([rgb], 2, separate=True), truth),
        "planes_deflated.tif": (tiff_bytes([rgb], 2, separate=True, deflate=True), truth),
        "lzw.tif": (encode(rgb, "TIFF", compression="tiff_lzw"), truth),
        "jpeg_inside.tif": (encode(rgb, "TIFF", compression="jpeg", quality=100), OddFile(rgb, 6)),
        "white_is_zero.tif": (tiff_bytes([255 - grey], 0), OddFile(_grey3(grey))),
        "cyclic.tif": (tiff_bytes([rgb], 2, next_of_last=_first_directory(tiff_bytes([rgb], 2))), truth),
    }


def _first_directory(tiff: bytes) -> int:
    return int.from_bytes(tiff[4:8], "little")


def _names_and_pages() -> dict[str, tuple[bytes, OddFile]]:
    first, second, third = (picture(seed=seed) for seed in (1, 2, 3))
    small = picture(40, 48, seed=1)
    tiny = picture(18, 20)
    wrong = encode(first, "JPEG", quality=100, subsampling=0)
    frames = io.BytesIO()
    Image.fromarray(first).save(
        frames, "WEBP", save_all=True, append_images=[Image.fromarray(second)], lossless=True
    )
    broken_page = tiff_bytes([first], 2, next_of_last=9)
    lossless = encode(first, "PNG")
    return {
        "three_pages.tif": (
            tiff_bytes([first, second, third], 2),
            OddFile(first, notes=("page 1 of 3 was read",)),
        ),
        "thumbnail_first.tif": (
            tiff_bytes([small, first], 2),
            OddFile(first, notes=("page 2 of 2 was read (the largest)",)),
        ),
        "broken_second_page.tif": (
            broken_page,
            OddFile(first, notes=("page 1 was read; page 2 is damaged or of another kind",)),
        ),
        "film.webp": (frames.getvalue(), OddFile(first, notes=("page 1 of 2 was read (an animation)",))),
        "wrong.png": (wrong, OddFile(first, 6, notes=("named .png but holds JPEG",))),
        "tiny.png": (encode(tiny, "PNG"), OddFile(tiny, notes=("only 20 x 18 pixels",))),
        "blank.png": (
            encode(np.full((80, 96, 3), 243, np.uint8), "PNG"),
            OddFile(np.full((80, 96, 3), 243, np.uint8), notes=("almost uniform: nothing to see",)),
        ),
        "two words.PNG": (lossless, OddFile(first)),
        "new\nline.png": (lossless, OddFile(first)),
        "病理 é.png": (lossless, OddFile(first)),
    }
