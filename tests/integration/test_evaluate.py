"""`nmevision evaluate`: reports from predictions.csv alone, true to an independent calculation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score
from small_world import LOOKS, SOURCES, Answer, Training, World, run, run_here

FIGURES = {f"{name}.{kind}" for name in ("roc", "pr", "confusion", "reliability") for kind in ("png", "svg")}


@pytest.fixture(scope="module")
def tables(trained: Training, unseen: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with predictions.csv, run.json and truth.csv, and no image anywhere near."""
    folder = tmp_path_factory.mktemp("tables")
    answer = run_here("predict", trained.bundle, unseen.manifest, "--out", folder, cwd=folder)
    assert answer.code == 0, answer.err
    shutil.copy(unseen.manifest, folder / "truth.csv")
    return folder


def evaluate(tables: Path, out: Path, *more: str, code: int = 0) -> Answer:
    files = (tables / "predictions.csv", tables / "truth.csv")
    answer = run_here("evaluate", *files, "--out", out, *more, cwd=out.parent)
    assert answer.code == code, answer.err
    return answer


def report_in(out: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {(s["metric"], s["target"], s["source"]): s for s in content["scores"]}


def cases(tables: Path) -> pd.DataFrame:
    """Return truth and scores by patient, calculated here: softmax of the mean logit."""
    table = pd.read_csv(tables / "predictions.csv")
    shares = [f"p_{key}" for key in LOOKS]
    odds = table[shares].map(np.log).groupby(table["patient_id"]).mean().map(np.exp)
    found = odds.div(odds.sum(axis=1), axis=0)
    found["truth"] = found.index.str.split("-").str[0]
    found["source"] = table.groupby("patient_id")["source"].first()
    return found


def test_scores_are_those_of_scikit_learn_by_patient(tables: Path, tmp_path: Path) -> None:
    answer = evaluate(tables, tmp_path / "report")
    scores, truth = report_in(tmp_path / "report"), cases(tables)
    for key in LOOKS:
        wanted = roc_auc_score(truth["truth"] == key, truth[f"p_{key}"])
        found = scores["auroc", key, "all"]
        assert found["value"] == pytest.approx(wanted, abs=1e-9)
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
        assert (found["n_positive"], found["n_negative"]) == (6, 12)
        wanted = average_precision_score(truth["truth"] == key, truth[f"p_{key}"])
        assert scores["auprc", key, "all"]["value"] == pytest.approx(wanted, abs=1e-9)
    group = truth["p_psoriasis"] + truth["p_eczema"]
    wanted = roc_auc_score(truth["truth"] != "nme", group)
    assert scores["auroc", "inflammatory", "all"]["value"] == pytest.approx(wanted, abs=1e-9)
    predicted = truth[[f"p_{key}" for key in LOOKS]].to_numpy().argmax(axis=1)
    wanted = balanced_accuracy_score(truth["truth"], np.array(LOOKS)[predicted])
    assert scores["balanced_accuracy", "all", "all"]["value"] == pytest.approx(wanted, abs=1e-9)
    for source in SOURCES:
        part = truth[truth["source"] == source]
        wanted = roc_auc_score(part["truth"] == "nme", part["p_nme"])
        assert scores["auroc", "nme", source]["value"] == pytest.approx(wanted, abs=1e-9)
    first = f"AUROC of nme {scores['auroc', 'nme', 'all']['value']:.3f}"
    assert answer.out.startswith(first)
    assert "6 positive and 12 negative patients" in answer.out
    assert answer.out.splitlines()[-1] == str(tmp_path / "report" / "report.html")


def test_report_has_its_pages_and_figures(tables: Path, tmp_path: Path) -> None:
    evaluate(tables, tmp_path / "report")
    files = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert set(files) == {"report.json", "report.md", "report.html", *FIGURES}
    for name, data in files.items():
        if name.endswith(".png"):
            assert data.startswith(b"\x89PNG")
        if name.endswith(".svg"):
            assert b"</svg>" in data
    page = files["report.md"].decode()
    assert "6 positive and 12 negative patients" in page
    assert all(f"]({name})" in page for name in ("roc.png", "pr.png", "confusion.png", "reliability.png"))


@pytest.mark.slow
def test_script_remakes_the_report_without_torch_and_without_images(tables: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'torchvision', 'timm', 'lightning', 'albumentations'):\n"
        "            raise ModuleNotFoundError(f'{name} is not there')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
    )
    evaluate(tables, tmp_path / "here")
    for name in ("predictions.csv", "run.json", "truth.csv"):
        shutil.copy(tables / name, tmp_path)
    files = ("predictions.csv", "truth.csv", "--out", "there")
    answer = run("evaluate", *files, cwd=tmp_path, PYTHONPATH=str(blocked))
    assert answer.code == 0, answer.err
    here, there = tmp_path / "here", tmp_path / "there"
    assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}
    for name in ("report.json", "report.md", "report.html"):
        assert (here / name).read_bytes() == (there / name).read_bytes()


def test_the_same_report_may_be_remade_but_no_other_overwritten(tables: Path, tmp_path: Path) -> None:
    evaluate(tables, tmp_path / "report")
    before = (tmp_path / "report" / "report.json").read_bytes()
    evaluate(tables, tmp_path / "report")
    assert (tmp_path / "report" / "report.json").read_bytes() == before
    refused = evaluate(tables, tmp_path / "report", "--positive", "eczema", code=2)
    assert "never overwritten" in refused.err
    assert (tmp_path / "report" / "report.json").read_bytes() == before


@pytest.mark.parametrize("positive", ["eczema", "inflammatory"])
def test_positive_may_be_any_diagnosis_or_group(positive: str, tables: Path, tmp_path: Path) -> None:
    answer = evaluate(tables, tmp_path / "report", "--positive", positive)
    assert answer.out.startswith(f"AUROC of {positive} ")


def test_a_misspelt_positive_is_refused(tables: Path, tmp_path: Path) -> None:
    answer = evaluate(tables, tmp_path / "report", "--positive", "eczem", code=2)
    assert "did you mean 'eczema'" in answer.err
    assert not (tmp_path / "report").exists()


def test_unanswered_images_are_counted_not_forgotten(
    trained: Training, unseen: World, tmp_path: Path
) -> None:
    shutil.copytree(unseen.folder, tmp_path / "set")
    copy = World(tmp_path / "set", unseen.taxonomy)
    paths = copy.table.set_index("id")["path"]
    for name in ("nme-0-0", "nme-0-1", "eczema-1-0"):  # a whole patient, and half of another
        (copy.folder / paths[name]).write_bytes(b"")
    out = tmp_path / "out"
    predicted = run_here("predict", trained.bundle, copy.manifest, "--out", out, cwd=tmp_path)
    assert predicted.code == 1
    files = (out / "predictions.csv", copy.manifest)
    answer = run_here("evaluate", *files, "--out", tmp_path / "report", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert "5 positive and 12 negative patients" in answer.out
    content = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert content["counts"]["images_unanswered"] == 3
    assert content["counts"]["patients_unanswered"] == 1
    assert {(one["unit"], one["id"]) for one in content["left_out"]} >= {
        ("image", "nme-0-0"),
        ("image", "eczema-1-0"),
        ("patient", "nme-0"),
    }
