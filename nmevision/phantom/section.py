"""Where the layers of one skin section lie: surface, horn, living epidermis with its ridges, dermis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map, smooth_noise, smooth_step

Mask = NDArray[np.bool_]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Section:
    """The layers of a section, each pixel one micrometre; every map is H x W.

    along, across: slightly wavy coordinates along the skin and into it, 0 at the centre.
    angle: direction of the skin's surface in the image, radians.
    horn, epidermis, dermis: which layer a pixel belongs to; none of them is empty glass.
    horn_level: 0 at the outer face of the horn, 1 at the living epidermis.
    depth: micrometres below the horn. height: micrometres above the dermis. below: micrometres into it.
    level: 0 at the top of the living epidermis, 1 at the dermis.
    """

    along: Map
    across: Map
    angle: float
    horn: Mask
    epidermis: Mask
    dermis: Mask
    horn_level: Map
    depth: Map
    height: Map
    below: Map
    level: Map

    @property
    def size(self) -> int:
        """Return the side of the square field in pixels."""
        return int(self.along.shape[0])

    def lay(self, texture: Map, wave: Map | float = 0) -> Map:
        """Return `texture` (drawn with x along the skin, y into it) turned to lie as the skin lies."""
        middle = texture.shape[0] / 2
        x, y = self.along + middle, self.across + wave + middle
        turned = cv2.remap(texture, x, y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(turned, np.float32)

    def texture(self, rng: np.random.Generator, grain: float, grain_across: float) -> Map:
        """Return noise of grain `grain` along the skin and `grain_across` into it, turned with the skin."""
        side = math.ceil(1.5 * self.size)
        return self.lay(smooth_noise(rng, side, side, grain, grain_across))

    def lattice(self, rng: np.random.Generator, step: float, step_across: float, jitter: float) -> Points:
        """Return points (N, 2) as x, y in pixels on a jittered honeycomb that follows the skin."""
        reach = 0.75 * self.size
        rows = np.arange(-reach, reach, step_across)
        columns = np.arange(-reach, reach, step)
        u, v = np.meshgrid(columns, rows)
        u = u + step / 2 * (np.arange(len(rows)) % 2)[:, None]
        u = u + rng.normal(0, jitter * step, u.shape)
        v = v + rng.normal(0, jitter * step_across, v.shape)
        cos, sin, middle = math.cos(self.angle), math.sin(self.angle), (self.size - 1) / 2
        points = np.stack([cos * u - sin * v + middle, sin * u + cos * v + middle], -1).reshape(-1, 2)
        inside = np.all((points >= 0) & (points <= self.size - 1), axis=1)
        return np.asarray(points[inside], np.float32)


def at(values: NDArray, points: Points) -> NDArray:
    """Return a map's values at the pixels under `points`."""
    x, y = np.rint(points).astype(int).T
    return np.asarray(values[y, x])


def draw_section(
    rng: np.random.Generator, size: int, acanthosis: float, regularity: float, horn_um: float
) -> Section:
    """Return a section at a random angle.

    Args:
        size: side of the field in pixels, which are micrometres.
        acanthosis: 0 thin epidermis with shallow ridges .. 1 long ridges.
        regularity: 0 ridges of any length and distance .. 1 all alike, with thin plates between them.
        horn_um: mean thickness of the horn in micrometres.
    """
    angle = rng.uniform(-math.pi, math.pi)
    along, across = _coordinates(rng, size, angle)
    sway = along + 3.0 * smooth_noise(rng, size, size, 11)
    off, length = _ridges(rng, sway, regularity)
    surface = -rng.uniform(0.27, 0.36) * size + 3.0 * _curve(rng, along, 30) + 0.7 * _curve(rng, along, 3)
    thickness = horn_um * np.exp(0.18 * _curve(rng, along, 22))
    depth = across - surface - thickness
    plate = 36 + 34 * acanthosis - 46 * acanthosis * regularity  # epidermis above a papilla, micrometres
    reach = 16 + 112 * acanthosis  # a ridge below that plate, micrometres
    off = off / (1 + 0.35 * regularity * np.clip((depth - plate) / reach, 0, 1))  # clubs: wider below
    bottom = plate + reach * length * smooth_step(0.9, 0.2, off) + 1.2 * _curve(rng, along, 4)
    horn = (across > surface) & (depth <= 0)
    dermis = depth > bottom
    epidermis = (depth > 0) & ~dermis
    height = _distance(~dermis)
    return Section(
        along=along,
        across=across,
        angle=angle,
        horn=horn,
        epidermis=epidermis,
        dermis=dermis,
        horn_level=np.clip((across - surface) / thickness, 0, 1).astype(np.float32),
        depth=depth.astype(np.float32),
        height=height,
        below=_distance(dermis),
        level=(np.clip(depth, 0, None) / (np.clip(depth, 0, None) + height + 1e-3)).astype(np.float32),
    )


def _coordinates(rng: np.random.Generator, size: int, angle: float) -> tuple[Map, Map]:
    """Return the coordinates along and into the skin, bent a little as all tissue is."""
    y, x = np.mgrid[:size, :size].astype(np.float32) - (size - 1) / 2
    bend = [2.0 * smooth_noise(rng, size, size, 20) for _ in range(2)]
    along = math.cos(angle) * x + math.sin(angle) * y + bend[0]
    across = -math.sin(angle) * x + math.cos(angle) * y + bend[1]
    return along.astype(np.float32), across.astype(np.float32)


def _curve(rng: np.random.Generator, along: Map, grain: float) -> Map:
    """Return a smooth random height that depends on the place along the skin only."""
    side = 2 * along.shape[0]
    heights = smooth_noise(rng, 1, side, grain)[0]
    return np.interp(along, np.arange(side) - side / 2, heights).astype(np.float32)


def _ridges(rng: np.random.Generator, along: Map, regularity: float) -> tuple[Map, Map]:
    """Return how far from the middle of the nearest ridge (0-1) a pixel is, and that ridge's length."""
    reach, wild = float(np.abs(along).max()) + 80, 1 - regularity
    spacing = rng.uniform(44, 58) * np.exp(rng.normal(0, 0.05 + 0.3 * wild, 60))
    middles = np.cumsum(spacing) - rng.uniform(0, 50) - reach
    lengths = np.clip(rng.normal(1, 0.08 + 0.35 * wild, 60), 0.2, 1.7)
    borders = (middles[1:] + middles[:-1]) / 2
    nearest = np.searchsorted(borders, along)
    half = np.diff(borders, prepend=middles[0] - 25, append=middles[-1] + 25) / 2
    off = np.clip(np.abs(along - middles[nearest]) / half[nearest], 0, 1)
    return off.astype(np.float32), lengths[nearest].astype(np.float32)


def _distance(mask: Mask) -> Map:
    """Return for each true pixel its distance to the nearest false one, in pixels."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
