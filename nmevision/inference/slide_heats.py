"""Heat maps of a whole slide: those of its tiles, weighted by what was seen in the tile, laid on the slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nmevision.data.slide_plan import SlidePlan
from nmevision.data.slide_process import SlideProcess
from nmevision.errors import ImageError
from nmevision.grades import STEPS
from nmevision.inference.heatmaps import Heat, HeatMaps, upright
from nmevision.inference.slides import SPOILT, SlideOptions, want_of
from nmevision.inference.tile_table import TILES
from nmevision.manifest import Sample
from nmevision.manifest_checks import FINDING_PREFIX
from nmevision.predictions import PROBABILITY_PREFIX, group_members
from nmevision.preprocessing import Preprocessing
from nmevision.taxonomy import Taxonomy

LEAST_SCORE = 0.05
"""Of a tile, from which its map is drawn: below it, hardly anything would be added."""


class SlideHeats:
    """Draws the heat maps of slides that were predicted on, one slide after the other.

    out: the folder of the prediction, whose tiles.csv says what was seen in each tile.
    options: how the slides were read.
    """

    def __init__(self, maps: HeatMaps, out: Path, options: SlideOptions) -> None:
        self._maps, self._options = maps, options
        self._table = Path(out) / TILES
        self._tiles: pd.DataFrame | None = None
        self._process = SlideProcess()

    def close(self) -> None:
        """End the process that reads the slides."""
        self._process.stop()

    def of(
        self, sample: Sample, keys: Sequence[str], longest: int
    ) -> tuple[dict[str, Heat], tuple[int, int]]:
        """Return key -> heat, 0 or more, over the whole slide, and the slide's height and width in level-0 pixels.

        A place is as warm as it is in its tile, times the tile's score: the probability of a group, or a finding's
        grade as a share of the highest. Where tiles overlap it is their mean.
        keys: of the findings or groups. longest: pixels of the heat's longer side at most.
        Raises ImageError where the slide cannot be read, or its tiles are not in the table.
        """
        plan = self._process.open(sample.path, want_of(self._maps.info, self._options, sample.mpp))
        scores = self._scores(sample.id, keys)
        canvas = _Canvas(plan, keys, longest)
        for tile in self._process.tiles():
            if tile.pixels is None or tile.index not in scores or set(SPOILT) & set(tile.flags):
                continue
            seen = scores[tile.index]
            likely = [key for key in keys if seen[key] >= LEAST_SCORE]
            found = self._maps.of(np.ascontiguousarray(tile.pixels), likely) if likely else {}
            heats = {key: np.float32(seen[key]) * heat for key, heat in found.items()}
            canvas.lay(tile.index, heats, self._maps.info.preprocessing)
        width, height = plan.size
        return canvas.means(), (height, width)

    def _scores(self, identity: str, keys: Sequence[str]) -> dict[int, dict[str, float]]:
        """Return tile -> key -> score, 0 to 1, of one slide."""
        if self._tiles is None:
            self._tiles = (
                pd.read_csv(self._table, dtype={"id": str}) if self._table.is_file() else pd.DataFrame()
            )
        rows = self._tiles[self._tiles["id"] == identity] if len(self._tiles) else self._tiles
        if not len(rows):
            raise ImageError(
                f"its tiles are not in {self._table.name} (yet): run the same command again with --resume"
            )
        if self._maps.kind == "findings":
            scores = pd.DataFrame({key: rows[FINDING_PREFIX + key] / STEPS for key in keys})
        else:
            scores = _of_groups(rows, self._maps.info.taxonomy, keys)
        lines = scores.fillna(0).to_numpy(np.float64)
        return {
            int(tile): dict(zip(keys, line, strict=True))
            for tile, line in zip(rows["tile"], lines, strict=True)
        }


def _of_groups(rows: pd.DataFrame, taxonomy: Taxonomy, keys: Sequence[str]) -> pd.DataFrame:
    """Return the probability of each group in each tile: the sum of its members'."""
    groups, member = group_members(taxonomy.keys, taxonomy.group_of)
    shares = rows[[PROBABILITY_PREFIX + key for key in taxonomy.keys]].to_numpy(np.float64) @ member
    return pd.DataFrame(shares, columns=list(groups))[list(keys)]


class _Canvas:
    """A slide small, on which the maps of its tiles are laid."""

    def __init__(self, plan: SlidePlan, keys: Sequence[str], longest: int) -> None:
        self._plan = plan
        self._scale = min(1.0, longest / max(plan.size))
        width, height = (max(1, round(side * self._scale)) for side in plan.size)
        self._total = {key: np.zeros((height, width), np.float32) for key in keys}
        self._tiles = np.zeros((height, width), np.float32)

    def lay(self, index: int, heats: Mapping[str, Heat], frame: Preprocessing) -> None:
        """Add the maps of one tile, over the network's frame; what lies outside the slide is cut off."""
        tile = self._plan.tiles[index]
        left, top = round(tile.x * self._scale), round(tile.y * self._scale)
        side = max(1, round(tile.side * self._scale))
        height, width = self._tiles.shape
        rows, columns = (
            slice(max(0, top), min(height, top + side)),
            slice(max(0, left), min(width, left + side)),
        )
        self._tiles[rows, columns] += 1
        for key, heat in heats.items():
            drawn = upright(heat, frame, (tile.side, tile.side), side)
            self._total[key][rows, columns] += drawn[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]

    def means(self) -> dict[str, Heat]:
        """Return key -> heat, the mean of the tiles that cover a place."""
        return {key: np.divide(total, np.maximum(self._tiles, 1)) for key, total in self._total.items()}
