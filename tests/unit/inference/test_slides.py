"""Whole slides among images and DICOM: one row per slide, its tiles in tiles.csv and as GeoJSON, nothing of a patient."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bad_files import write_good_images
from pydicom.uid import generate_uid
from slide_files import PATIENT, skin, write_dicom_photo, write_dicom_slide, write_pyramid
from tiny_bundle import tiny_bundle

from nmevision.data.slides import open_slide
from nmevision.inference.geojson import write_geojson
from nmevision.inference.inputs import inputs_from
from nmevision.inference.journal import PARTIAL
from nmevision.inference.predictor import Predictor
from nmevision.inference.slides import SlideOptions, SlideReader, want_of
from nmevision.inference.tile_table import TILES
from nmevision.manifest import read_manifest
from nmevision.networks.bundle import Bundle
from nmevision.predictions import read_predictions
from nmevision.preprocessing import Preprocessing

PIXELS, _ = skin()
FEW = SlideOptions(max_tiles=12)
TRAINING = {"counts": {}, "configurations_tried": 1, "field_um": 100.0}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", training=TRAINING)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as it comes from a laboratory."""
    where = tmp_path / "case"
    write_good_images(where / "photos", 3)
    write_pyramid(where / "good.svs", PIXELS)
    write_pyramid(where / "pyramid.tif", PIXELS)
    write_pyramid(where / "without scale.tif", PIXELS, mpp=None)
    (where / "broken.svs").write_bytes(b"IJrEr1vVVJCwCYMt" * 60)
    series = generate_uid(entropy_srcs=["case"])
    for level in range(2):
        write_dicom_slide(where / f"dicom{level}.dcm", PIXELS, 0.5, series, 2**level)
    write_dicom_photo(where / "photo.dcm", PIXELS[:300, :400])
    return where


def rows(out: Path) -> pd.DataFrame:
    return read_predictions(out / "predictions.csv").frame.set_index("id")


def test_a_mixed_folder(bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    Predictor(bundle).predict(folder, out, slides=FEW)
    table = rows(out)
    assert table["status"].to_dict() == {
        "broken.svs": "error",
        "dicom0.dcm": "ok",
        "good.svs": "ok",
        "photo.dcm": "ok",
        "photos/good_00.jpg": "ok",
        "photos/good_01.png": "ok",
        "photos/good_02.tif": "ok",
        "pyramid.tif": "ok",
        "without scale.tif": "flagged",
    }
    assert "'broken.svs' is a broken slide" in table["message"]["broken.svs"]
    assert "scale unknown" in table["message"]["without scale.tif"]
    same = [c for c in table if str(c).startswith("p_")]
    assert table.loc["good.svs", same].equals(table.loc["pyramid.tif", same])
    assert json.loads((out / "run.json").read_text())["input"]["left_aside"] == [
        "dicom1.dcm: part of the slide dicom0.dcm"
    ]
    tiles = pd.read_csv(out / TILES, dtype={"id": str}, keep_default_na=False)
    assert set(tiles["id"]) == {"dicom0.dcm", "good.svs", "pyramid.tif", "without scale.tif"}
    assert (tiles.groupby("id").size() >= 12).all()
    assert (tiles.groupby("id")["chosen"].sum() >= 3).all()
    assert set(tiles[tiles["id"] == "good.svs"]["width"]) == {200}  # 100 micrometres of 0.5
    assert set(tiles[tiles["id"] == "without scale.tif"]["width"]) == {32}  # the network's own pixels
    assert not (out / PARTIAL).exists()
    for path in out.rglob("*"):
        if path.is_file():
            assert not any(part in path.read_text() for part in (*PATIENT.split("^"), "4711", "19000101"))


def test_tiles_are_what_the_network_was_shown(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    path = write_pyramid(tmp_path / "s" / "a.svs", PIXELS)
    predictor = Predictor(bundle)
    predictor.predict(path.parent, tmp_path / "out")
    tiles = pd.read_csv(tmp_path / "out" / TILES)
    slide, info = open_slide(path), bundle.info
    for row in tiles.iloc[::7].to_dict("records"):
        pixels = slide.area(row["x"], row["y"], row["width"], 32)
        values = predictor.maker.from_outputs(predictor.engine.outputs([info.preprocessing(pixels)]))
        for key in info.taxonomy.keys:
            assert row[f"p_{key}"] == pytest.approx(float(values[f"p_{key}"][0]), abs=1e-4)


def test_geojson_lies_where_the_tiles_are(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "s" / "case 1").mkdir(parents=True)
    write_pyramid(tmp_path / "s" / "case 1" / "a.svs", PIXELS)
    Predictor(bundle).predict(tmp_path / "s", tmp_path / "out")
    tiles = pd.read_csv(tmp_path / "out" / TILES)
    text = (tmp_path / "out" / "geojson" / "case 1__a.svs.geojson").read_text(encoding="utf-8")
    found = json.loads(text)
    assert found["type"] == "FeatureCollection"
    assert len(found["features"]) == len(tiles)
    names = [f"p_{key}" for key in bundle.info.taxonomy.keys]
    for feature, row in zip(found["features"], tiles.to_dict("records"), strict=True):
        ring = np.array(feature["geometry"]["coordinates"][0])
        assert ring.shape == (5, 2)
        assert (ring[0] == ring[-1]).all()
        assert ring.min(axis=0).tolist() == [row["x"], row["y"]]
        assert np.ptp(ring, axis=0).tolist() == [row["width"]] * 2
        best = max(names, key=lambda name: row[name]).removeprefix("p_")
        assert feature["properties"]["classification"]["name"] == best
        assert feature["properties"]["measurements"]["p_nme"] == pytest.approx(row["p_nme"])
    assert len({feature["id"] for feature in found["features"]}) == len(tiles)


def test_qupath_counts_from_the_scanned_area(tmp_path: Path) -> None:
    row = {"id": "a", "tile": 0, "x": 1100, "y": 2300, "width": 50, "origin_x": 1000, "origin_y": 2000}
    write_geojson(tmp_path / "a.geojson", [row | {"chosen": 1, "p_x": 0.4, "p_y": 0.6}], ["x", "y"])
    feature = json.loads((tmp_path / "a.geojson").read_text())["features"][0]
    assert feature["geometry"]["coordinates"][0][0] == [100, 300]
    assert feature["properties"]["classification"]["name"] == "y"


def test_an_interrupted_slide_is_begun_again(
    bundle: Bundle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, done = tmp_path / "out", SlideReader.answer
    seen: list[str] = []

    def stopped(self: SlideReader, sample: object, watch: object = None) -> object:
        seen.append(sample.id)  # type: ignore[attr-defined]
        if len(seen) == 3:
            raise KeyboardInterrupt
        return done(self, sample, watch)  # type: ignore[arg-type]

    monkeypatch.setattr(SlideReader, "answer", stopped)
    with pytest.raises(KeyboardInterrupt):
        Predictor(bundle).predict(folder, out, slides=FEW)
    assert not (out / TILES).exists()
    Predictor(bundle).predict(folder, out, resume=True, slides=FEW)
    assert seen[3:] == ["broken.svs", *seen[2:3], "pyramid.tif", "without scale.tif"]
    monkeypatch.setattr(SlideReader, "answer", done)
    Predictor(bundle).predict(folder, tmp_path / "once", slides=FEW)
    pd.testing.assert_frame_equal(rows(out), rows(tmp_path / "once"))
    resumed, once = (pd.read_csv(where / TILES) for where in (out, tmp_path / "once"))
    order = ["id", "tile"]
    pd.testing.assert_frame_equal(
        resumed.sort_values(order, ignore_index=True), once.sort_values(order, ignore_index=True)
    )
    Predictor(bundle).predict(folder, out, resume=True)  # nothing left but the broken one: tiles stay
    assert len(pd.read_csv(out / TILES)) == len(once)


def test_the_manifest_tells_the_scale(bundle: Bundle, tmp_path: Path) -> None:
    write_pyramid(tmp_path / "a.tif", PIXELS, mpp=None)
    (tmp_path / "m.csv").write_text("id,path,mpp\na,a.tif,0.25\nb,a.tif,\n")
    table = Predictor(bundle).predict(tmp_path / "m.csv", slides=SlideOptions(mpp=1.0))
    said = table.frame.set_index("id")["message"]
    assert "scale 0.25 micrometres per pixel by the manifest" in said["a"]
    assert "scale 1 micrometres per pixel by --mpp" in said["b"]
    assert [sample.mpp for sample in read_manifest(tmp_path / "m.csv").samples()] == [0.25, None]


def test_a_model_of_photographs_reads_no_slide(tmp_path: Path) -> None:
    clinical = tiny_bundle(tmp_path / "clinical", modality="clinical")
    write_pyramid(tmp_path / "a.svs", PIXELS)
    frame = Predictor(clinical).predict(tmp_path / "a.svs").frame
    assert frame["status"].tolist() == ["error"]
    assert "this model reads clinical photographs" in frame["message"][0]


def test_the_field_comes_from_the_bundle_or_is_said(bundle: Bundle, tmp_path: Path) -> None:
    assert want_of(bundle.info, SlideOptions(max_tiles=7)).field_um == 100
    cropped = Preprocessing(height=28, width=28, fit="crop", crop_pct=0.875, mean=(0, 0, 0), std=(1, 1, 1))
    assert want_of(bundle.info.model_copy(update={"preprocessing": cropped}), SlideOptions()).pixels == 32
    silent = tiny_bundle(tmp_path / "silent")
    write_pyramid(tmp_path / "a.svs", PIXELS)
    frame = Predictor(silent).predict(tmp_path / "a.svs", slides=SlideOptions(max_tiles=2)).frame
    assert frame["status"].tolist() == ["flagged"]
    assert "does not tell the field it was trained on: tiles are 400 micrometres wide" in frame["message"][0]


def test_parts_of_a_slide_are_told(folder: Path) -> None:
    found = inputs_from(folder)
    assert "dicom1.dcm" not in found.names
    assert found.names == [sample.id for sample in found.samples]
