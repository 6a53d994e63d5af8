from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmevision.errors import DataError
from nmevision.phantom.profiles import Case, draw_case
from nmevision.phantom.sheet import LABEL
from nmevision.phantom.slide import MARGIN, make_slide
from nmevision.phantom.strip import draw_layers, draw_strip
from nmevision.phantom.window import Placement, Window


@pytest.mark.slow
def test_a_slide_is_opened_by_openslide_with_its_resolution_and_truth(tmp_path: Path) -> None:
    openslide = pytest.importorskip("openslide")
    done: list[int] = []
    path = make_slide(tmp_path / "slide.tif", seed=1, width=2048, height=2048, mpp=2.0, progress=done.append)
    assert done == [1, 2, 3, 4]
    slide = openslide.OpenSlide(path)
    assert slide.dimensions == (2048, 2048)
    assert slide.level_dimensions == ((2048, 2048), (512, 512), (128, 128))
    assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(2.0)
    assert "phantom" in slide.properties["tiff.ImageDescription"]
    small = np.asarray(slide.read_region((0, 0), 2, (128, 128)).convert("RGB")).astype(int)
    label = np.asarray(Image.open(tmp_path / "slide-label.png"))
    assert label.shape == (128, 128)
    glass = label == LABEL["background"]
    assert 0.3 < glass.mean() < 0.95
    assert small[glass].mean() > small[label == LABEL["dermis"]].mean() + 20
    truth = json.loads((tmp_path / "slide.json").read_text())
    assert truth["phantom"] is True
    assert truth["diagnosis"] == "nme"
    assert all(0 <= x < 2048 for lesion in truth["lesions"] for x, _ in lesion)


def test_blocks_of_a_slide_agree_where_they_overlap() -> None:
    rng = np.random.default_rng(1)
    sick, spared = draw_case("nme", rng), Case("normal", "", {})
    place = Placement(1000.0, 300.0, 0.02)
    strip = draw_strip(spared, sick, rng, place, 1800.0, 900.0, ((-300.0, 300.0),), 1.0)
    upper, lower = (
        draw_layers(strip, Window(700, 500, 1.0, 600.0, top), np.random.default_rng(seed))
        for seed, top in enumerate((100.0, 400.0))
    )
    margin = int(MARGIN)
    one = upper.label[300 + margin : -margin, margin:-margin]
    same = lower.label[margin : -300 - margin, margin:-margin]
    assert len(np.unique(one)) > 2
    assert np.array_equal(one, same)


def test_every_bad_argument_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make_slide(tmp_path / "slide.svs", width=3000, height=1024, mpp=5, processes=0)
    text = str(caught.value)
    assert "5 problems" in text
    assert "file is 'slide.svs'; expected a name that ends in .tif" in text
    assert "width is 3000 pixels; expected a multiple of 1024, at least 2048" in text
    assert "mpp (micrometres per pixel) is 5; expected 0.25 to 2" in text
    assert list(tmp_path.iterdir()) == []
