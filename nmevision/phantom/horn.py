"""The horn drawn on the sheet: basket weave or compact, nuclei, neutrophils, hyphae and plugs."""

from __future__ import annotations

import numpy as np

from nmevision.phantom.noise import Map, smooth_step
from nmevision.phantom.sheet import LABEL, Places, Sheet
from nmevision.phantom.window import Mask


def draw_horn(sheet: Sheet) -> None:
    """Draw the horn, and the clefts and pustules under it, and note their truth."""
    section, relief = sheet.section, sheet.section.relief
    horn = section.horn
    retained = horn & (section.depth > -section.along(relief.nucleated))
    pustule = section.cleft & (section.along(relief.pustule) > 0.5)
    sheet.label[horn] = LABEL["horn"]
    sheet.label[section.cleft | section.split] = LABEL["cleft"]
    sheet.label[pustule] = LABEL["pustule"]
    sheet.masks["parakeratosis"] = retained
    sheet.masks["hyperkeratosis_ortho"] = horn & ~retained
    sheet.masks["cleft_or_vesicle_upper"] = section.cleft & ~pustule
    if horn.any():
        _strands(sheet, retained)
        _plug(sheet)
        _nuclei(sheet, retained)
    void = section.cleft | section.split
    if void.any():
        sheet.eosin[void] = 0.05 + 0.03 * sheet.texture("fluid", 6, among=void).clip(-1, 1)
    _neutrophils(sheet, retained, pustule)
    _hyphae(sheet)


def _strands(sheet: Sheet, retained: Mask) -> None:
    """Colour the horn: thin strands around air where it is a basket weave, dense stripes where compact."""
    section, horn = sheet.section, sheet.section.horn

    def noise(name: str, grain: float, across: float) -> Map:
        return sheet.texture(name, grain, across, among=horn)

    height = -section.depth[horn]
    plain = height - section.along(section.relief.nucleated)[horn]  # above the nucleated part
    loose = smooth_step(0, 26, plain)
    strands = np.zeros_like(height)
    for name, step in (("weave a", 4.6), ("weave b", 6.2)):
        step_um = step * (1 + 0.35 * loose)
        phase = height / step_um + 0.55 * noise(name, 11, 3.2) + 0.5 * noise(f"{name} long", 30, 6)
        off = np.abs(phase - np.rint(phase)) * step_um  # about the distance to the strand, micrometres
        strands = np.maximum(strands, smooth_step(1.25, 0.35, off))
    stripes = noise("stripes", 16, 1.1)
    place = 0.9 * noise("compact", 60, 5) - 0.10 * plain
    compact = smooth_step(-0.5, 0.5, place + np.float32(4.0 * section.look.compact - 1.2))
    compact = np.maximum(compact, smooth_step(3.0, 1.0, plain))
    eosin = (0.10 + 0.52 * strands) * (1 - compact) + compact * (0.80 + 0.09 * stripes)
    blue = 0.07 * strands * (1 - compact) + 0.08 * compact
    packed = 0.74 + 0.07 * stripes + 0.04 * noise("packed", 3, 0.9)
    nucleated = retained[horn]
    eosin = np.where(nucleated, packed, eosin)
    blue = np.where(nucleated, 0.13 + 0.02 * stripes, blue)
    crack = smooth_step(1.9, 2.3, noise("crack", 26, 2.0)) * smooth_step(2, 7, height)
    sheet.eosin[horn] = (eosin * (1 - 0.9 * crack)).clip(0)
    sheet.haematoxylin[horn] = (blue * (1 - 0.9 * crack)).clip(0)


def _plug(sheet: Sheet) -> None:
    """Note the horn that fills the mouth of a follicle, which is dense and layered."""
    section = sheet.section
    mouth = section.along(section.relief.plug)
    plug = section.horn & (mouth > 2)
    sheet.masks["follicular_plug_perifollicular_parakeratosis"] = plug
    if plug.any():
        layers = 0.5 + 0.4 * np.sin(section.depth / 2.2 + 1.5 * sheet.texture("layers", 12, 3))
        sheet.eosin[plug] = np.maximum(sheet.eosin, 0.45 + 0.3 * layers)[plug]


def _nuclei(sheet: Sheet, retained: Mask) -> None:
    """Draw the flat nuclei of the parakeratotic horn."""
    if not retained.any():
        return
    section = sheet.section
    places = _in_skin(sheet, "corneocyte", 8.5, 3.9, 0.2)
    places = places.where(places.on(retained) & (places.uniform("kept") < 0.85))
    count = len(places)
    if not count:
        return
    axes = np.array([3.3, 0.85]) * np.exp(0.15 * np.stack([places.normal("a"), places.normal("b")], -1))
    dark = 0.55 + 0.3 * places.uniform("dark")
    drawn = sheet.ellipses(places.points, axes, 0.10 * places.normal("tilt"), dark)
    sheet.haematoxylin += drawn * section.horn
    sheet.add("corneocyte", places.points)


def _in_skin(sheet: Sheet, name: str, step: float, step_across: float, jitter: float) -> Places:
    """Return places whose rows follow the surface of the skin, in the horn and the uppermost epidermis."""
    section, chance = sheet.section, sheet.section.chance
    low, high, _, _ = section.place.reach(section.window)
    top = float(-section.depth[section.horn].min(initial=0))
    i = np.arange(int(low / step) - 2, int(high / step) + 3)
    j = np.arange(-int(top / step_across) - 1, int(30 / step_across))
    i, j = (grid.ravel() for grid in np.meshgrid(i, j))
    u = step * (i + 0.5 * (j % 2) + jitter * chance.normal(f"{name} u", i, j))
    depth = step_across * (j + 0.5 + jitter * chance.normal(f"{name} v", i, j))
    return Places(section.points(u, depth), i, j, name, sheet).seen()


def _neutrophils(sheet: Sheet, retained: Mask, pustule: Mask) -> None:
    """Draw neutrophils: heaps in the horn, or filling a pustule."""
    section = sheet.section
    many = section.look["neutrophils_corneum_or_subcorneal_pustule"]
    finding = "neutrophils_corneum_or_subcorneal_pustule"
    sheet.masks[finding] = pustule
    if many <= 0:
        return
    zone = section.horn | pustule
    places = sheet.lattice("neutrophil", 3.7, 3.7, 0.3, zone).apart(3.0)
    if not len(places):
        return
    heap = places.on(sheet.texture("heap", 9)) - 0.7 * places.on(retained) + 0.8 * places.uniform("heap")
    heap = np.minimum(heap, 9) - 12.0 * places.on(pustule) * (places.uniform("in pustule") < 0.5)
    share = many / 1000 * section_length(sheet) / len(places)
    places = places.where(sheet.lowest("neutrophils", heap, share))
    _polymorphs(sheet, places)
    sheet.masks[finding] = pustule | sheet.discs(places.points, 4.0)


def _polymorphs(sheet: Sheet, places: Places) -> None:
    """Draw lobed nuclei: two small dots each, in a little pale cytoplasm."""
    count = len(places)
    shift = np.stack([places.normal("x"), places.normal("y")], -1).astype(np.float32)
    shift *= 0.9 / sheet.section.window.mpp / np.maximum(np.linalg.norm(shift, axis=1, keepdims=True), 0.3)
    lobes = np.concatenate([places.points + shift, places.points - shift])
    dark = np.full(2 * count, 1.05)
    sheet.haematoxylin += sheet.ellipses(lobes, np.full((2 * count, 2), 1.45), 0 * dark, dark)
    body = sheet.ellipses(places.points, np.full((count, 2), 3.6), np.zeros(count), np.full(count, 0.25))
    sheet.eosin += body * (sheet.eosin < 0.4)
    sheet.add("neutrophil", places.points)


def _hyphae(sheet: Sheet) -> None:
    """Draw hyphae: thin blue-grey threads in the horn."""
    section = sheet.section
    many = section.look["fungal_elements_corneum"]
    sheet.masks["fungal_elements_corneum"] = np.zeros(section.horn.shape, bool)
    if many <= 0:
        return
    places = _in_skin(sheet, "hypha", 15, 6, 0.3)
    places = places.where(places.on(section.horn))
    if not len(places):
        return
    share = many / 1000 * section_length(sheet) / len(places)
    places = places.where(sheet.lowest("hyphae", places.uniform("which"), share))
    count = len(places)
    axes = np.stack([8 + 6 * places.uniform("long"), np.full(count, 1.1)], -1)
    threads = sheet.ellipses(places.points, axes, 0.5 * places.normal("tilt"), np.full(count, 1.0))
    threads *= section.horn
    sheet.haematoxylin += 0.55 * threads
    sheet.eosin *= 1 - 0.35 * threads
    sheet.masks["fungal_elements_corneum"] = threads > 0.4
    sheet.add("hypha", places.points)


def section_length(sheet: Sheet) -> float:
    """Return how much of the skin's surface is in the window, micrometres along u."""
    section = sheet.section
    near: Map = section.u[np.abs(section.depth) < 2 * section.window.mpp]
    return float(near.max() - near.min()) if near.size else 0.0
