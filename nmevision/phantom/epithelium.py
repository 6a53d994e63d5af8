"""Epithelium of any outline drawn on the sheet: hair follicles, glands, and epidermis cut along the surface."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map, smooth_step
from nmevision.phantom.section import outline_depth
from nmevision.phantom.sheet import Places, Sheet, Values
from nmevision.phantom.window import Mask, Points, at, inside

BASAL_STEP, BASAL_HEIGHT = 6.4, 4.4
"""Distance of the cells of the outermost row, and of their nuclei from the outline, micrometres."""


@dataclass(frozen=True)
class Tint:
    """How an epithelium is coloured: eosin and haematoxylin of its cytoplasm; darker: haematoxylin added
    in its outermost row; clear: share of pale cells, 0 to 1."""

    eosin: float = 0.48
    blue: float = 0.21
    darker: float = 0.16
    clear: float = 0.0


def mosaic(points: Points, where: Mask, mpp: float) -> tuple[NDArray[np.int32], Map]:
    """Return for each pixel of `where` the nearest point (-1 elsewhere) and the distance (um) to its border."""
    owner, rim = np.full(where.shape, -1, np.int32), np.zeros(where.shape, np.float32)
    if not len(points) or not where.any():
        return owner, rim
    rows, columns = (np.flatnonzero(where.any(axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    x, y = np.rint(points).astype(int).T
    x, y = x - columns[0], y - rows[0]
    shape = where[part].shape
    seen = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    seeds = np.ones(shape, np.uint8)
    seeds[y[seen], x[seen]] = 0
    _, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    cell_of = np.full(labels.max() + 1, -1, np.int32)
    cell_of[labels[y[seen], x[seen]]] = np.flatnonzero(seen)
    within = np.ones(shape, np.uint8)
    within[:, 1:] &= labels[:, 1:] == labels[:, :-1]
    within[1:] &= labels[1:] == labels[:-1]
    owner[part] = np.where(where[part], cell_of[labels], np.int32(-1))
    rim[part] = outline_depth(within > 0, mpp)
    return owner, rim


def along_outline(sheet: Sheet, mask: Mask, step: float, rise: float) -> tuple[Points, Values]:
    """Return places at a distance `rise` (um) inside a mask's outline, every `step` um, and the direction (to u)
    in which each looks inwards; the frame of the picture is no outline."""
    mpp = sheet.section.window.mpp
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3.0 / mpp)
    right, down = (cv2.Sobel(smooth, cv2.CV_32F, *axes, ksize=3) for axes in ((1, 0), (0, 1)))
    found, turns = [np.zeros((0, 2), np.float32)], [np.zeros(0)]
    for contour in contours:
        line = contour[:, 0].astype(np.float32)
        walked = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))] * mpp
        place = np.arange(0, walked[-1], step)
        place = place + 0.16 * step * sheet.grain.standard_normal(len(place))
        spots = np.stack([np.interp(place, walked, line[:, k]) for k in (0, 1)], -1).astype(np.float32)
        x, y = at(right, spots), at(down, spots)
        length = np.hypot(x, y) + 1e-6
        high = rise * (1 + 0.12 * sheet.grain.standard_normal(len(place)))
        found.append((spots + np.stack([x, y], -1) * (high / mpp / length)[:, None]).astype(np.float32))
        turns.append(np.arctan2(y, x) - sheet.section.place.angle)
    points, turn = np.concatenate(found), np.concatenate(turns)
    frame = np.array(mask.shape[::-1]) - 2.5
    kept = (points > 1.5).all(axis=1) & (points < frame).all(axis=1)
    return points[kept], turn[kept]


def draw_epithelium(
    sheet: Sheet, mask: Mask, name: str, tint: Tint, turn: float = 0.0, keep: Mask | None = None
) -> None:
    """Colour an epithelium: a palisade along its outline, above it rounder cells.

    Args:
        mask: all that lies inside the outline. keep: the part of it that is painted; all by default.
        name: what its chance is called. turn: direction of its cells' long axes to u, radians.
    """
    section = sheet.section
    keep = mask if keep is None else keep
    if not keep.any():
        return
    inner = outline_depth(mask, section.window.mpp)
    basal, upright = along_outline(sheet, mask, BASAL_STEP, BASAL_HEIGHT)
    on = at(keep, basal)
    basal, upright = basal[on], upright[on]
    upper = sheet.lattice(name, 11.2, 10.2, 0.2, keep & (inner > 1.7 * BASAL_HEIGHT))
    points = np.concatenate([basal, upper.points])
    owner, rim = mosaic(points, keep, section.window.mpp)
    _cytoplasm(sheet, owner, rim, inner, name, tint)
    _nuclei(sheet, basal, upright, upper, inner, turn, tint, keep)


def _cytoplasm(sheet: Sheet, owner: NDArray[np.int32], rim: Map, inner: Map, name: str, tint: Tint) -> None:
    """Colour the cells' bodies and the pale lines between them."""
    here = owner >= 0
    u, v, chance = sheet.section.u[here], sheet.section.v[here], sheet.section.chance
    smudge = chance.texture(f"{name} cytoplasm", u, v, 2.2)
    patch = chance.texture(f"{name} patch", u, v, 26)
    low = smooth_step(14, 4, inner[here])
    fine = sheet.grain.standard_normal(int(here.sum()), dtype=np.float32)
    line = np.clip(1 - rim[here], 0, 1) * 0.20
    clear = np.float32(tint.clear) * (1 - low) * smooth_step(-1.2, 0.6, patch)
    eosin = tint.eosin - 0.06 * low + 0.03 * smudge + 0.02 * patch + 0.02 * fine
    blue = tint.blue + tint.darker * low + 0.02 * smudge + 0.012 * fine
    body = (1 - line) * (1 - clear * np.clip(rim[here] / 1.5, 0.3, 1))
    sheet.eosin[here] = (eosin * body).clip(0)
    sheet.haematoxylin[here] = (blue * body).clip(0)


def _nuclei(
    sheet: Sheet,
    basal: Points,
    upright: Values,
    upper: Places,
    inner: Map,
    turn: float,
    tint: Tint,
    keep: Mask,
) -> None:
    """Draw slender dark nuclei in the outermost row and vesicular ones above."""
    count = len(basal)
    size = np.exp(0.14 * sheet.grain.standard_normal((count, 2)))
    drawn = sheet.ellipses(
        basal, np.array([3.7, 2.1]) * size, upright, 0.84 + 0.12 * sheet.grain.standard_normal(count)
    )
    deep = upper.on(inner)
    upper = upper.where(upper.uniform("kept") < np.clip(1.1 - deep / 120, 0.55, 0.95))
    swell = np.exp(0.14 * np.stack([upper.normal("long"), upper.normal("wide")], -1))
    angles = turn + 0.5 * upper.normal("tilt")
    axes = np.array([3.9, 3.0]) * swell * (1 - 0.25 * tint.clear)
    dark = 0.68 + 0.09 * upper.normal("dark")
    halo = sheet.ellipses(upper.points, axes + 1.3, angles, 0.5 * (upper.uniform("halo") < 0.10)) * keep
    sheet.eosin *= 1 - halo
    sheet.haematoxylin *= 1 - halo
    drawn = np.maximum(drawn, sheet.ellipses(upper.points, axes, angles, dark))
    hollow = sheet.ellipses(upper.points, 0.55 * axes, angles, np.full(len(upper), 0.16))
    dot = sheet.ellipses(upper.points, np.full((len(upper), 2), 0.8), angles, np.full(len(upper), 0.35))
    nuclei = (drawn - hollow + dot * (hollow > 0)) * keep
    sheet.haematoxylin = np.maximum(sheet.haematoxylin, nuclei.clip(0))
    sheet.eosin *= 1 - 0.4 * np.clip(drawn, 0, 1) * keep
    sheet.add("adnexal", basal)
    sheet.add("adnexal", upper.points)


def ring(
    sheet: Sheet, centre: Points, radius: float, stretch: float, turn: float, step: float
) -> tuple[Points, Values]:
    """Return places every `step` um on an ellipse around a pixel, and the direction (to u) each looks outwards."""
    count = max(3, int(np.pi * radius * (1 + stretch) / step))
    around = 2 * np.pi * (np.arange(count) + 0.18 * sheet.grain.standard_normal(count)) / count
    u, v = radius * stretch * np.cos(around), radius * np.sin(around)
    whole = turn + sheet.section.place.angle
    shift = np.stack([np.cos(whole) * u - np.sin(whole) * v, np.sin(whole) * u + np.cos(whole) * v], -1)
    points = (centre + shift / sheet.section.window.mpp).astype(np.float32)
    kept = inside(points, sheet.section.window)
    return points[kept], (turn + around)[kept]
