"""A model over a folder, an image or a manifest, with what a reader may want beside the table."""

from __future__ import annotations

from pathlib import Path

from nmevision.inference.inputs import inputs_from
from nmevision.inference.predictor import Predictor
from nmevision.inference.slides import SlideOptions
from nmevision.inference.summary import summarise
from nmevision.predictions import PredictionTable


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
) -> PredictionTable:
    """Write the tables to `out`, print where they lie and return the predictions.

    overlays: "findings" or "groups" also draws heat maps of where, with torch; "" draws none.
    report: also write report.html, the page to read the answers in.
    Raises DataError where there is nothing to predict on, RunError where `out` is taken.
    """
    maps = None
    if overlays:
        from nmevision.inference.heatmaps import HeatMaps, kind_of  # torch, which nothing else here needs

        maps = HeatMaps(predictor.bundle, kind_of(overlays))
    inputs = inputs_from(images, split)
    table = predictor.predict(inputs, out, resume=resume, slides=slides)
    if maps is not None:
        from nmevision.inference.overlays import draw_overlays

        print(draw_overlays(maps, inputs, table, out, predictor.max_pixels).text)
    print(summarise(table, predictor.bundle.info, out))
    if report:
        from nmevision.reader.page import write_reader_page

        print(write_reader_page(out, images_from=images).resolve())
    return table
