"""Sebaceous and eccrine glands, and the fat below the skin, drawn on the sheet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmevision.phantom.epithelium import along_outline, mosaic, ring
from nmevision.phantom.noise import Map, smooth_step
from nmevision.phantom.section import Section
from nmevision.phantom.sheet import LABEL, Sheet, Values
from nmevision.phantom.window import Mask, Placement, Points, at

LOBULE = (32.0, 75.0)
"""Radius of a sebaceous lobule, micrometres."""
SEBOCYTE, ADIPOCYTE = 16.0, 62.0
"""Distance of the cells of a sebaceous gland and of fat, micrometres."""
COILED = 280.0
"""Depth below the skin's surface (um) above which an eccrine gland is a single duct."""


@dataclass(frozen=True)
class Sebaceous:
    """A sebaceous gland: its lobules, and the distance to their outline (um)."""

    mask: Mask
    inner: Map

    def draw(self, sheet: Sheet) -> None:
        """Draw foamy cells with small nuclei in their middle, and a row of small dark cells around them."""
        section, mask = sheet.section, self.mask
        if not mask.any():
            return
        sheet.label[mask] = LABEL["sebaceous"]
        cells = sheet.lattice("sebocyte", SEBOCYTE, 0.87 * SEBOCYTE, 0.17, mask & (self.inner > 6))
        basal, upright = along_outline(sheet, mask, 10.0, 3.0)
        owner, rim = mosaic(cells.points, mask, section.window.mpp)
        here = owner >= 0
        u, v = section.u[here], section.v[here]
        foam = section.chance.texture("foam", u, v, 0.95)
        web, young = np.clip(1.5 - rim[here], 0, 1.2), smooth_step(13, 3, self.inner[here])
        foamy = (0.17 + 0.085 * foam + 0.20 * web).clip(0.02)
        sheet.eosin[here] = foamy + young * (0.40 + 0.03 * foam - foamy)
        sheet.haematoxylin[here] = 0.045 + 0.02 * foam.clip(0) + 0.10 * young
        count = len(cells)
        axes = np.stack([2.7 + 0.5 * cells.uniform("a"), 2.1 + 0.5 * cells.uniform("b")], -1)
        dark = np.where(cells.uniform("seen") < 0.62, 0.70 + 0.1 * cells.normal("dark"), 0)
        drawn = sheet.ellipses(cells.points, axes, 3 * cells.uniform("turn"), dark)
        flat = np.tile([3.4, 1.4], (len(basal), 1))
        row = sheet.ellipses(basal, flat, upright + np.pi / 2, np.full(len(basal), 0.68))
        sheet.haematoxylin = np.maximum(sheet.haematoxylin, np.maximum(drawn, row) * mask)
        sheet.add("adnexal", cells.points[dark > 0] if count else cells.points)
        sheet.add("adnexal", basal)


def lay_sebaceous(section: Section, rng: np.random.Generator, x: float, y: float, room: Mask) -> Sebaceous:
    """Return a sebaceous gland of a few lobules around the place x, y (um); only in `room`."""
    count = int(rng.integers(2, 7))
    radii = rng.uniform(*LOBULE, count)
    around = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count + rng.normal(0, 0.3, count)
    away = rng.uniform(0.75, 1.15, count) * radii * (count > 1) * (1 + 0.22 * max(count - 3, 0))
    nearest = np.full(section.u.shape, -1e3, np.float32)
    second = nearest.copy()
    for radius, turn, far in zip(radii, around, away, strict=True):
        place = Placement(x + far * np.cos(turn), y + far * np.sin(turn), turn)
        along, off = place.skin(section.window)
        inner = np.float32(radius) - np.hypot(along * np.float32(rng.uniform(0.65, 0.95)), off)
        second = np.maximum(second, np.minimum(nearest, inner))
        nearest = np.maximum(nearest, inner)
    nearest += 5 * section.chance.texture("lobule", section.u, section.v, 18)
    septum = (nearest - second < 2.6) & (second > -3)
    mask = (nearest > 0) & ~septum & room
    inner = np.minimum(nearest, np.where(second > 0, nearest - second, 1e3)).astype(np.float32)
    return Sebaceous(mask, inner)


@dataclass(frozen=True)
class Tubule:
    """One profile of an eccrine gland: place (um), radius, stretch, direction to u, and whether it is a duct."""

    x: float
    y: float
    radius: float
    stretch: float
    turn: float
    duct: bool

    def parts(self, section: Section) -> tuple[tuple[slice, slice], Map]:
        """Return the rows and columns around it, and in them the distance to its middle (um)."""
        window, reach = section.window, self.radius * self.stretch + 6
        left, top = (self.x - window.left) / window.mpp, (self.y - window.top) / window.mpp
        size = reach / window.mpp
        rows = slice(max(0, int(top - size)), max(0, int(top + size) + 1))
        columns = slice(max(0, int(left - size)), max(0, int(left + size) + 1))
        along, off = Placement(self.x, self.y, self.turn + section.place.angle).skin(window)
        far = np.hypot(along[rows, columns] / np.float32(self.stretch), off[rows, columns])
        return (rows, columns), np.asarray(far, np.float32)


@dataclass(frozen=True)
class Eccrine:
    """The coil of an eccrine gland: profiles of its tubules."""

    mask: Mask
    tubules: tuple[Tubule, ...]

    def draw(self, sheet: Sheet) -> None:
        """Draw pale secretory tubules and, smaller and darker, two-layered ducts with a pink lining."""
        sheet.label[self.mask] = LABEL["eccrine"]
        found = [_tubule(sheet, tubule, self.mask) for tubule in self.tubules]
        points, turns, axes = (np.concatenate(values) for values in zip(*found, strict=True))
        drawn = sheet.ellipses(points, axes, turns, np.full(len(points), 0.78))
        sheet.haematoxylin = np.maximum(sheet.haematoxylin, drawn * self.mask)
        sheet.add("adnexal", points)


def lay_eccrine(section: Section, rng: np.random.Generator, x: float, y: float, room: Mask) -> Eccrine:
    """Return the coil of an eccrine gland around the place x, y (um), or one duct; only in `room`."""
    pixel = section.window.pixel(x, y)[None]
    alone = float(at(section.depth, pixel)[0]) < COILED or rng.random() < 0.2
    reach, steps, tubules = rng.uniform(55, 130), np.arange(-3, 4) * 44.0, []
    coil = [(a + 22 * (j % 2) - 22, b) for j, b in enumerate(0.87 * steps) for a in steps]
    for dx, dy in [(0.0, 0.0)] if alone else coil:
        if np.hypot(dx, dy) > reach:
            continue
        duct = alone or rng.random() < 0.35
        radius = rng.uniform(11.5, 15) if duct else rng.uniform(15, 21.5)
        stretch, turn = float(rng.uniform(1, 1.7)), float(rng.uniform(0, np.pi))
        at_x, at_y = x + dx + rng.normal(0, 7), y + dy + rng.normal(0, 7)
        tubules.append(Tubule(float(at_x), float(at_y), float(radius), stretch, turn, duct))
    mask = np.zeros(room.shape, bool)
    for tubule in tubules:
        part, far = tubule.parts(section)
        mask[part] |= far < tubule.radius
    return Eccrine(mask & room, tuple(tubules))


def _tubule(sheet: Sheet, tubule: Tubule, room: Mask) -> tuple[Points, Values, Values]:
    """Draw one profile without its nuclei; return their places, directions and half-axes (um)."""
    section = sheet.section
    part, far = tubule.parts(section)
    lumen = 3.2 if tubule.duct else 0.17 * tubule.radius
    here, radius = room[part] & (far < tubule.radius), tubule.radius
    noise = section.chance.texture("tubule", section.u[part], section.v[part], 2.0)
    pink, blue = (0.50, 0.22) if tubule.duct else (0.36, 0.14)
    lining = 0.45 * tubule.duct * smooth_step(lumen + 2.6, lumen, far)
    eosin = pink + 0.04 * noise + 0.25 * smooth_step(radius - 2.0, radius, far) + lining
    full = 1 - 0.95 * smooth_step(lumen + 0.8, lumen - 0.8, far)
    sheet.eosin[part] = np.where(here, eosin * full, sheet.eosin[part])
    sheet.haematoxylin[part] = np.where(here, (blue + 0.03 * noise) * full, sheet.haematoxylin[part])
    rings = ((radius - 3.0, 6.2), (radius - 7.2, 6.6)) if tubule.duct else ((0.60 * radius, 9.0),)
    centre = section.window.pixel(tubule.x, tubule.y)
    found = [ring(sheet, centre, away, tubule.stretch, tubule.turn, step) for away, step in rings]
    points, turns = (np.concatenate(values) for values in zip(*found, strict=True))
    return points, turns, np.tile([2.4, 2.0] if tubule.duct else [2.7, 2.3], (len(points), 1))


@dataclass(frozen=True)
class Fat:
    """Fat cells: rings of thin membrane around what the clearing dissolved."""

    mask: Mask

    def draw(self, sheet: Sheet) -> None:
        """Draw thin membranes, a few flat nuclei on them, and nothing within."""
        section, mask = sheet.section, self.mask
        if not mask.any():
            return
        sheet.label[mask] = LABEL["fat"]
        cells = sheet.lattice("adipocyte", ADIPOCYTE, 0.87 * ADIPOCYTE, 0.16)
        owner, rim = mosaic(cells.points, mask, section.window.mpp)
        here = owner >= 0
        wall = smooth_step(2.0, 0.6, rim[here])
        sheet.eosin[here] = 0.012 + 0.34 * wall
        sheet.haematoxylin[here] = 0.05 * wall
        spots = sheet.lattice("fat nucleus", 19, 19, 0.4, mask & (rim < 2.2))
        spots = spots.where(spots.uniform("kept") < 0.12)
        axes = np.tile([3.4, 1.1], (len(spots), 1))
        drawn = sheet.ellipses(spots.points, axes, 3 * spots.uniform("turn"), np.full(len(spots), 0.75))
        sheet.haematoxylin = np.maximum(sheet.haematoxylin, drawn * mask)
        sheet.add("adnexal", spots.points)


def lay_fat(section: Section, rng: np.random.Generator, x: float, y: float, room: Mask) -> Fat:
    """Return the fat that lies deeper than the place x, y (um), parted by strands of collagen; only in `room`."""
    dx, dy = x - section.place.x, y - section.place.y
    top = -np.sin(section.place.angle) * dx + np.cos(section.place.angle) * dy
    line = top + 55 * section.chance.texture("fat", section.u, section.v, 110)
    strands = np.abs(section.chance.texture("septum", section.u, section.v, 130)) < rng.uniform(0.05, 0.12)
    return Fat((section.v > line) & ~strands & room)
