from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from nmevision.errors import DataError
from nmevision.manifest import read_manifest
from nmevision.phantom.dataset import make
from nmevision.phantom.photo_grades import DIAGNOSES, MEASURES


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_tones_can_be_kept_for_the_test_set_and_a_patient_has_one_skin(tmp_path: Path) -> None:
    manifest = make(tmp_path, "clinical", 32, size=64, laboratories=2, unseen_tones=(5, 6))
    tones = defaultdict(set)
    of_patient = defaultdict(set)
    for row in rows_of(manifest):
        tones[row["split"]].add(int(row["fitzpatrick"]))
        of_patient[row["patient_id"]].add(row["ita"])
    assert tones["test"] == {5, 6}
    assert tones[""] <= {1, 2, 3, 4}
    assert len(tones[""]) > 1
    assert all(len(angles) == 1 for angles in of_patient.values())


def test_every_photo_has_its_truth_and_the_house_reads_the_grades(tmp_path: Path) -> None:
    manifest = make(tmp_path, "clinical", 14, size=64, laboratories=2, diagnoses=DIAGNOSES)
    rows = rows_of(manifest)
    assert [row["diagnosis"] for row in rows[::2]] == list(DIAGNOSES)
    for row in rows:
        assert row["camera"] == row["source"]
        for kind in ("lesion", "findings"):
            assert (tmp_path / "truth" / f"{row['id']}-{kind}.png").is_file()
    read = read_manifest(manifest, purpose="train")
    frame = read.frame.set_index("diagnosis")
    assert (frame.loc["normal", "finding_erythema"] == "0").all()
    assert (frame.loc["candidiasis_intertrigo", "finding_satellite_lesions"].astype(int) > 0).all()
    assert "finding_symptom_itch" not in frame, "no photo shows an itch"
    assert frame[[f"finding_{key}" for key in MEASURES]].isin(["0", "1", "2", "3"]).all(axis=None)


def test_a_diagnosis_named_twice_is_drawn_twice_as_often(tmp_path: Path) -> None:
    rows = rows_of(make(tmp_path, "clinical", 12, size=64, diagnoses=("nme", "normal", "normal")))
    assert Counter(row["diagnosis"] for row in rows) == {"nme": 4, "normal": 8}


def test_bad_choices_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make(tmp_path, "clinical", 8, size=64, diagnoses=("nme", "nme", "tinnea"), unseen_tones=(0, 7))
    text = str(caught.value)
    assert "diagnosis 'tinnea' is not drawn in clinical (did you mean 'tinea'?)" in text
    assert "unseen tones 0, 7; expected some, not all, of 1 to 6" in text
    with pytest.raises(DataError, match="unseen tones are for photos"):
        make(tmp_path, "histology", 8, size=64, unseen_tones=(1,))
