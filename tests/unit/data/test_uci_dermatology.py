"""Reading the UCI Dermatology table and merging its attributes into findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmevision.data.uci_dermatology import (
    ATTRIBUTES,
    CLINICAL,
    FILE,
    HISTOLOGIC,
    grades_of_findings,
    read_uci_dermatology,
)
from nmevision.errors import DataError
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import Finding

NAN = float("nan")


def line(age: str = "40", code: str = "3", **grades: str) -> str:
    cells = [grades.get(f"a{i}", "0") for i in range(1, ATTRIBUTES)]
    return ",".join([*cells, age, code])


def write(folder: Path, *lines: str) -> Path:
    (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_reads_with_and_without_a_header(tmp_path: Path) -> None:
    plain = read_uci_dermatology(write(tmp_path, line(age="?", a19="3"), line(code="6")))
    assert plain.attributes.shape == (2, 34)
    assert plain.attributes[0, 18] == 3
    assert np.isnan(plain.attributes[0, 33])
    assert [plain.diseases[i] for i in plain.disease] == ["lichen_planus", "pityriasis_rubra_pilaris"]
    header = ",".join(f"name {i}" for i in range(35))
    again = read_uci_dermatology(write(tmp_path, header, line(age="?", a19="3"), line(code="6")))
    np.testing.assert_array_equal(again.attributes, plain.attributes)


def test_says_every_odd_line_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_uci_dermatology(
            write(tmp_path, line(a5="4"), line(code="7"), line() + ",1", line(a2="x"), line())
        )
    text = str(caught.value)
    assert "4 problems" in text
    for said in (
        "line 1: a grade is none of",
        "line 2: the class 7",
        "line 3: 36 cells",
        "line 4: a cell is no number",
    ):
        assert said in text
    with pytest.raises(DataError, match=r"archive\.ics\.uci\.edu"):
        read_uci_dermatology(tmp_path / "nowhere")


def test_attributes_merge_as_told_and_missing_ones_step_aside() -> None:
    attributes = np.zeros((3, ATTRIBUTES))
    attributes[:, [16, 19, 20]] = [[1, 0, 3], [NAN, 2, 1], [NAN, NAN, NAN]]
    base = {"name": "x", "definition": "x", "layer": "x", "modality": "histology"}
    findings = [Finding(key="both", uci=(17, 21, 20), **base), Finding(key="absent", **base)]
    expected = {"main": [1, NAN, NAN], "max": [3, 2, NAN], "mean": [1, 2, NAN]}
    for merge, column in expected.items():
        names, grades = grades_of_findings(attributes, findings, merge)  # type: ignore[arg-type]
        assert names == ("both",)
        np.testing.assert_array_equal(grades[:, 0], column)
    names, grades = grades_of_findings(attributes, findings, "each")
    assert names == ("both",) * 3
    np.testing.assert_array_equal(grades[0], [1, 3, 0])


def test_the_knowledge_names_histologic_attributes_for_histology_and_clinical_ones_for_photos() -> None:
    knowledge = load_knowledge()
    for modality, allowed in (("histology", HISTOLOGIC), ("clinical", CLINICAL)):
        numbers = [n for f in knowledge.findings_of(modality) for n in f.uci]  # type: ignore[arg-type]
        assert set(numbers) <= set(allowed)
        assert len(numbers) == len(set(numbers))
