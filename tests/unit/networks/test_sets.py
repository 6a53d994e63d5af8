"""Prediction sets: what they hold, when they cannot be told, and that bundles without them still load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from tiny_bundle import tiny_bundle

from nmevision.files import write_json
from nmevision.networks.bundle import open_bundle
from nmevision.networks.sets import OF_SLIDE, PredictionSets, SetLimit, sets_in_words, with_sets
from nmevision.predictions import PredictionTable, read_predictions, with_answers

KEYS = ("nme", "psoriasis", "eczema")
GROUP_OF = {"nme": "necrolytic", "psoriasis": "other", "eczema": "other"}
SETS = PredictionSets(
    level=0.9,
    needed=9,
    diagnoses=(
        SetLimit(key="nme", patients=3),
        SetLimit(key="psoriasis", patients=40, least=0.25),
        SetLimit(key="eczema", patients=9, least=0.5),
    ),
    groups=(SetLimit(key="necrolytic", patients=3), SetLimit(key="other", patients=49, least=0.4)),
)


def table(values: list[list[float]]) -> PredictionTable:
    rows = pd.DataFrame({"id": [f"{i}.png" for i in range(len(values))]})
    rows["path"], rows["status"], rows["message"] = rows["id"], "ok", ""
    rows.loc[np.isnan(np.array(values)).any(axis=1), "status"] = "error"
    return PredictionTable(with_answers(rows, np.array(values), KEYS, GROUP_OF))


def test_a_set_holds_what_reaches_its_limit_and_what_has_too_few_patients() -> None:
    made = with_sets(table([[0.1, 0.25, 0.65], [0.9, 0.05, 0.05], [np.nan] * 3]), SETS).frame
    assert made["prediction_set"].tolist() == ["nme?; psoriasis; eczema", "nme?", ""]
    assert made["prediction_set_groups"].tolist() == ["necrolytic?; other", "necrolytic?", ""]
    assert made["prediction_set_level"].tolist() == ["0.9", "0.9", ""]


def test_no_class_with_enough_patients_is_no_set() -> None:
    limits = (SetLimit(key="a", patients=0), SetLimit(key="b", patients=8))
    assert sets_in_words(limits, 9, np.array([[0.5, 0.5]])) == [
        "not estimable: n=0 to 8 of 9 patients needed"
    ]


def test_an_empty_set_is_said() -> None:
    assert sets_in_words(SETS.diagnoses[1:], 9, np.array([[0.1, 0.1]])) == ["(none)"]


def test_whole_slides_have_no_set_and_a_model_without_limits_adds_nothing() -> None:
    made = table([[0.1, 0.25, 0.65], [0.9, 0.05, 0.05]])
    slides = with_sets(made, SETS, {"1.png"}).frame
    assert slides["prediction_set"].tolist() == ["nme?; psoriasis; eczema", OF_SLIDE]
    assert list(with_sets(made, None).frame.columns) == list(made.frame.columns)


def test_the_columns_survive_the_disk(tmp_path: Path) -> None:
    made = with_sets(table([[0.1, 0.25, 0.65], [np.nan] * 3]), SETS)
    made.write(tmp_path / "predictions.csv")
    again = read_predictions(tmp_path / "predictions.csv")
    assert again.frame["prediction_set"].tolist() == made.frame["prediction_set"].tolist()
    assert again.numbers == made.numbers
    assert again.diagnoses == KEYS


def test_a_bundle_keeps_its_limits_and_an_older_one_loads_without(tmp_path: Path) -> None:
    saved = tiny_bundle(tmp_path / "new", sets=SETS)
    assert open_bundle(saved.folder).info.sets == SETS
    older = tiny_bundle(tmp_path / "old").folder
    record = json.loads((older / "bundle.json").read_text())
    assert record.pop("sets") is None
    write_json(older / "bundle.json", record)
    assert open_bundle(older).info.sets is None


def test_a_limit_from_too_few_patients_is_refused() -> None:
    with pytest.raises(ValidationError, match="8 patients of 9 needed"):
        PredictionSets(level=0.9, needed=9, diagnoses=(SetLimit(key="a", patients=8, least=0.2),))
