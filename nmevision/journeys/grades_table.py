"""grades.csv: one row per case, findings graded by hand 0 to 3, with optional clinical columns.

    id,parakeratosis,upper_epidermal_pallor,field_horn,site_intertriginous,diabetes,glucagon
    case 1,3,2,yes,3,yes,217 pg/mL
    case 2,1,,yes,,,

An empty cell is a finding that was not or could not be assessed, or a datum that is not known; never 0, never "no".
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.knowledge.answer_records import Observed
from nmevision.knowledge.clinical_data import (
    FEATURES,
    ClinicalData,
    Glucagon,
    is_site_or_history,
    read_glucagon,
)
from nmevision.knowledge.observations import from_grades
from nmevision.knowledge.tables import FIELDS, Knowledge, Modality
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX

GLUCAGON = {"glucagon": "", "glucagon_pg_ml": "pg/mL", "glucagon_pmol_l": "pmol/L"}
"""Columns of plasma glucagon and the unit of each; the first has its unit in the cell."""
IGNORED = ("patient_id", "note", "diagnosis")
"""Columns that may stand in the table and are never used for the answer."""
YES_NO = {
    "yes": True,
    "y": True,
    "1": True,
    "true": True,
    "no": False,
    "n": False,
    "0": False,
    "false": False,
}
GRADES = ("0", "1", "2", "3")


@dataclass(frozen=True)
class Row:
    """One row of the table: what was observed, or what is wrong with it."""

    id: str
    observed: Observed | None
    message: str = ""


@dataclass(frozen=True)
class _Columns:
    """What each column of the table means, by its number."""

    findings: Mapping[int, str]
    clinical: Mapping[int, str]
    fields: Mapping[int, str]
    features: Mapping[int, str]
    glucagon: Mapping[int, str]


def read_grades(
    path: Path, knowledge: Knowledge, modality: Modality, settings: Mapping[str, int] | None = None
) -> list[Row]:
    """Return the rows of a table of grades; a row with mistakes carries all of them in its message.

    Args:
        path: a CSV file (comma, semicolon or tab), UTF-8, with a header and a column `id`.
        knowledge: names the findings.
        modality: whose findings the columns are.
        settings: finding -> grade that replaces that of every row (`--set`).

    Raises:
        DataError: the file cannot be read, or its columns are wrong (all mistakes at once).
    """
    header, lines = _read_lines(path)
    columns = _columns(header, knowledge, modality, str(path))
    seen: dict[str, int] = {}
    rows = []
    for number, cells in lines:
        name = cells[header.index("id")].strip() if len(cells) == len(header) else (cells[0] if cells else "")
        rows.append(
            _row(name.strip(), number, cells, header, columns, seen, knowledge, modality, settings or {})
        )
    if not rows:
        raise DataError(f"{path}: has a header and no rows; give one row per case")
    return rows


def read_settings(texts: Sequence[str], knowledge: Knowledge, modality: Modality) -> dict[str, int]:
    """Return `finding=grade` texts as a mapping, or raise DataError with every mistake."""
    keys = [f.key for f in knowledge.findings_of(modality)]
    problems, settings = Problems(), {}
    for text in texts:
        name, _, grade = text.partition("=")
        key = name.strip().removeprefix(FINDING_PREFIX)
        if key not in keys:
            problems.add(f"'{text}': unknown finding '{key}' of {modality}{did_you_mean(key, keys)}")
        elif grade.strip() not in GRADES:
            problems.add(f"'{text}': expected finding=grade with a grade of 0, 1, 2 or 3")
        else:
            settings[key] = int(grade)
    problems.raise_if_any(DataError, "--set")
    return settings


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and the rows that are not blank, each with its line number."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(stream, delimiter=delimiter)
            lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a table with one row per case") from None
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8: {problem}") from None
    if not lines:
        raise DataError(f"{path}: is empty; expected a header with `id` and findings, then one row per case")
    return [name.strip() for name in lines[0][1]], lines[1:]


def _columns(header: list[str], knowledge: Knowledge, modality: Modality, where: str) -> _Columns:
    """Return what the columns mean, or raise DataError with every one that is unknown or given twice."""
    own = [f.key for f in knowledge.findings_of(modality)]
    sites = [f.key for f in knowledge.findings_of("clinical") if is_site_or_history(f) and f.key not in own]
    found: dict[str, dict[int, str]] = {
        kind: {} for kind in ("findings", "clinical", "fields", "features", "glucagon")
    }
    problems = Problems()
    known = [
        *own,
        *sites,
        *FEATURES,
        *GLUCAGON,
        *(FIELD_PREFIX + key for key in FIELDS[modality]),
        "id",
        *IGNORED,
    ]
    taken: dict[str, str] = {}
    for i, name in enumerate(header):
        key, field = name.removeprefix(FINDING_PREFIX), name.removeprefix(FIELD_PREFIX)
        kinds = (
            ("findings", key in own, key),
            ("clinical", key in sites, key),
            ("fields", field != name and field in FIELDS[modality], field),
            ("features", name in FEATURES, name),
            ("glucagon", name in GLUCAGON, GLUCAGON.get(name, "")),
        )
        kind, word = next(((kind, word) for kind, fits, word in kinds if fits), ("", name))
        meaning = kind if kind == "glucagon" else f"{kind} {word}"
        if not kind and name not in ("id", *IGNORED):
            problems.add(f"unknown column '{name}'{did_you_mean(name, known)}")
        elif meaning in taken:
            problems.add(f"columns '{taken[meaning]}' and '{name}' mean the same; keep one")
        elif kind:
            found[kind][i] = word
        taken.setdefault(meaning, name)
    if "id" not in header:
        problems.add("the column 'id' is missing; give every case a name")
    if not found["findings"] and "id" in header:
        problems.add(
            f"no column is a finding of {modality}; `nmevision knowledge` lists them (or is --modality wrong?)"
        )
    problems.raise_if_any(DataError, where)
    return _Columns(**found)


def _row(
    name: str,
    number: int,
    cells: list[str],
    header: list[str],
    columns: _Columns,
    seen: dict[str, int],
    knowledge: Knowledge,
    modality: Modality,
    settings: Mapping[str, int],
) -> Row:
    """Return one row as what was observed, or with every mistake in it."""
    mistakes = []
    if len(cells) != len(header):
        mistakes.append(f"has {len(cells)} cells where the header has {len(header)}")
    if not name:
        mistakes.append("has no id")
    elif name in seen:
        mistakes.append(f"its id stands in line {seen[name]} already")
    seen.setdefault(name, number)
    shown = name or f"line {number}"
    if mistakes:
        return Row(shown, None, f"line {number}: {'; '.join(mistakes)}")
    texts = dict(enumerate(cell.strip() for cell in cells))
    grades = {**_grades(texts, columns.findings, header, mistakes), **settings}
    sites = _grades(texts, columns.clinical, header, mistakes)
    fields = _yes_no(texts, columns.fields, header, mistakes)
    features = _yes_no(texts, columns.features, header, mistakes)
    for key in grades:
        absent = [need for need in knowledge.findings[key].needs if fields.get(need) is False]
        if absent and key not in settings:
            mistakes.append(
                f"{key} is graded, yet {FIELD_PREFIX}{absent[0]} says no; leave it empty or correct one"
            )
    glucagon = _glucagon(texts, columns.glucagon, header, mistakes)
    if mistakes:
        return Row(shown, None, f"line {number}: {'; '.join(mistakes)}")
    keys = [f.key for f in knowledge.findings_of(modality)]
    evidence = from_grades([[grades.get(key, np.nan) for key in keys]])
    seen_at = {key: from_grades([[grade]])[0, 0] for key, grade in sites.items()}
    return Row(shown, Observed(name, evidence, fields, ClinicalData(seen_at, features, glucagon)))


def _grades(
    texts: Mapping[int, str], columns: Mapping[int, str], header: list[str], mistakes: list[str]
) -> dict[str, int]:
    """Return the graded findings; note cells that are no grade. "2.0", as spreadsheets write it, is 2."""
    grades = {}
    for i, key in columns.items():
        text = texts[i].removesuffix(".0")
        if text in GRADES:
            grades[key] = int(text)
        elif text:
            mistakes.append(f"{header[i]} is '{texts[i]}', expected 0, 1, 2, 3 or empty (not assessable)")
    return grades


def _yes_no(
    texts: Mapping[int, str], columns: Mapping[int, str], header: list[str], mistakes: list[str]
) -> dict[str, bool]:
    """Return yes-or-no cells; note those that are neither. Empty is not known."""
    found = {}
    for i, key in columns.items():
        if texts[i].casefold() in YES_NO:
            found[key] = YES_NO[texts[i].casefold()]
        elif texts[i]:
            mistakes.append(f"{header[i]} is '{texts[i]}', expected yes, no or empty (not known)")
    return found


def _glucagon(
    texts: Mapping[int, str], columns: Mapping[int, str], header: list[str], mistakes: list[str]
) -> Glucagon | None:
    """Return the glucagon value, None where none is given; note one without a usable unit."""
    for i, unit in columns.items():
        if texts[i]:
            try:
                return read_glucagon(texts[i], unit)
            except DataError as problem:
                mistakes.append(f"{header[i]}: {problem}")
    return None
