"""Patients with grades, diseases with texts, and what is tested on them: nothing here knows which set it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmevision.data.uci_dermatology import Merge, UciDermatology, grades_of_findings
from nmevision.grades import Floats
from nmevision.knowledge.building import TAU
from nmevision.knowledge.tables import MODALITIES, TAGS, Knowledge, Modality, Profile

Ints = NDArray[np.intp]
TAG_KEYS = tuple(TAGS)
TAG_TAUS = np.array([TAU[tag] for tag in TAG_KEYS])
TEXTBOOK_TAG = TAG_KEYS.index("t")


class Text(NamedTuple):
    """Profiles as written: grades 0 to 3 and the numbers of their evidence tags in TAG_KEYS, both Q x J."""

    grades: Ints
    tags: Ints

    def rows(self, index: Sequence[int] | Ints) -> Text:
        """Return some of the profiles."""
        return Text(self.grades[index], self.tags[index])

    def permuted(self, orders: Ints) -> Text:
        """Return the one profile with its cells dealt to other findings, one row per order (R x J)."""
        return Text(self.grades[0][orders], self.tags[0][orders])


def stacked(*texts: Text) -> Text:
    """Return texts one below the other."""
    return Text(np.concatenate([t.grades for t in texts]), np.concatenate([t.tags for t in texts]))


@dataclass(frozen=True, eq=False)
class Study:
    """N patients of K diseases, each with a text, and M texts of diseases that none of them has.

    grades: N x J, NaN where missing. disease: N numbers below K.
    """

    findings: tuple[str, ...]
    diseases: tuple[str, ...]
    grades: Floats
    disease: Ints
    text: Text
    mimics: Text
    mimic_keys: tuple[str, ...] = ()

    def with_grades(self, grades: Floats) -> Study:
        """Return the study with other grades of the same patients."""
        return replace(self, grades=grades)


def study_of(
    table: UciDermatology,
    knowledge: Knowledge,
    merge: Merge = "max",
    modalities: Sequence[Modality] = ("histology",),
) -> Study:
    """Return the study of a table: findings that both have, the texts of its diseases, and of all others.

    Texts of others are those of diagnoses that are none of the six, at any stage.
    """
    names: list[str] = []
    columns: list[Floats] = []
    own: list[Text] = []
    other: list[Text] = []
    kept: tuple[str, ...] = ()
    taken = {key.split(":")[0] for key in table.diseases}
    for modality in MODALITIES:
        if modality not in modalities:
            continue
        keys, grades = grades_of_findings(table.attributes, knowledge.findings_of(modality), merge)
        profiles = {p.key: p for p in knowledge.profiles_of(modality)}
        of_six = [profiles.get(key) or profiles[key.split(":")[0]] for key in table.diseases]
        others = [p for p in profiles.values() if p.diagnosis not in taken]
        if len(modalities) > 1:  # stages are told in histology only: the first stands for its diagnosis
            others = list({p.diagnosis: p for p in reversed(others)}.values())[::-1]
        names += keys
        columns.append(grades)
        own.append(_text(of_six, keys))
        other.append(_text(others, keys))
        kept = tuple(p.key for p in others)
    return Study(
        findings=tuple(names),
        diseases=table.diseases,
        grades=np.concatenate(columns, axis=1),
        disease=table.disease,
        text=_beside(own),
        mimics=_beside(other),
        mimic_keys=kept,
    )


def _text(profiles: Sequence[Profile], findings: Sequence[str]) -> Text:
    """Return the cells of profiles for findings in order."""
    cells = [[profile.cells[finding] for finding in findings] for profile in profiles]
    return Text(
        np.array([[cell.grade for cell in row] for row in cells], dtype=np.intp),
        np.array([[TAG_KEYS.index(cell.tag) for cell in row] for row in cells], dtype=np.intp),
    )


def _beside(texts: Sequence[Text]) -> Text:
    return Text(
        np.concatenate([t.grades for t in texts], axis=1), np.concatenate([t.tags for t in texts], axis=1)
    )
