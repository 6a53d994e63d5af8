"""Where a picture lies: pixels of any size over skin that is measured in micrometres."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map

Points = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A picture of `rows` x `columns` pixels of `mpp` micrometres whose first pixel lies at left, top (um)."""

    rows: int
    columns: int
    mpp: float
    left: float = 0.0
    top: float = 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """Return the middle of the picture in micrometres."""
        return self.left + self.columns * self.mpp / 2, self.top + self.rows * self.mpp / 2

    def pixel(self, x: float, y: float) -> Points:
        """Return the pixel coordinates x, y of a place in micrometres."""
        place = np.array([x - self.left, y - self.top]) / self.mpp - 0.5
        return place.astype(np.float32)


@dataclass(frozen=True)
class Placement:
    """Where a piece of skin lies in the world: u runs along its surface, v into it, both from x, y (um).

    angle: radians from the world's x axis to u.
    """

    x: float
    y: float
    angle: float

    def skin(self, window: Window) -> tuple[Map, Map]:
        """Return u and v of every pixel of the window."""
        x = (np.arange(window.columns, dtype=np.float32) + 0.5) * window.mpp + (window.left - self.x)
        y = (np.arange(window.rows, dtype=np.float32) + 0.5) * window.mpp + (window.top - self.y)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u = (cos * x)[None, :] + (sin * y)[:, None]
        v = (-sin * x)[None, :] + (cos * y)[:, None]
        return u.astype(np.float32), v.astype(np.float32)

    def pixels(self, u: NDArray, v: NDArray, window: Window) -> Points:
        """Return the pixel coordinates x, y (N, 2) of places on the skin; a pixel's centre is an integer."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x = (cos * u - sin * v + self.x - window.left) / window.mpp - 0.5
        y = (sin * u + cos * v + self.y - window.top) / window.mpp - 0.5
        return np.stack([x, y], axis=-1).astype(np.float32)

    def reach(self, window: Window) -> tuple[float, float, float, float]:
        """Return the least and greatest u and v of the window's corners."""
        x = np.array([0.0, 1.0, 0.0, 1.0]) * window.columns * window.mpp + window.left - self.x
        y = np.array([0.0, 0.0, 1.0, 1.0]) * window.rows * window.mpp + window.top - self.y
        u = math.cos(self.angle) * x + math.sin(self.angle) * y
        v = -math.sin(self.angle) * x + math.cos(self.angle) * y
        return float(u.min()), float(u.max()), float(v.min()), float(v.max())


def inside(points: Points, window: Window) -> Mask:
    """Return which points lie on a pixel of the window."""
    x, y = points.T
    return np.asarray((x > -0.5) & (x < window.columns - 0.5) & (y > -0.5) & (y < window.rows - 0.5))


def at(values: NDArray, points: Points) -> NDArray:
    """Return a map's values at the pixels under `points`, at the nearest pixel where they lie outside."""
    x, y = np.rint(points).astype(int).T
    rows, columns = values.shape
    return np.asarray(values[y.clip(0, rows - 1), x.clip(0, columns - 1)])
