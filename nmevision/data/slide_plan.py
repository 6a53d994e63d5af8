"""What will be read of a slide: the tiles, in the order of their worth, and the overview they were chosen on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nmevision.data.slides import Slide

if TYPE_CHECKING:  # OpenCV, for which a prediction of plain images need not wait
    from nmevision.data.tissue import Mask, Pixels, Tile

DEFAULT_FIELD_UM = 400.0
"""Side of a tile where nobody says what field the model was trained on, micrometres: the epidermis and the papillary
dermis under it, as a 20x objective shows them."""
DEFAULT_MAX_TILES = 300
"""Tiles of one slide: about a minute for a small network on a CPU; 48 mm of surface, or all of most biopsies."""


@dataclass(frozen=True)
class Want:
    """How a slide is to be read.

    field_um: side of a tile in micrometres. pixels: of the network's input, along a side.
    mpp, mpp_by: micrometres per level-0 pixel where the file does not say, and who says so.
    """

    field_um: float = DEFAULT_FIELD_UM
    pixels: int = 256
    max_tiles: int = DEFAULT_MAX_TILES
    mpp: float | None = None
    mpp_by: str = ""

    def side(self, mpp: float | None) -> int:
        """Return a tile's side in level-0 pixels; without a scale every stored pixel is one of the network's."""
        return max(1, round(self.field_um / mpp)) if mpp else self.pixels


@dataclass(frozen=True)
class SlidePlan:
    """The tiles of one slide.

    size: width and height in level-0 pixels. mpp: micrometres per level-0 pixel, None where unknown. origin: corner
    of the scanned area, from which QuPath counts. notes: what the slide's row has to say.
    overview, mask: the slide small, RGB, and where its tissue is.
    """

    size: tuple[int, int]
    mpp: float | None
    origin: tuple[int, int]
    notes: tuple[str, ...]
    tiles: tuple[Tile, ...]
    overview: Pixels
    mask: Mask


def plan_slide(slide: Slide, want: Want, busy: Callable[[], None] = lambda: None) -> SlidePlan:
    """Look at a slide small and choose its tiles; raise ImageError where nothing of it can be read."""
    from nmevision.data.tissue import choose_tiles

    side = want.side(slide.mpp)
    overview = slide.overview(side, busy)
    longest = int(np.argmax(slide.size))
    um = want.field_um / side * slide.size[longest] / overview.shape[1 - longest]
    tiles, mask = choose_tiles(overview, slide.size, side, um, want.max_tiles)
    notes = list(slide.notes)
    if slide.mpp is None:
        notes.append(
            f"read at its stored resolution ({want.pixels} pixels a tile), which need not be the one the model was "
            "trained at: the answer holds only if it is"
        )
    if not mask.any():
        notes.append("no tissue found: one tile was read where there is most to see")
    return SlidePlan(slide.size, slide.mpp, slide.reader.origin, tuple(notes), tuple(tiles), overview, mask)
