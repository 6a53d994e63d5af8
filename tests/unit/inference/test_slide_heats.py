"""Heat maps of a whole slide: a mark planted in the slide is warmest where it lies, and as warm as its tile's score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from slide_files import skin, write_pyramid
from tiny_bundle import tiny_bundle

from nmevision.errors import ImageError
from nmevision.inference.heatmaps import Heat, HeatMaps
from nmevision.inference.predictor import Predictor
from nmevision.inference.slide_heats import SlideHeats
from nmevision.inference.slides import SlideOptions
from nmevision.manifest import Sample
from nmevision.networks.bundle import Bundle

MARK = slice(240, 270), slice(700, 730)  # rows and columns of level 0
FEW = SlideOptions(max_tiles=40)


class DarkMaps(HeatMaps):
    """Finds what is darker than any tissue of the slide: a truth to hold the drawing against."""

    def of(self, pixels: NDArray[np.uint8], keys: Sequence[str] | None = None) -> dict[str, Heat]:
        dark = np.maximum(0, 75 - pixels.mean(axis=-1)).astype(np.float32)
        return dict.fromkeys(keys or self.names, dark)


@pytest.fixture
def marked(tmp_path: Path) -> tuple[Bundle, Sample, Path]:
    """A slide with a dark mark, predicted on."""
    pixels, _ = skin()
    pixels = pixels.copy()
    pixels[MARK] = (60, 20, 90)
    bundle = tiny_bundle(
        tmp_path / "tiny", training={"counts": {}, "configurations_tried": 1, "field_um": 100.0}
    )
    path = write_pyramid(tmp_path / "marked.tif", pixels)
    Predictor(bundle).predict(path, tmp_path / "out", slides=FEW)
    return bundle, Sample("marked.tif", path), tmp_path / "out"


def heats_of(bundle: Bundle, sample: Sample, out: Path, longest: int = 300) -> tuple[Heat, tuple[int, int]]:
    drawer = SlideHeats(DarkMaps(bundle, "groups"), out, FEW)
    try:
        found, shape = drawer.of(sample, ["necrolytic"], longest)
    finally:
        drawer.close()
    return found["necrolytic"], shape


def test_a_mark_is_warm_where_it_lies_and_nothing_else_is(marked: tuple[Bundle, Sample, Path]) -> None:
    heat, (height, width) = heats_of(*marked)
    assert (height, width) == (800, 1200)
    assert heat.shape == (200, 300)
    row, column = (int(n) for n in np.unravel_index(int(heat.argmax()), heat.shape))
    assert MARK[0].start <= row * 4 <= MARK[0].stop
    assert MARK[1].start <= column * 4 <= MARK[1].stop
    near = np.zeros(heat.shape, bool)
    near[54:74, 169:189] = True  # the mark, and a few pixels around it for the network's coarse frame
    assert heat[near].sum() > 0.95 * heat.sum() > 0


def test_a_place_is_as_warm_as_its_tile_was_sure(marked: tuple[Bundle, Sample, Path]) -> None:
    bundle, sample, out = marked
    table = pd.read_csv(out / "tiles.csv")
    before, _ = heats_of(bundle, sample, out)
    table["p_nme"] *= 0.5
    table.to_csv(out / "tiles.csv", index=False)
    after, _ = heats_of(bundle, sample, out)
    np.testing.assert_allclose(after, before / 2, atol=1e-5)


def test_a_slide_without_tiles_is_told(marked: tuple[Bundle, Sample, Path], tmp_path: Path) -> None:
    bundle, sample, _ = marked
    with pytest.raises(ImageError, match=r"its tiles are not in tiles\.csv"):
        heats_of(bundle, sample, tmp_path / "elsewhere")
