from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nmevision.errors import EvaluationError
from nmevision.evaluation.truth import UNKNOWN_SOURCE, Truth, join
from nmevision.manifest import manifest_of
from nmevision.predictions import DECIMALS, PredictionTable
from nmevision.taxonomy import Taxonomy, taxonomy_from

TAXONOMY = taxonomy_from(
    {
        "name": "two",
        "groups": [{"key": "necrolytic", "name": "n"}, {"key": "other", "name": "o"}],
        "diagnoses": [
            {"key": "nme", "name": "necrolytic migratory erythema", "group": "necrolytic"},
            {"key": "psoriasis", "name": "psoriasis", "group": "other", "labels": ["PsO"]},
        ],
        "exclude": {"normal": "not a rash"},
    },
    "test",
)


def predicted(rows: list[tuple[str, float | None]], **columns: list[str]) -> PredictionTable:
    """Return one row per (id, p of nme); None is an error row."""
    known = [p is not None for _, p in rows]
    frame = pd.DataFrame(
        {
            "id": [name for name, _ in rows],
            "path": [f"{name}.png" for name, _ in rows],
            "status": ["ok" if k else "error" for k in known],
            "message": ["" if k else "truncated" for k in known],
            "diagnosis": "",
            "p_nme": [np.nan if p is None else p for _, p in rows],
            "p_psoriasis": [np.nan if p is None else 1 - p for _, p in rows],
        }
    )
    return PredictionTable(frame.assign(**columns))


def joined(predictions: PredictionTable, *rows: dict[str, str], taxonomy: Taxonomy = TAXONOMY) -> Truth:
    return join(predictions, manifest_of(list(rows), Path()), taxonomy)


def row(identity: str, diagnosis: str, patient: str = "", **more: Any) -> dict[str, str]:
    return {"id": identity, "path": f"{identity}.png", "diagnosis": diagnosis, "patient_id": patient, **more}


def kinds(truth: Truth) -> list[tuple[str, str, str]]:
    return [(entry.unit, entry.id, entry.kind) for entry in truth.left_out]


def test_patients_are_pooled_by_mean_logarithm() -> None:
    truth = joined(
        predicted([("a", 0.9), ("b", 0.5), ("c", 0.2)]),
        row("a", "nme", "P"),
        row("b", "nme", "P"),
        row("c", "PsO"),
    )
    assert truth.cases.names.tolist() == ["P", "sample:c"]
    assert truth.cases.labels.tolist() == [0, 1]
    odds = np.sqrt(9 * 1)  # the geometric mean of the odds 9 and 1
    assert truth.cases.probabilities[0] == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], abs=1e-6)
    assert truth.cases.n_images.tolist() == [2, 1]
    assert truth.counts["images_scored"] == 3
    assert any("1 scored image without patient_id" in note for note in truth.notes)


def test_nobody_vanishes() -> None:
    truth = joined(
        predicted([("a", 0.9), ("b", None), ("c", None), ("d", 0.3), ("e", 0.3), ("f", 0.3), ("z", 0.5)]),
        row("a", "nme", "P1"),
        row("b", "nme", "P1"),
        row("c", "psoriasis", "P2"),
        row("d", "", "P3"),
        row("e", "Normal", "P4"),
        row("f", "psoriasis", "P5"),
        row("g", "psoriasis", "P6"),
    )
    assert set(kinds(truth)) == {
        ("image", "z", "prediction without a manifest row"),
        ("image", "d", "no label"),
        ("image", "e", "excluded label"),
        ("image", "g", "no prediction"),
        ("patient", "P6", "no prediction"),
        ("image", "b", "unanswered"),
        ("image", "c", "unanswered"),
        ("patient", "P2", "unanswered"),
    }
    details = {entry.id: entry.detail for entry in truth.left_out if entry.unit == "image"}
    assert details["b"] == "truncated"
    assert details["e"] == "Normal: not a rash"
    assert truth.cases.names.tolist() == ["P1", "P5"]
    assert truth.counts["patients_unanswered"] == 1
    assert truth.counts["images_unanswered"] == 2
    by_class = truth.composition.groupby("diagnosis")[
        ["patients", "images", "patients_unanswered", "images_unanswered"]
    ].sum()
    assert by_class.loc["nme"].tolist() == [1, 1, 0, 1]
    assert by_class.loc["psoriasis"].tolist() == [1, 1, 1, 1]


def test_a_patient_with_two_diagnoses_is_left_out_with_the_reason() -> None:
    truth = joined(
        predicted([("a", 0.9), ("b", 0.5), ("c", 0.5)]),
        row("a", "nme", "P"),
        row("b", "psoriasis", "P"),
        row("c", "psoriasis", "Q"),
    )
    assert truth.cases.names.tolist() == ["Q"]
    assert [(e.id, e.detail) for e in truth.left_out] == [("P", "nme, psoriasis")]
    assert len(truth.image_labels) == 1


def test_two_spellings_of_one_diagnosis_are_one() -> None:
    truth = joined(predicted([("a", 0.9), ("b", 0.5)]), row("a", "PsO", "P"), row("b", "psoriasis", "P"))
    assert truth.cases.names.tolist() == ["P"]


def test_paths_match_where_no_id_does() -> None:
    rows = [row("1", "nme", path="x/a.png"), row("2", "psoriasis", path="x/b.png")]
    table = predicted([("a", 0.9), ("b", 0.2)], path=["x/a.png", "x/b.png"])
    assert joined(table, *rows).cases.names.tolist() == ["sample:1", "sample:2"]
    with pytest.raises(EvaluationError, match="no prediction belongs to a row"):
        joined(predicted([("a", 0.9)], path=["y.png"]), *rows)
    with pytest.raises(EvaluationError, match=r"more than once the path 'x/a.png'"):
        joined(predicted([("a", 0.9), ("b", 0.2)], path=["x/a.png", "x/a.png"]), *rows)


def test_patient_and_source_come_from_the_predictions_where_the_manifest_is_silent() -> None:
    table = predicted([("a", 0.9), ("b", 0.2)], patient_id=["P", "P"], source=["s", "s"])
    truth = joined(table, row("a", "nme"), row("b", "nme", "P", source="t"))
    assert truth.cases.names.tolist() == ["P"]
    assert truth.cases.sources.tolist() == ["s + t"]
    contradicting = joined(table, row("a", "nme", "Q"), row("b", "nme", "P"))
    assert any("the manifest was followed" in note for note in contradicting.notes)
    assert joined(predicted([("a", 0.9)]), row("a", "nme")).cases.sources.tolist() == [UNKNOWN_SOURCE]


def test_phantoms_and_real_images_never_mix() -> None:
    table = predicted([("a", 0.9), ("b", 0.2)])
    with pytest.raises(EvaluationError, match=r"1 phantom .*'a'.* 1 real image;"):
        joined(table, row("a", "nme", phantom="true"), row("b", "psoriasis"))
    assert joined(table, row("a", "nme", phantom="true"), row("b", "psoriasis", phantom="yes")).phantom
    assert not joined(table, row("a", "nme"), row("b", "psoriasis")).phantom
    unlabelled = joined(table, row("a", "nme"), row("b", "", phantom="true"))
    assert not unlabelled.phantom


def test_training_rows_are_pointed_out() -> None:
    table = predicted([("a", 0.9), ("b", 0.2)])
    truth = joined(table, row("a", "nme", "P", split="train"), row("b", "psoriasis", "Q", split="test"))
    assert any("1 of 2 scored images" in note for note in truth.notes)


def test_every_mistake_is_said_at_once() -> None:
    table = predicted([("a", 0.9), ("a", 0.2), ("", 0.2)])
    table.frame.loc[1, "p_nme"] = np.nan
    with pytest.raises(EvaluationError) as caught:
        joined(table, row("b", "nme"), row("b", "psoriassis"))
    message = str(caught.value)
    for part in (
        "predictions: more than once: id 'a'",
        "predictions: 1 row without id",
        "manifest: more than once: id 'b'",
        "without probabilities",
        "did you mean 'psoriasis'?",
    ):
        assert part in message


def test_other_classes_and_nothing_to_score_are_refused() -> None:
    renamed = PredictionTable(predicted([("a", 0.9)]).frame.rename(columns={"p_nme": "p_ams"}))
    with pytest.raises(EvaluationError, match="only predicted: ams; only in the taxonomy: nme"):
        joined(renamed, row("a", "nme"))
    with pytest.raises(EvaluationError, match=r"nothing to score: .*1 image: unanswered"):
        joined(predicted([("a", None)]), row("a", "nme"))
    with pytest.raises(EvaluationError, match="1 image: no label"):
        joined(predicted([("a", 0.4)]), row("a", ""))


def test_columns_in_another_order_mean_the_same() -> None:
    table = predicted([("a", 0.9), ("b", 0.3)])
    turned = PredictionTable(table.frame[table.frame.columns[::-1]])
    rows = row("a", "nme", "P"), row("b", "psoriasis", "Q")
    assert (joined(turned, *rows).cases.probabilities == joined(table, *rows).cases.probabilities).all()


def test_renormalising_keeps_ties_between_patients() -> None:
    """Rounded decimals seldom sum to exactly 1; equal probabilities in the table must stay equal."""
    third, two_thirds = round(1 / 3, DECIMALS), math.floor(2 / 3 * 10**DECIMALS) / 10**DECIMALS
    table = predicted([("a", third), ("b", third)])
    table.frame.loc[0, "p_psoriasis"] = two_thirds
    p = joined(table, row("a", "nme", "P"), row("b", "psoriasis", "Q")).cases.probabilities
    assert p[0, 0] == p[1, 0]
