"""The cells of the epidermis: where they lie, how they are shaped, and which pixel belongs to which."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map
from nmevision.phantom.section import Section
from nmevision.phantom.sheet import Sheet, Values
from nmevision.phantom.window import Mask, Points, at, inside

BASAL_STEP, BASAL_HEIGHT, BASAL_ZONE = 5.6, 4.2, 8.0
"""Distance of the basal cells, of their nuclei from the dermis, and their zone's height, micrometres."""


@dataclass(frozen=True)
class Keratinocytes:
    """The cells of a window's epidermis.

    points: pixels (N, 2). i, j: the cells' names for chance. basal: the row on the dermis.
    level, depth: as in the section. axes: half-axes of the nucleus (um). angle: of it to u.
    owner: pixel -> index of its cell (-1 outside). rim: distance to the cell's border (um).
    """

    points: Points
    i: NDArray[np.int64]
    j: NDArray[np.int64]
    basal: Mask
    level: Values
    depth: Values
    axes: Values
    angle: Values
    owner: NDArray[np.int32]
    rim: Map

    def __len__(self) -> int:
        return len(self.points)

    def region(self, chosen: Mask) -> Mask:
        """Return the pixels of the chosen cells."""
        return np.asarray(np.append(chosen, False)[self.owner])


def draw_keratinocytes(sheet: Sheet) -> Keratinocytes:
    """Return the cells: a basal row that stands on the dermis, above it a mosaic that flattens upwards."""
    section = sheet.section
    basal, upright, names = _basal_row(section)
    upper, i, j = _mosaic(section)
    points = np.concatenate([basal, upper])
    is_basal = np.arange(len(points)) < len(basal)
    i, j = np.r_[names, i], np.r_[np.full(len(names), -1), j]
    level, depth = (at(values, points).astype(float) for values in (section.level, section.depth))
    chance = section.chance
    swell = np.exp(0.14 * np.stack([chance.normal("long", i, j), chance.normal("wide", i, j)], -1))
    flat = np.clip((depth - 4) / 26, 0, 1)[:, None]
    axes = (1 - flat) * np.array([4.2, 1.25]) + flat * np.array([3.9, 3.0])
    axes = np.where(is_basal[:, None], np.array([3.7, 2.25]), axes) * swell
    tilt = (0.12 + 0.6 * flat[:, 0]) * chance.normal("tilt", i, j)
    angle = np.where(is_basal, np.r_[upright, np.zeros(len(upper))], 0) + tilt * np.where(is_basal, 0.2, 1)
    owner, rim = _mosaic_map(section, points)
    return Keratinocytes(points, i, j, is_basal, level, depth, axes, angle, owner, rim)


def _basal_row(section: Section) -> tuple[Points, Values, NDArray[np.int64]]:
    """Return the basal cells, the direction in which each stands (to u), and their numbers."""
    relief = section.relief
    low, high, _, _ = section.place.reach(section.window)
    v = np.interp(relief.ridge_u, relief.u, relief.base - relief.split) + relief.ridge_d
    walked = np.r_[0, np.cumsum(np.hypot(np.diff(relief.ridge_u), np.diff(v)))]
    number = np.arange(int(walked[-1] / BASAL_STEP))
    place = BASAL_STEP * (number + 0.15 * section.chance.normal("basal", number))
    u0, v0 = np.interp(place, walked, relief.ridge_u), np.interp(place, walked, v)
    near = (u0 > low - 20) & (u0 < high + 20)
    place, u0, v0, number = place[near], u0[near], v0[near], number[near]
    du = np.interp(place + 2, walked, relief.ridge_u) - np.interp(place - 2, walked, relief.ridge_u)
    dv = np.interp(place + 2, walked, v) - np.interp(place - 2, walked, v)
    length = np.hypot(du, dv) + 1e-9
    rise = BASAL_HEIGHT + 0.5 * section.chance.normal("basal height", number)
    points = section.place.pixels(u0 + dv / length * rise, v0 - du / length * rise, section.window)
    kept = inside(points, section.window)
    kept[kept] = at(section.epidermis, points[kept])
    return points[kept], np.arctan2(-du, dv)[kept], number[kept]


def _mosaic(section: Section) -> tuple[Points, NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells above the basal row and their names: rows that lie closer near the surface."""
    low, high, _, _ = section.place.reach(section.window)
    depths, steps, depth = [], [], 3.0
    deepest = float(section.depth[section.epidermis].max(initial=0))
    while depth < deepest:
        flat = np.clip((depth - 4) / 26, 0, 1)
        depths.append(depth)
        steps.append(15.5 - 5.0 * flat)
        depth += 4.4 + 4.8 * flat
    if not depths:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = [np.arange(int(low / s) - 2, int(high / s) + 3) for s in steps]
    i = np.concatenate(columns)
    j = np.repeat(np.arange(len(steps)), [len(c) for c in columns])
    chance, step = section.chance, np.array(steps)[j]
    gaps = np.append(np.diff(depths), 9.0)[j]
    u = step * (i + 0.5 * (j % 2) + 0.17 * chance.normal("cell u", i, j))
    down = np.array(depths)[j] + 0.17 * gaps * chance.normal("cell v", i, j)
    points = section.points(u, down)
    kept = inside(points, section.window)
    kept[kept] = at(section.epidermis, points[kept]) & (at(section.height, points[kept]) > BASAL_ZONE)
    return points[kept], i[kept], j[kept]


def _mosaic_map(section: Section, points: Points) -> tuple[NDArray[np.int32], Map]:
    """Return which cell each pixel of the epidermis belongs to, and how far it is from the cell's border."""
    shape = section.u.shape
    if not len(points):
        return np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
    seeds = np.ones(shape, np.uint8)
    x, y = np.rint(points).astype(int).T
    seeds[y, x] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    cell_of = np.full(labels.max() + 1, -1, np.int32)
    cell_of[labels[y, x]] = np.arange(len(points))
    owner = np.where(section.epidermis, cell_of[labels], np.int32(-1))
    within = np.ones(shape, np.uint8)
    within[:, 1:] &= labels[:, 1:] == labels[:, :-1]
    within[1:] &= labels[1:] == labels[:-1]
    rim = cv2.distanceTransform(within, cv2.DIST_L2, 3) * np.float32(section.window.mpp)
    return owner.astype(np.int32), np.asarray(rim, np.float32)
