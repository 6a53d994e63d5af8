"""From a folder of predictions to what the profiles say of each patient: the graded findings are read anew.

Why not a column of predictions.csv: p_ and learned_ hold what was learned from images, whose prior is that of a training
set and cannot be divided out; knowledge_ has an even prior, but over the diagnoses of the model's taxonomy alone. A photo
model that was never taught pellagra would speak against it by silence. The grades speak for every profile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nmevision.errors import DataError, Problems
from nmevision.knowledge.clinical_data import is_site_or_history
from nmevision.knowledge.combination import Combiner
from nmevision.knowledge.observations import Floats
from nmevision.knowledge.route import KnowledgeRoute
from nmevision.knowledge.tables import MODALITIES, Modality
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.predictions import (
    ATTENTION,
    PROBABILITY_PREFIX,
    SPREAD_PREFIX,
    PredictionTable,
    by_case,
    group_members,
)
from nmevision.reader.cases import Answers

LEAST = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Part:
    """One modality of all patients that it names, by patient_id."""

    answers: Answers
    modality: Modality
    cases: Mapping[str, Mapping[str, Any]]
    """The model's own answer as in cases.csv: n_samples, n_answered, group, p_group, diagnosis, p_diagnosis."""
    likelihoods: pd.DataFrame
    """Patients with an answered image x classes, by all graded findings; NaN for a class without a profile."""
    sites: pd.DataFrame
    """The same by the clinical findings alone that need a place or a history; NaN where none is graded."""
    unnamed: int
    """Samples without patient_id."""


def part_of(answers: Answers, combiner: Combiner) -> Part:
    """Return what a folder of predictions says of its patients.

    Raises DataError where its model grades no findings, or the table lacks their columns.
    """
    check_findings(answers)
    modality = next(known for known in MODALITIES if known == answers.modality)
    frame = answers.table.frame.copy()
    if "patient_id" not in frame:
        frame["patient_id"] = ""
    has_name = frame["patient_id"] != ""
    named = frame[has_name].reset_index(drop=True)
    answered = named[named["status"] != "error"]
    known = combiner.knowledge.findings
    sites = {
        key for key, finding in known.items() if is_site_or_history(finding) and finding.modality == modality
    }
    return Part(
        answers,
        modality,
        _own_answers(answers, named),
        _pooled(answered, _read(answers, answered, combiner, modality, set(known)), combiner.classes),
        _pooled(answered, _read(answers, answered, combiner, modality, sites), combiner.classes),
        int((~has_name).sum()),
    )


def check_findings(answers: Answers) -> None:
    """Raise DataError where the folder's model grades no findings, or the table lacks columns of them."""
    graders = answers.facts["model"].get("findings") or []
    if not graders:
        raise DataError(
            f"{answers.folder}: this model grades no findings, so the profiles have nothing to read; its learned "
            "probabilities hold the prior of its training set and are not combined. Train with findings in the manifest"
        )
    problems = Problems()
    for grader in graders:
        for prefix in (FINDING_PREFIX, SPREAD_PREFIX):
            if prefix + grader["key"] not in answers.table.frame:
                problems.add(f"column '{prefix}{grader['key']}' is missing; predict again")
    problems.raise_if_any(DataError, str(answers.folder))


def _own_answers(answers: Answers, named: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the model's own answer to each patient, the group and the diagnosis that lead with their shares."""
    group_of = answers.taxonomy.group_of
    cases = by_case(PredictionTable(named)).set_index("patient_id")
    keys = answers.table.diagnoses
    shares = cases[[PROBABILITY_PREFIX + key for key in keys]].to_numpy(np.float64)
    groups, member = group_members(keys, group_of)
    by_group = shares @ member
    leading = np.nan_to_num(by_group).argmax(axis=1)
    known = (cases["n_answered"] > 0).to_numpy()
    columns = {
        "n_samples": cases["n_samples"].tolist(),
        "n_answered": cases["n_answered"].tolist(),
        "group": np.where(known, np.array(groups, dtype=object)[leading], "").tolist(),
        "p_group": by_group.max(axis=1).tolist(),
        "diagnosis": cases["diagnosis"].tolist(),
        "p_diagnosis": shares.max(axis=1).tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return {
        str(name): dict(zip(columns, row, strict=True)) for name, row in zip(cases.index, rows, strict=True)
    }


def _read(
    answers: Answers, rows: pd.DataFrame, combiner: Combiner, modality: Modality, wanted: Collection[str]
) -> Floats:
    """Return N x K likelihoods of all classes by the `wanted` findings, each row up to a factor; NaN where none."""
    model: Mapping[str, Any] = answers.facts["model"]
    described = {finding.key for finding in combiner.knowledge.findings_of(modality)}
    graders = [grader for grader in model["findings"] if grader["key"] in described.intersection(wanted)]
    if not graders:
        return np.full((len(rows), len(combiner.classes)), np.nan)
    keys = [grader["key"] for grader in graders]
    confusions = [grader["confusion"] for grader in graders]
    route = KnowledgeRoute(combiner.knowledge, modality, combiner.taxonomy, keys, confusions)
    means = rows[[FINDING_PREFIX + key for key in keys]].to_numpy(np.float64)
    spreads = rows[[SPREAD_PREFIX + key for key in keys]].to_numpy(np.float64)
    fields = {
        key: rows[FIELD_PREFIX + key].to_numpy(np.float64)
        for key in model.get("fields") or ()
        if FIELD_PREFIX + key in rows
    }
    corrected = answers.facts.get("corrected", {})
    given = {
        key: np.where(spreads[:, j] == 0, means[:, j], np.nan)
        for j, key in enumerate(keys)
        if key in corrected  # by `nmevision correct`: a person's grade has no spread and no misreading
    }
    posteriors = route.read(means, spreads, fields, given).diagnoses
    return np.where(route.described, posteriors, np.nan)


def _pooled(rows: pd.DataFrame, likelihoods: Floats, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per patient: the mean of the images' log likelihoods, weighted as `by_case` weights them."""
    weights = pd.Series(1.0, index=rows.index)
    if ATTENTION in rows:
        top = rows.groupby("patient_id")[ATTENTION].transform("max")
        weights = pd.Series(np.exp((rows[ATTENTION] - top).to_numpy(np.float64)), index=rows.index)
    logs = np.log(np.maximum(likelihoods, LEAST)) * weights.to_numpy()[:, None]
    table = (
        pd.DataFrame(logs, index=rows.index, columns=list(classes))
        .groupby(rows["patient_id"])
        .sum(min_count=1)
    )
    mean = table.div(weights.groupby(rows["patient_id"]).sum(), axis=0)
    return mean.sub(mean.max(axis=1), axis=0).map(np.exp)
