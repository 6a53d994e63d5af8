"""Damaged copies of a real slide: every one is explained or read, none disturbs its neighbours.

NMEVISION_DAMAGED_SLIDES=200 makes that many copies; the default is fewer, for time.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import tiny_bundle

from nmevision.inference.predictor import Predictor
from nmevision.inference.slides import SlideOptions

COPIES = int(os.environ.get("NMEVISION_DAMAGED_SLIDES", "30"))
NEIGHBOUR = "m-neighbour.svs"
TRAINING = {"counts": {}, "configurations_tried": 1, "field_um": 384.0}


def cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: int(rng.integers(1, len(data)))]


def flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(0, len(data), int(rng.integers(1, 400))):
        data[place] ^= int(rng.integers(1, 256))
    return data


def wrong_tags(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Change numbers of the first directory (which begins where bytes 4 to 7 say), or the end with all of them."""
    start = int.from_bytes(data[4:8], "little")
    for _ in range(int(rng.integers(1, 6))):
        place = start + 2 + 12 * int(rng.integers(0, 20)) + int(rng.integers(0, 12))
        if place < len(data):
            data[place] = int(rng.integers(0, 256))
    return data


def zeros(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Lose a stretch, as an interrupted download does."""
    start = int(rng.integers(0, len(data)))
    length = int(rng.integers(1000, len(data) // 2))
    data[start : start + length] = bytes(len(data[start : start + length]))
    return data


DAMAGE = (cut, flipped, wrong_tags, zeros)


@pytest.mark.slow
@pytest.mark.real
def test_damaged_copies(shared_data: Path, tmp_path: Path) -> None:
    whole = (shared_data / "slides" / "cmu-1-small-region.svs").read_bytes()
    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / NEIGHBOUR).write_bytes(whole)
    for i in range(COPIES):
        data = DAMAGE[i % len(DAMAGE)](bytearray(whole), np.random.default_rng([2026, i]))
        (folder / f"{DAMAGE[i % len(DAMAGE)].__name__}-{i:03}.svs").write_bytes(bytes(data))
    predictor = Predictor(tiny_bundle(tmp_path / "tiny", training=TRAINING))
    options = SlideOptions(mpp=0.499, max_tiles=4)
    started = time.monotonic()
    frame = predictor.predict(folder, tmp_path / "out", slides=options).frame.set_index("id")
    print(
        f"{COPIES} copies in {time.monotonic() - started:.0f} s: {frame['status'].value_counts().to_dict()}"
    )
    alone = predictor.predict(folder / NEIGHBOUR, slides=options).frame.iloc[0]
    assert len(frame) == COPIES + 1
    assert frame.loc[NEIGHBOUR].drop("path").equals(alone.drop(["id", "path"]))
    failed = frame[frame["status"] == "error"]
    assert all(identity in message for identity, message in failed["message"].items())
    for message in failed["message"]:
        assert str(tmp_path) not in message
        assert "Traceback" not in message
    assert 0.2 < len(failed) / COPIES < 0.9  # the damage is real, and what is left of a slide is used
