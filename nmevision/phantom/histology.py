"""Synthetic H&E fields of skin: drawings with known truth, never evidence about disease.

Skin is described in micrometres (`relief`), looked at through a window of any resolution (`section`), drawn
as amounts of haematoxylin, eosin and melanin (`sheet`), and then stained and scanned by a laboratory (`stain`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.artefacts import ARTEFACTS, spoil
from nmevision.phantom.chance import Chance
from nmevision.phantom.dermis import draw_dermis
from nmevision.phantom.epidermis import draw_epidermis
from nmevision.phantom.horn import draw_horn
from nmevision.phantom.infiltrates import draw_vessels_and_infiltrates
from nmevision.phantom.profiles import Case, draw_case
from nmevision.phantom.relief import draw_relief
from nmevision.phantom.section import Section, draw_section
from nmevision.phantom.section_fields import PLUG, marks_of
from nmevision.phantom.section_frame import frame_of
from nmevision.phantom.section_grades import grades_of
from nmevision.phantom.section_scales import Grades, Look, draw_look
from nmevision.phantom.section_truth import SectionTruth, truth_of
from nmevision.phantom.sheet import Sheet
from nmevision.phantom.stain import draw_slide, scan
from nmevision.phantom.stain import laboratory as laboratory_of
from nmevision.phantom.views import SURFACE, View, fill, place_of
from nmevision.phantom.window import Placement, Window, inside

MARGIN = 160.0  # micrometres of skin beyond the picture that ridges and cells are laid out over


@dataclass(frozen=True)
class Field:
    """One synthetic H&E field: its RGB image (uint8, H x W x 3), what is true of it, and what was asked for.

    grades: as measured on the truth, None where the field does not show what it takes.
    marks: which structures it shows, by key of the knowledge. epidermis_um: length of the surface in it.
    quality: of the JPEG that the laboratory would write.
    """

    pixels: NDArray[np.uint8]
    truth: SectionTruth
    case: Case
    grades: dict[str, int | None]
    marks: dict[str, bool]
    epidermis_um: float
    quality: int


def draw_field(
    diagnosis: str,
    rng: np.random.Generator,
    size: int = 512,
    laboratory: int = 0,
    *,
    mpp: float = 1.0,
    artefacts: float = 0.0,
    view: View = SURFACE,
) -> Field:
    """Return one synthetic H&E field, size x size pixels, of a stage that chance decides.

    Args:
        diagnosis: one of `profiles.drawn_diagnoses()`.
        rng: the only source of chance.
        size: side in pixels.
        laboratory: number of the laboratory (>= 0), always the same stain and scanner.
        mpp: micrometres per pixel, 0.25 to 2.
        artefacts: chance of each kind of artefact, 0 to 1.
        view: which part of the skin it shows; the surface by default.

    Raises:
        DataError: the diagnosis has no profile.

    >>> draw_field("psoriasis", np.random.default_rng(0), size=96).pixels.shape
    (96, 96, 3)
    """
    case = draw_case(diagnosis, rng)
    return render(case, rng, size, laboratory, mpp=mpp, artefacts=artefacts, view=view)


def render(
    case: Case,
    rng: np.random.Generator,
    size: int = 512,
    laboratory: int = 0,
    *,
    mpp: float = 1.0,
    artefacts: float = 0.0,
    view: View = SURFACE,
) -> Field:
    """Return the picture of a case; arguments as for `draw_field`."""
    sheet = draw_sheet(case.grades, rng, Window(size, size, mpp), horn=case.horn, view=view)
    lab = laboratory_of(laboratory)
    slide = draw_slide(lab, rng)
    pixels = scan(sheet.haematoxylin, sheet.eosin, sheet.melanin, slide, mpp, rng)
    truth = truth_of(sheet)
    frame = frame_of(truth)
    marks = marks_of(frame)
    grades = grades_of(frame, marks)
    for kind in ARTEFACTS:
        if rng.random() < artefacts:
            pixels, truth.masks[f"artefact_{kind}"] = spoil(kind, pixels, mpp, rng)
    return Field(pixels, truth, case, grades, marks, frame.length(), lab.quality)


def draw_sheet(
    grades: Grades,
    rng: np.random.Generator,
    window: Window,
    angle: float | None = None,
    horn: bool = True,
    view: View = SURFACE,
) -> Sheet:
    """Return a window of skin with the given grades, drawn but not stained.

    Args:
        grades: 0 to 3 by finding; 0 where a finding is not named.
        rng: the only source of chance.
        window: the picture; the surface of the skin crosses it, unless `view` says otherwise.
        angle: direction of the skin's surface in radians, 0 for a surface on top; any by default.
        horn: False where the horn came off.
        view: which part of the skin the picture shows.
    """
    look = draw_look(grades, rng, horn)
    section = _lay(look, rng, window, place_of(view, look, rng, window, angle))
    section, laid = fill(view, section, rng, plugged=grades.get(PLUG, 0) > 0)
    sheet = paint(Sheet(section, rng))
    for appendage in laid:
        appendage.draw(sheet)
    return sheet


def paint(sheet: Sheet) -> Sheet:
    """Draw everything on a fresh sheet and return it."""
    draw_dermis(sheet)
    draw_vessels_and_infiltrates(sheet)
    if (sheet.section.epidermis | sheet.section.horn).any():
        draw_epidermis(sheet)
        draw_horn(sheet)
    return sheet


def _lay(look: Look, rng: np.random.Generator, window: Window, place: Placement) -> Section:
    """Return the layers of the skin in the window."""
    chance = Chance(int(rng.integers(2**31)))
    low, high, _, _ = place.reach(window)
    u = np.arange(low, high)
    seen = u[inside(place.pixels(u, np.zeros_like(u), window), window)]
    stretch = (float(seen.min()), float(seen.max())) if len(seen) else (low, high)
    relief = draw_relief(look, chance, (low - MARGIN, high + MARGIN), stretch, stretch[1] - stretch[0])
    return draw_section(look, chance, relief, place, window)
