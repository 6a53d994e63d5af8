"""What spoils a tile: blur, pen, a fold, an air bubble, or nothing on it.

The thresholds were set on phantom fields with known artefacts and on real H&E (oral mucosa, skin), which they leave
alone but for a few; tests/unit/data/test_tile_quality.py holds how often each is found.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from nmevision.data.tissue import Map, Mask, Pixels, densities, pen

FLAGS = ("blank", "blur", "pen", "fold", "bubble", "damaged")
"""blank: next to nothing but glass. damaged: the file could not be read there. The others as their names say."""

BLANK_SHARE = 0.03
"""Share of a tile that is coloured, below which it is blank."""
TISSUE_DENSITY = 0.06
"""Optical density (base 10, mean of the channels) of the palest tissue that is judged."""
SHARP = 0.165
"""Least share of a block's contrast that lies in details of one or two pixels; in focus it is 0.18 to 0.6, out of
focus mostly below 0.15."""
BLURRED_SHARE = 0.3
"""Share of a tile's blocks that may be out of focus."""
PEN_SHARE = 0.02
"""Share of a tile that may be ink."""
FOLD_DENSITY = 1.75
"""Density through the usual one from which tissue lies double; exactly 2 in a fold."""
RING_UM = 35.0
"""Least width of an air bubble, micrometres."""

_BLOCKS = 8  # blocks along a side that focus is judged in
_LEAST_CONTRAST = 6.0  # grey levels: a block with less has nothing to be in focus


def quality_flags(pixels: Pixels, um: float) -> list[str]:
    """Return the FLAGS of a tile (RGB, uint8); um: micrometres per pixel."""
    density = densities(pixels)
    soft = np.asarray(cv2.GaussianBlur(density, (0, 0), max(0.8, 3.0 / um)), np.float32)
    tissue = density.mean(axis=2) > TISSUE_DENSITY
    found = {
        "blank": bool((density.max(axis=2) - density.min(axis=2) > TISSUE_DENSITY).mean() < BLANK_SHARE),
        "blur": _out_of_focus(pixels, tissue),
        "pen": bool(_ink(pixels, soft, um).mean() > PEN_SHARE),
        "fold": _folded(soft, tissue, um),
        "bubble": _bubble(pixels, um),
    }
    return [flag for flag, there in found.items() if there]


def _ink(pixels: Pixels, soft: Map, um: float) -> Mask:
    """Return where pen is: coloured, or black without the blue of nuclei, in strokes wider than a cell."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), max(0.8, 3.0 / um))
    most, least = smooth.max(axis=2).astype(np.int16), smooth.min(axis=2).astype(np.int16)
    black = (most < 80) & (most - least < 32) & (soft[..., 0] > 0.35)
    return _opened(pen(soft) | black, 6 / um)


def _opened(mask: Mask, radius: float) -> Mask:
    """Take out what is thinner than twice the radius."""
    side = 2 * max(1, round(radius)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def _out_of_focus(pixels: Pixels, tissue: Mask) -> bool:
    """Tell whether many blocks of tissue lack detail."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    spread, fine = (_by_block(values**2) - _by_block(values) ** 2 for values in (grey, detail))
    judged = (_by_block(tissue.astype(np.float32)) > 0.5) & (spread > _LEAST_CONTRAST**2)
    if not judged.any():
        return False
    ratio = np.sqrt(np.maximum(fine, 0)[judged] / spread[judged])
    return bool((ratio < SHARP).mean() > BLURRED_SHARE)


def _by_block(values: npt.NDArray[np.floating]) -> Map:
    return np.asarray(cv2.resize(values, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA), np.float32)


def _folded(soft: Map, tissue: Mask, um: float) -> bool:
    """Tell whether a long band is twice as dense as tissue of its colour elsewhere in the tile."""
    whole = soft.sum(axis=2)
    pink = tissue & (soft[..., 0] < 0.55 * soft[..., 1])  # red passes eosin and is held back by haematoxylin
    if pink.sum() < 500:
        return False
    dense = pink & (whole > FOLD_DENSITY * float(np.median(whole[pink])))
    dense = _opened(dense, 4 / um)
    count, _, stats, _ = cv2.connectedComponentsWithStats(dense.astype(np.uint8))
    longest = max((int(np.hypot(stats[i, 2], stats[i, 3])) for i in range(1, count)), default=0)
    return bool(longest * um > 80)


def _bubble(pixels: Pixels, um: float) -> bool:
    """Tell whether a thin dark grey line goes round something."""
    most, least = pixels.max(axis=2).astype(np.int16), pixels.min(axis=2).astype(np.int16)
    dark = ((most < 120) & (most - least < 36)).astype(np.uint8)
    rim = np.asarray(cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(rim, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for line in contours:
        _, _, width, height = cv2.boundingRect(line)
        if min(width, height) * um < RING_UM:
            continue
        hull = cv2.contourArea(cv2.convexHull(line))
        drawn = np.zeros_like(rim)
        cv2.drawContours(drawn, [line], -1, 1, -1)
        if hull > 4 * float((drawn & rim).sum()):
            return True
    return False
