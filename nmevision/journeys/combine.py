"""Slides and photos of the same patients: two folders of predictions become one answer to each patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nmevision import __version__
from nmevision.errors import DataError, RunError
from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.evaluation.truth import counted
from nmevision.files import sha256_of, write_csv, write_json, write_text
from nmevision.journeys.case_likelihoods import Part, part_of
from nmevision.knowledge.answer import FOCUS
from nmevision.knowledge.combination import Cases, Combiner
from nmevision.knowledge.combination_records import Patient, Side, first
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import Floats
from nmevision.knowledge.prior import Prior, load_prior
from nmevision.knowledge.tables import MODALITIES, Modality
from nmevision.predictions import DECIMALS, GROUP_PREFIX, PROBABILITY_PREFIX
from nmevision.reader.cases import PREDICTIONS, read_answers
from nmevision.reporting.combined_page import page
from nmevision.reporting.plain_page import page_of

TABLE, FACTS, PAGE = "cases_combined.csv", "combined.json", "combined"
NAMED = 10
"""How many patients a sentence names; the table has all."""


@dataclass(frozen=True)
class Outcome:
    """The patients' answers, and what there is to say of how they were joined."""

    patients: tuple[Patient, ...]
    counts: tuple[str, ...]
    phantom: bool
    out: Path

    @property
    def text(self) -> str:
        """Return it as lines for the terminal."""
        files = [self.out / name for name in (TABLE, f"{PAGE}.md", f"{PAGE}.html")]
        notice = [PHANTOM_NOTICE] if self.phantom else []
        return "\n".join([*self.counts, *notice, RESEARCH_ONLY, *(str(path.resolve()) for path in files)])


def combine(one: Path, other: Path, out: Path, prior: Path | None = None) -> Outcome:
    """Write cases_combined.csv, combined.json and the page: one answer to each patient of two folders.

    Args:
        one, other: folders of `nmevision predict`, one of histology and one of clinical images, in either order.
        out: folder for the results, without any yet.
        prior: the user's own prior file.

    Raises:
        DataError: both folders are of one modality, a model grades no findings, or no sample names its patient.
        RunError: a folder holds no whole prediction, or `out` holds results.
        ConfigError: the prior, with every mistake in it.
    """
    if (out / FACTS).exists():
        raise RunError(f"{out} holds combined answers already; choose another --out")
    read = [read_answers(one), read_answers(other)]
    if read[0].modality == read[1].modality:
        raise DataError(
            f"{one} and {other} both hold predictions of {read[0].modality} images; expected one folder of histology "
            "and one of clinical images (several folders of one modality: predict once on a manifest of all)"
        )
    combiner = Combiner(load_knowledge(), load_prior(prior) if prior else Prior())
    in_order = sorted(read, key=lambda answers: MODALITIES.index(answers.modality))
    parts = {part.modality: part for part in (part_of(answers, combiner) for answers in in_order)}
    patients = _patients(parts, combiner)
    if not patients:
        raise DataError(
            f"{one} and {other}: no sample has a patient_id, so nothing can be joined; predict on manifests with a "
            "column patient_id, spelled alike in both"
        )
    phantom = any(bool(answers.facts["bundle"]["phantom"]) for answers in read)
    outcome = Outcome(tuple(patients), tuple(_counts(patients, parts)), phantom, out)
    _write(outcome, parts, combiner)
    return outcome


def _patients(parts: Mapping[Modality, Part], combiner: Combiner) -> list[Patient]:
    """Return the answers to all patients that any folder names, by patient_id."""
    names = sorted({name for part in parts.values() for name in part.cases})
    likelihoods = {m: _aligned(parts[m].likelihoods, names) for m in MODALITIES}
    found = combiner.combine(likelihoods, _aligned(parts["clinical"].sites, names))
    return [_patient(name, i, found, parts, combiner) for i, name in enumerate(names)]


def _aligned(table: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return a row for every name, of NaN where the table has none."""
    return table.reindex(list(names)).to_numpy(np.float64)


def _patient(name: str, i: int, found: Cases, parts: Mapping[Modality, Part], combiner: Combiner) -> Patient:
    """Return the i-th patient's answers."""
    sides = {
        m: _side(name, part, found.groups[m][i], combiner) for m, part in parts.items() if name in part.cases
    }
    classes: dict[str, float] = {}
    if any(side.groups for side in sides.values()):
        classes = dict(zip(combiner.classes, found.classes[i].tolist(), strict=True))
    groups = _by_group(found.classes[i] @ combiner.members, combiner) if classes else {}
    numbered = {
        key: p for key, p in classes.items() if found.members_apart[i] or combiner.group_of[key] != FOCUS
    }
    return Patient(name, sides, groups, numbered, float(found.conflict[i]), combiner.group_of)


def _side(name: str, part: Part, groups: Floats, combiner: Combiner) -> Side:
    """Return what one modality says of a patient."""
    own = part.cases[name]
    read = _by_group(groups, combiner) if own["n_answered"] else {}
    leaders = (own["group"], own["p_group"], own["diagnosis"], own["p_diagnosis"])
    return Side(own["n_samples"], own["n_answered"], *leaders, read)


def _by_group(shares: Floats, combiner: Combiner) -> dict[str, float]:
    return dict(zip(combiner.groups, shares.tolist(), strict=True))


def _counts(patients: Sequence[Patient], parts: Mapping[Modality, Part]) -> list[str]:
    """Return in sentences how many patients were joined, where the two disagree, and what was left out."""
    by_kind: dict[str, list[str]] = {}
    for patient in patients:
        by_kind.setdefault(patient.modalities, []).append(patient.id)
    both = by_kind.pop("both", [])
    lines = [f"{counted(len(patients), 'patient')}: {len(both)} answered by both modalities"]
    words = {"none": "no answer, for no image of theirs could be read"}
    lines += [f"{words.get(kind, kind)}: {_named(names)}" for kind, names in sorted(by_kind.items())]
    apart = [patient.id for patient in patients if patient.agreement == "disagree"]
    lines += [f"histology and clinical disagree: {_named(apart)}"] if apart else []
    for modality, part in parts.items():
        if part.unnamed:
            lines.append(
                f"{counted(part.unnamed, f'{modality} sample')} without patient_id: in no answer here, for nothing says whose"
            )
    if not set.intersection(*(set(part.cases) for part in parts.values())):
        lines.append("no patient is in both folders: is patient_id spelled alike in both manifests?")
    return lines


def _named(names: Sequence[str]) -> str:
    """Return how many there are, and the first of them.

    >>> _named(["a", "b"])
    '2 (a, b)'
    """
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(names)} ({', '.join(names[:NAMED])}{more})"


def _write(outcome: Outcome, parts: Mapping[Modality, Part], combiner: Combiner) -> None:
    """Write the table, the page twice and, last, combined.json."""
    out = outcome.out
    write_csv(
        out / TABLE,
        pd.DataFrame([_row(p, combiner) | {"phantom": outcome.phantom} for p in outcome.patients]),
        DECIMALS,
    )
    text = page(
        outcome.patients, combiner.knowledge, combiner.prior.in_words(), outcome.counts, outcome.phantom
    )
    write_text(out / f"{PAGE}.md", text)
    write_text(out / f"{PAGE}.html", page_of(text))
    inputs = {
        modality: {
            "bundle": part.answers.facts["bundle"],
            PREDICTIONS: sha256_of(part.answers.folder / PREDICTIONS),
        }
        for modality, part in parts.items()
    }
    facts = {
        "nmevision": __version__,
        "inputs": inputs,
        "knowledge": combiner.knowledge.fingerprint,
        "prior": combiner.prior.model_dump(mode="json"),
        "phantom": outcome.phantom,
        "counts": list(outcome.counts),
    }
    write_json(out / FACTS, facts)


def _row(patient: Patient, combiner: Combiner) -> dict[str, Any]:
    """Return a patient's row of cases_combined.csv."""
    both = bool(patient.agreement)
    row: dict[str, Any] = {
        "patient_id": patient.id,
        "modalities": patient.modalities,
        "agreement": patient.agreement,
        "conflict_bits": patient.conflict if both else np.nan,
    }
    for modality in MODALITIES:
        row |= {
            f"{modality}_{name}": value for name, value in _side_columns(patient.sides.get(modality)).items()
        }
    row |= {"group": patient.group, "diagnosis": patient.diagnosis}
    row |= {GROUP_PREFIX + key: patient.groups.get(key, np.nan) for key in combiner.groups}
    return row | {PROBABILITY_PREFIX + key: patient.diagnoses.get(key, np.nan) for key in combiner.classes}


def _side_columns(side: Side | None) -> dict[str, Any]:
    """Return one modality's columns; empty where it has no answer."""
    if side is None:
        side = Side(0, 0, "", np.nan, "", np.nan, {})
    leader = first(side.groups)
    return {
        "n_samples": side.samples,
        "n_answered": side.answered,
        "group": side.group,
        "p_group": side.p_group,
        "diagnosis": side.diagnosis,
        "p_diagnosis": side.p_diagnosis,
        "findings_group": leader,
        "p_findings_group": side.groups.get(leader, np.nan),
    }
