"""What is wrong with a picture before anybody looks at it: tiny, blurred, dark, burnt out, blank, odd shape.

The thresholds were set on 1,194 fields of real H&E (oral mucosa, 224 x 224) and 140 dermoscopy photographs,
of which they flag none, and on the same images made worse: a Gaussian blur of 3 pixels at 256 is found in
95 in 100 of both, of 2 pixels in 99 in 100 photographs and four in ten H&E fields. Each measure is given as
a number as well, so that another threshold can be applied to audit's table.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from nmevision.data.image_notes import BLANK_SPREAD, SMALL_SIDE
from nmevision.data.images import Pixels

MEASURES = ("width", "height", "bright", "dim", "spread", "blur")
"""The columns that `measure` fills: pixels, pixels, grey level, grey level, grey levels, 0 to 1."""

LONGEST_ASPECT = 3.0
"""Longer through shorter side above which a shape is odd: a strip, a scan of a page. Screens have 1.8."""
DARK_BELOW = 80.0
"""An image is dark where 99 in 100 pixels are darker than this; the darkest real image reached 92."""
BURNT_ABOVE = 235.0
"""An image is burnt out where 95 in 100 pixels are brighter than this; 174 was the most in a real image."""
BLURRED_FROM = 0.6
"""Blur from which an image is called blurred; the real ones reach 0.55, blurred ones begin at 0.5 to 0.65."""

_LONG_SIDE = 256  # blur is judged at this size, so that it does not depend on the camera
_BLUR_WINDOW = 9  # pixels, as in the paper


def measure(grey: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Return the MEASURES of one image.

    grey: uint8, height x width.
    """
    dim, bright = np.percentile(grey, (5, 99))
    return {
        "width": float(grey.shape[1]),
        "height": float(grey.shape[0]),
        "bright": float(bright),
        "dim": float(dim),
        "spread": float(grey.std()),
        "blur": blur(grey),
    }


def grey_of(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Return RGB pixels (uint8, height x width x 3) as grey (uint8, height x width), Rec. 601 weights."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)


def blur(grey: npt.NDArray[np.uint8]) -> float:
    """Return how little a further blur changes an image: near 0 for sharp ones, 1 for a perfect blur.

    The share of the differences between neighbours that is left after a moving average, the worse of the
    two directions: the idea of Crete et al. 2007, doi:10.1117/12.702790, computed at 256 pixels.

    >>> checkers = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    >>> blur(checkers.astype(np.uint8)) < 0.2
    True
    """
    scale = _LONG_SIDE / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    values = grey.astype(np.float32)
    left = []
    for axis, window in ((1, (_BLUR_WINDOW, 1)), (0, (1, _BLUR_WINDOW))):
        before = float(np.abs(np.diff(values, axis=axis)).sum())
        after = float(np.abs(np.diff(cv2.blur(values, window), axis=axis)).sum())
        left.append(min(after / before, 1.0) if before > 0 else 1.0)
    return max(left)


def faults(measures: Mapping[str, float]) -> dict[str, str]:
    """Return what is wrong with an image of these MEASURES: kind of fault -> the numbers in words.

    >>> fine = {"width": 640, "height": 480, "bright": 200, "dim": 40, "spread": 30, "blur": 0.3}
    >>> faults(fine | {"width": 2000, "bright": 60})
    {'odd_aspect': '2000 x 480 pixels', 'dark': '99 in 100 pixels are darker than 61 of 255'}
    """
    width, height = int(measures["width"]), int(measures["height"])
    size = f"{width} x {height} pixels"
    if measures["spread"] < BLANK_SPREAD:  # its brightness and sharpness say nothing
        return {"blank": f"grey levels spread by {measures['spread']:.1f} of 255 only"}
    found = {}
    if min(width, height) < SMALL_SIDE:
        found["tiny"] = size
    if max(width, height) > LONGEST_ASPECT * min(width, height):
        found["odd_aspect"] = size
    if measures["bright"] < DARK_BELOW:
        found["dark"] = f"99 in 100 pixels are darker than {measures['bright'] + 1:.0f} of 255"
    if measures["dim"] > BURNT_ABOVE:
        found["burnt_out"] = f"95 in 100 pixels are brighter than {measures['dim'] - 1:.0f} of 255"
    if measures["blur"] >= BLURRED_FROM:
        found["blurred"] = f"blur {measures['blur']:.2f} (sharp images: below {BLURRED_FROM})"
    return found
