"""The living epidermis drawn on the sheet, with everything that may befall its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.keratinocytes import BASAL_ZONE, Keratinocytes, draw_keratinocytes
from nmevision.phantom.noise import Map, smooth_step
from nmevision.phantom.section import line_at
from nmevision.phantom.sheet import LABEL, Sheet, Values
from nmevision.phantom.window import Mask, at

GHOST = 0.2
"""How dark a nucleus that is lost still is, as a share."""
UPPER_HALF = 0.5  # level above which findings of the upper epidermis are looked for


@dataclass(frozen=True)
class Zones:
    """Parts of the epidermis: masks, and how far (0-1) a pixel is pale or dead."""

    granular: Mask
    dead_through: Mask
    dead: Mask
    pale: Mask
    deadness: Map
    paleness: Map


@dataclass(frozen=True)
class States:
    """Which cells (bool by cell) are how; `nucleus` is false where none is seen."""

    nucleus: Mask
    dyskeratotic: Mask
    acantholytic: Mask
    vacuolated: Mask
    swollen: Mask
    eroded: Mask  # basal cells with a vacuole
    pigmented: Mask


def draw_epidermis(sheet: Sheet) -> None:
    """Draw the living epidermis and note its truth."""
    zones = _zones(sheet)
    cells = draw_keratinocytes(sheet)
    states = _states(sheet, cells, zones)
    gaps = _spongiosis(sheet, cells, zones)
    sheet.masks["spongiosis"] = gaps
    if len(cells):
        _paint(sheet, cells, states, zones, gaps)
    _note(sheet, cells, states, zones)


def _zones(sheet: Sheet) -> Zones:
    """Return the granular layer, what is dead and what is pale."""
    section = sheet.section
    relief, look, level = section.relief, section.look, section.level
    granular_um = section.along(relief.granular)
    granular = section.epidermis & (section.depth < granular_um) & (granular_um > 2.5)
    dead_through = np.zeros_like(granular)
    if relief.dead.any():
        wavy_u = section.u + 5 * sheet.texture("dead edge", 8)  # no straight border between dead and living
        dead_through = section.epidermis & (line_at(relief, relief.dead, wavy_u) > 0.5) & ~granular
    upper = section.epidermis & (level < UPPER_HALF) & ~granular & ~dead_through

    where = section.epidermis & ~granular
    share = look["upper_epidermal_necrosis"]
    wavy = _ragged(sheet, "necrosis", share, (0.035, 30, 12), (0.012, 5, 5))
    dead = sheet.lowest("necrosis", wavy, share, upper)
    deadness = np.maximum(_soft(sheet, "necrosis", wavy, 0.03) * where, dead_through).astype(np.float32)
    share = look["upper_epidermal_pallor"]
    ragged = _ragged(sheet, "pallor", share, (0.07, 34, 12), (0.025, 6, 6))
    pale = sheet.lowest("pallor", ragged, share, upper & ~dead)
    paleness = _soft(sheet, "pallor", ragged, 0.09) * where
    return Zones(granular, dead_through, dead, pale, deadness, paleness * (1 - deadness))


def _ragged(sheet: Sheet, name: str, share: float, *noises: tuple[float, float, float]) -> Map:
    """Return the level with noise on it (strength, grain, grain across), so that a band ends raggedly."""
    score = sheet.section.level
    if share <= 0:
        return score
    for strength, grain, across in noises:
        score = score + np.float32(strength) * sheet.texture(f"{name} {grain}", grain, across)
    return score


def _soft(sheet: Sheet, name: str, score: Map, width: float) -> Map:
    """Return how far (0-1) the score lies below the limit kept under `name`."""
    limit = sheet.thresholds[name]
    return smooth_step(limit + width, limit - width, score) if np.isfinite(limit) else np.zeros_like(score)


def _states(sheet: Sheet, cells: Keratinocytes, zones: Zones) -> States:
    """Return which cells are in which state."""
    look, chance = sheet.section.look, sheet.section.chance

    def luck(name: str) -> Values:
        return chance.uniform(name, cells.i, cells.j)

    dead = at(zones.dead | zones.dead_through, cells.points)
    nucleus = ~dead & ~((luck("ghost") < 0.25) & at(zones.pale, cells.points))
    dying = sheet.lowest("dying", luck("dying"), look["dyskeratosis_single_cell"], nucleus)
    loose_score = np.abs(cells.level - 0.3) + 0.35 * luck("loose")
    loose = sheet.lowest("loose", loose_score, look["acantholysis"], nucleus) & ~dying
    upper, above = nucleus & (cells.level < UPPER_HALF), nucleus & ~cells.basal
    free = ~loose & ~dying

    def pick(name: str, score: Values, share: float, of: Mask, among: Mask) -> Mask:
        return sheet.lowest(name, score, share * of.sum() / max(among.sum(), 1), among)

    share = look["vacuolated_ballooned_keratinocytes"]
    hollow = pick("hollow", luck("hollow"), share, upper, upper & free)
    order = cells.level + 0.9 * luck("swollen")
    swollen = pick("swollen", order, look["intracellular_oedema"], above, above & free & ~hollow)
    row = nucleus & cells.basal
    eroded = sheet.lowest("eroded", luck("eroded"), look["vacuolar_interface_basal"], row)
    place = at(sheet.section.u, cells.points), at(sheet.section.v, cells.points)
    brown = chance.texture("brown", *place, 24) + 1.2 * luck("brown")
    pigmented = sheet.lowest("brown", brown, look["pigment_basal_or_incontinence"], row)
    return States(nucleus, dying, loose, hollow, swollen, eroded, pigmented)


def _spongiosis(sheet: Sheet, cells: Keratinocytes, zones: Zones) -> Mask:
    """Return the spaces between cells that are wider than usual."""
    section = sheet.section
    share = section.look["spongiosis"]
    among = section.epidermis & (section.level > 0.1) & (section.level < 0.93)
    among &= ~zones.granular & (zones.deadness < 0.5)
    if share <= 0 or not among.any():
        return np.zeros_like(among)
    patch = smooth_step(-1.3, 1.2, sheet.texture("spongiosis", 20)) + np.float32(0.03)
    lake = smooth_step(1.35, 1.9, sheet.texture("lake", 9)) * np.float32(share > 0.14)
    fuzz = np.float32(0.8) + np.float32(0.9) * sheet.texture("gap", 1.2)
    score = (cells.rim + fuzz.clip(0.1)) / (patch + 6 * lake)
    return sheet.lowest("spongiosis", score, share * section.epidermis.sum() / among.sum(), among)


def _paint(sheet: Sheet, cells: Keratinocytes, states: States, zones: Zones, gaps: Mask) -> None:
    """Colour the pixels of the epidermis."""
    section, mpp = sheet.section, np.float32(sheet.section.window.mpp)
    index = np.flatnonzero(cells.owner.ravel() >= 0)
    own = cells.owner.ravel()[index]

    def part(values: NDArray) -> NDArray:
        return values.ravel()[index]

    def of(values: NDArray) -> NDArray[np.float32]:
        return np.asarray(values, np.float32)[own]

    shape = _nuclei(cells, states, own, index, section.place.angle, mpp, section.u.shape[1])
    level, rim = part(section.level), part(cells.rim)
    dead, pale = part(zones.deadness), part(zones.paleness)
    fine = sheet.grain.standard_normal(len(index), dtype=np.float32)
    smudge = section.chance.texture("cytoplasm", part(section.u), part(section.v), 2.2)
    tint = of(section.chance.normal("tint", cells.i, cells.j))
    low = smooth_step(0.4, 1.0, level) + np.float32(0.25) * (part(section.height) < BASAL_ZONE)

    eosin = 0.52 - 0.10 * low + 0.035 * tint + 0.03 * smudge + 0.02 * fine
    blue = 0.15 + 0.22 * low + 0.015 * smudge + 0.012 * fine
    line = np.clip(1.0 - rim, 0, 1) * (0.30 - 0.12 * low)  # the pale line between two cells
    eosin, blue = eosin * (1 - line), blue * (1 - line)
    swollen = of(states.swollen) * np.clip(rim / 2.0, 0.35, 1)
    eosin, blue = eosin * (1 - 0.52 * swollen), blue * (1 - 0.62 * swollen)
    web = np.clip(1.2 - rim, 0, 1)
    eosin = eosin * (1 - pale * (0.66 - 0.3 * web)) + 0.02 * pale * smudge
    blue = blue * (1 - 0.82 * pale)
    blue += part(_keratohyalin(sheet, zones))
    eosin += dead * (0.80 + 0.05 * smudge - eosin)
    blue += dead * (0.09 + 0.02 * smudge - blue)

    nucleus, radius = shape
    clear = of(states.vacuolated) * np.clip((rim - 0.5) / 1.2, 0, 1) * 0.9
    clear = np.maximum(clear, of(states.eroded) * np.clip((6.0 - part(section.height)) / 1.5, 0, 1) * 0.92)
    loose, dying = of(states.acantholytic), of(states.dyskeratotic)
    body = np.where(loose > 0, 5.2, 4.4).astype(np.float32)
    ring = np.clip((radius - body) / mpp + 0.5, 0, 1) * np.clip((body + 3 * loose + 1.6 - radius) / mpp, 0, 1)
    clear = np.maximum(clear, (loose + dying) * ring * 0.88)
    clear = np.maximum(clear, part(gaps) * (0.86 + 0.1 * smudge).clip(0.5, 0.97))
    eosin += (radius < body) * (dying * (1.05 - eosin) + loose * (0.66 - eosin))
    clear = clear * (1 - np.clip(2 * nucleus, 0, 1))
    eosin, blue = eosin * (1 - clear) * (1 - 0.5 * np.clip(nucleus, 0, 1)), blue * (1 - clear)
    sheet.eosin.ravel()[index] = eosin.clip(0)
    sheet.haematoxylin.ravel()[index] = np.maximum(blue, nucleus).clip(0)

    usual = 0.35 * section.look.melanin * (part(section.height) < 9)
    cap = of(states.pigmented) * np.clip(1.7 - radius / 4.5, 0, 1)
    speckle = (0.7 + 0.3 * smudge).clip(0.1)
    sheet.melanin.ravel()[index] = (
        (usual + 0.42 * cap) * (1 - 0.5 * np.clip(nucleus, 0, 1)) * speckle * (1 - dead)
    )


def _nuclei(
    cells: Keratinocytes,
    states: States,
    own: NDArray,
    index: NDArray,
    angle: float,
    mpp: np.float32,
    columns: int,
) -> tuple[NDArray, NDArray]:
    """Return the haematoxylin of the nuclei and the distance (um) from the middle of the cell, by pixel."""
    small = np.where(states.vacuolated | states.dyskeratotic, 0.58, 1)[:, None]
    axes = (cells.axes * small).astype(np.float32)
    turn = (cells.angle + angle).astype(np.float32)
    table = np.column_stack([cells.points, np.cos(turn), np.sin(turn), axes]).astype(np.float32)
    x, y, cos, sin, long, wide = table[own].T
    dx, dy = (index % columns - x) * mpp, (index // columns - y) * mpp
    along, across = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) / wide
    r = np.asarray(np.sqrt(along**2 + across**2), np.float32)
    edge = np.clip((1 - r) * np.minimum(long, wide) / mpp + 0.5, 0, 1)
    shrunken = states.vacuolated | states.dyskeratotic
    dark = 0.60 + 0.30 * cells.basal + 0.35 * shrunken + 0.06 * np.sin(7.3 * cells.i + 3.1 * cells.j)
    dark = (dark * np.where(states.nucleus, 1, GHOST)).astype(np.float32)[own]
    vesicle = np.where(cells.basal | shrunken, 0.1, 0.34).astype(np.float32)[own]
    hollow, nucleolus = smooth_step(0.95, 0.45, r), smooth_step(0.3, 0.1, r)
    inner = 1 - vesicle * hollow + 0.9 * vesicle * nucleolus
    return edge * dark * inner, np.sqrt(dx**2 + dy**2)


def _keratohyalin(sheet: Sheet, zones: Zones) -> Map:
    """Return the haematoxylin of the granules: coarse dark grains, densest in the middle of the layer."""
    if not zones.granular.any():
        return np.zeros(zones.granular.shape, np.float32)
    section = sheet.section
    thick = np.maximum(section.along(section.relief.granular), 1)
    place = np.asarray(section.depth / thick, np.float32)
    dense = smooth_step(0.0, 0.3, place) * smooth_step(1.05, 0.55, place)
    found = np.zeros(dense.shape, np.float32)
    grains = sheet.texture("granules", 1.7, 0.85, among=zones.granular)
    found[zones.granular] = dense[zones.granular] * (0.52 + 0.34 * grains).clip(0.08)
    return found


def _note(sheet: Sheet, cells: Keratinocytes, states: States, zones: Zones) -> None:
    """Note labels, masks and nuclei of the epidermis."""
    section, label, masks = sheet.section, sheet.label, sheet.masks
    living = section.epidermis
    label[living] = LABEL["spinous"]
    label[living & (section.height < BASAL_ZONE)] = LABEL["basal"]
    label[zones.pale] = LABEL["pale"]
    label[zones.dead | zones.dead_through] = LABEL["necrotic"]
    label[zones.granular] = LABEL["granular"]
    masks["upper_epidermal_pallor"] = zones.pale
    masks["upper_epidermal_necrosis"] = zones.dead
    masks["full_thickness_necrosis_subepidermal_split"] = zones.dead_through | section.split
    for name, chosen in (
        ("vacuolated_ballooned_keratinocytes", states.vacuolated),
        ("intracellular_oedema", states.swollen),
        ("dyskeratosis_single_cell", states.dyskeratotic),
        ("acantholysis", states.acantholytic),
        ("vacuolar_interface_basal", states.eroded),
        ("pigment_basal_or_incontinence", states.pigmented),
    ):
        masks[name] = cells.region(chosen)
    plain = states.nucleus & ~states.dyskeratotic & ~states.acantholytic
    sheet.add("basal", cells.points[plain & cells.basal])
    sheet.add("keratinocyte", cells.points[plain & ~cells.basal])
    sheet.add("dyskeratotic", cells.points[states.dyskeratotic])
    sheet.add("acantholytic", cells.points[states.acantholytic])
