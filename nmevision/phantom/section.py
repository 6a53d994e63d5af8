"""One window of a piece of skin, pixel by pixel: which layer a pixel is in, and how deep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from nmevision.phantom.chance import Chance, Values
from nmevision.phantom.noise import Map
from nmevision.phantom.relief import Relief
from nmevision.phantom.section_scales import Look
from nmevision.phantom.window import Mask, Placement, Points, Window

FAR = 5_000.0
PAPILLARY, UPPER = 35.0, 200.0
"""How far the papillary dermis reaches below the epidermis, and the upper dermis below the epidermis's mean
thickness, micrometres; the latter is a depth, so that blocks of a slide agree on it without seeing the epidermis."""


@dataclass(frozen=True)
class Section:
    """A window of skin; every map is rows x columns, every length in micrometres.

    u, v: place along and into the skin. depth: below the face of horn and living epidermis, negative in
    the horn. height: above the dermis. below: into the dermis. level: 0 top .. 1 bottom of the epidermis.
    horn, epidermis, dermis, cleft, split: which a pixel belongs to; none of them is empty glass.
    """

    look: Look
    chance: Chance
    relief: Relief
    place: Placement
    window: Window
    u: Map
    v: Map
    depth: Map
    height: Map
    below: Map
    level: Map
    horn: Mask
    epidermis: Mask
    dermis: Mask
    cleft: Mask
    split: Mask

    def along(self, line: Values) -> Map:
        """Return a line of the relief at every pixel."""
        return line_at(self.relief, line, self.u)

    def points(self, u: Values, depth: Values) -> Points:
        """Return the pixels of places given by u and depth below the horn, with clefts opened above them."""
        return self.place.pixels(u, self.raised(u, depth), self.window)

    def raised(self, u: Values, depth: Values) -> Values:
        """Return v of places in horn or epidermis: raised by the clefts below them."""
        r = self.relief
        cleft, roof, split, base = (np.interp(u, r.u, line) for line in (r.cleft, r.roof, r.split, r.base))
        return base + depth - split - cleft * (depth <= roof)

    @cached_property
    def papillary(self) -> Mask:
        """Return the dermis next to the epidermis."""
        return np.asarray(self.dermis & (self.below <= PAPILLARY))

    @cached_property
    def upper_dermis(self) -> Mask:
        """Return the dermis down to UPPER micrometres below the mean thickness of the epidermis."""
        return np.asarray(self.dermis & (self.depth <= UPPER + self.look["psoriasiform_acanthosis"]))


def line_at(relief: Relief, line: Values, u: Map) -> Map:
    """Return a line of the relief at the places u."""
    nodes = (u - np.float32(relief.u[0])).astype(np.float32)
    row = line.astype(np.float32)[None, :]
    zero = np.zeros_like(nodes)
    found = cv2.remap(row, nodes, zero, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def draw_section(look: Look, chance: Chance, relief: Relief, place: Placement, window: Window) -> Section:
    """Return the layers of a window of skin."""
    u, v = place.skin(window)
    base, split, cleft, roof, horn_um, plug, cut = (
        line_at(relief, line, u)
        for line in (
            relief.base,
            relief.split,
            relief.cleft,
            relief.roof,
            relief.horn,
            relief.plug,
            relief.cut,
        )
    )
    under = _below_junction(relief, place, window, 0 * relief.split)
    above = ~_below_junction(relief, place, window, relief.split) if split.any() else ~under
    raised = v - base + split
    void = (raised < roof) & (raised > roof - cleft) & above & (raised > -FAR)
    depth = np.where(raised <= roof - cleft, raised + cleft, raised)
    tissue = _within(relief, chance, place, window, u, v) & (v < cut)
    height = outline_depth(above, window.mpp)
    height = np.where(raised <= roof - cleft, height - cleft, height).clip(0)
    living = above & (depth > 0) & ~void
    dermis = under & tissue
    inner = depth.clip(0)
    return Section(
        look, chance, relief, place, window, u, v,
        depth=depth.astype(np.float32),
        height=height.astype(np.float32),
        below=outline_depth(under, window.mpp),
        level=(inner / (inner + height + 1e-3)).astype(np.float32),
        horn=above & (depth <= 0) & (depth > -horn_um - plug) & ~void & tissue,
        epidermis=living & tissue,
        dermis=dermis,
        cleft=void & tissue,
        split=~above & ~under & tissue,
    )  # fmt: skip


def _within(relief: Relief, chance: Chance, place: Placement, window: Window, u: Map, v: Map) -> Mask:
    """Return what lies between the ragged ends of the skin."""
    low, high, _, _ = place.reach(window)
    if low > relief.u[0] + 150 and high < relief.u[-1] - 150:
        return np.ones(u.shape, bool)
    ragged = u + 22 * chance.texture("end", u, v, 60) + 6 * chance.texture("end fine", u, v, 9)
    return np.asarray((ragged > relief.u[0] + 60) & (ragged < relief.u[-1] - 60))


def _below_junction(relief: Relief, place: Placement, window: Window, lift: Values) -> Mask:
    """Return which pixels lie below the dermo-epidermal junction, raised by `lift`."""
    low, high, _, _ = place.reach(window)
    near = (relief.ridge_u > low - 150) & (relief.ridge_u < high + 150)
    u, depth = relief.ridge_u[near], relief.ridge_d[near]
    if not len(u):
        return np.zeros((window.rows, window.columns), bool)
    v = np.interp(u, relief.u, relief.base - lift) + depth
    u, v = np.r_[u[0] - 500, u, u[-1] + 500, u[-1] + 500, u[0] - 500], np.r_[v[0], v, v[-1], FAR, FAR]
    polygon = np.rint(place.pixels(u, v, window) * 16).astype(np.int32)
    canvas = np.zeros((window.rows, window.columns), np.uint8)
    cv2.fillPoly(canvas, [polygon], 1, cv2.LINE_8, 4)
    return canvas > 0


def outline_depth(mask: Mask, mpp: float) -> Map:
    """Return for each true pixel its distance to the nearest false one, micrometres."""
    found = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.minimum(found, np.float32(FAR / mpp)) * np.float32(mpp), np.float32)
