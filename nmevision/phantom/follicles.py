"""Hair follicles drawn on the sheet, cut along or across: with a hair, with horn in them, or a cord of cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmevision.phantom.epithelium import Tint, draw_epithelium
from nmevision.phantom.noise import Map, smooth_step
from nmevision.phantom.section import Section
from nmevision.phantom.sheet import LABEL, Sheet
from nmevision.phantom.window import Mask, Placement, at

KINDS, ODDS = ("hair", "infundibulum", "cord"), (0.5, 0.28, 0.22)
"""Where a follicle is cut: at the height of its inner root sheath, near its mouth, or beside its canal."""
RADII = {"hair": (45.0, 90.0), "infundibulum": (65.0, 135.0), "cord": (26.0, 50.0)}
"""Half the width of a follicle, its outer root sheath counted in, micrometres."""
SHEATH = 16.0
"""Width of the fibrous sheath around it, micrometres."""


@dataclass(frozen=True)
class Follicle:
    """One follicle in a window.

    mask: its epithelium and all within. core: distance to its axis, rim: to its outline, negative outside (um).
    along, off: place along and beside its axis (um). width: half its width. turn: direction of its axis to u, radians.
    """

    kind: str
    mask: Mask
    core: Map
    rim: Map
    along: Map
    off: Map
    width: float
    turn: float
    canal: float
    clear: float

    def draw(self, sheet: Sheet) -> None:
        """Draw it on a sheet whose dermis leaves room for it, and note its truth."""
        if not self.mask.any():
            return
        _sheath(sheet, self)
        sheet.label[self.mask] = LABEL["follicle"]
        tint = Tint(clear=self.clear, eosin=0.52, blue=0.29)
        draw_epithelium(sheet, self.mask, "follicle", tint, self.turn)
        if self.kind == "hair":
            _hair(sheet, self)
        elif self.kind == "infundibulum":
            _infundibulum(sheet, self)


def lay_follicle(
    section: Section, rng: np.random.Generator, x: float, y: float, room: Mask, kind: str | None = None
) -> Follicle:
    """Return a follicle around the place x, y (um); only in `room`."""
    kind = str(rng.choice(KINDS, p=ODDS)) if kind is None else kind
    width = float(rng.uniform(*RADII[kind]))
    cut_along = rng.random() < (0.8 if kind == "cord" else 0.55)
    length = rng.uniform(450, 1300) if cut_along else rng.uniform(0, 0.5) * width
    turn = float(np.pi / 2 + rng.normal(0, 0.45))  # it runs into the skin, more or less
    along, off = Placement(x, y, section.place.angle + turn).skin(section.window)
    start, bend = rng.uniform(-0.5, 0.5) * 0.5 * length, rng.uniform(6, 22) * cut_along
    along = along - np.float32(start)
    off = off - np.float32(bend) * np.sin(along / np.float32(rng.uniform(90, 160)) + rng.uniform(0, 6))
    if not cut_along:
        off = off * np.float32(rng.uniform(1.0, 1.3))
    chance = section.chance
    core = np.hypot(np.maximum(np.abs(along) - length / 2, 0), off).astype(np.float32)
    wander = 0.16 * chance.texture("follicle outline", section.u, section.v, 55)
    fine = 1.8 * chance.texture("follicle edge", section.u, section.v, 7)
    edge = np.float32(width) * (1 + wander * (0.6 if kind == "hair" else 1)) + fine
    rim = (edge - core).astype(np.float32)
    canal = float(rng.uniform(0.34, 0.58) if kind == "infundibulum" else rng.uniform(0.20, 0.30))
    clear = float(rng.uniform(0.25, 0.7)) if kind == "hair" else float(rng.uniform(0, 0.25))
    return Follicle(kind, (rim > 0) & room, core, rim, along, off, width, turn, canal * width, clear)


def _sheath(sheet: Sheet, follicle: Follicle) -> None:
    """Draw what surrounds a follicle: a pink membrane, and fine collagen that runs along it."""
    dermis = sheet.section.dermis & (follicle.rim > -SHEATH) & (follicle.rim <= 0)
    out = -follicle.rim[dermis]
    chance = sheet.section.chance
    stripes = chance.texture("sheath", follicle.along[dermis], 4 * out, 14, 5)
    fade = smooth_step(SHEATH, 0.6 * SHEATH, out)
    fine = 0.40 + 0.09 * stripes + 0.3 * smooth_step(2.4, 0.8, out)
    bound = sheet.eosin[dermis]
    sheet.eosin[dermis] = bound + fade * (fine - bound)
    places = sheet.lattice("sheath", 15, 7, 0.35, dermis & (follicle.rim < -4))
    places = places.where(places.uniform("kept") < 0.33)
    axes = np.stack([4.0 + 2 * places.uniform("long"), np.full(len(places), 0.9)], -1)
    step = np.array([[2, 0], [0, 2]], np.float32)
    x, y = (at(follicle.rim, places.points + s) - at(follicle.rim, places.points - s) for s in step)
    turn = np.arctan2(x, -y) - sheet.section.place.angle + 0.15 * places.normal("tilt")
    drawn = sheet.ellipses(places.points, axes, turn, np.full(len(places), 0.7)) * dermis
    sheet.haematoxylin = np.maximum(sheet.haematoxylin, drawn)
    sheet.add("fibroblast", places.points)


def _hair(sheet: Sheet, follicle: Follicle) -> None:
    """Draw hair, the crack around it, and the inner root sheath with its pink granules."""
    section, core = sheet.section, follicle.core
    shaft = follicle.canal
    crack, inner = shaft + max(1.6, 0.05 * follicle.width), shaft + 0.17 * follicle.width + 3
    wave = 1.2 * sheet.texture("sheath edge", 9)
    within = follicle.mask & (core + wave < inner)
    u, v = section.u[within], section.v[within]
    granules = section.chance.texture("trichohyalin", u, v, 1.5)
    stripes = section.chance.texture("inner sheath", follicle.along[within], 3 * core[within], 18, 4)
    sheet.eosin[within] = 0.66 + 0.10 * stripes + 0.14 * smooth_step(0.3, 1.2, granules)
    sheet.haematoxylin[within] = 0.13 + 0.05 * stripes + 0.05 * granules.clip(0)
    gap = within & (core < crack) & (sheet.texture("crack", 24) > -0.5)
    sheet.eosin[gap], sheet.haematoxylin[gap] = 0.02, 0.0
    hair = within & (core + 0.5 * wave < shaft)
    brown = 0.05 + 0.5 * section.look.melanin
    streaks = section.chance.texture("hair", follicle.along[hair], 4 * follicle.off[hair], 60, 4)
    sheet.eosin[hair] = 0.55 + 0.10 * streaks + 0.12 * smooth_step(0.4, 0.1, core[hair] / shaft)
    sheet.haematoxylin[hair] = 0.05
    sheet.melanin[hair] = brown * (0.8 + 0.25 * streaks).clip(0.2)
    sheet.label[hair] = LABEL["hair"]


def _infundibulum(sheet: Sheet, follicle: Follicle) -> None:
    """Draw the mouth of a follicle in section: a dark granular layer around loose sheets of horn."""
    section, core, canal = sheet.section, follicle.core, follicle.canal
    wave = 3.5 * sheet.texture("canal", 26) + 1.5 * sheet.texture("canal fine", 6)
    off = core + wave - np.float32(canal)
    granular = follicle.mask & (off >= 0) & (off < 13)
    u, v = section.u[granular], section.v[granular]
    grains = section.chance.texture("granules", u, v, 1.6)
    dense = smooth_step(13, 4, off[granular])
    sheet.haematoxylin[granular] += dense * (0.34 + 0.34 * grains).clip(0)
    horn = follicle.mask & (off < 0)
    depth = -off[horn]
    u, v, chance = section.u[horn], section.v[horn], section.chance
    more = chance.texture("sheets fine", u, v, 6)
    sheets = np.zeros_like(depth)
    for name, apart in (
        ("sheets", 9.0),
        ("crossing sheets", 17.0),
    ):  # each line is the level of a wandering map
        place = 0.45 * follicle.along[horn], follicle.off[horn]
        phase = depth / apart + 1.2 * chance.texture(name, *place, 17) + 0.35 * more
        torn = smooth_step(-0.9, -0.1, chance.texture(f"torn {name}", u, v, 13))
        line = smooth_step(1.9, 0.4, np.abs(phase - np.rint(phase)) * apart + 0.5 * more)
        sheets = np.maximum(sheets, line * torn)
    stripes = chance.texture("packed", 2.2 * depth, follicle.along[horn], 3, 22)
    packed = smooth_step(14, 6, depth + 3 * more)
    sheet.eosin[horn] = (0.60 * sheets * (1 - packed) + packed * (0.80 + 0.12 * stripes)).clip(0)
    blue = 0.24 + 0.4 * float(chance.uniform("violet horn", 0)[0])
    sheet.haematoxylin[horn] = (blue * sheets * (1 - packed) + packed * (blue + 0.07 * stripes)).clip(0)
