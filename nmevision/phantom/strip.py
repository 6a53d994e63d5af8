"""A long piece of skin for a slide: mostly spared, with stretches of a disease, drawn block by block."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.chance import Chance, Values
from nmevision.phantom.histology import paint
from nmevision.phantom.noise import Map
from nmevision.phantom.profiles import Case
from nmevision.phantom.relief import Relief, draw_relief
from nmevision.phantom.section import Section, draw_section
from nmevision.phantom.section_scales import Look, draw_look
from nmevision.phantom.sheet import Sheet
from nmevision.phantom.window import Placement, Window

ABOVE, PASSAGE = 260.0, 130.0
"""How far above its surface a strip may reach, and how long the passage to a lesion is, micrometres."""
_PREVIEW = 640.0  # micrometres: the window that the choices of a strip are made in


@dataclass(frozen=True)
class Layers:
    """What is drawn of a block: amounts of colour and the label map."""

    haematoxylin: Map
    eosin: Map
    melanin: Map
    label: NDArray[np.uint8]


@dataclass(frozen=True)
class Strip:
    """One strip of skin on a slide.

    place: its middle on the slide. depth: how deep it was cut (um). lesions: stretches of u (um).
    looks, thresholds: of spared and of lesional skin, in this order.
    """

    place: Placement
    chance: Chance
    relief: Relief
    depth: float
    lesions: tuple[tuple[float, float], ...]
    looks: tuple[Look, Look]
    thresholds: tuple[dict[str, float], dict[str, float]]


def draw_strip(
    spared: Case,
    lesional: Case,
    rng: np.random.Generator,
    place: Placement,
    length: float,
    depth: float,
    lesions: tuple[tuple[float, float], ...],
    mpp: float,
) -> Strip:
    """Return a strip of skin of the given length and depth (um), as `Strip` describes it."""
    chance = Chance(int(rng.integers(2**31)))
    looks = (
        replace(draw_look(spared.grades, rng), follicle=None),
        replace(draw_look(lesional.grades, rng), follicle=None),
    )
    reach = (-length / 2, length / 2)
    seen = lesions[0] if lesions else reach
    plain, sick = (
        draw_relief(look, chance, reach, stretch, length)
        for look, stretch in zip(looks, (reach, seen), strict=True)
    )
    share = _lesional(plain.u, lesions)
    relief = plain.blend(sick, share)
    arch = 0.035 * length * rng.uniform(-1, 1) * np.cos(np.pi * plain.u / length)
    cut = arch + depth + 45 * chance.curve("cut", plain.u, 120) + 8 * chance.curve("cut fine", plain.u, 14)
    relief = replace(relief, base=relief.base + arch, cut=cut)
    strip = Strip(place, chance, relief, depth, lesions, looks, ({}, {}))
    for look, thresholds, wanted in zip(looks, strip.thresholds, (0, 1), strict=True):
        _preview(strip, look, thresholds, float(_middle(plain.u, share, wanted)), mpp, rng)
    return strip


def _lesional(u: Values | Map, lesions: tuple[tuple[float, float], ...]) -> Values:
    """Return 1 inside the lesions, 0 far from them, and a straight passage between."""
    shares = [np.clip(np.minimum(u - a, b - u) / PASSAGE + 0.5, 0, 1) for a, b in lesions]
    return np.max([np.zeros_like(u, float), *shares], axis=0)


def _middle(u: Values, share: Values, wanted: int) -> float:
    """Return the middle of the longest stretch of the strip that is spared (0) or lesional (1)."""
    fit = np.r_[False, share == wanted, False]
    starts, ends = (
        np.flatnonzero(np.diff(fit.astype(int)) == 1),
        np.flatnonzero(np.diff(fit.astype(int)) == -1),
    )
    if not len(starts):
        return float(u.mean())
    longest = int(np.argmax(ends - starts))
    return float(u[(starts[longest] + ends[longest] - 1) // 2])


def _preview(
    strip: Strip, look: Look, thresholds: dict[str, float], u: float, mpp: float, rng: np.random.Generator
) -> None:
    """Draw one window of the strip to find where its choices are cut; fills `thresholds`."""
    middle = np.interp(u, strip.relief.u, strip.relief.base) + 0.3 * _PREVIEW
    x, y = strip.place.pixels(np.array([u]), np.array([middle]), Window(1, 1, 1.0))[0]
    side = int(_PREVIEW / mpp)
    window = Window(side, side, mpp, float(x) - _PREVIEW / 2, float(y) - _PREVIEW / 2)
    section = draw_section(look, strip.chance, strip.relief, strip.place, window)
    paint(Sheet(section, np.random.default_rng(rng.integers(2**31)), thresholds))


def reaches(strip: Strip, window: Window) -> bool:
    """Return whether a window can hold any of the strip."""
    low, high, top, bottom = strip.place.reach(window)
    u = strip.relief.u
    slack = 3 * ABOVE
    least, most = float(strip.relief.base.min()), float(strip.relief.cut.max())
    return high > u[0] and low < u[-1] and bottom > least - slack and top < most


def draw_layers(strip: Strip, window: Window, rng: np.random.Generator) -> Layers:
    """Return one window of the strip: spared and lesional skin side by side."""
    low, high, _, _ = strip.place.reach(window)
    u = strip.relief.u
    share = _lesional(u[(u >= low) & (u <= high)], strip.lesions)
    drawn: list[Sheet] = []
    for look, thresholds, wanted in zip(strip.looks, strip.thresholds, (0, 1), strict=True):
        if len(share) and (share != 1 - wanted).any():
            section = draw_section(look, strip.chance, strip.relief, strip.place, window)
            drawn.append(paint(Sheet(section, rng, dict(thresholds))))
    if not drawn:
        blue, pink, brown = np.zeros((3, window.rows, window.columns), np.float32)
        return Layers(blue, pink, brown, np.zeros(blue.shape, np.uint8))
    one = drawn[0]
    if len(drawn) == 1:
        return Layers(one.haematoxylin, one.eosin, one.melanin, one.label)
    sick = _lesional(one.section.u, strip.lesions) + 0.12 * _passage(one.section) > 0.5
    names = ("haematoxylin", "eosin", "melanin", "label")
    return Layers(*(np.where(sick, getattr(drawn[1], n), getattr(one, n)) for n in names))


def _passage(section: Section) -> Map:
    """Return noise that makes the edge of a lesion irregular."""
    return section.chance.texture("edge of the lesion", section.u, section.v, 30)
