"""How well the network grades findings, measured on validation: per finding a temperature and a confusion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from nmevision.grades import LEVELS, STEPS, UNKNOWN, confusion_of_grades, expected_grade, grade_probabilities

TEMPERATURES = (0.1, 10.0)
FEWEST = 20
"""With fewer known validation grades, or fewer than two differing ones, the temperature stays 1."""


def finding_records(
    findings: tuple[str, ...],
    logits: NDArray[np.float64],
    validation: NDArray[np.int64],
    training: NDArray[np.int64],
) -> list[dict[str, Any]]:
    """Return what the bundle says of each finding.

    Args:
        findings: J keys.
        logits: conditional logits of the validation images, N x 3J.
        validation: their grades, N x J, -1 where unknown.
        training: the grades of the training images, M x J.

    Returns:
        per finding: key, temperature, confusion (4 x 4 counts of true and given grade on validation),
        train_counts (training images per grade).
    """
    steps = logits.reshape(len(logits), len(findings), STEPS)
    records = []
    for j, key in enumerate(findings):
        temperature = fit_grade_temperature(steps[:, j], validation[:, j])
        probabilities = grade_probabilities(steps[:, j], temperature)
        given = np.clip(np.rint(expected_grade(probabilities)), 0, LEVELS - 1).astype(np.int64)
        known = training[training[:, j] != UNKNOWN, j]
        records.append(
            {
                "key": key,
                "temperature": temperature,
                "confusion": confusion_of_grades(validation[:, j], given).tolist(),
                "train_counts": np.bincount(known, minlength=LEVELS).tolist(),
            }
        )
    return records


def fit_grade_temperature(steps: NDArray[np.float64], grades: NDArray[np.int64]) -> float:
    """Return the temperature (0.1 to 10) with the least CORN loss of N x 3 conditional logits."""
    known = grades != UNKNOWN
    if known.sum() < FEWEST or len(np.unique(grades[known])) < 2:
        return 1.0
    levels = np.arange(STEPS)
    asked = grades[known, None] >= levels
    signed = np.where(grades[known, None] > levels, steps[known], -steps[known])[asked]

    def loss(log_temperature: float) -> float:
        return float(-np.log(np.clip(expit(signed / np.exp(log_temperature)), 1e-12, None)).mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))
