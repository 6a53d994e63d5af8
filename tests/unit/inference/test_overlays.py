"""Overlays on disk: one transparent picture per image and finding or group, kept, and found again by the index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import grading_bundle

from nmevision.inference import overlays
from nmevision.inference.heatmaps import HeatMaps
from nmevision.inference.inputs import inputs_from
from nmevision.inference.overlays import draw_overlays, overlay_of, safe_name
from nmevision.inference.predictor import Predictor


def folder_of_images(folder: Path) -> Path:
    for i, name in enumerate(["a.png", "A.png", "sub/ä b.png"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    (folder / "broken.png").write_bytes(b"none")
    return folder


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[HeatMaps, Any, Any, Path]:
    images = folder_of_images(tmp_path / "in")
    predictor = Predictor(grading_bundle(tmp_path / "tiny"))
    table = predictor.predict(images)
    return HeatMaps(predictor.bundle, "groups"), inputs_from(images), table, tmp_path / "out"


def test_the_index_names_a_file_for_every_map(drawn: Any) -> None:
    maps, inputs, table, out = drawn
    found = draw_overlays(maps, inputs, table, out)
    assert (found.drawn, found.reused, found.failed) == (3, 0, {})
    index = json.loads(found.path.read_text(encoding="utf-8"))
    assert index["bundle"]["hash"] == maps.bundle.hash
    assert [image["id"] for image in index["images"]] == list(table.answered["id"])
    for image in index["images"]:
        row = table.answered.set_index("id").loc[image["id"]]
        expected = {key: row[f"p_group_{key}"] for key in maps.names}
        given = {one["key"]: one["value"] for one in image["maps"]} | image["not_drawn"]
        assert given == pytest.approx(expected, abs=1e-4)
        assert all(one["value"] >= 0.1 for one in image["maps"])
        for one in image["maps"]:
            with Image.open(out / "overlays" / one["file"]) as picture:
                assert picture.size == tuple(image["size"]) == (60, 40)
                shown = np.asarray(picture.convert("RGBA"))
            if not one["empty"]:
                x, y = one["warmest"]
                assert shown[y, x, 3] == shown[..., 3].max() > 150
    pictures = {path.relative_to(out / "overlays").as_posix() for path in out.rglob("*.png")}
    assert pictures == {one["file"] for image in index["images"] for one in image["maps"]}


def test_what_is_drawn_is_kept_and_the_other_kind_is_added(
    drawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, inputs, table, out = drawn
    draw_overlays(maps, inputs, table, out)
    first = next(out.rglob("groups.json"))
    first.unlink()
    again = draw_overlays(maps, inputs, table, out)
    assert (again.drawn, again.reused) == (1, 2)
    monkeypatch.setitem(overlays.LEAST, "findings", 0.0)
    draw_overlays(HeatMaps(maps.bundle, "findings"), inputs, table, out)
    index = json.loads((out / "overlays" / "index.json").read_text(encoding="utf-8"))
    assert {one["kind"] for one in index["images"][0]["maps"]} == {"groups", "findings"}


def test_another_model_s_overlays_are_drawn_again(drawn: Any, tmp_path: Path) -> None:
    maps, inputs, table, out = drawn
    draw_overlays(maps, inputs, table, out)
    other = HeatMaps(grading_bundle(tmp_path / "other", seed=5), "groups")
    assert draw_overlays(other, inputs, table, out).drawn == 3


def test_an_image_that_is_gone_is_named(drawn: Any) -> None:
    maps, inputs, table, out = drawn
    next(sample.path for sample in inputs.samples if sample.id == "a.png").unlink()
    found = draw_overlays(maps, inputs, table, out)
    assert set(found.failed) == {"a.png"}
    assert "no overlay: 'a.png'" in found.text


def test_the_picture_is_clear_where_nothing_is_warm_and_holds_the_numbers() -> None:
    heat = np.array([[0, 1, 2], [4, 0, 3]], np.float32)
    picture = overlay_of(heat)
    np.testing.assert_array_equal(np.asarray(picture), np.rint(heat / 4 * 255))
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    np.testing.assert_array_equal(alpha == 0, heat == 0)
    assert np.array_equal(np.argsort(alpha.ravel(), kind="stable"), np.argsort(heat.ravel(), kind="stable"))
    assert not np.asarray(overlay_of(np.zeros((2, 2))).convert("RGBA"))[..., 3].any()


def test_folders_of_different_ids_differ_and_are_plain() -> None:
    names = [safe_name(identity) for identity in ("a.png", "A.png", "../../etc", "", "x" * 500, "Ä/ü:*?")]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(len(name) < 80 and not set(name) & set('/\\:*?<>|"') and name[0] != "." for name in names)
