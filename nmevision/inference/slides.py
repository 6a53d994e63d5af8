"""A bundle over a whole slide: tiles as they come, each answered, and one answer of them all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nmevision.data.slide_plan import DEFAULT_FIELD_UM, DEFAULT_MAX_TILES, SlidePlan, Want
from nmevision.errors import ImageError
from nmevision.inference.aggregate import Aggregation, SlideAnswer, answer_of
from nmevision.inference.engine import Engine
from nmevision.inference.journal import UNUSUAL, Answer, error_answer
from nmevision.manifest import Sample
from nmevision.networks.answers import AnswerMaker, Columns
from nmevision.networks.bundle import BundleInfo
from nmevision.predictions import NOVELTY

if TYPE_CHECKING:  # OpenCV, for which a prediction of plain images need not wait
    from nmevision.data.slide_process import TileRead

SPOILT = ("blank", "blur", "pen", "bubble")
"""Quality flags of tiles that do not count, unless all tiles of a slide have one. A fold is narrow: its tile counts."""
FIELD = "field_um"
"""Key in the bundle's record of training: the median width of a training image in micrometres."""


@dataclass(frozen=True)
class SlideOptions:
    """How slides are read: mpp (micrometres per level-0 pixel where the file does not say), tiles, aggregation."""

    mpp: float | None = None
    max_tiles: int = DEFAULT_MAX_TILES
    aggregate: Aggregation = "topk"


Watch = Callable[[str, int, int], None]
"""Told of a slide while it is read: its id, how many tiles are read, and of how many."""


def want_of(info: BundleInfo, options: SlideOptions, stated: float | None = None) -> Want:
    """Return how a slide is read for a bundle.

    stated: the manifest's micrometres per pixel, which go before the option's.
    """
    recipe = info.preprocessing
    pixels = max(recipe.height, recipe.width)
    if recipe.fit == "crop":
        pixels = math.floor(pixels / recipe.crop_pct)
    field = float(info.training.get(FIELD) or DEFAULT_FIELD_UM)
    mpp, by = (stated, "the manifest") if stated else (options.mpp, "--mpp")
    return Want(field, pixels, options.max_tiles, mpp, by)


class SlideReader:
    """Answers whole slides with one bundle, one after the other."""

    def __init__(self, info: BundleInfo, engine: Engine, maker: AnswerMaker, options: SlideOptions) -> None:
        from nmevision.data.slide_process import SlideProcess

        self._info, self._engine, self._maker, self._options = info, engine, maker, options
        self._process = SlideProcess()

    def close(self) -> None:
        """End the process that reads the slides."""
        self._process.stop()

    def answer(self, sample: Sample, watch: Watch | None = None) -> tuple[Answer, list[dict[str, Any]]]:
        """Return a slide's answer, and a row per tile; whatever is wrong with it becomes an error answer."""
        try:
            if self._info.modality != "histology":
                raise ImageError(
                    f"{sample.path.name!r} is a whole slide, and this model reads clinical photographs: leave it out"
                )
            plan = self._process.open(sample.path, want_of(self._info, self._options, sample.mpp))

            def step(done: int) -> None:
                if watch is not None:
                    watch(sample.id, done, len(plan.tiles))

            tiles, columns = self._read(step)
            return self._summed(sample, plan, tiles, columns)
        except ImageError as problem:
            return error_answer(sample.id, str(problem)), []

    def _read(self, step: Callable[[int], None]) -> tuple[list[TileRead], list[Columns]]:
        """Run the network over the tiles as they come; their pixels are let go at once. step: told how many."""
        step(0)
        seen: list[TileRead] = []
        parts: list[Columns] = []
        waiting: list[np.ndarray] = []
        for tile in self._process.tiles():
            seen.append(replace(tile, pixels=None))
            if tile.pixels is not None:
                waiting.append(self._info.preprocessing(tile.pixels))
            if len(waiting) == self._engine.batch_size:
                parts.append(self._maker.from_outputs(self._engine.outputs(waiting)))
                waiting = []
            step(len(seen))
        if waiting:
            parts.append(self._maker.from_outputs(self._engine.outputs(waiting)))
        return seen, parts

    def _summed(
        self, sample: Sample, plan: SlidePlan, tiles: list[TileRead], parts: list[Columns]
    ) -> tuple[Answer, list[dict[str, Any]]]:
        """Return the slide's answer and its tiles' rows."""
        read = [tile for tile in tiles if "damaged" not in tile.flags]
        lost = len(tiles) - len(read)
        if not read:
            raise ImageError(f"{sample.path.name!r} is a broken slide: none of its {lost} tiles can be read")
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if not all(np.isfinite(values).all() for values in columns.values()):
            raise ImageError("the network's answer is not a number")
        sound = np.array([not set(SPOILT) & set(tile.flags) for tile in read])
        usable = sound if sound.any() else np.ones(len(read), bool)
        surface = np.array([plan.tiles[tile.index].surface for tile in read])
        found = answer_of(
            {name: values[usable] for name, values in columns.items()},
            surface[usable],
            self._options.aggregate,
            self._maker,
        )
        notes = self._notes(plan, read, sound, lost, found)
        chosen = np.zeros(len(read), bool)
        chosen[np.flatnonzero(usable)[found.chosen]] = True
        rows = _rows(sample, plan, tiles, columns, chosen)
        told = f"{len(read)} tiles, the diagnosis from {int(chosen.sum())} of them"
        return {
            "id": sample.id,
            "status": "flagged" if notes else "ok",
            "message": "; ".join([*notes, told]),
            "values": found.values,
        }, rows

    def _notes(
        self, plan: SlidePlan, read: list[TileRead], sound: np.ndarray, lost: int, found: SlideAnswer
    ) -> list[str]:
        """Return what makes the slide's row flagged."""
        notes = list(plan.notes)
        if plan.mpp is not None and not self._info.training.get(FIELD):
            notes.append(
                f"the model does not tell the field it was trained on: tiles are {DEFAULT_FIELD_UM:.0f} micrometres wide"
            )
        if lost:
            notes.append(f"{lost} of {len(read) + lost} tiles lie in damaged parts of the file")
        aside = int((~sound).sum())
        if aside > len(read) / 2:
            kinds = Counter(flag for tile in read for flag in tile.flags if flag in SPOILT)
            named = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
            counted = "were set aside" if sound.any() else "count none the less, for there is no better one"
            notes.append(f"{aside} of {len(read)} tiles are spoilt ({named}) and {counted}")
        if found.values[NOVELTY] >= 1:
            notes.append(UNUSUAL)
        return notes


def _rows(
    sample: Sample, plan: SlidePlan, tiles: list[TileRead], columns: Columns, chosen: np.ndarray
) -> list[dict[str, Any]]:
    """Return a row per tile, in the order of the plan; tiles that could not be read have no numbers."""
    rows, place = [], iter(range(len(chosen)))
    for tile in tiles:
        where = plan.tiles[tile.index]
        row: dict[str, Any] = {
            "id": sample.id,
            "tile": tile.index,
            "x": where.x,
            "y": where.y,
            "width": where.side,
            "mpp": plan.mpp,
            "origin_x": plan.origin[0],
            "origin_y": plan.origin[1],
            "tissue": where.tissue,
            "surface": where.surface,
            "flags": " ".join(tile.flags),
            "chosen": 0,
        }
        if "damaged" not in tile.flags:
            i = next(place)
            row["chosen"] = int(chosen[i])
            row |= {name: round(float(values[i]), 6) for name, values in columns.items()}
        rows.append(row)
    return rows
