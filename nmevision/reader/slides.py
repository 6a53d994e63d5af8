"""Whole slides on the page: the slide small, and its tiles drawn over it by score and by quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from nmevision.data.slide_plan import Want
from nmevision.data.slide_process import SlideProcess
from nmevision.errors import DataError
from nmevision.predictions import PROBABILITY_PREFIX

TILES = "tiles.csv"
NEEDED = ("id", "x", "y", "width", "flags", "chosen")
LOW, HIGH = np.array([86, 180, 233]), np.array([213, 94, 0])
"""Colours of no and of full probability: sky blue and vermilion, told apart by the colour-blind (Okabe & Ito 2008)."""
OPAQUE = 190
SOUND, SPOILT = (0, 158, 115), (204, 121, 167)
"""Colours of a tile that counts and of one that has a flag."""
CHOSEN = (20, 20, 20, 255)
"""Frame of a tile that the slide's diagnosis was made of."""


FINE = Want(field_um=60, pixels=32, max_tiles=1)
"""How a slide is opened to be looked at: an overview is made with 64 pixels along a tile, and at most 2048 in all."""


class Slides:
    """Reads slides in a process of their own; their tiles are those of the prediction's tiles.csv."""

    def __init__(self, folder: Path, target: Sequence[str]) -> None:
        """Read the tiles. folder: of the predictions. target: diagnoses whose probability colours a tile."""
        self._process = SlideProcess()
        self._target = [PROBABILITY_PREFIX + key for key in target]
        self._tiles = _tiles_of(folder / TILES)

    def stop(self) -> None:
        """End the process."""
        self._process.stop()

    def read(self, path: Path, identity: str) -> tuple[Image.Image, list[tuple[str, Image.Image]]]:
        """Return a slide small, and its overlays by name; raise ImageError where it cannot be read."""
        plan = self._process.open(path, FINE, tiles=False)
        picture = Image.fromarray(plan.overview)
        scale = picture.width / plan.size[0]
        rows = self._tiles.get(identity, [])
        return picture, [(name, self._drawn(rows, kind, picture.size, scale)) for name, kind in _kinds(rows)]

    def _drawn(
        self, rows: list[dict[str, Any]], kind: str, size: tuple[int, int], scale: float
    ) -> Image.Image:
        """Return the tiles over nothing, coloured by score or by quality."""
        drawn = Image.new("RGBA", size)
        brush = ImageDraw.Draw(drawn)
        for row in rows:
            left, top, side = (float(row[name]) * scale for name in ("x", "y", "width"))
            box = (left, top, left + max(side, 2), top + max(side, 2))
            frame = CHOSEN if kind == "score" and str(row["chosen"]) in ("1", "1.0", "True") else None
            brush.rectangle(box, fill=self._colour(row, kind), outline=frame)
        return drawn

    def _colour(self, row: Mapping[str, Any], kind: str) -> tuple[int, int, int, int]:
        if kind == "quality":
            return (*(SPOILT if row["flags"] else SOUND), OPAQUE)
        values = [float(row[name]) for name in self._target if str(row.get(name, "")) not in ("", "nan")]
        if not values:
            return (0, 0, 0, 0)
        red, green, blue = np.rint(LOW + min(sum(values), 1.0) * (HIGH - LOW)).astype(int).tolist()
        return (red, green, blue, OPAQUE)


def _kinds(rows: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Return which overlays there are: none where the slide has no tiles."""
    return (("tiles by score", "score"), ("tiles by quality", "quality")) if rows else ()


def _tiles_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the tiles of every slide by its id, {} where there is no tiles.csv; raise DataError where it is broken."""
    if not path.is_file():
        return {}
    try:
        table = pd.read_csv(path, dtype={"id": str, "flags": str}, keep_default_na=False, na_values=[""])
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as CSV: {problem}") from None
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise DataError(f"{path}: columns are missing: {', '.join(missing)}; predict again")
    table["flags"] = table["flags"].fillna("")
    return {str(identity): part.to_dict("records") for identity, part in table.groupby("id", sort=False)}  # type: ignore[misc]
