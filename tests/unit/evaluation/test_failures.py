"""Failures and description: constructed patients whose mistakes and rows are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nmevision.evaluation.description import describe
from nmevision.evaluation.drafts import Target
from nmevision.evaluation.failures import FALSE_ALARMS, failures
from nmevision.evaluation.truth import Cases
from nmevision.manifest import manifest_of
from nmevision.taxonomy import taxonomy_from

TAXONOMY = taxonomy_from(
    {
        "name": "two",
        "groups": [{"key": key, "name": key} for key in ("nme", "eczema")],
        "diagnoses": [{"key": key, "name": key, "group": key} for key in ("nme", "eczema")],
        "exclude": {"acne": "another question"},
    },
    "test",
)


def cases(labels: list[int], p: list[float]) -> Cases:
    n = len(labels)
    return Cases(
        classes=("nme", "eczema"),
        names=np.array([f"P{i:02d}" for i in range(n)], dtype=object),
        sources=np.array(["north"] * n, dtype=object),
        labels=np.array(labels),
        probabilities=np.stack([np.array(p), 1 - np.array(p)], axis=1),
        n_images=np.arange(n) + 1,
    )


def test_every_miss_and_the_surest_false_alarms_are_listed() -> None:
    found = failures(cases([0, 0, 0, 1, 1, 1, 1], [0.9, 0.3, 0.1, 0.6, 0.8, 0.2, 0.4]), Target("nme", (0,)))
    assert (found.true_positives, found.missed, found.false_alarms, found.true_negatives) == (1, 2, 2, 2)
    assert [row["patient"] for row in found.false_negatives] == ["P02", "P01"]
    assert [row["patient"] for row in found.false_positives] == ["P04", "P03"]
    assert found.false_negatives[1] == {
        "patient": "P01", "source": "north", "diagnosis": "nme", "predicted": "eczema", "probability": 0.3, "n_images": 2,
    }  # fmt: skip


def test_false_alarms_are_counted_beyond_the_list() -> None:
    found = failures(cases([0] + [1] * 30, [0.9] + [0.7] * 30), Target("nme", (0,)))
    assert found.false_alarms == 30
    assert len(found.false_positives) == FALSE_ALARMS


def test_the_description_counts_labelled_rows_and_what_is_known() -> None:
    rows = [
        {"id": "a", "diagnosis": "nme", "patient_id": "P00", "source": "north", "split": "test", "sex": "F"},
        {"id": "b", "diagnosis": "nme", "patient_id": "P00", "source": "north", "split": "test", "sex": "F"},
        {"id": "c", "diagnosis": "eczema", "patient_id": "P01", "source": "south", "licence": "own"},
        {"id": "d", "diagnosis": "acne", "patient_id": "P02"},
        {"id": "e", "patient_id": "P03"},
    ]
    for row, how in zip(rows, ("biopsy", "biopsy", "", "biopsy", "biopsy"), strict=True):
        row["Reference_standard"] = how
    found = describe(cases([0, 1], [0.9, 0.1]), manifest_of(rows, Path()), TAXONOMY)
    assert found.rows == [
        {"diagnosis": "nme", "split": "test", "source": "north", "patients": 1, "images": 2},
        {"diagnosis": "eczema", "split": "", "source": "south", "patients": 1, "images": 1},
    ]
    assert found.licences == {"": 2, "own": 1}
    assert found.reference == {"biopsy": 1, "": 1}
    assert found.metadata["sex"] == {"female": 1, "": 1}
