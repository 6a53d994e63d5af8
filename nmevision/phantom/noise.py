"""Seeded smooth random maps: what makes drawn tissue and skin look grown rather than ruled."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, sigma: float, sigma_y: float | None = None
) -> Map:
    """Return Gaussian noise blurred to a grain, with mean 0 and standard deviation 1.

    Args:
        rng: where the noise comes from.
        height, width: shape of the map in pixels.
        sigma: grain along x in pixels (standard deviation of the blur), > 0.
        sigma_y: grain along y; as along x by default.

    >>> grain = smooth_noise(np.random.default_rng(0), 64, 64, 5)
    >>> grain.shape, abs(float(grain.mean())) < 1e-5, round(float(grain.std()), 3)
    ((64, 64), True, 1.0)
    """
    sigmas = (sigma_y or sigma, sigma)
    steps = [max(1, int(s / 2)) for s in sigmas]  # a coarse grain is drawn on a coarse grid, then enlarged
    shape = [-(-length // step) + 4 for length, step in zip((height, width), steps, strict=True)]
    white = rng.standard_normal(shape, dtype=np.float32)
    grid = cv2.GaussianBlur(white, (0, 0), sigmas[1] / steps[1], sigmaY=sigmas[0] / steps[0])
    if max(steps) > 1:
        size = (shape[1] * steps[1], shape[0] * steps[0])
        grid = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    grid = grid[steps[0] : steps[0] + height, steps[1] : steps[1] + width]
    grid = grid - grid.mean()
    return np.asarray(grid / max(float(grid.std()), 1e-6), np.float32)


def smooth_step(low: float, high: float, values: Map) -> Map:
    """Return 0 below `low`, 1 above `high` and a smooth rise between; falling where low > high.

    >>> smooth_step(0.0, 1.0, np.array([-1.0, 0.5, 2.0], np.float32)).tolist()
    [0.0, 0.5, 1.0]
    """
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
