"""Ordinary JPEG files decoded in one call of libjpeg-turbo: the pixels that Pillow gives, sooner.

Pillow hands libjpeg a file in pieces and repacks every row. Whatever is odd about a file is left to it, and with it
every message about damage.
"""

from __future__ import annotations

from typing import IO

import numpy as np
import numpy.typing as npt
import simplejpeg

VERSION = str(simplejpeg.__version__)
_COLOURS = ("Gray", "YCbCr", "RGB")
"""What a file may store; CMYK is turned upside down by some programs, which Pillow knows of."""


def decode_jpeg(stream: IO[bytes], width: int, height: int, factor: int) -> npt.NDArray[np.uint8] | None:
    """Return a JPEG's pixels as RGB, decoded at 1/`factor` of its size; None where Pillow had better look at it.

    stream: the open file. width, height: as Pillow read them, pixels. factor: 1, 2, 4 or 8.
    """
    size = stream.seek(0, 2)
    if size > 3 * width * height:  # something else hangs on it, perhaps gigabytes
        return None
    stream.seek(0)
    data = stream.read()
    shape = -(-height // factor), -(-width // factor)
    least = {"min_height": shape[0], "min_width": shape[1]} if factor > 1 else {}
    try:
        tall, wide, stored, _ = simplejpeg.decode_jpeg_header(data)
        if (wide, tall) != (width, height) or stored not in _COLOURS:
            return None
        pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True, **least)
    except (ValueError, RuntimeError):  # even what libjpeg goes on after
        return None
    return pixels if pixels.shape == (*shape, 3) else None
