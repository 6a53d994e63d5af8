"""From graded images to fused answers and back: train, predict, correct, over the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_world import Training, World, make_world, run_here, train_here

from nmevision.training.sets import limit_of

GRADES = {
    "nme": {"parakeratosis": 2, "upper_epidermal_pallor": 3, "spongiosis": 1},
    "psoriasis": {"parakeratosis": 3, "upper_epidermal_pallor": 1, "spongiosis": 0},
    "eczema": {"parakeratosis": 1, "upper_epidermal_pallor": 0, "spongiosis": 3},
}
SETTINGS = (
    "train.epochs=12",
    "train.lr=3e-3",
    "train.ema=0",
    "augment.rotation=0",
    "model.backbone=test_convnext",
    "model.views=1",
)
KNOWLEDGE = ["knowledge_nme", "knowledge_psoriasis", "knowledge_eczema"]


def graded_world(folder: Path) -> World:
    """A world whose rows carry grades; nothing shows a horn in every third, no nme is left to train on."""
    world = make_world(folder, patients=40)
    table = world.table
    for finding in ("parakeratosis", "upper_epidermal_pallor", "spongiosis"):
        table[f"finding_{finding}"] = [str(GRADES[look][finding]) for look in table["diagnosis"]]
    table["field_horn"] = ["0" if i % 3 == 0 else "1" for i in range(len(table))]
    table.loc[table["field_horn"] == "0", "finding_parakeratosis"] = ""
    table["split"] = np.where(table["diagnosis"] == "nme", "test", "")
    unlabelled = table[table["diagnosis"] == "eczema"].index[:4]
    table.loc[unlabelled, "diagnosis"] = ""
    table.to_csv(world.manifest, index=False)
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return graded_world(tmp_path_factory.mktemp("graded"))


@pytest.fixture(scope="module")
def graded(world: World, tmp_path_factory: pytest.TempPathFactory) -> Training:
    cwd = tmp_path_factory.mktemp("work")
    return train_here(world, "graded", cwd, *SETTINGS)


def read(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "predictions.csv", dtype={"id": str}, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def predicted(graded: Training, world: World) -> Path:
    out = graded.cwd / "out"
    answer = run_here("predict", graded.bundle, world.manifest, "--out", out, cwd=graded.cwd)
    assert answer.code == 0, answer.err
    return out


def test_the_bundle_says_what_it_grades_and_what_it_never_saw(graded: Training) -> None:
    info = json.loads((graded.bundle / "bundle.json").read_text())
    assert [f["key"] for f in info["findings"]] == ["parakeratosis", "upper_epidermal_pallor", "spongiosis"]
    assert info["unlearned"] == ["nme"]
    assert info["fields"] == ["horn"]
    assert info["network"]["tasks"] == {"diagnosis": 3, "findings": 9, "fields": 1}
    assert "no training image of: nme; known from the literature alone" in graded.answer.out
    card = (graded.bundle / "README.md").read_text()
    assert "| `parakeratosis` |" in card
    assert "Known from the literature alone, without a training image: nme." in card
    counts = info["findings"][1]["train_counts"]
    assert counts[3] == 0  # pallor of grade 3 is nme's alone
    assert sum(counts) > 0


def test_both_routes_and_the_fused_answer_stand_in_the_table(predicted: Path) -> None:
    table = read(predicted)
    for prefix in ("p_", "learned_", "knowledge_"):
        shares = table[[f"{prefix}{key}" for key in ("nme", "psoriasis", "eczema")]]
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (table["learned_nme"] == 0).all()  # no image taught it
    np.testing.assert_allclose(table["p_nme"], table["knowledge_nme"], atol=1e-7)
    groups = table[[name for name in table if name.startswith("knowledge_group_")]]
    assert {"knowledge_group_necrolytic", "knowledge_group_other"} <= set(groups)
    np.testing.assert_allclose(groups.sum(axis=1), 1, atol=1e-6)
    assert set(table["routes"]) <= {"agree", "disagree"}
    same = table[["learned_nme", "learned_psoriasis", "learned_eczema"]].to_numpy().argmax(1) == table[
        KNOWLEDGE
    ].to_numpy().argmax(1)
    assert ((table["routes"] == "agree") == same).all()
    assert table["novelty"].between(0, 1).all()
    assert table["fit"].between(0, 1).all()
    assert table["field_horn"].between(0, 1).all()
    assert table[["finding_parakeratosis", "finding_spongiosis"]].to_numpy().max() <= 3


def test_grades_and_diagnoses_were_learned(predicted: Path, world: World) -> None:
    table = read(predicted).merge(world.table, on="id", suffixes=("", "_true"))
    known = table[table["diagnosis_true"].isin(["psoriasis", "eczema"])]
    assert (known["learned_psoriasis"] > 0.5).eq(
        known["diagnosis_true"] == "psoriasis"
    ).mean() > 0.65  # of 156, chance 0.5
    spongiosis = known["finding_spongiosis_true"].astype(float)
    assert np.corrcoef(known["finding_spongiosis"], spongiosis)[0, 1] > 0.3  # of chance: 0 (0.08)


def test_the_limits_of_sets_are_those_of_the_validation_images_as_predicted(
    graded: Training, predicted: Path, world: World
) -> None:
    info = json.loads((graded.bundle / "bundle.json").read_text())
    splits = pd.read_csv(graded.run / "splits.csv", dtype=str, keep_default_na=False)
    known = splits[(splits["split"] == "val") & (splits["diagnosis"] != "")]
    val = read(predicted).merge(known[["id", "patient_id"]], on="id", suffixes=("", "_split"))
    group = next(one for one in info["sets"]["groups"] if one["key"] == "inflammatory")
    assert group["patients"] == val["patient_id_split"].nunique() >= 9
    scores, patients = val["p_group_inflammatory"].to_numpy(), val["patient_id_split"].to_numpy(object)
    assert group["least"] == pytest.approx(limit_of(scores, patients, 0.1), abs=2e-3)  # another engine
    table = read(predicted)
    held = table["p_group_inflammatory"] >= group["least"]
    assert table["prediction_set_groups"].str.contains("inflammatory").eq(held).all()
    assert table["prediction_set_groups"].str.startswith("necrolytic?").all()  # no validation image of it
    assert (table["prediction_set_level"] == 0.9).all()


def test_a_correction_changes_the_answer_without_the_network(graded: Training, predicted: Path) -> None:
    out = graded.cwd / "corrected"
    settings = ["--set", "upper_epidermal_pallor=3", "--set", "spongiosis=0"]
    answer = run_here(
        "correct", graded.bundle, predicted / "predictions.csv", "--out", out, *settings, cwd=graded.cwd
    )
    assert answer.code == 0, answer.err
    before, after = read(predicted), read(out)
    assert (after["finding_upper_epidermal_pallor"] == 3).all()
    assert (after["knowledge_group_necrolytic"] > before["knowledge_group_necrolytic"]).mean() > 0.9
    pd.testing.assert_series_equal(after["novelty"], before["novelty"])
    pd.testing.assert_series_equal(after["finding_parakeratosis"], before["finding_parakeratosis"])
    assert json.loads((out / "run.json").read_text())["corrected"] == {
        "upper_epidermal_pallor": len(after),
        "spongiosis": len(after),
    }
    changed = (before["diagnosis"] != after["diagnosis"]).sum()
    assert f"{changed} of {len(after)} answers name another diagnosis" in answer.out


def test_a_table_corrects_single_images(graded: Training, predicted: Path) -> None:
    before = read(predicted)
    grades, out = graded.cwd / "grades.csv", graded.cwd / "single"
    grades.write_text(
        f"id,finding_spongiosis,upper_epidermal_pallor\n{before['id'][0]},3,\n{before['id'][2]},,0\n"
    )
    answer = run_here(
        "correct",
        graded.bundle,
        predicted / "predictions.csv",
        "--out",
        out,
        "--grades",
        grades,
        cwd=graded.cwd,
    )
    assert answer.code == 0, answer.err
    after = read(out)
    changed = (before["knowledge_nme"] - after["knowledge_nme"]).abs() > 1e-6
    assert set(before["id"][changed]) <= {before["id"][0], before["id"][2]}
    assert changed.any()
    assert after["finding_spongiosis"][0] == 3


def test_no_set_is_told_of_what_was_graded_by_hand(graded: Training, predicted: Path, tmp_path: Path) -> None:
    before = read(predicted)
    pd.DataFrame({"id": before["id"][:1], "parakeratosis": ["3"]}).to_csv(
        tmp_path / "grades.csv", index=False
    )
    where = (predicted / "predictions.csv", "--out", tmp_path / "out", "--grades", tmp_path / "grades.csv")
    answer = run_here("correct", graded.bundle, *where, cwd=graded.cwd)
    assert answer.code == 0, answer.err
    after = read(tmp_path / "out")
    assert after["prediction_set"][0] == "not estimable: grades were given by hand"
    assert after["prediction_set_groups"][1:].tolist() == before["prediction_set_groups"][1:].tolist()


def test_giving_back_what_the_network_said_changes_nothing(graded: Training, predicted: Path) -> None:
    out = graded.cwd / "same"
    answer = run_here("correct", graded.bundle, predicted / "predictions.csv", "--out", out, cwd=graded.cwd)
    assert answer.code == 0, answer.err
    before, after = read(predicted), read(out)
    numbers = before.select_dtypes("number").columns
    np.testing.assert_allclose(after[numbers], before[numbers], atol=1e-6)


def test_wrong_corrections_are_all_named(graded: Training, predicted: Path) -> None:
    grades = graded.cwd / "wrong.csv"
    grades.write_text("id,spongiosis,parakeratose\nnobody,2,1\n")
    answer = run_here(
        "correct",
        graded.bundle,
        predicted / "predictions.csv",
        "--out",
        graded.cwd / "no",
        "--set",
        "spongiosis=4",
        "--grades",
        grades,
        cwd=graded.cwd,
    )
    assert answer.code == 2
    for words in ("expected a grade 0, 1, 2 or 3", "'nobody', spongiosis: no answered image", "3 problems"):
        assert words in answer.err
    assert not (graded.cwd / "no").exists()


def test_resuming_a_finished_prediction_gives_the_same_table(
    graded: Training, predicted: Path, world: World
) -> None:
    before = (predicted / "predictions.csv").read_bytes()
    answer = run_here(
        "predict", graded.bundle, world.manifest, "--out", predicted, "--resume", cwd=graded.cwd
    )
    assert answer.code == 0, answer.err
    assert (predicted / "predictions.csv").read_bytes() == before
