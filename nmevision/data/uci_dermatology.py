"""The UCI Dermatology table: real patients graded 0 to 3 on findings, and how its attributes become our findings.

Ilter N, Guvenir HA. Dermatology. UCI Machine Learning Repository 1998, doi:10.24432/C5FK5P: 366 patients of one
centre, six erythemato-squamous diseases, 11 clinical and 22 histological attributes and the age. Licence CC BY 4.0
as the repository states for its collection (from memory; confirm it before passing the table on). No patient has
necrolytic migratory erythema, and the graders knew the patients: no spongiosis in any of 112 with psoriasis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nmevision.errors import DataError, Problems
from nmevision.grades import LEVELS, Floats
from nmevision.knowledge.tables import Finding

FILE = "dermatology.data"
URL = "https://archive.ics.uci.edu/dataset/33/dermatology"
LICENCE = "CC-BY-4.0"
CITATION = "Ilter N, Guvenir HA. Dermatology. UCI Machine Learning Repository 1998. doi:10.24432/C5FK5P"
DISEASES = {
    1: "psoriasis",
    2: "seborrheic_dermatitis",
    3: "lichen_planus",
    4: "pityriasis_rosea",
    5: "eczema:chronic",
    6: "pityriasis_rubra_pilaris",
}
"""Class code -> our profile of it in histology; its "cronic dermatitis" is chronic eczema."""
ATTRIBUTES = 34
"""Attributes before the class, numbered from 1 as in dermatology.names."""
HISTOLOGIC = range(12, 34)
CLINICAL = (*range(1, 12), 34)
HISTORY = 11
"""Family history, 0 or 1; it is no finding."""
AGE = 34

Merge = Literal["main", "max", "mean", "each"]
"""How several attributes make one finding: the first named, the highest, the rounded mean, or each for itself."""


@dataclass(frozen=True, eq=False)
class UciDermatology:
    """The table as numbers.

    attributes: N x 34, NaN where missing (8 ages). disease: N numbers into `diseases`, in the order of DISEASES.
    """

    attributes: Floats
    disease: NDArray[np.intp]
    diseases: tuple[str, ...] = tuple(DISEASES.values())

    def columns(self, numbers: Sequence[int]) -> Floats:
        """Return attributes by their numbers, from 1."""
        return self.attributes[:, [number - 1 for number in numbers]]


def read_uci_dermatology(folder: Path) -> UciDermatology:
    """Return the table in `folder`, with or without a line of column names.

    Raises:
        DataError: the file is not there, or with every line that is none of the table's.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise DataError(f"{path} is not there; get {FILE} from {URL} ({LICENCE}) and put it into that folder")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    header = bool(lines) and not lines[0].lstrip()[:1].isdigit()
    problems, rows = Problems(), []
    for number, line in list(enumerate(lines, start=1))[header:]:
        row, odd = _row(line)
        if odd:
            problems.add(f"line {number}: {odd}")
        rows.append(row)
    if not rows:
        problems.add("no patients; is it the repository's own file, unchanged?")
    problems.raise_if_any(DataError, str(path))
    table = np.array(rows, dtype=np.float64)
    codes = {code: i for i, code in enumerate(DISEASES)}
    return UciDermatology(table[:, :-1], np.array([codes[int(code)] for code in table[:, -1]]))


def _row(line: str) -> tuple[list[float], str]:
    """Return the 35 numbers of one line, and what is wrong with it or ""."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != ATTRIBUTES + 1:
        return [], f"{len(cells)} cells; expected 34 attributes and the class"
    try:
        values = [float("nan") if cell == "?" else float(cell) for cell in cells]
    except ValueError:
        return [], "a cell is no number; expected numbers, and ? where one is missing"
    grades = [value for i, value in enumerate(values[:ATTRIBUTES], start=1) if i != AGE]
    if any(value == value and value not in range(LEVELS) for value in grades):
        return [], "a grade is none of 0, 1, 2, 3"
    if values[-1] not in DISEASES:
        return [], f"the class {cells[-1]}; expected 1 to 6"
    return values, ""


def grades_of_findings(
    attributes: Floats, findings: Sequence[Finding], merge: Merge = "max"
) -> tuple[tuple[str, ...], Floats]:
    """Return the findings that the table has, and their grades N x J (NaN where all its attributes are missing).

    A finding without an attribute drops out; an attribute without a finding (exocytosis, saw-tooth ridges,
    Koebner phenomenon, family history, age) is not used. With merge "each" a finding stands once per attribute.

    Args:
        attributes: N x 34.
        findings: in order; `Finding.uci` has the numbers of the attributes that mean it, the main one first.
    """
    names: list[str] = []
    columns: list[Floats] = []
    for finding in findings:
        if not finding.uci:
            continue
        own = attributes[:, [number - 1 for number in finding.uci]]
        merged = own if merge == "each" else _merged(own, merge)
        names += [finding.key] * merged.shape[1]
        columns.append(merged)
    return tuple(names), np.concatenate(columns, axis=1)


def _merged(own: Floats, merge: Merge) -> Floats:
    """Return one column of several; what is missing counts only where the main attribute alone speaks."""
    if merge == "main":
        return own[:, :1]
    seen = ~np.isnan(own)
    if merge == "max":
        values = np.where(seen, own, -1.0).max(axis=1)
    else:
        values = np.rint(np.where(seen, own, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1))
    return np.where(seen.any(axis=1), values, np.nan)[:, None]
