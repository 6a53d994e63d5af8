from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmevision.errors import DataError
from nmevision.phantom.dataset import make
from nmevision.phantom.shortcuts import KINDS, Shortcut, parse_shortcut, plant

WHOLE = {"colour_shift", "resolution", "jpeg_quality"}


def picture(side: int = 160) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    noise = np.random.default_rng(0).integers(0, 30, (side, side, 3))
    return (np.stack([150 + x / 4, 110 + y / 4, 90 + 0 * x], -1) + noise).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shortcut_changes_the_image_where_its_mask_says_and_nowhere_else(kind: str) -> None:
    before = picture()
    after, mask = plant(kind, before, np.random.default_rng(1))
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    assert np.array_equal(after[~mask], before[~mask])
    assert mask.all() == (kind in WHOLE)
    assert (after[mask] != before[mask]).any(-1).mean() > 0.7
    assert mask.mean() > 0.005


@pytest.mark.parametrize("kind", KINDS)
def test_a_shortcut_is_the_same_for_the_same_chance_and_leaves_its_input_alone(kind: str) -> None:
    before = picture()
    one, same = (plant(kind, before, np.random.default_rng(2))[0] for _ in range(2))
    assert np.array_equal(one, same)
    assert np.array_equal(before, picture())


def test_strength_is_the_probability_in_the_first_class_and_its_complement_in_the_rest() -> None:
    rng = np.random.default_rng(0)
    shortcut = Shortcut("ruler", 0.9)
    carried = {first: np.mean([shortcut.carried(first, rng) for _ in range(4000)]) for first in (True, False)}
    assert carried[True] == pytest.approx(0.9, abs=0.02)
    assert carried[False] == pytest.approx(0.1, abs=0.02)
    certain = Shortcut("ruler", 1.0)
    assert all(certain.carried(True, rng) and not certain.carried(False, rng) for _ in range(50))


def test_a_shortcut_is_read_from_text() -> None:
    assert parse_shortcut("watermark:0.9") == Shortcut("watermark", 0.9, "class")
    assert parse_shortcut("jpeg_quality:1:source") == Shortcut("jpeg_quality", 1.0, "source")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("watermrk:0.9", r"kind 'watermrk' is unknown \(did you mean 'watermark'\?\)"),
        ("ruler", "strength ''; expected a probability from 0 to 1"),
        ("ruler:1.2", r"strength '1\.2'"),
        ("ruler:nan", "strength 'nan'"),
        ("ruler:0.9:hospital", "tied to 'hospital'; expected class or source"),
    ],
)
def test_a_text_that_says_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_shortcut(text)


@pytest.mark.parametrize("tied", ["class", "source"])
def test_a_set_has_its_shortcut_in_the_manifest_and_in_its_masks(tmp_path: Path, tied: str) -> None:
    plain = make(tmp_path / "plain", "clinical", 16, size=64, laboratories=2)
    marked = make(
        tmp_path / "marked",
        "clinical",
        16,
        size=64,
        laboratories=2,
        shortcut=parse_shortcut(f"border:1:{tied}"),
    )
    with marked.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        first = row["diagnosis"] == "nme" if tied == "class" else row["source"] == "phantom-camera-1"
        assert row["shortcut"] == ("border" if first else "")
        mask_file = tmp_path / "marked" / "truth" / f"{row['id']}-shortcut.png"
        assert mask_file.exists() == first
        same = (plain.parent / row["path"]).read_bytes() == (marked.parent / row["path"]).read_bytes()
        assert same != first, "the picture is the same but for the shortcut"
        if first:
            with Image.open(mask_file) as mask, Image.open(marked.parent / row["path"]) as image:
                assert np.asarray(image)[np.asarray(mask) > 0].mean() < 40
    assert {row["shortcut"] for row in rows} == {"border", ""}
