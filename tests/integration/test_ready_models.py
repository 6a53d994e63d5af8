"""The two models that come with a clone: whole, small, made of phantoms and saying so, and usable at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmevision.inference.predictor import Predictor
from nmevision.networks.bundle import open_bundle
from nmevision.phantom.clinical import draw_photo
from nmevision.phantom.histology import draw_field

MODELS = Path(__file__).resolve().parents[2] / "models"
MOST_BYTES = 12_000_000


@pytest.mark.parametrize("modality", ["histology", "clinical"])
def test_a_ready_model_is_whole_small_and_says_what_it_is_not(modality: str) -> None:
    folder = MODELS / f"phantom-{modality}"
    bundle = open_bundle(folder)  # checks the hash of every file
    assert bundle.info.phantom
    assert bundle.info.modality == modality
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "phantom" in card
    assert "no evidence about disease" in card


def test_the_histology_model_tells_a_phantom_of_nme_from_normal_skin(tmp_path: Path) -> None:
    for name in ("nme", "normal"):
        for i in range(4):
            field = draw_field(name, np.random.default_rng([99, i]), 256, laboratory=4, mpp=1.5)
            Image.fromarray(field.pixels).save(tmp_path / f"{name}-{i}.png")
    table = Predictor.load(MODELS / "phantom-histology").predict(tmp_path).frame.set_index("id")
    score = table["p_group_necrolytic"]
    assert score.filter(like="nme").min() > score.filter(like="normal").max()


def test_the_clinical_model_tells_a_phantom_of_nme_from_psoriasis(tmp_path: Path) -> None:
    for name in ("nme", "psoriasis"):
        for i in range(4):
            photo = draw_photo(name, np.random.default_rng([99, i]), 224, camera=4)
            Image.fromarray(photo.pixels).save(tmp_path / f"{name}-{i}.png")
    table = Predictor.load(MODELS / "phantom-clinical").predict(tmp_path).frame.set_index("id")
    score = table["p_nme"]
    assert score.filter(like="nme").min() > score.filter(like="psoriasis").max()
