from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nmevision.evaluation.intervals import Interval, no_interval
from nmevision.evaluation.metrics import Value
from nmevision.evaluation.report import EvaluationReport, evaluate
from nmevision.manifest import manifest_of
from nmevision.predictions import PredictionTable
from nmevision.reporting.artefacts import Artefacts
from nmevision.reporting.markdown import measured, render
from nmevision.taxonomy import taxonomy_from

KEYS = ("nme", "eczema")


def report_of(positives: int, negatives: int, named: bool = True) -> EvaluationReport:
    keys = KEYS if named else ("lupus", "eczema")
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], (positives, negatives))
    p = np.round(np.clip(generator.beta(2, 2, len(labels)) + 0.2 * (labels == 0), 0, 1), 6)
    rows = [
        {"id": f"i{i}", "path": f"i{i}", "patient_id": f"P{i}", "diagnosis": keys[label], "sex": "fm"[i % 2]}
        for i, label in enumerate(labels)
    ]
    answers = [
        {"id": f"i{i}", "path": f"i{i}", "status": "ok", "message": "", "diagnosis": ""}
        | {f"p_{keys[0]}": value, f"p_{keys[1]}": 1 - value}
        for i, value in enumerate(p)
    ]
    content = {
        "name": "two",
        "groups": [{"key": key, "name": key} for key in keys],
        "diagnoses": [{"key": key, "name": key, "group": key} for key in keys],
    }
    table = PredictionTable(pd.DataFrame(answers))
    return evaluate(table, manifest_of(rows, Path()), taxonomy_from(content, "test"), resamples=50)


def test_the_page_tells_every_section() -> None:
    report = report_of(30, 60)
    page = render(report, Artefacts(), {})
    sections = report.sections
    assert sections is not None
    for heading in ("Calibration of", "What a call is worth", "Acting on", "Leaving the least", "Subgroups"):
        assert f"## {heading}" in page
    assert f"= miscalibration {sections.calibration.decomposition.miscalibration:.3f}" in page
    rare = sections.prevalence[0]
    assert f"| 1 in 1,000,000 | {rare.ppv.value:.1e} (" in page
    assert f"{float(f'{rare.needed.value:.3g}'):,.0f} (" in page
    assert "| 0.1 % | " in page
    assert "| sex | female | 15 / 30 |" in page
    assert "Descriptive: no claim" not in page
    for table in page.split("\n\n"):  # every row of a table has the columns of its head
        rows = [line.replace("\\|", "") for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, table
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["sections"]["prevalence"][0]["ppv"]["value"] == rare.ppv.value


def test_few_positives_are_said_not_to_be_estimable() -> None:
    page = render(report_of(4, 40), Artefacts(), {})
    assert "Descriptive: no claim: 4 positives, fewer than 20." in page
    assert "not estimable: 2 positives, fewer than 5" in page
    assert not re.search(r"\bnan\b", page)


def test_without_a_positive_there_are_no_sections() -> None:
    report = report_of(10, 20, named=False)
    assert report.sections is None
    assert "What a call is worth" not in render(report, Artefacts(), {})


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (Value(0.5), Interval(0.4, 0.6, ""), "0.500 (0.400 to 0.600)"),
        (Value(-0.05), Interval(-0.0004, 1, ""), "-0.050 (-4.0e-04 to 1.000)"),
        (Value(0.5), no_interval("none"), "0.500 (no interval)"),
        (Value(float("nan"), "no *positives*"), no_interval(""), r"no \*positives\*"),
    ],
)
def test_numbers_carry_their_interval(value: Value, interval: Interval, text: str) -> None:
    assert measured(value, interval) == text
