"""The lesions of synthetic photos: where the skin is red, brown, scaly, crusted, raw or raised."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from nmevision.errors import DataError, did_you_mean
from nmevision.phantom.noise import Map, smooth_noise, smooth_step

FRAME = 224.0
"""All lengths below are for a photo of this many pixels, and scale with its side."""


@dataclass
class Lesion:
    """What a disease does to a patch of skin; every map is float32, size x size.

    blood: erythema, absorbance of added blood. pigment: absorbance of added melanin.
    scale, crust, raw: share of the surface covered (0-1). relief: height in pixels at FRAME.
    lines: how much the skin's own lines are deepened (0 is normal).
    """

    blood: Map
    pigment: Map
    scale: Map
    crust: Map
    raw: Map
    relief: Map
    lines: Map


def draw_lesion(diagnosis: str, rng: np.random.Generator, size: int = 224) -> Lesion:
    """Return the lesion of one of `LESIONS`, from subtle to marked by chance.

    Raises:
        DataError: no lesion is drawn for this diagnosis.
    """
    if diagnosis not in LESIONS:
        known = ", ".join(LESIONS)
        hint = did_you_mean(diagnosis, LESIONS)
        raise DataError(f"no phantom is drawn for diagnosis '{diagnosis}'{hint}; there are: {known}")
    canvas = _Canvas(rng, size)
    lesion = Lesion(*(np.zeros((size, size), np.float32) for _ in range(7)))
    LESIONS[diagnosis](canvas, lesion, rng.uniform(0.1, 1.0))
    return lesion


class _Canvas:
    """Pixel coordinates in FRAME units around the centre, and noise of a grain in the same units."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.size, self.zoom = rng, size, size / FRAME
        y, x = np.mgrid[:size, :size].astype(np.float32)
        self.x = (x - (size - 1) / 2) / self.zoom
        self.y = (y - (size - 1) / 2) / self.zoom

    def noise(self, grain: float) -> Map:
        return smooth_noise(self.rng, self.size, self.size, max(grain * self.zoom, 0.3))

    def patches(self, grain: float, share: float, soft: float = 0.4) -> Map:
        """Return 0-1 patches of a grain that cover about `share` of the area."""
        noise = self.noise(grain)
        edge = float(np.quantile(noise, 1 - np.clip(share, 0.001, 0.999)))
        return smooth_step(edge - soft, edge + soft, noise)

    def depth(self, count: int, radius: tuple[float, float], spread: float, ragged: float) -> Map:
        """Return how far inside (> 0) the union of `count` ragged rounds a pixel is, in FRAME units."""
        inside = np.full((self.size, self.size), -1e3, np.float32)
        for _ in range(count):
            a, b = self.rng.uniform(*radius) * np.exp(self.rng.normal(0, 0.12, 2))
            u, v = self.turned(self.rng.normal(0, spread, 2), self.rng.uniform(0, math.pi))
            inside = np.maximum(inside, math.sqrt(a * b) * (1 - np.hypot(u / a, v / b)))
        return np.asarray(inside + ragged * (0.7 * self.noise(9) + 0.3 * self.noise(2.5)), np.float32)

    def turned(self, centre: np.ndarray, angle: float) -> tuple[Map, Map]:
        """Return coordinates around `centre`, turned by `angle` radians."""
        x, y = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        cos, sin = math.cos(angle), math.sin(angle)
        return cos * x + sin * y, cos * y - sin * x

    def spots(self, where: Map, count: int, radius: tuple[float, float]) -> Map:
        """Return `count` soft round domes (0-1) at places drawn in proportion to `where`."""
        domes = np.zeros((self.size, self.size), np.float32)
        cumulated = np.cumsum(where, dtype=np.float64)
        flat = np.searchsorted(cumulated, self.rng.uniform(0, cumulated[-1], count))
        flat = flat.clip(0, where.size - 1)
        for index, r in zip(flat, self.rng.uniform(*radius, count), strict=True):
            y, x = divmod(int(index), self.size)
            reach = math.ceil(2 * r * self.zoom) + 1
            rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
            near = (self.x[rows, columns] - self.x[y, x]) ** 2 + (self.y[rows, columns] - self.y[y, x]) ** 2
            domes[rows, columns] = np.maximum(domes[rows, columns], np.clip(1.2 - near / r**2, 0, 1))
        return domes

    def scratches(self, where: Map, count: int) -> Map:
        """Return `count` thin, roughly parallel lines (0-1), kept where `where` is high."""
        canvas = np.zeros((self.size, self.size), np.uint8)
        angle = self.rng.uniform(0, math.pi)
        for _ in range(count):
            start, turn = self.rng.uniform(0, self.size, 2), angle + self.rng.normal(0, 0.15)
            steps = np.linspace(0, self.rng.uniform(12, 40) * self.zoom, 8)
            bend = self.rng.normal(0, 0.012) * steps**2 / self.zoom
            line = start + np.outer(steps, [math.cos(turn), math.sin(turn)])
            line = line + np.outer(bend, [-math.sin(turn), math.cos(turn)])
            width = max(1, round(self.rng.uniform(0.8, 2.2) * self.zoom))
            cv2.polylines(canvas, [np.rint(line * 16).astype(np.int32)], False, 255, width, cv2.LINE_AA, 4)
        return (canvas / np.float32(255) * smooth_step(0.2, 0.6, where)).astype(np.float32)


def _nme(canvas: _Canvas, lesion: Lesion, severity: float) -> None:
    """Fused rings: a red, eroded, crusted edge that moves outward; behind it brown, clearing skin."""
    rng = canvas.rng
    depth = canvas.depth(int(rng.integers(2, 6)), (28, 60), 34, 5)
    width = rng.uniform(9, 16)
    uneven = depth + 2.5 * canvas.noise(7)
    rim = smooth_step(-4, 4, depth) * smooth_step(width + 12, width - 3, uneven)
    behind = smooth_step(width - 5, width + 16, uneven)
    halo = smooth_step(-16, 2, depth)
    mottle = (1 + 0.22 * canvas.noise(5) + 0.08 * canvas.noise(1.5)).clip(0)
    lesion.blood += (
        0.08 * halo + (0.22 + 0.28 * severity) * rim + (0.22 - 0.16 * severity) * behind
    ) * mottle
    lesion.pigment += behind * (0.04 + 0.15 * severity) * (1 + 0.35 * canvas.noise(8)).clip(0)
    lesion.raw += rim * canvas.patches(4, 0.10 + 0.50 * severity, 0.5) * 0.8
    lesion.crust += rim * canvas.patches(2.6, 0.05 + 0.33 * severity, 0.4) * (0.75 + 0.2 * canvas.noise(1.5))
    collar = smooth_step(width - 6, width, uneven) * smooth_step(width + 6, width, uneven)
    lesion.scale += (0.55 * collar * canvas.patches(2.5, 0.5, 0.7) + 0.07 * behind) * canvas.patches(
        1.4, 0.5, 0.8
    )
    lesion.relief += 1.2 * rim + 1.2 * lesion.crust.clip(0) - 0.9 * lesion.raw + 0.5 * lesion.scale
    lesion.lines += 0.4 * behind


def _psoriasis(canvas: _Canvas, lesion: Lesion, severity: float) -> None:
    """Sharply bordered red plaques under silvery white scale."""
    rng = canvas.rng
    depth = canvas.depth(int(rng.integers(1, 7)), (14, 50), 36, 3.2)
    plaque = smooth_step(-1.6, 1.6, depth)
    if rng.uniform() < 0.15:  # the annular kind, for which NME can be taken
        plaque *= 1 - 0.8 * smooth_step(14, 24, depth)
    heaps = canvas.patches(6, 0.35 + 0.45 * severity, 1.0)
    flakes = canvas.patches(2.0, 0.55, 0.7) * (1 + 0.25 * canvas.noise(0.9))
    lesion.blood += (
        plaque * (0.30 + 0.22 * severity) * (1 + 0.12 * canvas.noise(5) + 0.08 * canvas.noise(1.5))
    )
    cover = smooth_step(0, 9, depth) * plaque * (0.25 + 0.75 * heaps) * (0.35 + 0.65 * flakes)
    lesion.scale += (cover * (0.55 + 0.45 * severity)).clip(0, 0.95)
    lesion.relief += 1.5 * plaque + 1.6 * lesion.scale * (1 + 0.4 * canvas.noise(1.4))


def _eczema(canvas: _Canvas, lesion: Lesion, severity: float) -> None:
    """Redness without a border, with papules, vesicles, scratches and coarse skin lines."""
    rng = canvas.rng
    area = smooth_step(-28, 26, canvas.depth(int(rng.integers(1, 5)), (28, 65), 40, 9))
    area = area * (0.35 + 0.65 * smooth_step(-1.2, 0.8, canvas.noise(12)))
    papules = canvas.spots(area**2, int(rng.integers(15, 40 + int(70 * severity))), (1.6, 3.4))
    vesicles = canvas.spots(area**2, int(rng.integers(0, 6 + int(30 * severity))), (1.0, 1.9))
    scratches = canvas.scratches(area, int(rng.integers(0, 3 + int(10 * severity))))
    mottle = 1 + 0.18 * canvas.noise(4) + 0.10 * canvas.noise(1.5)
    lesion.blood += area * (0.20 + 0.22 * severity) * mottle + 0.20 * papules * area
    lesion.crust += 0.5 * scratches + 0.6 * canvas.spots(area**2, int(rng.integers(0, 14)), (0.9, 2.2))
    lesion.raw += 0.5 * scratches
    lesion.scale += 0.32 * area * canvas.patches(1.3, 0.10 + 0.25 * severity, 0.8)
    lesion.relief += 0.9 * papules + 1.3 * vesicles + 0.4 * lesion.scale
    lesion.lines += area * rng.uniform(0, 1.6)


def _normal(canvas: _Canvas, lesion: Lesion, severity: float) -> None:
    """Healthy skin: no more than a flush, and dryness now and then."""
    flush = smooth_step(-30, 40, canvas.depth(1, (30, 80), 50, 10))
    lesion.blood += 0.16 * severity * flush * (1 + 0.2 * canvas.noise(10))
    lesion.scale += 0.12 * canvas.patches(2.0, 0.08) * float(canvas.rng.uniform() < 0.3)


LESIONS: dict[str, Callable[[_Canvas, Lesion, float], None]] = {
    "nme": _nme,
    "psoriasis": _psoriasis,
    "eczema": _eczema,
    "normal": _normal,
}
