"""Epidermis cut along the surface: a net of ridges around islands of papillary dermis, as at the rim of a biopsy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nmevision.phantom.adnexa import Appendage
from nmevision.phantom.epithelium import Tint, draw_epithelium
from nmevision.phantom.noise import smooth_step
from nmevision.phantom.section import Section, outline_depth
from nmevision.phantom.sheet import LABEL, Sheet
from nmevision.phantom.window import Mask, Placement

BASAL_ZONE = 8.0
"""Height of the basal row above the dermis, micrometres."""


@dataclass(frozen=True)
class Tangential:
    """A sheet of epidermis seen from above: its mask, and how pigmented its basal row is (0 to 1)."""

    mask: Mask
    pigment: float

    def draw(self, sheet: Sheet) -> None:
        """Draw its cells; it counts as epidermis of which no surface is seen."""
        section = sheet.section
        inner = outline_depth(self.mask, section.window.mpp)
        sheet.label[self.mask] = LABEL["spinous"]
        low = self.mask & (inner < BASAL_ZONE)
        sheet.label[low] = LABEL["basal"]
        draw_epithelium(sheet, self.mask, "tangential", Tint(eosin=0.46, blue=0.22, darker=0.18))
        speckle = (0.8 + 0.4 * sheet.texture("pigment", 3)).clip(0.1)
        sheet.melanin[low] += self.pigment * speckle[low]
        sheet.section = replace(section, epidermis=section.epidermis | self.mask)


def lay_tangential(section: Section, rng: np.random.Generator) -> tuple[Section, list[Appendage]]:
    """Return a section whose dermis is, over a part of the window, covered by epidermis; and that epidermis."""
    window = section.window
    side = min(window.rows, window.columns) * window.mpp
    _, off = Placement(*window.centre, float(rng.uniform(0, 2 * np.pi))).skin(window)
    chance = section.chance
    x, y = section.u, section.v
    papillae = chance.texture("papillae", x, y, float(rng.uniform(17, 24)))
    slope = (off + side * rng.uniform(0.05, 0.3)) / np.float32(0.4 * side)
    net = slope - 1.0 * smooth_step(0.0, 1.3, papillae) + 0.12 * chance.texture("papillae edge", x, y, 7)
    mask = section.dermis & (net > 0)
    laid = Tangential(mask, 0.4 * section.look.melanin)
    below = np.minimum(section.below, outline_depth(~mask, window.mpp))
    return replace(section, dermis=section.dermis & ~mask, below=below), [laid]
