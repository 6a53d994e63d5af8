"""Single images into answers: decoding runs while the network is made ready, and what cannot run it is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import tiny_bundle

from nmevision.errors import BundleError
from nmevision.inference import predictor as predictor_module
from nmevision.inference.engine import Engine, engine_for
from nmevision.inference.images import ImageReader
from nmevision.inference.predictor import Predictor

SOON = 60.0
"""Seconds that a test waits for another thread at most; the machine may be busy."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images."""
    (tmp_path / "images").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    return tmp_path / "images"


def test_images_are_decoded_while_the_network_is_made_ready(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = threading.Event()
    decode = ImageReader._decode

    def first_then_tell(self: ImageReader, sample: Any) -> Any:
        found = decode(self, sample)
        decoded.set()
        return found

    def only_when_one_is_decoded(*arguments: Any) -> Engine:
        assert decoded.wait(SOON), "no image was decoded before the network was ready"
        return engine_for(*arguments)

    monkeypatch.setattr(ImageReader, "_decode", first_then_tell)
    monkeypatch.setattr(predictor_module, "engine_for", only_when_one_is_decoded)
    table = Predictor(tiny_bundle(tmp_path / "tiny")).predict(folder)
    assert table.counts()["error"] == 0
    assert len(table.frame) == 3


def test_what_cannot_run_the_network_is_told_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    bundle = tiny_bundle(tmp_path / "tiny")
    predictor = Predictor(bundle, int8=True)
    for _ in range(2):
        with pytest.raises(BundleError, match="--int8 needs"):
            predictor.wait_until_ready()
    with pytest.raises(BundleError, match="--int8 needs"):
        predictor.predict(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_an_image_has_the_same_answer_beside_any_others(tmp_path: Path, folder: Path) -> None:
    bundle = tiny_bundle(tmp_path / "tiny")
    together = Predictor(bundle).predict(folder).frame.set_index("id")
    for path in sorted(folder.iterdir()):
        alone = Predictor(bundle, batch_size=1).predict(path).frame.set_index("id")
        assert alone.loc[path.name].equals(together.loc[path.name])
