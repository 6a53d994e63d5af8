"""Image files byte by byte, written from the formats' specifications; only `encode` uses a library."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[np.generic]


def picture(height: int = 80, width: int = 96, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return a smooth RGB picture without any symmetry: pink, with purple blobs and one dark corner."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    pink, purple = np.array([235.0, 180.0, 205.0]), np.array([95.0, 60.0, 130.0])
    weight = np.zeros((height, width))
    for _ in range(12):
        row, column = rng.uniform(0, height), rng.uniform(0, width)
        radius = rng.uniform(0.06, 0.14) * min(height, width)
        weight = np.maximum(weight, np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * radius**2)))
    weight = np.maximum(weight, 0.9 * np.exp(-(y / height + x / width) * 8))  # the dark corner
    colours = pink + weight[..., np.newaxis] * (purple - pink) - 12 * (x / width)[..., np.newaxis]
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)


def encode(pixels: Array, kind: str, mode: str | None = None, **options: object) -> bytes:
    """Return pixels as a file of one of Pillow's formats ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")."""
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bytes(
    pixels: Array, colour_type: int, extra: bytes = b"", size: tuple[int, int] | None = None
) -> bytes:
    """Return a PNG of 8- or 16-bit values (H x W or H x W x C); `extra` chunks go before the pixels.

    `size` is (width, height) to declare in place of the true one.
    """
    height, width = pixels.shape[:2]
    depth = pixels.dtype.itemsize * 8
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    declared = size or (width, height)
    header = struct.pack(">IIBBBBB", *declared, depth, colour_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff_bytes(
    pages: Sequence[Array],
    photometric: int,
    order: str = "<",
    tile: int | None = None,
    separate: bool = False,
    deflate: bool = False,
    sample_format: int = 1,
    tags: dict[int, int] | None = None,
    next_of_last: int = 0,
) -> bytes:
    """Return a TIFF 6.0 file of one strip, of square tiles, or of one strip per colour plane.

    `tags` replaces or adds LONG tags; `next_of_last` is the offset of the page after the last.
    """
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    link = 4
    for pixels in pages:
        values = np.atleast_3d(pixels)
        height, width, channels = values.shape
        blocks = [
            zlib.compress(block.tobytes()) if deflate else block.tobytes()
            for block in _blocks(values.astype(values.dtype.newbyteorder(order)), tile, separate)
        ]
        offsets = []
        for block in blocks:
            offsets.append(len(out))
            out += block + b"\0" * (len(block) % 2)
        entries: dict[int, list[int]] = {
            256: [width],
            257: [height],
            258: [values.dtype.itemsize * 8] * channels,
            259: [8 if deflate else 1],
            262: [photometric],
            277: [channels],
            284: [2 if separate else 1],
            339: [sample_format] * channels,
        }
        counts = [len(block) for block in blocks]
        if tile:
            entries |= {322: [tile], 323: [tile], 324: offsets, 325: counts}
        else:
            entries |= {273: offsets, 278: [height], 279: counts}
        entries |= {tag: [value] for tag, value in (tags or {}).items()}
        link = _write_directory(out, entries, order, link)
    struct.pack_into(order + "I", out, link, next_of_last)
    return bytes(out)


def _blocks(values: Array, tile: int | None, separate: bool) -> list[Array]:
    if separate:
        return [values[..., channel] for channel in range(values.shape[2])]
    if tile is None:
        return [values]
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, -height % tile), (0, -width % tile), (0, 0)))
    return [
        padded[row : row + tile, column : column + tile]
        for row in range(0, height, tile)
        for column in range(0, width, tile)
    ]


def _write_directory(out: bytearray, entries: dict[int, list[int]], order: str, link: int) -> int:
    """Append a directory of LONG (or, for values per channel, SHORT) tags; return where its link lies."""
    short = {258, 259, 262, 277, 284, 339}
    directory = bytearray(struct.pack(order + "H", len(entries)))
    for tag, numbers in sorted(entries.items()):
        code, letter = (3, "H") if tag in short else (4, "I")
        data = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(data) > 4:
            place = len(out)
            out += data + b"\0" * (len(data) % 2)
            data = struct.pack(order + "I", place)
        directory += struct.pack(order + "HHI", tag, code, len(numbers)) + data.ljust(4, b"\0")
    struct.pack_into(order + "I", out, link, len(out))
    out += directory
    out += b"\0\0\0\0"
    return len(out) - 4
