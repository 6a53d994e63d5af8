"""The sheet that a section is drawn on: how much stain each pixel holds, and what is true of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map
from nmevision.phantom.section import Section
from nmevision.phantom.section_scales import SCALES
from nmevision.phantom.window import Mask, Points, at, inside

Values = NDArray[np.float64]

LABELS = (
    "background",
    "horn",
    "granular",
    "spinous",
    "basal",
    "dermis",
    "vessel",
    "infiltrate",
    "pustule",
    "cleft",
    "necrotic",
    "pale",
    "follicle",
    "hair",
    "sebaceous",
    "eccrine",
    "fat",
)
"""What the numbers 0, 1, 2 ... of a label map mean."""
LABEL = {name: number for number, name in enumerate(LABELS)}
CELLS = (
    "basal",
    "keratinocyte",
    "dyskeratotic",
    "acantholytic",
    "corneocyte",
    "lymphocyte",
    "interstitial",
    "band",
    "neutrophil",
    "eosinophil",
    "fibroblast",
    "endothelium",
    "melanophage",
    "hypha",
    "adnexal",
)
"""Kinds of nuclei (and hyphae), by number; lymphocyte: of a cuff around a vessel; adnexal: of hair follicles,
glands, fat, and of epidermis that is cut along the surface."""


@dataclass
class Sheet:
    """A section while it is drawn.

    haematoxylin, eosin, melanin: amounts of colour (float32, >= 0; 1 is a dark nucleus, deep pink horn).
    label: numbers of LABELS. masks: where each finding is. cells: pixels (N, 2) of the nuclei by kind.
    thresholds: where each choice was cut; given from another window of the same skin, the choice is the same.
    grain: chance of single pixels, of no place.
    """

    section: Section
    grain: np.random.Generator
    thresholds: dict[str, float] = field(default_factory=dict)
    masks: dict[str, Mask] = field(default_factory=dict)
    cells: dict[str, list[Points]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.section.u.shape
        self.haematoxylin, self.eosin, self.melanin = np.zeros((3, *shape), np.float32)
        self.label = np.zeros(shape, np.uint8)
        self.masks = dict.fromkeys(SCALES, np.zeros(shape, bool))  # each finding that is drawn puts its own

    def lowest(self, name: str, score: NDArray, share: float, among: Mask | None = None) -> Mask:
        """Return where `score` is among the lowest `share` of its values (of those in `among`).

        The limit is kept under `name`, so that the next window of the same skin is cut at the same score.
        """
        if name not in self.thresholds:
            values = score if among is None else score[among]
            empty = share <= 0 or not values.size
            self.thresholds[name] = -math.inf if empty else float(np.quantile(values, min(share, 1)))
        chosen = score <= self.thresholds[name]
        return np.asarray(chosen if among is None else chosen & among)

    def lattice(
        self, name: str, step: float, step_across: float, jitter: float, among: Mask | None = None
    ) -> Places:
        """Return places on a jittered honeycomb, the same in every window of the skin; only those in `among`."""
        section = self.section
        u0, u1, v0, v1 = section.place.reach(section.window)
        i = np.arange(math.floor(u0 / step) - 1, math.ceil(u1 / step) + 2)
        j = np.arange(math.floor(v0 / step_across) - 1, math.ceil(v1 / step_across) + 2)
        i, j = (grid.ravel() for grid in np.meshgrid(i, j))
        u, v = step * (i + 0.5 * (j % 2)), step_across * j
        if among is not None:  # the rest of them need no chance
            near = (
                cv2.dilate(among.astype(np.uint8), np.ones((3, 3)), iterations=self.pixels(jitter * step)) > 0
            )
            kept = at(near, section.place.pixels(u, v, section.window))
            i, j, u, v = i[kept], j[kept], u[kept], v[kept]
        u = u + step * jitter * section.chance.normal(f"{name} u", i, j)
        v = v + step_across * jitter * section.chance.normal(f"{name} v", i, j)
        places = Places(section.place.pixels(u, v, section.window), i, j, name, self).seen()
        return places if among is None else places.where(places.on(among))

    def pixels(self, um: float) -> int:
        """Return a length in whole pixels, at least 1."""
        return max(1, math.ceil(um / self.section.window.mpp))

    def add(self, kind: str, points: Points) -> None:
        """Note the nuclei of a kind that lie in the picture."""
        kept = points[inside(points, self.section.window)]
        if len(kept):
            self.cells.setdefault(kind, []).append(kept)

    def texture(
        self,
        name: str,
        grain: float,
        grain_across: float | None = None,
        wave: Map | float = 0,
        among: Mask | None = None,
    ) -> Map:
        """Return noise that lies as the skin lies, shifted by `wave` micrometres into it.

        Of all pixels as a map, or of those in `among` as a list.
        """
        section = self.section
        u, v = (section.u, section.v) if among is None else (section.u[among], section.v[among])
        return section.chance.texture(name, u, v + wave, grain, grain_across)

    def ellipses(self, points: Points, axes: NDArray, angles: NDArray, values: NDArray) -> Map:
        """Return a map of filled ellipses: half-axes in micrometres (N, 2), angles to u, values 0 to 2.5."""
        canvas = np.zeros(self.label.shape, np.uint8)
        turn = np.linspace(0, 2 * math.pi, 12, endpoint=False)
        radii = np.maximum(axes / self.section.window.mpp, 0.35)
        u, v = radii[:, :1] * np.cos(turn), radii[:, 1:] * np.sin(turn)
        whole = angles + self.section.place.angle
        cos, sin = np.cos(whole)[:, None], np.sin(whole)[:, None]
        outline = np.stack([cos * u - sin * v, sin * u + cos * v], axis=-1) + points[:, None]
        polygons = np.rint(outline * 16).astype(np.int32)  # the four fractional bits that `shift=4` asks for
        for polygon, grey in zip(polygons, np.clip(values * 100, 0, 255).tolist(), strict=True):
            cv2.fillConvexPoly(canvas, polygon, grey, cv2.LINE_AA, 4)
        return (canvas * np.float32(0.01)).astype(np.float32)

    def discs(self, points: Points, radius: float) -> Mask:
        """Return which pixels lie within `radius` micrometres of a point."""
        full = np.full(len(points), 1.0)
        return self.ellipses(points, np.full((len(points), 2), radius), 0 * full, full) > 0.4


@dataclass(frozen=True)
class Places:
    """Places in a window, each with a name of its own (i, j) that its chance depends on."""

    points: Points
    i: NDArray[np.int64]
    j: NDArray[np.int64]
    name: str
    sheet: Sheet

    def __len__(self) -> int:
        return len(self.points)

    def on(self, values: NDArray) -> NDArray:
        """Return a map's values at the places."""
        return at(values, self.points)

    def uniform(self, what: str) -> Values:
        """Return a number from 0 to 1 for every place."""
        return self.sheet.section.chance.uniform(f"{self.name} {what}", self.i, self.j)

    def normal(self, what: str) -> Values:
        """Return a normally distributed number for every place."""
        return self.sheet.section.chance.normal(f"{self.name} {what}", self.i, self.j)

    def where(self, kept: NDArray) -> Places:
        """Return the places where `kept` is true."""
        return Places(self.points[kept], self.i[kept], self.j[kept], self.name, self.sheet)

    def seen(self) -> Places:
        """Return the places that lie in the window."""
        return self.where(inside(self.points, self.sheet.section.window))

    def apart(self, distance: float) -> Places:
        """Return the places with at most one in every square of side `distance` micrometres."""
        window = self.sheet.section.window
        corner = np.array([window.left, window.top]) / window.mpp
        square = np.floor((self.points + corner) * (window.mpp / distance)).astype(np.int64)
        _, first = np.unique(square[:, 0] * 2**24 + square[:, 1], return_index=True)
        return self.where(np.sort(first))
