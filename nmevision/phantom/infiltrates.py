"""Vessels of the dermis drawn on the sheet, and the inflammatory cells around and between them."""

from __future__ import annotations

import math

import numpy as np

from nmevision.phantom.noise import smooth_step
from nmevision.phantom.sheet import LABEL, Places, Sheet
from nmevision.phantom.window import Mask

CUFF = 120  # places for lymphocytes around one vessel


def draw_vessels_and_infiltrates(sheet: Sheet) -> None:
    """Draw vessels, then lymphocytes, other inflammatory cells and eosinophils, and note their truth."""
    vessels = _vessels(sheet)
    lumen = sheet.label == LABEL["vessel"]
    free = sheet.section.dermis & ~lumen
    room = float(sheet.section.upper_dermis.sum()) * sheet.section.window.mpp**2 / 1e6  # mm2
    _band(sheet, free)
    _cuffs(sheet, vessels, free, room)
    _scattered(sheet, free, room)


def _vessels(sheet: Sheet) -> Places:
    """Draw the papillary vessels (dilated where asked for) and the plexus below; return all of them."""
    section = sheet.section
    wanted = section.look["vessel_dilatation_papillary"]
    wide = 1 + 1.5 * min(1.0, wanted / 0.2)
    places = sheet.lattice("vessel", 13, 13, 0.3, section.papillary)
    room = places.on(section.below)
    places = places.where((room > 4.5 + 2 * wide) & (room < 33))
    thick = (1.7 + 1.0 * places.uniform("wide")) * wide**0.75
    half = np.stack([thick * (1.3 + 1.9 * places.uniform("long")), thick], -1)
    area = math.pi * half.prod(axis=1).mean() if len(places) else 1.0
    papillary_um2 = float(section.papillary.sum()) * section.window.mpp**2
    share = 0.80 * wanted * papillary_um2 / area / max(len(places), 1)
    order = places.uniform("which")
    kept = sheet.lowest("vessels", order, min(share, 1))
    tilt = math.pi / 2 + 0.3 * places.normal("tilt")
    drawn = _lumens(sheet, places.where(kept), half[kept], tilt[kept], section.papillary, wanted)

    deep = sheet.lattice("plexus", 52, 40, 0.3, section.upper_dermis & (section.below > 45))
    deep = deep.where(deep.uniform("kept") < 0.5)
    long = np.stack([4 + 7 * deep.uniform("long"), 2.0 + 1.8 * deep.uniform("wide")], -1)
    _lumens(sheet, deep, long, 0.5 * deep.normal("tilt"), section.dermis & ~section.papillary, 1)
    lower = sheet.lattice("lower plexus", 95, 80, 0.3, section.dermis & ~section.upper_dermis)
    lower = lower.where(lower.uniform("kept") < 0.45)
    half = np.stack([4 + 9 * lower.uniform("long"), 2.2 + 3.0 * lower.uniform("wide") ** 2], -1)
    _lumens(sheet, lower, half, 0.6 * lower.normal("tilt"), section.dermis & ~section.papillary, 1)
    sheet.masks["vessel_dilatation_papillary"] = drawn
    both = [places.where(kept), deep]
    return Places(
        np.concatenate([p.points for p in both]),
        np.concatenate([p.i for p in both]),
        np.concatenate([p.j for p in both]),
        "cuff",
        sheet,
    )


def _lumens(
    sheet: Sheet, places: Places, half: np.ndarray, tilt: np.ndarray, zone: Mask, share: float
) -> Mask:
    """Draw vessels: a thin wall with flat nuclei, inside it plasma and red cells; return their lumens."""
    count = len(places)
    if not count:
        return np.zeros(zone.shape, bool)
    one = np.full(count, 1.0)
    lumen = sheet.ellipses(places.points, half, tilt, one) * zone
    wall = (sheet.ellipses(places.points, half + 1.9, tilt, one) - lumen).clip(0) * sheet.section.dermis
    blood = sheet.ellipses(places.points, half * 0.92, tilt, places.uniform("blood")) * zone
    inner = lumen > 0
    red = np.zeros_like(lumen)
    grains = sheet.texture("red cells", 1.9, among=inner)
    red[inner] = smooth_step(0.3, 0.45, blood[inner]) * smooth_step(-1.2, -0.3, grains)
    sheet.eosin = sheet.eosin * (1 - 0.93 * lumen) + lumen * (0.80 * red + 0.06)
    sheet.haematoxylin *= 1 - lumen
    sheet.eosin += wall * (0.45 - sheet.eosin).clip(0)
    around = np.repeat(np.arange(count), 3)
    turn = (
        2
        * math.pi
        * sheet.section.chance.uniform(
            "endothelium", np.repeat(places.i, 3), 4 * np.repeat(places.j, 3) + np.tile(np.arange(3), count)
        )
    )
    du, dv = (half[around, 0] + 0.9) * np.cos(turn), (half[around, 1] + 0.9) * np.sin(turn)
    angle = tilt[around] + sheet.section.place.angle
    shift = np.stack([np.cos(angle) * du - np.sin(angle) * dv, np.sin(angle) * du + np.cos(angle) * dv], -1)
    nuclei = (places.points[around] + shift / sheet.section.window.mpp).astype(np.float32)
    along = tilt[around] + np.arctan2(np.cos(turn) * half[around, 1], -np.sin(turn) * half[around, 0])
    flat = np.tile([2.5, 0.75], (len(nuclei), 1))
    drawn = sheet.ellipses(nuclei, flat, along, np.full(len(nuclei), 0.62)) * sheet.section.dermis
    sheet.haematoxylin = np.maximum(sheet.haematoxylin, drawn)
    sheet.add("endothelium", nuclei)
    found = lumen > 0.5
    sheet.label[found] = LABEL["vessel"]
    return np.asarray(found)


def _band(sheet: Sheet, free: Mask) -> None:
    """Draw a band of lymphocytes that touches the epidermis."""
    section = sheet.section
    band = section.dermis & (section.below < section.along(section.relief.band))
    sheet.masks["band_like_infiltrate"] = band
    if band.any():
        places = sheet.lattice("band", 5.6, 5.6, 0.25, band & free).apart(4.0)
        _lymphocytes(sheet, places.where(places.uniform("kept") < 0.85), "band")
        sheet.label[band & free] = LABEL["infiltrate"]


def _cuffs(sheet: Sheet, vessels: Places, free: Mask, room: float) -> None:
    """Draw lymphocytes around the vessels, close around some and few around others."""
    finding = "perivascular_lymphocytes"
    number = np.repeat(np.arange(len(vessels)), CUFF)
    many = Places(
        vessels.points[number],
        vessels.i[number] * CUFF + np.tile(np.arange(CUFF), len(vessels)),
        vessels.j[number],
        "cuff",
        sheet,
    )
    spread = np.stack([many.normal("x"), many.normal("y")], -1) * 13 / sheet.section.window.mpp
    places = Places((many.points + spread).astype(np.float32), many.i, many.j, "cuff", sheet)
    kept = places.seen()
    kept = kept.where(
        kept.on(free & sheet.section.upper_dermis) & (kept.on(sheet.label) != LABEL["infiltrate"])
    )
    kept = kept.apart(4.0)
    favoured = sheet.section.chance.uniform("favoured", kept.i // CUFF, kept.j)
    share = sheet.section.look[finding] * room / max(len(kept), 1)
    kept = kept.where(sheet.lowest(finding, 0.7 * favoured + 0.5 * kept.uniform("which"), min(share, 1)))
    _lymphocytes(sheet, kept, "lymphocyte")
    mask = sheet.discs(kept.points, 7.0) & free
    sheet.masks[finding] = mask
    sheet.label[mask] = LABEL["infiltrate"]


def _scattered(sheet: Sheet, free: Mask, room: float) -> None:
    """Draw inflammatory cells between the collagen, and eosinophils."""
    look, zone = sheet.section.look, free & sheet.section.upper_dermis & (sheet.section.below > 3)
    for finding, kind in (("interstitial_inflammation", "interstitial"), ("eosinophils", "eosinophil")):
        sheet.masks[finding] = np.zeros(free.shape, bool)
        if look[finding] <= 0:
            continue
        places = sheet.lattice(kind, 10, 10, 0.35, zone)
        share = look[finding] * room / max(len(places), 1)
        order = places.uniform("which")
        if kind == "eosinophil":  # gathered where the vessels and lymphocytes are
            order = order - 0.4 * places.on(sheet.label == LABEL["infiltrate"])
        places = places.where(sheet.lowest(finding, order, min(share, 1)))
        if kind == "eosinophil":
            _eosinophils(sheet, places)
        else:
            _lymphocytes(sheet, places, kind)
        sheet.masks[finding] = sheet.discs(places.points, 6.0) & free


def _lymphocytes(sheet: Sheet, places: Places, kind: str) -> None:
    """Draw small round dark nuclei."""
    count = len(places)
    round_ = np.stack([places.uniform("a"), places.uniform("b")], -1)
    axes = 2.1 + 0.75 * round_ + (0.9 * round_ if kind == "interstitial" else 0)
    dark = 0.72 + 0.30 * places.uniform("dark")
    drawn = sheet.ellipses(places.points, axes, 3 * places.uniform("turn"), dark) * sheet.section.dermis
    sheet.haematoxylin = np.maximum(sheet.haematoxylin, drawn)
    sheet.eosin *= 1 - 0.45 * np.clip(drawn, 0, 1)
    if count:
        sheet.add(kind, places.points)


def _eosinophils(sheet: Sheet, places: Places) -> None:
    """Draw a bright pink body with a nucleus of two lobes in it."""
    count = len(places)
    body = sheet.ellipses(places.points, np.full((count, 2), 4.6), np.zeros(count), np.full(count, 1.0))
    sheet.eosin = sheet.eosin * (1 - body) + 1.15 * body
    sheet.haematoxylin *= 1 - body
    turn = math.pi * places.uniform("turn")
    shift = 1.5 / sheet.section.window.mpp * np.stack([np.cos(turn), np.sin(turn)], -1)
    lobes = np.concatenate([places.points + shift, places.points - shift]).astype(np.float32)
    dark = np.full(2 * count, 1.0)
    sheet.haematoxylin += sheet.ellipses(lobes, np.full((2 * count, 2), 1.6), 0 * dark, dark)
    sheet.add("eosinophil", places.points)
