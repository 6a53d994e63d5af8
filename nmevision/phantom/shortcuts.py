"""Confounders planted on purpose: a watermark, a ruler or a stain shift that goes with the class or the source.

A set with a planted shortcut shows whether an audit finds what a naive model has really learned. A shortcut
of strength s is carried by each image of the first class (or source) with probability s, and by each image
of the others with probability 1 - s, independently: 0.5 ties it to nothing, 1 makes it a second label.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.phantom.camera import compressed

Tie = Literal["class", "source"]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Planted = tuple[Pixels, Mask]

WATERMARK = "IMAGE ARCHIVE"
SHIFT = np.array([1.00, 0.93, 1.03], np.float32)
"""Factors of red, green and blue of the colour shift: another stain batch, or another white balance."""
COARSENESS = 0.33
"""Side of the coarse image that the resolution shortcut leaves, as a share of the whole."""
QUALITY = 14
"""JPEG quality of the jpeg_quality shortcut."""
_INK = np.array([0.42, 0.28, 0.62], np.float32)
"""Light that gentian violet lets through (R, G, B)."""


@dataclass(frozen=True)
class Shortcut:
    """A confounder: its kind, how strongly it is tied (0-1), and whether to the class or to the source."""

    kind: str
    strength: float
    tied: Tie = "class"

    def carried(self, first: bool, rng: np.random.Generator) -> bool:
        """Draw whether an image carries it; `first` tells whether it is of the first class (or source)."""
        return bool(rng.uniform() < (self.strength if first else 1 - self.strength))


def parse_shortcut(text: str) -> Shortcut:
    """Return the shortcut of a text KIND:STRENGTH or KIND:STRENGTH:source.

    Raises:
        DataError: everything in the text that is not understood.

    >>> parse_shortcut("watermark:0.9")
    Shortcut(kind='watermark', strength=0.9, tied='class')
    """
    kind, _, rest = text.partition(":")
    number, _, tied = rest.partition(":")
    problems = Problems()
    if kind not in KINDS:
        problems.add(f"kind '{kind}' is unknown{did_you_mean(kind, KINDS)}; there are: {', '.join(KINDS)}")
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not 0 <= strength <= 1:
        problems.add(f"strength '{number}'; expected a probability from 0 to 1, such as 0.9")
    if tied not in ("", *get_args(Tie)):
        problems.add(f"tied to '{tied}'; expected class or source")
    problems.raise_if_any(DataError, f"shortcut '{text}' (expected KIND:STRENGTH, such as watermark:0.9)")
    return Shortcut(kind, strength, "source" if tied == "source" else "class")


def plant(kind: str, pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Return an image (uint8 RGB, H x W x 3) with a confounder of a kind of `KINDS`, and the mask of it.

    What changes the whole image has a mask that is true everywhere; elsewhere nothing outside it changes.
    """
    planted, mask = KINDS[kind](pixels, rng)
    return np.where(mask[..., None], planted, pixels), mask


def _watermark(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Write a pale, half-transparent line of text into the lower right corner."""
    height, width = pixels.shape[:2]
    scale = 0.42 * width / cv2.getTextSize(WATERMARK, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0][0]
    (text_width, _), _ = cv2.getTextSize(WATERMARK, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    at = (width - text_width - round(0.03 * width) - int(rng.integers(0, 4)), height - round(0.04 * height))
    stroke = max(1, round(width / 220))
    ink, shade = (np.zeros((height, width), np.uint8) for _ in range(2))
    cv2.putText(
        shade, WATERMARK, (at[0] + 1, at[1] + 1), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke, cv2.LINE_AA
    )
    cv2.putText(ink, WATERMARK, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke, cv2.LINE_AA)
    dark = pixels * (1 - 0.35 * (shade[..., None] / 255.0))
    marked = dark + 0.60 * (ink[..., None] / 255.0) * (255 - dark)
    return _as_pixels(marked), (ink > 0) | (shade > 0)


def _ruler(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Lay a paper ruler along the lower or the left edge."""
    height, width = pixels.shape[:2]
    strip = max(6, round(0.085 * height))
    side = max(height, width)
    paper = np.full((strip, side), 232.0) + rng.normal(0, 2.0, (strip, side))
    step = max(3, round(side / 70))
    for index, place in enumerate(range(int(rng.integers(0, step)), side, step)):
        length = {0: 0.7, 5: 0.5}.get(index % 10, 0.3)
        paper[: max(1, round(length * strip)), place] = 40
    planted, mask = pixels.astype(np.float64), np.zeros((height, width), bool)
    if rng.uniform() < 0.5:
        planted[-strip:], mask[-strip:] = paper[:, :width, None], True
    else:
        planted[:, :strip], mask[:, :strip] = paper[::-1, :height].T[..., None], True
    return _as_pixels(planted), mask


def _pen_ring(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Draw a ring of surgical ink around the middle, as before a biopsy."""
    height, width = pixels.shape[:2]
    angle = np.linspace(0, 2 * math.pi, 90)
    radius = rng.uniform(0.30, 0.42) * min(height, width) * (1 + 0.03 * np.sin(2 * angle + rng.uniform(0, 6)))
    centre = np.array([width, height]) * (0.5 + rng.normal(0, 0.03, 2))
    path = centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    ring = np.zeros((height, width), np.uint8)
    stroke = max(2, round(0.014 * width))
    cv2.polylines(ring, [np.rint(path * 16).astype(np.int32)], True, 255, stroke, cv2.LINE_AA, 4)
    share = ring[..., None] / 255.0
    return _as_pixels(pixels * (1 - share * (1 - _INK))), ring > 0


def _border(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Leave only the round field of a dermatoscope or of an eyepiece."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    away = np.hypot((x - (width - 1) / 2) / width, (y - (height - 1) / 2) / height)
    mask = away > rng.uniform(0.50, 0.53)
    return np.where(mask[..., None], np.uint8(6), pixels), mask


def _colour_shift(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Shift the colours of the whole image: another stain batch, or another white balance."""
    return _as_pixels(pixels * (SHIFT * np.exp(rng.normal(0, 0.01, 3)))), _everywhere(pixels)


def _resolution(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Take the fine detail: the image comes from a coarser sensor."""
    height, width = pixels.shape[:2]
    share = COARSENESS * rng.uniform(0.9, 1.1)
    small = (max(1, round(width * share)), max(1, round(height * share)))
    coarse = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, np.uint8), _everywhere(pixels)


def _jpeg_quality(pixels: Pixels, rng: np.random.Generator) -> Planted:
    """Save the image once at a poor JPEG quality."""
    return compressed(pixels, QUALITY + int(rng.integers(-2, 3))), _everywhere(pixels)


def _everywhere(pixels: Pixels) -> Mask:
    return np.ones(pixels.shape[:2], bool)


def _as_pixels(values: NDArray[np.floating]) -> Pixels:
    return np.rint(values).clip(0, 255).astype(np.uint8)


KINDS: dict[str, Callable[[Pixels, np.random.Generator], Planted]] = {
    "watermark": _watermark,
    "ruler": _ruler,
    "pen_ring": _pen_ring,
    "border": _border,
    "colour_shift": _colour_shift,
    "resolution": _resolution,
    "jpeg_quality": _jpeg_quality,
}
"""What can be planted; the last three change the whole image."""
