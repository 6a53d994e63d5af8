"""How well findings are graded 0 to 3 where the truth is known; what is not assessable counts nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from nmevision.errors import EvaluationError
from nmevision.evaluation.clustered import clustered_interval, patient_index
from nmevision.evaluation.intervals import Interval, auroc_interval, no_interval
from nmevision.evaluation.metrics import Value, auroc, average_precision, undefined
from nmevision.evaluation.patient_bootstrap import patient_bootstrap
from nmevision.evaluation.weighted import Floats, Statistic, estimate, ratio
from nmevision.grades import LEVELS, UNKNOWN, confusion_of_grades, expected_grade

FEWEST_POSITIVES = 10
"""Patients with a finding (grade 1 or more) from which on it enters the mean over findings."""
CUTS = (1, 2)
"""A finding is present from grade 1, and more than mild from grade 2."""
RESAMPLES = 1000


def kappa_of(truth: NDArray[np.intp], given: NDArray[np.intp]) -> Statistic:
    """Return Cohen's kappa with quadratic weights of grades 0 to 3, both (n,); NaN where chance is perfect.

    1 - sum w O / sum w E with w = (i - j)^2 (Cohen 1968, doi:10.1037/h0026256).
    """
    true, told = (np.eye(LEVELS)[grades] for grades in (truth, given))
    cost = (truth - given).astype(np.float64) ** 2
    distance = (np.arange(LEVELS)[:, None] - np.arange(LEVELS)) ** 2.0

    def statistic(weights: Floats) -> Floats:
        by_chance = np.einsum("ri,ij,rj->r", weights @ true, distance, weights @ told)
        return 1 - ratio((weights @ cost) * weights.sum(axis=1), by_chance)

    return statistic


@dataclass(frozen=True)
class AtLeast:
    """How well a finding of grade `cut` or more is told from less."""

    cut: int
    n_positive: int
    auroc: Value
    interval: Interval
    average_precision: Value


@dataclass(frozen=True)
class FindingScores:
    """Every score of one finding over the images whose grade is known.

    n_images, n_patients: graded; n_positive: patients with grade 1 or more in any image. kappa: quadratic,
    of the most probable grade. mae, spearman: of the expected grade. confusion: rows = true grade 0 to 3.
    """

    name: str
    n_images: int
    n_patients: int
    n_positive: int
    kappa: Value
    kappa_interval: Interval
    mae: Value
    spearman: Value
    at_least: tuple[AtLeast, ...]
    confusion: list[list[int]]


@dataclass(frozen=True)
class FindingsReport:
    """All findings, and the means over those with at least FEWEST_POSITIVES patients."""

    findings: tuple[FindingScores, ...]
    macro: dict[str, Value]


def judge_findings(
    names: Sequence[str],
    truth: ArrayLike,
    probabilities: ArrayLike,
    patients: ArrayLike,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> FindingsReport:
    """Return the scores of every finding.

    names: of J findings; truth: grades 0 to 3 or UNKNOWN (n, J); probabilities: of the grades (n, J, 4);
    patients: whose image it is (n,). Intervals resample patients with all their images.
    """
    grades, p = np.asarray(truth, dtype=np.intp), np.asarray(probabilities, dtype=np.float64)
    if grades.ndim != 2 or p.shape != (*grades.shape, LEVELS) or len(names) != grades.shape[1]:
        raise EvaluationError(
            f"{len(names)} findings, grades {grades.shape} and probabilities {p.shape}; expected (n, J) and (n, J, 4)"
        )
    if not np.isin(grades, (UNKNOWN, *range(LEVELS))).all():
        raise EvaluationError(f"grades must be 0 to {LEVELS - 1}, or {UNKNOWN} where not known")
    whose = np.asarray(patients)
    found = []
    for j, name in enumerate(names):
        known = grades[:, j] != UNKNOWN
        found.append(_finding(name, grades[known, j], p[known, j], whose[known], seed, resamples))
    return FindingsReport(tuple(found), _macro(found))


def _finding(
    name: str, truth: NDArray[np.intp], p: Floats, patients: NDArray[np.generic], seed: int, resamples: int
) -> FindingScores:
    index = patient_index(patients, len(truth))
    given, mean = p.argmax(axis=1), expected_grade(p)
    kappa, interval = _kappa(truth, given, index, seed, resamples)
    none = undefined("no graded image")
    rank = none
    if len(truth):
        constant = np.ptp(truth) == 0 or np.ptp(mean) == 0
        rank = undefined("all grades are equal") if constant else Value(float(spearmanr(truth, mean)[0]))
    return FindingScores(
        name=name,
        n_images=len(truth),
        n_patients=len(np.unique(index)),
        n_positive=len(np.unique(index[truth > 0])),
        kappa=kappa,
        kappa_interval=interval,
        mae=Value(float(np.abs(mean - truth).mean())) if len(truth) else none,
        spearman=rank,
        at_least=tuple(_at_least(cut, truth, p, index) for cut in CUTS),
        confusion=confusion_of_grades(truth, given).tolist(),
    )


def _kappa(
    truth: NDArray[np.intp], given: NDArray[np.intp], index: NDArray[np.intp], seed: int, resamples: int
) -> tuple[Value, Interval]:
    if not len(truth):
        return undefined("no graded image"), no_interval("")
    statistic = kappa_of(truth, given)
    value = estimate(statistic, len(truth))
    if np.isnan(value):
        return undefined("all grades are equal, true and given"), no_interval("")
    return Value(value), patient_bootstrap({"kappa": statistic}, index, resamples, seed)["kappa"]


def _at_least(cut: int, truth: NDArray[np.intp], p: Floats, index: NDArray[np.intp]) -> AtLeast:
    positive, score = truth >= cut, p[:, cut:].sum(axis=1)
    one_each = len(np.unique(index)) == len(index)
    interval = auroc_interval(positive, score) if one_each else clustered_interval(positive, score, index)
    return AtLeast(
        cut,
        len(np.unique(index[positive])),
        auroc(positive, score),
        interval,
        average_precision(positive, score),
    )


def _macro(found: list[FindingScores]) -> dict[str, Value]:
    """Return the mean of each score over the findings with enough positive patients."""
    enough = [one for one in found if one.n_positive >= FEWEST_POSITIVES]
    scores = {
        "kappa": [one.kappa for one in enough],
        "mae": [one.mae for one in enough],
        "spearman": [one.spearman for one in enough],
    }
    for place, cut in enumerate(CUTS):
        own = [one.at_least[place] for one in enough if one.at_least[place].n_positive >= FEWEST_POSITIVES]
        scores[f"auroc_at_least_{cut}"] = [one.auroc for one in own]
        scores[f"ap_at_least_{cut}"] = [one.average_precision for one in own]
    return {name: _mean(values, len(found)) for name, values in scores.items()}


def _mean(values: list[Value], n_findings: int) -> Value:
    known = [value.value for value in values if value.known]
    if not known:
        return undefined(f"no finding with {FEWEST_POSITIVES} positive patients")
    return Value(float(np.mean(known)), f"over {len(known)} of {n_findings} findings")
