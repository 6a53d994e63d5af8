"""Nearest reference cases: against a plain search, never the image itself, never another model's features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_bytes import picture
from PIL import Image
from tiny_bundle import tiny_bundle
from typer.testing import CliRunner

from nmevision.cli.app import app
from nmevision.errors import ConfigError, DataError
from nmevision.files import write_csv
from nmevision.inference.features import extract_with, read_features
from nmevision.inference.predictor import Predictor
from nmevision.journeys.references import MOST, nearest, nearest_references
from nmevision.manifest import manifest_of


def plain_search(
    x: np.ndarray, y: np.ndarray, cases: np.ndarray, same: np.ndarray
) -> list[list[tuple[int, float]]]:
    middle, found = y.mean(axis=0), []
    for i in range(len(x)):
        a = x[i] - middle
        pairs = [
            (float(a @ (y[j] - middle) / np.linalg.norm(a) / np.linalg.norm(y[j] - middle)), j)
            for j in range(len(y))
            if not same[i, j]
        ]
        taken: dict[str, tuple[int, float]] = {}
        for likeness, j in sorted(pairs, reverse=True):
            taken.setdefault(cases[j], (j, likeness))
        found.append(list(taken.values())[:MOST])
    return found


@pytest.mark.parametrize(("images", "patients"), [(7, 30), (300, 3)])
def test_the_nearest_are_those_of_a_plain_search(images: int, patients: int) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(images, 12)), rng.normal(size=(60, 12)) + 3
    cases = np.array([f"p{i % patients}" for i in range(60)], dtype=object)
    same = rng.random((images, 60)) < 0.1
    expected = plain_search(x, y, cases, same)
    for found, wanted in zip(nearest(x, y, cases, same), expected, strict=True):
        assert [place for place, _ in found] == [place for place, _ in wanted]
        np.testing.assert_allclose([value for _, value in found], [value for _, value in wanted], atol=1e-9)


def test_an_image_at_the_middle_is_like_nothing() -> None:
    y = np.array([[1.0, 0.0], [-1.0, 0.0]])
    found = nearest(np.zeros((1, 2)), y, np.array(["a", "b"], dtype=object), np.zeros((1, 2), bool))
    assert [value for _, value in found[0]] == [0.0, 0.0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of four images with their features, and a reference set of which two rows are no references of some. To read."""
    tmp_path = tmp_path_factory.mktemp("world")
    bundle = tiny_bundle(tmp_path / "model").folder
    for folder, seeds in (("in", range(4)), ("set", range(2, 8))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            Image.fromarray(picture(seed=seed)).save(tmp_path / folder / f"{seed}.png")
    rows = [{"id": f"{i}.png", "path": f"{i}.png", "patient_id": f"p{i}"} for i in range(4)]
    manifest_of(rows, tmp_path / "in").write(tmp_path / "in" / "images.csv")
    rows = [
        {"id": f"r{i}", "path": f"{i}.png", "patient_id": f"p{i - 4}", "diagnosis": "nme"}
        for i in range(2, 8)
    ]
    manifest_of(rows, tmp_path / "set").write(tmp_path / "set" / "set.csv")
    Predictor.load(bundle).predict(tmp_path / "in" / "images.csv", tmp_path / "out")
    extract_with(
        bundle, tmp_path / "in", tmp_path / "out" / "features.safetensors"
    )  # a folder, as predict takes
    extract_with(bundle, tmp_path / "set" / "set.csv", tmp_path / "set.safetensors")
    return tmp_path


def test_neither_the_same_file_nor_the_same_patient_is_a_reference(world: Path) -> None:
    found = nearest_references(world / "out", world / "set.safetensors", world / "set" / "set.csv")
    assert set(found.nearest) == {"0.png", "1.png", "2.png", "3.png"}
    assert (found.images, found.patients) == (6, 6)
    ids = {
        name: {found.manifest.frame["id"][place] for place, _ in near} for name, near in found.nearest.items()
    }
    assert "r4" not in ids["0.png"]  # of patient p0
    assert not {"r2", "r6"} & ids["2.png"]  # the same file, and of patient p2
    assert all(len(near) == MOST for name, near in ids.items() if name in ("0.png", "1.png"))


def test_the_verb_shows_them(world: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ["report", str(world / "out"), "--images", str(world / "in"), "--out", str(page)]
    arguments += ["--references", str(world / "set.safetensors"), str(world / "set" / "set.csv")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert '"nearest":' in page.read_text(encoding="utf-8")


def test_features_of_another_model_are_refused(world: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "other", seed=1).folder
    extract_with(other, world / "set" / "set.csv", tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"features of other .* predictions are of model"):
        nearest_references(world / "out", tmp_path / "other.safetensors", world / "set" / "set.csv")


def test_what_is_missing_is_said_with_what_to_do(world: Path) -> None:
    with pytest.raises(DataError, match=r"no such file of features; `nmevision features MODEL IMAGES --out"):
        nearest_references(
            world / "out", world / "set.safetensors", world / "set" / "set.csv", world / "nothing.safetensors"
        )
    with pytest.raises(ConfigError, match="not with the empty form"):
        nearest_references(None, world / "set.safetensors", world / "set" / "set.csv")


def test_another_manifest_is_refused(world: Path, tmp_path: Path) -> None:
    frame = manifest_of([{"id": "elsewhere", "path": "2.png"}], world / "set").frame
    write_csv(tmp_path / "wrong.csv", frame[["id", "path"]])
    with pytest.raises(DataError, match=r"no row of .* has features"):
        nearest_references(world / "out", world / "set.safetensors", tmp_path / "wrong.csv")


def test_a_folder_has_the_features_of_its_images_under_the_ids_of_a_prediction(world: Path) -> None:
    assert read_features(world / "out" / "features.safetensors").ids == ("0.png", "1.png", "2.png", "3.png")
