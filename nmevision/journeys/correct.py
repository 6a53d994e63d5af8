"""A pathologist knows better: true grades of findings in, the fused answers anew, without running the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nmevision.errors import DataError, Problems, RunError, did_you_mean
from nmevision.files import write_csv, write_json
from nmevision.grades import LEVELS
from nmevision.inference.outputs import CASES, FACTS, PREDICTIONS
from nmevision.manifest_checks import FINDING_PREFIX
from nmevision.networks.answers import AnswerMaker, Columns
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.networks.sets import BY_HAND
from nmevision.predictions import (
    DECIMALS,
    SET,
    SET_GROUPS,
    SET_LEVEL,
    PredictionTable,
    by_case,
    read_predictions,
    table_of,
)

KEPT = ("id", "path", "status", "message", "patient_id", "source")
"""Columns of predictions.csv that no correction changes."""


def correct(
    bundle_folder: Path, predictions: Path, out: Path, settings: Sequence[str], grades: Path | None
) -> PredictionTable:
    """Write predictions.csv, cases.csv and run.json to `out` with true grades in place of the network's.

    settings: `finding=grade` for every image. grades: a CSV with `id` and finding columns for single ones.

    Raises DataError with every unknown finding, id or grade, RunError where `out` holds results or the table
    was made by another model.
    """
    bundle, table = open_bundle(bundle_folder), read_predictions(predictions)
    facts = _facts(predictions, bundle)
    if (out / PREDICTIONS).exists():
        raise RunError(f"{out} holds predictions already; choose another --out")
    if not bundle.info.findings:
        raise DataError(f"{bundle_folder}: this model grades no findings, so there is nothing to correct")
    answered = table.answered
    given = _given(answered["id"], [f.key for f in bundle.info.findings], settings, grades)
    columns = {name: answered[name].to_numpy(np.float64) for name in table.numbers}
    corrected = _table(table, AnswerMaker(bundle).fused(columns, given), bundle)
    _keep_sets(table, corrected, set(answered["id"][_touched(given, len(answered))]))
    corrected.write(out / PREDICTIONS)
    write_csv(out / CASES, by_case(corrected, bundle.info.taxonomy.group_of), DECIMALS)
    counts = {key: int((~np.isnan(values)).sum()) for key, values in given.items()}
    write_json(out / FACTS, facts | {"corrected": counts})
    return corrected


def changes(before: PredictionTable, after: PredictionTable) -> str:
    """Return which answers changed, one line each, and how many."""
    pairs = before.frame[["id", "diagnosis"]].merge(after.frame[["id", "diagnosis"]], on="id")
    other = pairs[pairs["diagnosis_x"] != pairs["diagnosis_y"]]
    lines = [f"{row.id}: {row.diagnosis_x} -> {row.diagnosis_y}" for row in other.itertuples()]
    return "\n".join([*lines, f"{len(other)} of {len(pairs)} answers name another diagnosis"])


def _touched(given: Columns, n: int) -> np.ndarray:
    """Return which of n images a person graded."""
    return np.any([~np.isnan(grades) for grades in given.values()] or [np.zeros(n, bool)], axis=0)


def _keep_sets(before: PredictionTable, after: PredictionTable, by_hand: set[str]) -> None:
    """Take over the prediction sets but of the images graded `by_hand`: no level was calibrated with such grades."""
    place = list(after.frame.columns).index("diagnosis") + 1
    mine = before.frame["id"].isin(list(by_hand))
    for name in (SET_LEVEL, SET_GROUPS, SET):
        if name in before.frame:
            kept = before.frame[name] if name == SET_LEVEL else before.frame[name].mask(mine, BY_HAND)
            after.frame.insert(place, name, kept)


def _facts(predictions: Path, bundle: Bundle) -> dict[str, object]:
    """Return run.json beside the table; refuse a table of another model."""
    path = predictions.parent / FACTS
    try:
        facts: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        made_by = facts["bundle"]["hash"]  # type: ignore[index]
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(
            f"{path}: expected the run.json that `nmevision predict` writes beside the table"
        ) from None
    if made_by != bundle.hash:
        raise RunError(
            f"{predictions} was made by another model (bundle {str(made_by)[:12]}, this is {bundle.hash[:12]})"
        )
    return facts


def _given(ids: pd.Series, known: Sequence[str], settings: Sequence[str], grades: Path | None) -> Columns:
    """Return finding -> grades in the order of `ids`, NaN where none is given."""
    problems, given = Problems(), dict[str, np.ndarray]()
    for text in settings:
        name, _, grade = text.partition("=")
        _put(given, name, grade, np.ones(len(ids), bool), known, f"--set {text}", problems)
    if grades is not None:
        table = _read(grades)
        for name in table.columns.drop("id"):
            for identity, grade in zip(table["id"], table[name], strict=True):
                rows = (ids == identity).to_numpy()
                where = f"{grades}: '{identity}', {name}"
                if not rows.any():
                    problems.add(f"{where}: no answered image has this id")
                elif grade.strip():
                    _put(given, name, grade, rows, known, where, problems)
    problems.raise_if_any(DataError, "corrections")
    return given


def _put(
    given: Columns,
    name: str,
    grade: str,
    rows: np.ndarray,
    known: Sequence[str],
    where: str,
    problems: Problems,
) -> None:
    """Note one grade, or what is wrong with it."""
    key = name.strip().removeprefix(FINDING_PREFIX)
    if key not in known:
        problems.add(f"{where}: this model does not grade '{key}'{did_you_mean(key, known)}")
    elif grade.strip() not in map(str, range(LEVELS)):
        problems.add(f"{where}: found '{grade}', expected a grade 0, 1, 2 or 3")
    else:
        given.setdefault(key, np.full(len(rows), np.nan))[rows] = float(grade)


def _read(path: Path) -> pd.DataFrame:
    """Return a table of grades as text, with its `id` column checked."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as CSV: {problem}") from None
    if "id" not in table or table["id"].duplicated().any():
        raise DataError(f"{path}: expected a column 'id' in which every image stands once")
    return table


def _table(before: PredictionTable, columns: Columns, bundle: Bundle) -> PredictionTable:
    """Return the table with new numbers in its answered rows."""
    rows = before.frame[[name for name in KEPT if name in before.frame]]
    numbers = pd.DataFrame(columns, index=before.answered.index).round(DECIMALS)
    answers = [numbers.loc[i].to_dict() if i in numbers.index else {} for i in rows.index]
    taxonomy = bundle.info.taxonomy
    return table_of(
        rows, [{str(k): v for k, v in answer.items()} for answer in answers], taxonomy.keys, taxonomy.group_of
    )
