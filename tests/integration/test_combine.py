"""`nmevision combine`: two folders of predictions by the committed phantom models, over the real command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_world import Answer, run_here

from nmevision.evaluation.claims import PHANTOM_NOTICE
from nmevision.files import write_json
from nmevision.journeys.case_likelihoods import part_of
from nmevision.knowledge.combination import Combiner
from nmevision.knowledge.loading import load_knowledge
from nmevision.phantom.clinical import draw_photo
from nmevision.phantom.histology import draw_field
from nmevision.reader.cases import read_answers

MODELS = Path(__file__).resolve().parents[2] / "models"
COMBINER = Combiner(load_knowledge())
SLIDES = {
    "a-1": "nme",
    "a-2": "nme",
    "b": "psoriasis",
    "h": "normal",
    "c": "broken",
    "z": "broken",
    "nobody": "nme",
}
PHOTOS = {"a": "nme", "b-1": "psoriasis", "b-2": "psoriasis", "c": "tinea"}
SITE = "site_photoexposed"


def draw(folder: Path, modality: str, images: dict[str, str]) -> Path:
    """Draw an image for each name `patient` or `patient-shot`, `nobody` without patient_id; return their manifest."""
    folder.mkdir()
    rows = []
    for i, (name, look) in enumerate(images.items()):
        rng = np.random.default_rng([41, i])
        if look == "broken":
            (folder / f"{name}.png").write_bytes(b"no picture")
        elif modality == "histology":
            Image.fromarray(draw_field(look, rng, 256, laboratory=1, mpp=1.5).pixels).save(
                folder / f"{name}.png"
            )
        else:
            Image.fromarray(draw_photo(look, rng, 224, camera=1).pixels).save(folder / f"{name}.png")
        patient = "" if name == "nobody" else f"patient-{name[0]}"
        rows.append({"id": f"{modality}-{name}", "path": f"{name}.png", "patient_id": patient})
    pd.DataFrame(rows).assign(modality=modality, licence="own").to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `slides` and `photos`, each as `nmevision predict` leaves it. To read, not to write."""
    folder = tmp_path_factory.mktemp("predicted")
    for name, modality, images in (("slides", "histology", SLIDES), ("photos", "clinical", PHOTOS)):
        manifest = draw(folder / f"images-{name}", modality, images)
        found = run_here("predict", MODELS / f"phantom-{modality}", manifest, "--out", name, cwd=folder)
        assert found.code == (1 if "broken" in images.values() else 0), found.err
    return folder


def combine(predicted: Path, out: Path, *names: str | Path, code: int = 0) -> Answer:
    found = run_here("combine", *(names or ("slides", "photos")), "--out", out, cwd=predicted)
    assert found.code == code, found.err
    return found


def odds_in(folder: Path, patient: str) -> float:
    """Return the odds of the necrolytic against the psoriasiform group."""
    row = table_in(folder).loc[patient].to_dict()
    return float(row["p_group_necrolytic"]) / float(row["p_group_psoriasiform"])


def table_in(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "cases_combined.csv", keep_default_na=False, na_values=[""]).set_index(
        "patient_id"
    )


def test_patients_are_joined_and_what_is_not_is_said(predicted: Path, tmp_path: Path) -> None:
    said = combine(predicted, tmp_path / "out").out
    assert "5 patients: 2 answered by both modalities" in said
    assert "only histology: 1 (patient-h)" in said
    assert "only clinical: 1 (patient-c)" in said
    assert "no answer, for no image of theirs could be read: 1 (patient-z)" in said
    assert "1 histology sample without patient_id" in said
    assert said.count(PHANTOM_NOTICE) == said.count("not a medical device") == 1
    table = table_in(tmp_path / "out")
    assert table.index.tolist() == [f"patient-{name}" for name in "abchz"]
    assert table["modalities"].tolist() == ["both", "both", "only clinical", "only histology", "none"]
    assert table["agreement"].isna().tolist() == [False, False, True, True, True]
    assert table["histology_n_samples"].tolist() == [2, 1, 1, 1, 1]
    assert table["histology_n_answered"].tolist() == [2, 1, 0, 1, 0]
    assert table["clinical_n_answered"].tolist() == [1, 2, 1, 0, 0]
    groups = table.filter(regex="^p_group_")
    assert groups.sum(axis=1, min_count=1).tolist() == pytest.approx(
        [1.0] * 4 + [np.nan], abs=1e-6, nan_ok=True
    )
    assert table.loc[["patient-a", "patient-b"], "group"].tolist() == ["necrolytic", "psoriasiform"]
    assert table.loc["patient-z", "group":"p_other"].isna().all()
    assert table["phantom"].all()
    for name in ("combined.md", "combined.html"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert text.count("not a medical device") == text.count(PHANTOM_NOTICE) == 1
    facts = json.loads((tmp_path / "out" / "combined.json").read_text(encoding="utf-8"))
    assert facts["inputs"]["clinical"]["bundle"]["name"] == "phantom-clinical"


def test_each_sides_own_answer_is_that_of_its_cases_csv(predicted: Path, tmp_path: Path) -> None:
    combine(predicted, tmp_path / "out")
    table = table_in(tmp_path / "out")
    for modality, name in (("histology", "slides"), ("clinical", "photos")):
        cases = pd.read_csv(predicted / name / "cases.csv").set_index("patient_id")
        shared = [key for key in table.index if key in cases.index]
        own = table.loc[shared]
        assert own[f"{modality}_group"].fillna("").tolist() == cases.loc[shared, "group"].fillna("").tolist()
        assert (
            own[f"{modality}_diagnosis"].fillna("").tolist()
            == cases.loc[shared, "diagnosis"].fillna("").tolist()
        )
        best = cases.loc[shared].filter(regex="^p_(?!group_)").max(axis=1)
        assert own[f"{modality}_p_diagnosis"].tolist() == pytest.approx(best.tolist(), abs=1e-6, nan_ok=True)


def test_the_order_of_the_folders_does_not_matter(predicted: Path, tmp_path: Path) -> None:
    combine(predicted, tmp_path / "one")
    combine(predicted, tmp_path / "other", "photos", "slides")
    for name in ("cases_combined.csv", "combined.md", "combined.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize("corrected", [False, True])
def test_grades_are_read_as_the_prediction_read_them(
    predicted: Path, tmp_path: Path, corrected: bool
) -> None:
    """Over the diagnoses that the model names, what is read anew is the table's own knowledge_ columns."""
    folder = predicted / "slides"
    if corrected:
        changed = (
            "--set",
            "upper_epidermal_pallor=3",
            "--set",
            "parakeratosis=0",
            "--out",
            tmp_path / "true",
        )
        found = run_here(
            "correct", MODELS / "phantom-histology", folder / "predictions.csv", *changed, cwd=tmp_path
        )
        assert found.code == 0, found.err
        folder = tmp_path / "true"
    answers = read_answers(folder)
    frame = answers.table.frame.set_index("patient_id")
    keys = list(answers.table.diagnoses)
    part = part_of(answers, COMBINER)
    for patient in ("patient-b", "patient-h"):  # of one image each
        own = part.likelihoods.loc[patient, keys]
        told = frame.loc[patient, [f"knowledge_{key}" for key in keys]].to_numpy(np.float64)
        assert (own / own.sum()).to_numpy() == pytest.approx(told, abs=1e-5)


def test_images_of_a_patient_count_as_in_cases_csv(predicted: Path, tmp_path: Path) -> None:
    """Alike, by the mean of their logs; or by the model's attention, where one image may count alone."""
    found = {}
    for name, attention in (("alike", (0.0, 0.0)), ("first", (50.0, 0.0)), ("second", (0.0, 50.0))):
        shutil.copytree(predicted / "slides", tmp_path / name)
        table = pd.read_csv(tmp_path / name / "predictions.csv").copy()
        table["attention"] = [*attention, *[0.0] * (len(table) - 2)]  # patient-a's two images come first
        table.to_csv(tmp_path / name / "predictions.csv", index=False)
        logs = np.log(part_of(read_answers(tmp_path / name), COMBINER).likelihoods.loc["patient-a"])
        found[name] = (logs - logs.mean()).to_numpy()
    plain = np.log(part_of(read_answers(predicted / "slides"), COMBINER).likelihoods.loc["patient-a"])
    assert found["alike"] == pytest.approx((plain - plain.mean()).to_numpy())
    assert found["alike"] == pytest.approx((found["first"] + found["second"]) / 2)
    assert found["first"] != pytest.approx(found["second"], abs=0.1)


def test_a_prior_of_ones_own_is_used(predicted: Path, tmp_path: Path) -> None:
    combine(predicted, tmp_path / "even")
    names = dict.fromkeys(COMBINER.groups, 1) | {"necrolytic": 0.001}
    (tmp_path / "prior.yaml").write_text(json.dumps({"groups": names}), encoding="utf-8")
    combine(predicted, tmp_path / "own", "slides", "photos", "--prior", tmp_path / "prior.yaml")
    assert odds_in(tmp_path / "own", "patient-a") == pytest.approx(
        0.001 * odds_in(tmp_path / "even", "patient-a"), rel=1e-3
    )


def with_site(photos: Path, out: Path, grade: float) -> Path:
    """Copy a folder of predictions whose model also grades a body site, without a slip."""
    shutil.copytree(photos, out)
    table = pd.read_csv(out / "predictions.csv")
    table[f"finding_{SITE}"], table[f"spread_{SITE}"] = grade, 0.1
    table.to_csv(out / "predictions.csv", index=False)
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    right = (1000 * np.eye(4, dtype=int)).tolist()
    facts["model"]["findings"].append(
        {"key": SITE, "temperature": 1.0, "confusion": right, "train_counts": [9] * 4}
    )
    write_json(out / "run.json", facts)
    return out


def test_a_graded_body_site_gives_the_members_numbers(predicted: Path, tmp_path: Path) -> None:
    combine(predicted, tmp_path / "bare")
    members = [f"p_{key}" for key in COMBINER.classes if COMBINER.group_of[key] == "necrolytic"]
    assert table_in(tmp_path / "bare")[members].isna().all(axis=None)
    combine(predicted, tmp_path / "out", "slides", with_site(predicted / "photos", tmp_path / "sun", 3.0))
    table = table_in(tmp_path / "out")
    own = table.loc["patient-a", members].astype(float)
    assert own.idxmax() == "p_pellagra"
    assert own.sum() == pytest.approx(table.loc["patient-a", "p_group_necrolytic"], abs=1e-6)
    assert table.loc["patient-h", members].isna().all()  # H&E alone: none
    assert "By clinical findings of place" in (tmp_path / "out" / "combined.md").read_text(encoding="utf-8")


def test_folders_that_cannot_be_combined_are_refused_in_words(predicted: Path, tmp_path: Path) -> None:
    found = combine(predicted, tmp_path / "out", "slides", "slides", code=2)
    assert "both hold predictions of histology images" in found.err
    found = combine(predicted, tmp_path / "out", "slides", "images-photos", code=2)
    assert "expected the run.json that `nmevision predict` writes" in found.err
    plain = tmp_path / "plain"
    shutil.copytree(predicted / "photos", plain)
    facts = json.loads((plain / "run.json").read_text(encoding="utf-8"))
    facts["model"]["findings"] = []
    write_json(plain / "run.json", facts)
    found = combine(predicted, tmp_path / "out", "slides", plain, code=2)
    assert "this model grades no findings" in found.err
    assert not (tmp_path / "out").exists()
    combine(predicted, tmp_path / "out")
    assert "choose another --out" in combine(predicted, tmp_path / "out", code=2).err


def test_without_patients_nothing_is_joined(predicted: Path, tmp_path: Path) -> None:
    for name in ("slides", "photos"):
        shutil.copytree(predicted / name, tmp_path / name)
        table = pd.read_csv(tmp_path / name / "predictions.csv").drop(columns="patient_id")
        table.to_csv(tmp_path / name / "predictions.csv", index=False)
    found = combine(predicted, tmp_path / "out", tmp_path / "slides", tmp_path / "photos", code=2)
    assert "no sample has a patient_id" in found.err
    said = combine(predicted, tmp_path / "out", tmp_path / "slides", "photos").out
    assert "7 histology samples without patient_id" in said
    assert "is patient_id spelled alike in both manifests?" in said
