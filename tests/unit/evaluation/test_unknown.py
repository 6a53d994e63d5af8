"""Diseases outside the list: who counts as unknown, near and far apart, and what is said where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nmevision.errors import EvaluationError
from nmevision.evaluation.metrics import auroc
from nmevision.evaluation.open_set import oscr
from nmevision.evaluation.truth import join
from nmevision.evaluation.unknown import unknowns
from nmevision.manifest import Manifest, manifest_of
from nmevision.predictions import PredictionTable
from nmevision.taxonomy import taxonomy_from

TAXONOMY = taxonomy_from(
    {
        "name": "two",
        "groups": [{"key": "a", "name": "a"}, {"key": "b", "name": "b"}],
        "diagnoses": [{"key": "a", "name": "a", "group": "a"}, {"key": "b", "name": "b", "group": "b"}],
        "exclude": {"lichen": "not of the list", "naevus": "a tumour"},
    },
    "test",
)
ROWS = [  # id, patient, label, open_set, p of a, novelty
    ("1", "A", "a", "", 0.9, 0.1),
    ("2", "A", "a", "", 0.9, 0.1),
    ("3", "B", "b", "", 0.6, 0.3),
    ("4", "C", "b", "", 0.2, 0.2),
    ("5", "D", "lichen", "near", 0.7, 0.9),
    ("6", "E", "naevus", "far", 0.45, 0.5),
    ("7", "F", "naevus", "far", 0.98, 0.95),
    ("8", "F", "naevus", "far", 0.98, 0.95),
    ("9", "A", "naevus", "far", 0.5, 0.5),
    ("10", "G", "", "near", 0.5, 0.6),
]


def tables(novelty: bool = True) -> tuple[PredictionTable, Manifest]:
    manifest = manifest_of(
        [{"id": i, "path": i, "patient_id": p, "diagnosis": d, "open_set": o} for i, p, d, o, *_ in ROWS],
        Path(),
    )
    answers = pd.DataFrame(
        [{"id": i, "path": i, "status": "ok", "message": "", "diagnosis": ""} | {"p_a": p, "p_b": 1 - p, "novelty": n}
         for i, _, _, _, p, n in ROWS]
    )  # fmt: skip
    return PredictionTable(answers if novelty else answers.drop(columns="novelty")), manifest


def test_near_and_far_patients_are_those_outside_the_list_and_nobody_is_both() -> None:
    predictions, manifest = tables()
    cases = join(predictions, manifest, TAXONOMY).cases
    found = unknowns(cases, predictions, manifest, TAXONOMY)
    assert found.reason == ""
    by = found.by_probability
    assert by is not None
    assert {row.name: (row.distance, row.n_known, row.n_unknown) for row in by.by_class} == {
        "lichen": ("near", 3, 1),
        "naevus": ("far", 3, 2),  # E and F; the naevus of A, who is known, does not count
        "not stated: near": ("near", 3, 1),
    }
    known, right = np.array([0.9, 0.6, 0.8]), np.array([True, False, True])
    far = np.array([0.55, 0.98])
    truth, scores = np.repeat([True, False], [3, 2]), np.concatenate([known, far])
    assert by.far.auroc.value == pytest.approx(auroc(truth, scores).value)
    assert by.far.oscr.value == pytest.approx(oscr(known, right, far).value)
    assert (by.near.n_unknown, by.far.n_unknown) == (2, 2)
    assert by.worst is not None
    assert found.by_novelty is not None
    assert found.by_novelty.far.auroc.value == 1.0  # every unknown is more novel than every known


def test_what_is_missing_or_odd_is_said() -> None:
    predictions, manifest = tables(novelty=False)
    cases = join(predictions, manifest, TAXONOMY).cases
    assert unknowns(cases, predictions, manifest, TAXONOMY).by_novelty is None
    plain = replace(manifest, frame=manifest.frame.drop(columns="open_set"))
    assert "no column open_set" in unknowns(cases, predictions, plain, TAXONOMY).reason
    nobody = replace(manifest, frame=manifest.frame.assign(open_set=""))
    assert "no answered patient outside the list" in unknowns(cases, predictions, nobody, TAXONOMY).reason
    for values, words in (("nearby", "says 'nearby'"), (["near", "far"] * 5, "both near and far of naevus")):
        odd = replace(manifest, frame=manifest.frame.assign(open_set=values))
        with pytest.raises(EvaluationError, match=words):
            unknowns(cases, predictions, odd, TAXONOMY)
