"""Colour changes that can happen in a stain bath or under a lamp: pure functions of pixels and numbers.

Both map one colour to one colour for the whole image, so what is paler or redder than its neighbour stays
so: upper-epidermal pallor and erythema are findings, and an augmentation must not invent or remove them.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

STAINS = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
"""Optical density of one unit of haematoxylin, eosin and diaminobenzidine (rows) in R, G, B (columns).

Ruifrok & Johnston 2001, Anal Quant Cytol Histol 23:291-299, PMID 11531144. H&E holds no diaminobenzidine:
its row takes up what the two stains leave over (pigment, red cells, scanner colour)."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Share of linear R, G, B in relative luminance (ITU-R BT.709, the primaries of sRGB)."""

_UNSTAIN = np.linalg.inv(STAINS)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)
"""Linear light of each 8-bit sRGB level (IEC 61966-2-1)."""
_LOG_TRANSMITTANCE = np.log((np.arange(256) + 1) / 256).astype(np.float32)
"""Natural logarithm of the light each 8-bit level lets through; + 1 keeps black finite, 255 is 'no stain'."""
_ONE: Any = (1.0, 1.0, 1.0, 0.0)
"""The + 1 above, once per channel: OpenCV takes a lone number from the first channel only."""


def jitter_stain(
    pixels: NDArray[np.uint8], gains: ArrayLike, offsets: ArrayLike = (0.0, 0.0, 0.0)
) -> NDArray[np.uint8]:
    """Return a histology image as another batch of stain would have coloured it.

    The optical density OD = -log10((I + 1) / 256) is separated into the three `STAINS`; each amount is
    multiplied by its gain, its offset is added, and the colours are mixed again. Separation, gain and mixing
    are one 3 x 3 matrix. After Tellez et al. 2018, doi:10.1109/TMI.2018.2820199.

    Args:
        pixels: uint8 RGB image (H, W, 3).
        gains: factors > 0 for haematoxylin, eosin and the rest; 1 changes nothing.
        offsets: amounts of the three stains added everywhere, in units of OD; 0 keeps white white.

    >>> purple = np.full((1, 1, 3), (120, 80, 160), np.uint8)
    >>> jitter_stain(purple, gains=(1, 1, 1)).tolist()
    [[[120, 80, 160]]]
    >>> jitter_stain(purple, gains=(1.3, 1, 1)).tolist()
    [[[98, 64, 146]]]
    """
    mixing = _UNSTAIN @ np.diag(np.asarray(gains)) @ STAINS
    added = math.log(256) - math.log(10) * (np.asarray(offsets) @ STAINS)
    logarithms = cv2.transform(cv2.LUT(pixels, _LOG_TRANSMITTANCE), np.column_stack([mixing.T, added]))
    stained = cv2.subtract(cv2.exp(logarithms), _ONE, dtype=cv2.CV_8U)  # rounds and saturates
    return np.asarray(stained, np.uint8)


def jitter_light(
    pixels: NDArray[np.uint8],
    warmth: float = 0.0,
    tint: float = 0.0,
    exposure: float = 0.0,
    contrast: float = 0.0,
) -> NDArray[np.uint8]:
    """Return a photo as it would look under another lamp and another camera setting.

    The lamp is one gain per channel on linear light (von Kries; Finlayson et al. 1994,
    doi:10.1364/JOSAA.11.003011), scaled so that the image's mean luminance stays; then exposure multiplies
    linear light, and contrast stretches the sRGB levels about the mean luminance. There is no rotation of
    hue, which no lamp does.

    Args:
        pixels: uint8 RGB image (H, W, 3), sRGB.
        warmth: natural logarithm of the red gain and minus that of the blue gain; > 0 is a warmer lamp.
        tint: natural logarithm of the green gain; > 0 is greener, < 0 more magenta.
        exposure: natural logarithm of the factor on linear light; > 0 is brighter.
        contrast: natural logarithm of the slope about the mean; > 0 is more contrast.

    >>> grey = np.full((1, 1, 3), 128, np.uint8)
    >>> jitter_light(grey).tolist()
    [[[128, 128, 128]]]
    >>> red, green, blue = jitter_light(grey, warmth=0.2)[0, 0]
    >>> bool(red > green > blue)
    True
    """
    gains = np.exp([warmth, tint, -warmth])
    means = np.array(cv2.mean(cv2.LUT(pixels, _LINEAR.astype(np.float32)))[:3])
    before, after = LUMINANCE @ means, LUMINANCE @ (gains * means)
    gains *= math.exp(exposure) * (before / after if after else 1.0)
    pivot = _to_srgb(before * math.exp(exposure))
    levels = pivot + math.exp(contrast) * (_to_srgb(_LINEAR[:, None] * gains) - pivot)
    table = np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table[None]), np.uint8)


def _to_srgb(linear: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the sRGB value (0-1) of linear light; light above 1 is clipped, as a sensor does."""
    light = np.clip(linear, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
