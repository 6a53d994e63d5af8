"""What answers the UCI table in a suite: the cited profiles, and classifiers that learned from the other patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import sklearn
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from nmevision.data.uci_dermatology import CITATION, LICENCE, UciDermatology
from nmevision.evaluation.report import EvaluationReport
from nmevision.files import sha256_of_text
from nmevision.grades import Floats
from nmevision.journeys.uci.baselines import FEATURES, FOLDS, classifiers, prepared
from nmevision.journeys.uci.study import study_of
from nmevision.knowledge.building import model_of_profiles
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import from_grades
from nmevision.knowledge.tables import Modality
from nmevision.manifest import manifest_of
from nmevision.predictions import table_of
from nmevision.reporting.evaluate import evaluate_files
from nmevision.taxonomy import Taxonomy, taxonomy_from

Asked = Literal["histology", "clinical", "both"]
"""The findings that a contender is given."""
ATTRIBUTES = {"histology": "22 histologic", "clinical": "12 clinical", "both": "all 34"}
"""The attributes that a classifier learns from, by what is asked."""
ONE_TAG = "t"
"""Every cell is read with the spread of a textbook: some evidence tags were given by comparing with these patients."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Contender:
    """One way to answer: its name, what it is made of as a hash, probabilities N x K, and what to know of it."""

    name: str
    fingerprint: str
    probabilities: Floats
    note: str


def contenders(table: UciDermatology, asked: Asked) -> Iterator[Contender]:
    """Yield knowledge first, then every classifier, all on the same patients.

    Knowledge saw no patient. A classifier answers each patient from the nine tenths that he is not in.
    """
    modalities: tuple[Modality, ...] = ("histology", "clinical") if asked == "both" else (asked,)
    knowledge = load_knowledge()
    study = study_of(table, knowledge, "max", modalities)
    profiles = {
        key: {finding: f"{grade}{ONE_TAG}" for finding, grade in zip(study.findings, row, strict=True)}
        for key, row in zip(table.diseases, study.text.grades, strict=True)
    }
    model = model_of_profiles(profiles, findings=study.findings, with_other=False)
    yield Contender(
        "knowledge",
        knowledge.fingerprint,
        np.asarray(model.posterior(from_grades(study.grades))),
        f"cited profiles of the six diseases, {len(study.findings)} findings, even prior; no patient was used, one "
        "spread for all grades",
    )
    attributes = table.columns(FEATURES[ATTRIBUTES[asked]])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    data = sha256_of_text(attributes.tobytes().hex())
    for name, classifier in classifiers(SEED).items():
        answers = cross_val_predict(
            prepared(classifier), attributes, table.disease, cv=folds, method="predict_proba"
        )
        yield Contender(
            name,
            sha256_of_text(f"{name} {data} {SEED} scikit-learn {sklearn.__version__}"),
            np.asarray(answers),
            f"learned from the other patients ({ATTRIBUTES[asked]} attributes) in {FOLDS} folds, which share patients: the "
            "intervals are somewhat too narrow",
        )


def taxonomy_of(table: UciDermatology) -> Taxonomy:
    """Return the table's diseases as diagnoses, each a group of its own."""
    keys = [disease.split(":")[0] for disease in table.diseases]
    return taxonomy_from(
        {
            "name": "UCI Dermatology",
            "groups": tuple({"key": key, "name": key} for key in keys),
            "diagnoses": tuple({"key": key, "name": key, "group": key} for key in keys),
        },
        "UCI Dermatology",
    )


def write_and_evaluate(contender: Contender, table: UciDermatology, out: Path) -> EvaluationReport:
    """Write predictions.csv, the truth as manifest.csv and the report to `out`; return the report."""
    taxonomy = taxonomy_of(table)
    keys = taxonomy.keys
    names = [f"patient-{number:03d}" for number in range(1, len(table.disease) + 1)]
    truth = [
        {
            "id": name,
            "path": name,
            "patient_id": name,
            "diagnosis": keys[disease],
            "licence": LICENCE,
            "source": CITATION,
        }
        for name, disease in zip(names, table.disease, strict=True)
    ]
    rows = pd.DataFrame({"id": names, "path": names, "status": "ok", "message": "", "patient_id": names})
    answers = [
        {f"p_{key}": float(p) for key, p in zip(keys, row, strict=True)} for row in contender.probabilities
    ]
    predictions = table_of(rows, answers, keys, {key: key for key in keys})
    predictions.write(out / "predictions.csv")
    manifest_of(truth, out).write(out / "manifest.csv")
    return evaluate_files(out / "predictions.csv", out / "manifest.csv", out, taxonomy=taxonomy)
