"""What a synthetic H&E field shows, measured on its truth: which structures findings are read on are in view.

The bounds are this project's choices: what the measures of the grades need to count on, not published ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from nmevision.knowledge.loading import load_knowledge
from nmevision.phantom.section_frame import BIN, Frame, frame_of
from nmevision.phantom.section_truth import SectionTruth, label_mask

LEAST_LENGTH = 60.0
"""Least length (um) along the skin over which horn, upper, whole epidermis or papillary dermis is in view."""
LEAST_HORN = 4.0
"""Least mean thickness (um) of the horn: thinner, and it came off."""
LEAST_UPPER, LEAST_PAPILLARY, LEAST_DERMIS = 2_000.0, 1_500.0, 5_000.0
"""Least area (um2) of the upper half of the epidermis, of papillary and of upper dermis."""
LEAST_FOLLICLE = 1_200.0
"""Least area (um2) of a hair follicle, its horn and its hair counted in."""
LIVING_KINDS = ("basal", "keratinocyte", "dyskeratotic", "acantholytic")
PLUG = "follicular_plug_perifollicular_parakeratosis"

MEASURES = {
    "horn": f"{LEAST_LENGTH:g} um of surface under horn that is seen up to the glass, {LEAST_HORN:g} um thick",
    "upper_epidermis": f"{LEAST_LENGTH:g} um of surface over upper epidermis, {LEAST_UPPER:g} um2 of it not "
    "dead through and through",
    "whole_epidermis": f"{LEAST_LENGTH:g} um of surface over epidermis that the frame cuts off nowhere down to "
    "the dermis",
    "papillary_dermis": f"{LEAST_PAPILLARY:g} um2 of dermis within 35 um of the epidermis, along {LEAST_LENGTH:g} um",
    "upper_dermis": f"{LEAST_DERMIS:g} um2 of dermis within 200 um of the mean depth of the epidermis",
    "follicle": f"{LEAST_FOLLICLE:g} um2 of a hair follicle, or its mouth",
}
"""What must be in view for each field mark, at least, by its key in the knowledge."""


def field_marks(truth: SectionTruth) -> dict[str, bool]:
    """Return which structures are in the field, by their key in the knowledge; measured as MEASURES say."""
    return marks_of(frame_of(truth))


def marks_of(frame: Frame) -> dict[str, bool]:
    """Return what `field_marks` does, of a field that is cut into columns already."""
    truth, length = frame.truth, LEAST_LENGTH / BIN
    horn, plug = label_mask(truth, "horn"), truth.masks[PLUG]
    under_glass = frame.open & (frame.count(horn) > 0) & (frame.count(plug) == 0)
    thick = frame.area(horn) >= LEAST_HORN * max(frame.length(), 1)
    dead = truth.masks["full_thickness_necrosis_subepidermal_split"]
    upper, papillary = frame.layer("upper_epidermis") & ~dead, frame.layer("papillary_dermis")
    below_surface = frame.surface & (frame.count(upper) > 0)
    follicle = frame.area(label_mask(truth, "follicle", "hair"))
    return {
        "horn": bool(under_glass.sum() >= length and thick),
        "upper_epidermis": bool(below_surface.sum() >= length and frame.area(upper) >= LEAST_UPPER),
        "whole_epidermis": bool(frame.whole.sum() >= length),
        "papillary_dermis": bool(frame.joined.sum() >= length and frame.area(papillary) >= LEAST_PAPILLARY),
        "upper_dermis": frame.area(frame.layer("upper_dermis")) >= LEAST_DERMIS,
        "follicle": bool(plug.any()) or follicle >= LEAST_FOLLICLE,
    }


def epidermis_um(truth: SectionTruth) -> float:
    """Return how much of the skin's surface with epidermis under it is in the field, micrometres."""
    return frame_of(truth).length()


def assessable(finding: str, marks: Mapping[str, bool]) -> bool:
    """Tell whether all that a finding needs is in the field.

    >>> assessable("parakeratosis", {"horn": False}), assessable("parakeratosis", {"horn": True})
    (False, True)
    """
    return all(marks[need] for need in load_knowledge().findings[finding].needs)
