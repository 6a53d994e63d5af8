"""What is fitted on validation once the weights are fixed: temperatures, confusions, the pool of routes, sets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from nmevision.config import ExperimentConfig
from nmevision.evaluation.calibration import fit_temperature
from nmevision.grades import UNKNOWN
from nmevision.knowledge.fusion import Fusion
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.route import KnowledgeRoute
from nmevision.networks.answers import graded, of_learned
from nmevision.networks.sets import PredictionSets
from nmevision.networks.tasks import DIAGNOSIS, FINDINGS
from nmevision.training.grading import finding_records
from nmevision.training.preparation import Prepared
from nmevision.training.sets import fit_sets

Outputs = dict[str, NDArray[np.float64]]


def calibrated(
    config: ExperimentConfig, prepared: Prepared, outputs: Outputs, targets: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the bundle's temperature, unlearned, findings, fields, fusion and sets.

    outputs: task -> logits of the validation images; targets: theirs, N x (1 + J + F), -1 where unknown.
    """
    labels, asked = targets[:, 0], prepared.asked
    known = labels != UNKNOWN
    temperature = fit_temperature(outputs[DIAGNOSIS][known], labels[known])
    own_columns = slice(1, 1 + len(asked.findings))
    findings = finding_records(
        asked.findings,
        outputs.get(FINDINGS, np.empty((len(targets), 0))),
        targets[:, own_columns],
        prepared.targets("train")[:, own_columns],
    )
    unlearned = prepared.unlearned if config.train.diagnosis_weight > 0 else prepared.taxonomy.keys
    own = [i for i, key in enumerate(prepared.taxonomy.keys) if key not in unlearned]
    fusion, answers = None, softmax(outputs[DIAGNOSIS] / temperature, axis=1)
    if findings:
        learned, has_images = answers, np.isin(np.arange(len(prepared.taxonomy.keys)), own)
        knowledge = _knowledge(config, prepared, findings, outputs)
        mine = np.isin(labels, own)
        truth = np.searchsorted(own, labels[mine])
        fusion = Fusion.fit(learned[mine][:, own], knowledge[mine][:, own], truth)
        answers = fusion.together(of_learned(learned, has_images), knowledge, has_images)
    return {
        "temperature": temperature,
        "unlearned": unlearned,
        "findings": findings,
        "fields": asked.fields,
        "fusion": fusion,
        "sets": _sets(prepared, answers, labels, of_cases=config.mil is not None),
    }


def _sets(
    prepared: Prepared, answers: NDArray[np.float64], labels: NDArray[np.int64], of_cases: bool
) -> PredictionSets | None:
    """Return the limits of prediction sets of single images; None where the answers calibrated here are `of_cases`."""
    if of_cases:
        return None
    return fit_sets(answers, labels, prepared.part("val").cases.to_numpy(object), prepared.taxonomy)


def _knowledge(
    config: ExperimentConfig, prepared: Prepared, findings: list[dict[str, Any]], outputs: Outputs
) -> NDArray[np.float64]:
    """Return what the profiles say of the validation images, N x D."""
    keys = [record["key"] for record in findings]
    confusions = [record["confusion"] for record in findings]
    route = KnowledgeRoute(load_knowledge(), config.modality, prepared.taxonomy, keys, confusions)
    seen = graded(outputs, [record["temperature"] for record in findings], prepared.asked.fields)
    return route.read(seen.means, seen.spreads, seen.fields).diagnoses
