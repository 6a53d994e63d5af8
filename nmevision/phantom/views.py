"""Which part of the skin an H&E field shows: its surface, or dermis, appendages, and what the frame cuts off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nmevision.phantom.adnexa import Appendage, draw_kinds, lay_adnexa
from nmevision.phantom.section import Section
from nmevision.phantom.section_scales import Look
from nmevision.phantom.section_truth import SectionTruth, label_mask
from nmevision.phantom.tangential import lay_tangential
from nmevision.phantom.window import Placement, Window

NORMAL = "normal"
KINDS = ("surface", "cut", "tangential", "dermis", "adnexa", "fat", "glass")
"""surface: the whole height of the epidermis. cut: its lower part alone, and dermis. tangential: epidermis cut
along the surface. dermis, adnexa, fat: without epidermis. glass: the edge of the tissue and little else."""
ODDS = {"cut": 0.19, "tangential": 0.06, "dermis": 0.25, "adnexa": 0.36, "fat": 0.06, "glass": 0.08}
"""How often each kind is drawn among the fields off the surface."""
OFF_SURFACE = 0.25
"""Share of the fields off the surface; twice as many of normal skin."""
WITH_ADNEXA = 0.15
"""Share of the fields of the surface with an appendage in their dermis."""
EDGE = 0.3
"""Share of the fields of dermis and appendages with an edge of the tissue."""
LEAST_TISSUE = 0.12
"""Least share of the field that tissue takes up where its look can be called normal."""


@dataclass(frozen=True)
class View:
    """What part of the skin a field shows: one of KINDS, with appendages or not, with an edge of the tissue."""

    kind: str = "surface"
    adnexa: bool = False
    edge: bool = False


SURFACE = View()


def draw_view(rng: np.random.Generator, diagnosis: str, share: float) -> View:
    """Return what a field shows; `share` (0 to 1) of them are off the surface.

    Only normal skin is cut along the surface: no finding is drawn there.
    """
    if rng.random() >= share:
        return View(adnexa=bool(rng.random() < WITH_ADNEXA))
    kind = str(rng.choice(list(ODDS), p=list(ODDS.values())))
    if kind == "tangential" and diagnosis != NORMAL:
        kind = "cut"
    edge = kind == "glass" or (kind in ("dermis", "adnexa") and rng.random() < EDGE)
    return View(kind, adnexa=kind == "adnexa", edge=bool(edge))


def label_of(view: View, diagnosis: str, truth: SectionTruth) -> str:
    """Return the diagnosis that a field may be labelled with, "" where nothing in it could tell.

    Off the surface there is nothing that tells one diagnosis from another: the row keeps its grades and field
    marks, and only normal skin keeps its name, where there is enough of it.
    """
    if view.kind == "surface":
        return diagnosis
    tissue = ~label_mask(truth, "background")
    return diagnosis if diagnosis == NORMAL and tissue.mean() >= LEAST_TISSUE else ""


def place_of(
    view: View, look: Look, rng: np.random.Generator, window: Window, angle: float | None
) -> Placement:
    """Return where the skin lies: its surface in the upper part of the picture, or above its frame."""
    turn = rng.uniform(-math.pi, math.pi) if angle is None else angle
    side = min(window.rows, window.columns) * window.mpp
    x, y = window.centre
    if view.kind == "surface":
        over = look["hyperkeratosis_ortho"] + 16 * look["parakeratosis"]
        top = over + side * rng.uniform(0.05, 0.16)
        into = max(side / 2 - top, 0.1 * side)
        return Placement(x + into * math.sin(turn), y - into * math.cos(turn), turn)
    if view.kind == "cut" and angle is None:  # the frame runs along the skin, more or less
        turn = math.pi / 2 * int(rng.integers(4)) + rng.normal(0, 0.1)
    reach = side / 2 * (abs(math.sin(turn)) + abs(math.cos(turn)))
    into = reach + _depth(view, look, rng)
    return Placement(x + into * math.sin(turn), y - into * math.cos(turn), turn)


def _depth(view: View, look: Look, rng: np.random.Generator) -> float:
    """Return how far below the surface a picture off the surface begins, micrometres."""
    thick = look["psoriasiform_acanthosis"]
    if view.kind == "cut":
        return float(thick * rng.uniform(0.3, 0.8))
    if view.kind in ("fat", "glass", "tangential") or rng.random() < 0.5:
        return float(thick + rng.uniform(260, 700))
    return float(1.6 * thick + rng.uniform(25, 90))


def fill(
    view: View, section: Section, rng: np.random.Generator, plugged: bool
) -> tuple[Section, list[Appendage]]:
    """Return the section with room for what the view holds beside epidermis and dermis, and what that is.

    plugged: whether its follicles are plugged, which is seen at their mouths alone: then none is drawn below.
    """
    if view.edge:
        section = _with_edge(section, rng, scarce=view.kind == "glass")
    laid: list[Appendage] = []
    if view.kind == "tangential":
        section, laid = lay_tangential(section, rng)
    kinds: Sequence[str] = ["fat"] if view.kind == "fat" else draw_kinds(rng) if view.adnexa else []
    kinds = [kind for kind in kinds if not (plugged and kind == "follicle")]
    if view.kind == "fat" and rng.random() < 0.4:
        kinds = ["eccrine", *kinds]
    section, more = lay_adnexa(section, rng, kinds)
    return section, laid + more


def _with_edge(section: Section, rng: np.random.Generator, scarce: bool) -> Section:
    """Return a section of which some is empty glass: beyond a ragged edge of the tissue."""
    turn = rng.uniform(-math.pi, math.pi)
    window = section.window
    side = min(window.rows, window.columns) * window.mpp
    x, y = window.centre
    _, off = Placement(x, y, turn).skin(window)
    share = rng.uniform(0.0, 0.35) if scarce else rng.uniform(0.55, 0.9)
    chance = section.chance
    rough = 30 * chance.texture("edge", section.u, section.v, 90)
    rough += 13 * chance.texture("edge fine", section.u, section.v, 16, 3)
    kept = off + rough > side * (0.5 - share)
    return replace(
        section, dermis=section.dermis & kept, epidermis=section.epidermis & kept, horn=section.horn & kept
    )
