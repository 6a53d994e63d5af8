"""Where the appendages of the skin lie in a window: follicles, glands, fat; the dermis makes room for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from nmevision.phantom.follicles import lay_follicle
from nmevision.phantom.glands import lay_eccrine, lay_fat, lay_sebaceous
from nmevision.phantom.section import Section
from nmevision.phantom.sheet import Sheet
from nmevision.phantom.window import Mask, at

KINDS = ("follicle", "sebaceous", "eccrine", "fat")
CLEAR = 14.0
"""How far the appendages keep from the epidermis, micrometres."""
_TRIES = 12


class Appendage(Protocol):
    """What lies in the dermis: where, and how it is drawn."""

    @property
    def mask(self) -> Mask:
        """Return its pixels."""
        ...

    def draw(self, sheet: Sheet) -> None:
        """Draw it and note its truth."""
        ...


_LAY: dict[str, Callable[[Section, np.random.Generator, float, float, Mask], Appendage]] = {
    "follicle": lay_follicle,
    "sebaceous": lay_sebaceous,
    "eccrine": lay_eccrine,
    "fat": lay_fat,
}


def lay_adnexa(
    section: Section, rng: np.random.Generator, kinds: Sequence[str]
) -> tuple[Section, list[Appendage]]:
    """Return a section whose dermis leaves room for appendages of the given KINDS, and the appendages.

    A gland beside a follicle lies near it; those that find no room are left out.
    """
    room = section.dermis & (section.below > CLEAR)
    laid: list[Appendage] = []
    spot: tuple[float, float] | None = None
    for kind in kinds:
        near = spot if kind == "sebaceous" else None
        place = _free(section, rng, room, near)
        if place is None:
            continue
        spot = place if kind == "follicle" else spot
        appendage = _LAY[kind](section, rng, *place, room)
        room = room & ~appendage.mask
        laid.append(appendage)
    taken = np.zeros(room.shape, bool)
    for appendage in laid:
        taken |= appendage.mask
    return replace(section, dermis=section.dermis & ~taken), laid


def draw_kinds(rng: np.random.Generator) -> list[str]:
    """Return which appendages one field shows: a follicle with its gland, or glands alone."""
    if rng.random() < 0.62:
        glands = ["sebaceous"] * int(rng.random() < 0.5) + ["eccrine"] * int(rng.random() < 0.2)
        return ["follicle", *glands]
    return ["sebaceous"] * int(rng.integers(1, 3)) if rng.random() < 0.5 else ["eccrine"]


def _free(
    section: Section, rng: np.random.Generator, room: Mask, near: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Return a place (um) in the picture with room for an appendage, None where there is none."""
    window = section.window
    size = np.array([window.columns, window.rows]) * window.mpp
    corner = np.array([window.left, window.top])
    for _ in range(_TRIES):
        share = rng.uniform(0.12, 0.88, 2)
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(90, 170)
        place = corner + share * size
        if near is not None:
            place = np.array(near) + far * np.array([np.cos(turn), np.sin(turn)])
        pixel = window.pixel(*place)[None]
        inside = bool(((place > corner) & (place < corner + size)).all())
        if inside and at(room, pixel)[0] and float(at(section.below, pixel)[0]) > 45:
            return float(place[0]), float(place[1])
    return None
