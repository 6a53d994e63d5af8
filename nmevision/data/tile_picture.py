"""A slide's overview with the tiles that would be read drawn over it, and the table of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from nmevision.data.slide_plan import SlidePlan, Want
from nmevision.data.slide_process import SlideProcess
from nmevision.data.slides import resized
from nmevision.data.tissue import Pixels
from nmevision.files import atomic_path, write_csv

SIDE = 1600
"""Longer side of the picture, pixels, at least."""
FIRST, SECOND, SPOILT = (0, 130, 60), (40, 90, 220), (210, 40, 40)
"""Colours of tiles chosen for their surface, of the others, and of those with a quality flag."""
_PIXELS = 256  # a tile is looked at for its quality at this size


def draw_tiles(slide: Path, out: Path, mpp: float | None, tile_um: float, most: int) -> str:
    """Write OUT/<slide>-tiles.png and OUT/tiles.csv; return what was found, for the terminal.

    mpp: micrometres per pixel where the file does not say. tile_um: side of a tile. most: tiles.
    Raises ImageError where the slide cannot be read.
    """
    with SlideProcess() as slides:
        plan = slides.open(slide, Want(tile_um, _PIXELS, most, mpp, "--mpp"))
        flags = [tile.flags for tile in slides.tiles()]
    table = pd.DataFrame(
        [
            {"id": slide.name, "tile": i, "x": t.x, "y": t.y, "width": t.side, "mpp": plan.mpp}
            | {"tissue": t.tissue, "surface": t.surface, "flags": " ".join(flags[i])}
            for i, t in enumerate(plan.tiles)
        ]
    )
    write_csv(out / "tiles.csv", table, 4)
    picture = out / f"{slide.name}-tiles.png"
    with atomic_path(picture) as temporary:
        Image.fromarray(_picture(plan, flags)).save(temporary, format="PNG")
    counts = Counter(flag for found in flags for flag in found)
    spoilt = ", ".join(f"{flag} {n}" for flag, n in counts.most_common())
    first = sum(tile.first for tile in plan.tiles)
    scale = f"{plan.mpp:.4g} micrometres per pixel" if plan.mpp else "scale unknown"
    lines = [f"{slide.name}: {plan.size[0]} x {plan.size[1]} pixels, {scale}", *plan.notes]
    lines.append(f"{len(plan.tiles)} tiles, {first} of them at a surface" + (f"; {spoilt}" if spoilt else ""))
    return "\n".join([*lines, str(picture.resolve()), str((out / "tiles.csv").resolve())])


def _picture(plan: SlidePlan, flags: list[tuple[str, ...]]) -> Pixels:
    """Return the overview with the edge of the tissue and the numbered tiles."""
    height, width = plan.overview.shape[:2]
    factor = max(1.0, SIDE / max(height, width))
    size = round(width * factor), round(height * factor)
    canvas = resized(plan.overview, *size).copy()
    mask = cv2.resize(plan.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    edges, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, edges, -1, (20, 20, 20), 1, cv2.LINE_AA)
    scale = size[0] / plan.size[0]
    for i, tile in reversed(list(enumerate(plan.tiles))):
        colour = SPOILT if flags[i] else FIRST if tile.first else SECOND
        corner = round(tile.x * scale), round(tile.y * scale)
        far = round((tile.x + tile.side) * scale) - 1, round((tile.y + tile.side) * scale) - 1
        cv2.rectangle(canvas, corner, far, colour, 2, cv2.LINE_AA)
        text = " ".join([str(i + 1), *flags[i]])
        cv2.putText(
            canvas,
            text,
            (corner[0] + 4, corner[1] + 15),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            colour,
            1,
            cv2.LINE_AA,
        )
    return canvas
