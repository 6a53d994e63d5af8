"""How a picture was made, as numbers: its file, its sharpness, its white; and what lies in its frame.

Descriptors that a plain reader gets (nmevision.evaluation.probe). `container` and `glass` ask for what no
disease causes; in `margin` and `frame` little, in `small` and `colours` much of it shows.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from nmevision.data.ablations import FRAME, THUMBNAIL, glass_mask
from nmevision.data.image_quality import grey_of
from nmevision.data.images import Pixels

Floats = npt.NDArray[np.float64]

FILE = ("width", "height", "aspect", "jpeg_step", "jpeg_blocks", "black_corners")
"""What `container` returns: logarithms of pixels and of width / height, JPEG's mean luminance step and how much its
grid of 8 shows, the share of the corners that is black."""
MARGIN = (
    "bytes_per_pixel",
    "finest_detail",
    "fine_detail",
    "noise",
    "white_red_to_green",
    "white_blue_to_green",
)
"""What `margin` returns: sharpness, noise and white of the outer seventh, and the file's size, as logarithms."""
GLASS = ("glass_red_to_green", "glass_blue_to_green", "glass_level", "glass_noise")
"""What `glass` returns."""
LEAST_GLASS = 0.005
"""Share of a slide that must be empty for its glass to be measured."""
BLACK = 24
"""Grey level below which a corner is black."""
COLOUR_STEPS = 6
RING = 1 / 7
"""Width of the margin as a share of each side: most lesions lie further in."""
_STROKE = 5  # pixels: thinner bright or dark marks, such as letters, are strokes
_TINY = 1e-3


def container(path: Path, pixels: Pixels) -> Floats:
    """Return FILE of an image file and its pixels; the JPEG step is NaN where it is no JPEG. No disease changes them."""
    height, width = pixels.shape[:2]
    step = math.nan
    try:
        with Image.open(path) as image:
            tables = getattr(image, "quantization", None)
            if tables:
                step = math.log(float(np.mean(tables[min(tables)])))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        pass  # the pixels were read; only the file's own record cannot be
    blocks, corners = _blocks(grey_of(pixels).astype(np.float32)), _black_corners(pixels)
    return np.array([math.log(width), math.log(height), math.log(width / height), step, blocks, corners])


def margin(path: Path, pixels: Pixels) -> Floats:
    """Return MARGIN of an image file and its pixels: how sharp, noisy and white its outermost part is."""
    height, width = pixels.shape[:2]
    grey = grey_of(pixels).astype(np.float32)
    energies = []
    for by in (1, 2, 4):
        scaled = _shrunk(grey, by)
        detail = cv2.Laplacian(scaled, cv2.CV_32F)[_ring(*scaled.shape)]
        energies.append(float(detail.std()) + _TINY)
        if by == 1:
            noise = float(np.median(np.abs(detail)))
    white = np.percentile(pixels[_ring(height, width)], 99, axis=0) + 1
    return np.array(
        [
            math.log(max(1, path.stat().st_size) / (width * height)),
            math.log(energies[0] / energies[1]),
            math.log(energies[1] / energies[2]),
            math.log(noise + 1),
            math.log(white[0] / white[1]),
            math.log(white[2] / white[1]),
        ]
    )


def _ring(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return which pixels lie in the margin."""
    found = np.ones((height, width), dtype=bool)
    y, x = max(1, round(RING * height)), max(1, round(RING * width))
    found[y : height - y, x : width - x] = False
    return found


def _shrunk(grey: npt.NDArray[np.float32], by: int) -> npt.NDArray[np.float32]:
    size = max(1, grey.shape[1] // by), max(1, grey.shape[0] // by)
    return grey if by == 1 else np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _blocks(grey: npt.NDArray[np.float32]) -> float:
    """Return how much stronger the steps across JPEG's grid of 8 pixels are than those beside it (logarithm)."""
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=1 - axis)
        at = np.arange(len(steps)) % 8
        if (at == 7).any():
            found.append(
                math.log((steps[at == 7].mean() + _TINY) / (steps[(at == 3) | (at == 5)].mean() + _TINY))
            )
    return float(np.mean(found)) if found else 0.0


def _black_corners(pixels: Pixels) -> float:
    """Return the share of the four corners (a twentieth of each side) that is black."""
    height, width = pixels.shape[:2]
    y, x = max(1, height // 20), max(1, width // 20)
    corners = [pixels[a, b] for a in (slice(y), slice(-y, None)) for b in (slice(x), slice(-x, None))]
    return float(np.mean([(corner < BLACK).all(axis=2).mean() for corner in corners]))


def glass(pixels: Pixels) -> Floats:
    """Return GLASS of a slide: colour, level and noise of its empty parts; NaN where it is covered."""
    clear = glass_mask(pixels)
    if clear.mean() < LEAST_GLASS:
        return np.full(len(GLASS), np.nan)
    own = pixels[clear].astype(np.float64)
    red, green, blue = own.mean(axis=0) + 1
    return np.array([math.log(red / green), math.log(blue / green), green, own.std(axis=0).mean()])


def frame(pixels: Pixels) -> Floats:
    """Return the outer tenth of an image as 36 cells: mean colour, spread, bright and dark strokes of each (216)."""
    height, width = pixels.shape[:2]
    y, x = (max(1, round(FRAME * side)) for side in (height, width))
    grey, darkest = grey_of(pixels).astype(np.float32), pixels.min(axis=2)
    kernel = np.ones((_STROKE, _STROKE), np.uint8)
    strokes = [cv2.morphologyEx(darkest, kind, kernel) for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)]
    down, across = np.linspace(y, height - y, 9).astype(int), np.linspace(x, width - x, 9).astype(int)
    rows, columns = (slice(0, y), slice(height - y, height)), (slice(0, x), slice(width - x, width))
    cells = [(a, b) for a in rows for b in columns]
    cells += [(a, slice(*across[i : i + 2])) for a in rows for i in range(8)]
    cells += [(slice(*down[i : i + 2]), b) for b in columns for i in range(8)]
    found: list[float] = []
    for cell in cells:
        found += pixels[cell].reshape(-1, 3).mean(axis=0).tolist()
        found += [float(grey[cell].std()), *(float(np.log1p(kind[cell].mean())) for kind in strokes)]
    return np.nan_to_num(np.array(found))


def small(pixels: Pixels) -> Floats:
    """Return the image as THUMBNAIL x THUMBNAIL mean colours (768 numbers)."""
    cells = cv2.resize(pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, np.float64).ravel()


def colours(pixels: Pixels) -> Floats:
    """Return the square roots of the shares of 6 x 6 x 6 colours (216 numbers), blind to every place."""
    steps = pixels.reshape(-1, 3).astype(np.int64) * COLOUR_STEPS // 256
    flat = (steps[:, 0] * COLOUR_STEPS + steps[:, 1]) * COLOUR_STEPS + steps[:, 2]
    return np.asarray(np.sqrt(np.bincount(flat, minlength=COLOUR_STEPS**3) / len(flat)))
