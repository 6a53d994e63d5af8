"""A model over a folder, an image or a manifest, with what a reader may want beside the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nmevision.inference.inputs import Inputs, inputs_from
from nmevision.inference.predictor import Predictor
from nmevision.inference.shards import Shard
from nmevision.inference.slides import SlideOptions
from nmevision.inference.summary import summarise
from nmevision.journeys.predict_shard import predict_shard
from nmevision.predictions import PredictionTable

if TYPE_CHECKING:
    from nmevision.inference.heatmaps import HeatMaps


def predict_images(
    predictor: Predictor,
    images: Path,
    out: Path,
    *,
    resume: bool = False,
    split: str | None = None,
    slides: SlideOptions | None = None,
    overlays: str = "",
    report: bool = False,
    shard: Shard | None = None,
) -> PredictionTable | None:
    """Write the tables to `out`, print where they lie and return the predictions.

    overlays: "findings" or "groups" also draws heat maps of where, with torch; "" draws none.
    report: also write report.html, the page to read the answers in.
    shard: answer this share only; the last of all shards to finish merges them, the others return None.
    Raises DataError where there is nothing to predict on, RunError where `out` is taken.
    """
    maps = None
    if overlays:
        from nmevision.inference.heatmaps import HeatMaps, kind_of  # torch, which nothing else here needs

        maps = HeatMaps(predictor.bundle, kind_of(overlays))
    inputs = inputs_from(images, split)
    if shard is None or shard.is_whole:
        table: PredictionTable | None = predictor.predict(inputs, out, resume=resume, slides=slides)
    else:

        def draw(part: Inputs, answered: PredictionTable) -> None:
            _draw(maps, predictor, part, answered, out, slides)

        table = predict_shard(predictor, inputs, out, shard, resume, slides or SlideOptions(), draw)
    if table is None:
        return None
    _draw(maps, predictor, inputs, table, out, slides)
    print(summarise(table, predictor.bundle.info, out))
    if report:
        from nmevision.reader.page import write_reader_page

        print(write_reader_page(out, images_from=images).resolve())
    return table


def _draw(
    maps: HeatMaps | None,
    predictor: Predictor,
    inputs: Inputs,
    table: PredictionTable,
    out: Path,
    slides: SlideOptions | None,
) -> None:
    """Draw the heat maps that were asked for; those of other shards are kept."""
    if maps is not None:
        from nmevision.inference.overlays import draw_overlays

        print(draw_overlays(maps, inputs, table, out, predictor.max_pixels, slides).text)
