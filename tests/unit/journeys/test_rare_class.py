"""`nmevision features` and `nmevision rare-class` over the command line, and the protocol on real graded patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_world import run_here

from nmevision.journeys.rare_class import rare_class_uci

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200), "grey": (120, 120, 120)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 12 patients of each of four colours, two images each, with their features by colour."""
    folder = tmp_path_factory.mktemp("colours")
    rows = []
    for name, colour in COLOURS.items():
        for i in range(24):
            pixels = (
                np.random.default_rng([i, *colour])
                .normal(colour, 25, (16, 16, 3))
                .clip(0, 255)
                .astype(np.uint8)
            )
            Image.fromarray(pixels).save(folder / f"{name}{i}.png")
            rows.append(
                {
                    "id": f"{name}{i}",
                    "path": f"{name}{i}.png",
                    "diagnosis": name,
                    "patient_id": f"{name}{i // 2}",
                }
            )
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    (folder / "config.yaml").write_text("{min_patients: 10, episodes: 20, shots: [0, 1, 5], unseen: 1}")
    answer = run_here(
        "features", "colours", folder / "manifest.csv", "--out", folder / "f.safetensors", cwd=folder
    )
    assert answer.code == 0, answer.err
    assert "96 images computed" in answer.out
    return folder


def test_colours_are_told_apart_from_one_patient(folder: Path, tmp_path: Path) -> None:
    files = (folder / "f.safetensors", folder / "manifest.csv")
    answer = run_here(
        "rare-class", *files, "--out", tmp_path / "out", "--config", folder / "config.yaml", cwd=tmp_path
    )
    assert answer.code == 0, answer.err
    content = json.loads((tmp_path / "out" / "rare-class.json").read_text())
    areas = [c["auroc"] for c in content["classes"] if c["method"] == "prototype" and c["shots"] == 1]
    assert len(areas) == 4
    assert min(areas) > 0.95
    assert content["fixed"]["methods"]["LDA"]
    assert "Read it as a check of the software" in answer.out
    table = pd.read_csv(tmp_path / "out" / "rare-class.csv")
    assert set(table["n_positive"]) == {12}


def test_knowledge_comes_from_a_table_of_predictions(folder: Path, tmp_path: Path) -> None:
    manifest = pd.read_csv(folder / "manifest.csv", dtype=str)
    predictions = manifest[["id", "path"]].assign(status="ok", message="", diagnosis=manifest["diagnosis"])
    for name in COLOURS:
        own = (manifest["diagnosis"] == name).to_numpy()
        predictions[f"p_{name}"] = 0.25
        predictions[f"knowledge_{name}"] = np.where(own, 0.9, 0.1)
    predictions.to_csv(tmp_path / "predictions.csv", index=False)
    files = (folder / "f.safetensors", folder / "manifest.csv")
    more = ("--config", folder / "config.yaml", "--predictions", tmp_path / "predictions.csv")
    answer = run_here("rare-class", *files, "--out", tmp_path / "out", *more, cwd=tmp_path)
    assert answer.code == 0, answer.err
    table = pd.read_csv(tmp_path / "out" / "rare-class.csv")
    assert (table[table["method"] == "knowledge"]["auroc"] == 1).all()


def test_colours_source_and_the_disease_itself_stand_on_the_page(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(folder / "manifest.csv", dtype=str)
    rows.assign(source=["ab"[i % 3 == 0] for i in range(len(rows))]).to_csv(folder / "two.csv", index=False)
    observed = "observed: [{name: nme, shots: 5, method: LDA, auroc: 0.62, n_positive: 7}]"
    (tmp_path / "config.yaml").write_text(
        "{min_patients: 10, episodes: 20, shots: [0, 5], unseen: 1, " + observed + "}"
    )
    files = (folder / "f.safetensors", folder / "two.csv", "--colours", folder / "f.safetensors")
    more = ("--out", tmp_path / "out", "--config", tmp_path / "config.yaml")
    answer = run_here("rare-class", *files, *more, cwd=tmp_path)
    assert answer.code == 0, answer.err
    table = pd.read_csv(tmp_path / "out" / "rare-class.csv")
    own = table[table["shots"] == 5].set_index(["surrogate", "method"])["auroc"].unstack()
    assert (own["colour LDA"] == own["LDA"]).all()  # the same features, the same revealed patients
    assert own["source only"].between(0.2, 0.8).all()
    assert {"oscr", "coverage", "coverage_unseen"} <= set(table)
    page = (tmp_path / "out" / "rare-class.md").read_text()
    assert "nme (n+ = 7), LDA at k = 5: AUROC 0.62, outside the band" in page
    assert "a histogram of colours alone: in the tables" in page
    assert "**not built**" in page
    assert "<table" in (tmp_path / "out" / "rare-class.html").read_text()


def test_mistakes_are_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{surrogate: [red]}")
    files = (folder / "f.safetensors", folder / "manifest.csv")
    answer = run_here(
        "rare-class", *files, "--out", tmp_path / "out", "--config", tmp_path / "config.yaml", cwd=tmp_path
    )
    assert answer.code == 2
    assert "did you mean 'surrogates'" in answer.err
    answer = run_here("rare-class", *files, "--out", tmp_path / "out", cwd=tmp_path)
    assert "no class has 20 patients" in answer.err


@pytest.mark.real
def test_uci_grades(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{episodes: 20}")
    rare_class_uci(shared_data / "uci_dermatology", tmp_path / "out", tmp_path / "config.yaml")
    content = json.loads((tmp_path / "out" / "rare-class.json").read_text())
    found = {(b["shots"], b["method"], b["measure"]): b["median"] for b in content["bands"]}
    assert found[0, "knowledge", "auroc_unseen"] > found[0, "novelty", "auroc_unseen"]
    assert found[10, "LDA", "auroc"] > 0.95
