"""The dermis drawn on the sheet: collagen, what loosens or thickens it, and the cells that live in it."""

from __future__ import annotations

import cv2
import numpy as np

from nmevision.phantom.noise import Map, smooth_step
from nmevision.phantom.sheet import LABEL, Sheet
from nmevision.phantom.window import Mask


def draw_dermis(sheet: Sheet) -> None:
    """Draw the dermis without vessels and infiltrates, and note its truth."""
    section, look = sheet.section, sheet.section.look
    dermis = section.dermis
    sheet.label[dermis] = LABEL["dermis"]
    if not dermis.any():
        return
    papillary = section.papillary
    oedema, fibrosis, mucin = (np.zeros(dermis.shape, bool) for _ in range(3))
    soft, stiff = look["papillary_dermal_oedema"], look["papillary_dermal_fibrosis"]
    if soft or stiff:
        loose = sheet.texture("oedema", 38)
        oedema = sheet.lowest("oedema", loose, soft, papillary)
        fibrosis = sheet.lowest("fibrosis", -loose, stiff, papillary)
    if look["dermal_mucin"]:
        deep = section.upper_dermis & ~papillary
        mucin = sheet.lowest("mucin", sheet.texture("mucin", 22, 9), look["dermal_mucin"], deep)
    sheet.masks |= {
        "papillary_dermal_oedema": oedema,
        "papillary_dermal_fibrosis": fibrosis,
        "dermal_mucin": mucin,
    }
    sheet.eosin[dermis], sheet.haematoxylin[dermis] = _collagen(sheet, oedema, fibrosis, mucin)
    _fibroblasts(sheet)


def _collagen(sheet: Sheet, oedema: Mask, fibrosis: Mask, mucin: Mask) -> tuple[Map, Map]:
    """Return eosin and haematoxylin of the dermis's pixels: fine pale fibres above, wavy bundles below."""
    section, dermis = sheet.section, sheet.section.dermis
    u, v, chance = section.u[dermis], section.v[dermis], section.chance

    def noise(name: str, grain: float, across: float, wave: Map | float = 0) -> Map:
        return chance.texture(name, u, v + wave, grain, across)

    wave = 9 * noise("wave", 34, 40) + 3 * noise("ripple", 11, 14)
    bundles = noise("bundles", 17, 2.6, wave)
    crossing = chance.texture("crossing", u + 0.8 * v, 0.9 * v + 0.8 * wave, 13, 2.3)
    strands = np.maximum(bundles, 0.95 * crossing)
    deep = smooth_step(120, 260, section.depth[dermis])
    below = deep > 0
    if below.any():
        coarser = _interwoven(sheet, u[below], v[below], wave[below], bundles[below])
        strands[below] += deep[below] * (coarser - strands[below])
    fibres = noise("fibres", 8, 0.95, 0.8 * wave)
    slits = smooth_step(-0.16, -0.46, strands)
    coarse = (0.57 + 0.20 * deep + 0.12 * strands + (0.09 - 0.015 * deep) * fibres) * (1 - 0.88 * slits)
    net = noise("net", 3.0, 1.5, 0.6 * wave)
    fine = 0.37 + 0.07 * fibres + 0.075 * net + 0.04 * bundles
    reticular = smooth_step(26, 78, section.below[dermis] + 11 * noise("border", 30, 30))
    eosin = fine + reticular * (coarse - fine)
    blue = 0.035 + 0.02 * eosin + 0.012 * net
    if oedema.any():
        gaps = (0.62 + 0.16 * smooth_step(0.2, 1.2, net) - 0.18 * fibres).clip(0.2, 0.95)
        eosin *= 1 - _softened(sheet, oedema)[dermis] * gaps
    if fibrosis.any():
        upright = chance.texture("streaks", v, u, 16, 1.8)
        eosin += _softened(sheet, fibrosis)[dermis] * (0.66 + 0.13 * upright - eosin)
    if mucin.any():
        parted = _softened(sheet, mucin)[dermis]
        eosin *= 1 - parted * (0.72 + 0.2 * bundles).clip(0.2, 0.92)
        blue += parted * (0.085 + 0.02 * net)
    return eosin.clip(0), blue.clip(0)


def _interwoven(sheet: Sheet, u: Map, v: Map, wave: Map, bundles: Map) -> Map:
    """Return the coarse bundles of the reticular dermis, patches of which run across one another or towards us."""
    chance = sheet.section.chance
    rising = chance.texture("rising", u + 0.6 * v, v - 0.55 * u + 0.9 * wave, 14, 3.0)
    steep = chance.texture("steep", u + 0.4 * wave, v + 0.3 * u, 6, 4.0)
    which = chance.texture("direction", u, v, 40, 26)
    strands = np.maximum(bundles + 0.4 * which, rising - 0.4 * which)
    parted = 0.18 + 0.32 * float(chance.uniform("parted", 0)[0])  # how far the clefts between bundles gape
    return np.asarray(np.maximum(strands, 0.9 * steep - 0.35) - parted, np.float32)


def _softened(sheet: Sheet, mask: Mask) -> Map:
    """Return a mask with a soft margin of some micrometres."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2.5 / sheet.section.window.mpp)
    return np.asarray(soft, np.float32)


def _fibroblasts(sheet: Sheet) -> None:
    """Draw spindle nuclei along the fibres, and brown melanophages where pigment was lost."""
    section = sheet.section
    places = sheet.lattice("fibroblast", 21, 15, 0.4, section.dermis)
    deep = 0.14 + 0.22 * float(section.chance.uniform("stroma", 0)[0])
    share = np.where(places.on(section.depth) > 200, deep, 0.42)
    places = places.where((places.uniform("kept") < share) & (places.on(section.below) > 3))
    count = len(places)
    axes = np.stack([2.6 + 3.4 * places.uniform("long"), 0.75 + 0.6 * places.uniform("wide")], -1)
    dark = 0.55 + 0.35 * places.uniform("dark") + 0.2 * (places.on(section.depth) > 200)
    tilt = 0.45 * places.normal("tilt")
    sheet.haematoxylin += sheet.ellipses(places.points, axes, tilt, dark)
    sheet.add("fibroblast", places.points)

    laden = section.look["pigment_basal_or_incontinence"]
    if laden > 0.15:
        spots = sheet.lattice("melanophage", 15, 15, 0.35, section.papillary)
        spots = spots.where((spots.uniform("kept") < 0.25 * laden) & (spots.on(section.below) > 5))
        count = len(spots)
        axes = np.stack([3 + 2.5 * spots.uniform("a"), 2 + spots.uniform("b")], -1)
        sheet.melanin += sheet.ellipses(spots.points, axes, spots.normal("turn"), np.full(count, 0.9))
        sheet.add("melanophage", spots.points)
