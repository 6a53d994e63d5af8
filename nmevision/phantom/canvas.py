"""A patch of skin in millimetres to draw on: coordinates, grain, cells, spots and lines."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map

Mask = NDArray[np.bool_]

_SHIFT = 40
"""Pixels by which the one sheet of white noise of a photo can be moved."""


class Canvas:
    """Coordinates in millimetres around the centre of a square photo, and chance in the same units."""

    def __init__(self, rng: np.random.Generator, size: int, field: float) -> None:
        """size: side in pixels. field: side in millimetres."""
        self.rng, self.size, self.field, self.px = rng, size, field, size / field
        along = ((np.arange(size, dtype=np.float32) - (size - 1) / 2) / self.px).astype(np.float32)
        self.x = np.ascontiguousarray(np.broadcast_to(along, (size, size)))
        self.y = np.ascontiguousarray(self.x.T)
        self._white = rng.standard_normal((size + _SHIFT, size + _SHIFT), dtype=np.float32)

    def zeros(self) -> Map:
        """Return an empty map."""
        return np.zeros((self.size, self.size), np.float32)

    def noise(self, grain: float) -> Map:
        """Return noise (mean 0, standard deviation 1) with a grain in millimetres."""
        sigma = max(grain * self.px, 0.35)
        if sigma >= 2:
            return self._coarse_noise(sigma)
        row, column = self.rng.integers(0, _SHIFT, 2)  # white noise moved aside is fresh white noise
        white = self._white[row : row + self.size, column : column + self.size]
        grain_map = cv2.GaussianBlur(white, (0, 0), sigma)
        return np.asarray(grain_map / max(float(grain_map[::3, ::3].std()), 1e-6), np.float32)

    def _coarse_noise(self, sigma: float) -> Map:
        """Return noise of a grain in pixels, drawn on a coarse grid and enlarged."""
        count = max(4, round(self.size * 1.25 / sigma))
        white = self.rng.standard_normal((count + 6, count + 6), dtype=np.float32)
        grid = cv2.GaussianBlur(white, (0, 0), 1.25)[3:-3, 3:-3]
        grid = (grid - grid.mean()) / max(float(grid.std()), 1e-6)
        enlarged = cv2.resize(grid, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return np.asarray(enlarged, np.float32)

    def blurred(self, values: Map, sigma: float) -> Map:
        """Return `values` blurred by a standard deviation in millimetres."""
        return np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma * self.px, 0.3)), np.float32)

    def cells(self, spacing: float) -> tuple[Map, Map]:
        """Return a mosaic of cells: a height (0-1) of each cell, and its seams (1 on a seam, soft)."""
        size = self.size
        count = max(2, round(self.field / spacing))
        step = size / count
        at = (np.arange(count) + 0.5) * step
        jitter = self.rng.uniform(-0.42 * step, 0.42 * step, (2, count, count))
        rows = np.clip(at[:, None] + jitter[0], 0, size - 1).astype(int)
        columns = np.clip(at[None, :] + jitter[1], 0, size - 1).astype(int)
        seeds = np.full((size, size), 255, np.uint8)
        seeds[rows, columns] = 0
        _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
        heights = self.rng.uniform(0, 1, count * count + 2).astype(np.float32)[labels]
        seams = self.zeros()
        seams[:, 1:] = labels[:, 1:] != labels[:, :-1]
        seams[1:] = np.maximum(seams[1:], labels[1:] != labels[:-1])
        return heights, self.blurred(seams, 0.10 * spacing)

    def turned(self, centre: NDArray[np.float64], angle: float) -> tuple[Map, Map]:
        """Return coordinates around `centre` (mm), turned by `angle` radians."""
        x, y = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        return cos * x + sin * y, cos * y - sin * x

    def scatter(self, where: Map, count: int, gap: float) -> list[tuple[int, int]]:
        """Return up to `count` pixels (row, column) drawn by the weight `where`, at least `gap` mm apart."""
        if count == 0:
            return []
        cumulated = np.cumsum(where.clip(0), dtype=np.float64)
        if cumulated[-1] <= 0:
            return []
        drawn = self.rng.uniform(0, cumulated[-1], 40 * count)
        flat = np.searchsorted(cumulated, drawn).clip(0, where.size - 1)
        found: list[tuple[int, int]] = []
        for row, column in zip(*np.divmod(flat, self.size), strict=True):
            if all(math.hypot(row - r, column - c) >= gap * self.px for r, c in found):
                found.append((int(row), int(column)))
                if len(found) == count:
                    break
        return found

    def dome(self, into: Map, at: tuple[int, int], radius: float, stretch: float = 1.0) -> None:
        """Raise a round or oval dome (1 in its centre, 0 at its edge) in `into`, keeping what is higher."""
        row, column = at
        reach = math.ceil(radius * stretch * self.px) + 1
        rows = slice(max(0, row - reach), row + reach + 1)
        columns = slice(max(0, column - reach), column + reach + 1)
        dx, dy = self.x[rows, columns] - self.x[row, column], self.y[rows, columns] - self.y[row, column]
        turn = self.rng.uniform(0, math.pi)
        u, v = math.cos(turn) * dx + math.sin(turn) * dy, math.cos(turn) * dy - math.sin(turn) * dx
        wobble = 1 + 0.08 * np.sin(3 * np.arctan2(v, u) + self.rng.uniform(0, 6))
        inside = 1 - ((u / stretch) ** 2 + (v * stretch) ** 2) / (radius * wobble) ** 2
        into[rows, columns] = np.maximum(into[rows, columns], np.clip(inside, 0, 1))

    def line(
        self, at: tuple[int, int], angle: float, length: float, width: float, bend: float
    ) -> tuple[slice, slice, Map]:
        """Return a soft line (0-1) through a pixel and the rows and columns of its window, inside the photo.

        Lengths in mm, `bend` in radians over its length.
        """
        steps = np.linspace(-0.5, 0.5, 10)
        turn = angle + bend * steps + np.cumsum(self.rng.normal(0, 0.08, 10))
        path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], -1), axis=0) * length * self.px / 10
        path = path - path.mean(0) + (at[1], at[0])
        margin = 2 + math.ceil(width * self.px)
        left, top = np.maximum(np.floor(path.min(0)).astype(int) - margin, 0)
        right, bottom = np.minimum(np.ceil(path.max(0)).astype(int) + margin, self.size - 1)
        drawn = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
        points = np.rint((path - (left, top)) * 16).astype(np.int32)
        cv2.polylines(drawn, [points], False, 255, max(1, round(width * self.px)), cv2.LINE_AA, 4)
        window = (drawn / np.float32(255)).astype(np.float32)
        return slice(top, bottom + 1), slice(left, right + 1), window


def signed_depth(mask: Mask, px: float) -> Map:
    """Return how far (mm) each pixel lies inside (> 0) or outside (< 0) a mask; `px` pixels per mm."""
    if not mask.any():
        return np.full(mask.shape, -1e3, np.float32)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(cv2.GaussianBlur((inside - outside) / px, (0, 0), 0.8), np.float32)


def ragged_union(
    canvas: Canvas, x: Map, y: Map, rounds: list[tuple[float, float, float]], warp: float
) -> Mask:
    """Return the union of rounds (x, y, radius in mm) whose outline wanders by about `warp` mm."""
    dx, dy = (warp * (0.8 * canvas.noise(7) + 0.35 * canvas.noise(2.5)) for _ in range(2))
    x, y = np.asarray(x + dx, np.float32), np.asarray(y + dy, np.float32)
    inside = np.full(x.shape, -1e3, np.float32)
    for centre_x, centre_y, radius in rounds:
        away = cv2.magnitude(x - np.float32(centre_x), y - np.float32(centre_y))
        np.maximum(inside, radius - away, out=inside)
    mask = (inside > 0).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.bool_)


def smooth_step(low: float, high: float, values: Map) -> Map:
    """Return 0 below `low`, 1 above `high` and a smooth rise between; falling where low > high."""
    t = values - np.float32(low)
    t *= np.float32(1 / (high - low))
    np.clip(t, 0, 1, out=t)
    rise = t * np.float32(-2)
    rise += np.float32(3)
    rise *= t
    rise *= t
    return np.asarray(rise, np.float32)


def soft_above(threshold: float, feather: float, values: Map) -> Map:
    """Return 0-1, half at the threshold, that rises over twice the feather."""
    return smooth_step(threshold - feather, threshold + feather, values)


def upper_share(values: NDArray[np.float32], share: float) -> float:
    """Return the value that the greatest `share` (0-1) of some values reach."""
    rank = min(max(round((1 - share) * (values.size - 1)), 0), values.size - 1)
    return float(np.partition(values, rank)[rank])
