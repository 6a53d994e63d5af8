"""Sets of diagnoses that hold the true one as often as promised, class by class (Mondrian conformal)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import Interval, clopper_pearson
from nmevision.evaluation.metrics import Value, classes, undefined
from nmevision.evaluation.weighted import Floats


def _check(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise EvaluationError(f"alpha {alpha}; expected the share of misses allowed, between 0 and 1")


def misses_allowed(n: int, alpha: float) -> int:
    """Return floor((n + 1) alpha): how many of n + 1 exchangeable patients the set may miss."""
    return math.floor((n + 1) * alpha + 1e-9)


def patients_needed(alpha: float) -> int:
    """Return the fewest calibration patients of a class with which a set can ever leave it out.

    >>> [patients_needed(alpha) for alpha in (0.2, 0.1, 0.05)]
    [4, 9, 19]
    """
    _check(alpha)
    return math.ceil(1 / alpha - 1e-9) - 1


@dataclass(frozen=True)
class CoverageLaw:
    """How the coverage of one calibration varies over calibrations: Beta(n + 1 - l, l)."""

    mean: float
    low: float
    high: float


def coverage_law(n: int, alpha: float, level: float = 0.9) -> CoverageLaw:
    """Return mean and central `level` limits of the coverage that n calibration patients of a class give.

    l = floor((n + 1) alpha) (Vovk 2012, arXiv:1209.2673; Angelopoulos & Bates, arXiv:2107.07511). Below
    `patients_needed` the class is in every set and the coverage 1.

    >>> law = coverage_law(19, 0.1)
    >>> round(law.mean, 3), round(law.low, 3), round(law.high, 3)
    (0.9, 0.774, 0.981)
    """
    _check(alpha)
    missed = misses_allowed(n, alpha)
    if missed == 0:
        return CoverageLaw(1.0, 1.0, 1.0)
    law = beta(n + 1 - missed, missed)
    return CoverageLaw(float(law.mean()), float(law.ppf((1 - level) / 2)), float(law.ppf((1 + level) / 2)))


@dataclass(frozen=True)
class Calibrated:
    """Thresholds of class-conditional sets: class k is in a set where its probability is >= least[k].

    least: (k,), -inf for a class with too few calibration patients, which every set must hold.
    n: (k,) calibration patients of each class; alpha: the share of misses allowed in every class.
    """

    alpha: float
    n: NDArray[np.intp]
    least: Floats

    @property
    def always_included(self) -> tuple[int, ...]:
        """Return the classes that every set holds because too few patients calibrate them."""
        return tuple(int(k) for k in np.flatnonzero(np.isneginf(self.least)))

    def sets(self, probabilities: ArrayLike) -> NDArray[np.bool_]:
        """Return which classes are in each patient's set: bool (n, k) of probabilities (n, k)."""
        p = np.asarray(probabilities, dtype=np.float64)
        if p.ndim != 2 or p.shape[1] != len(self.least):
            raise EvaluationError(f"probabilities {p.shape}; expected (n, {len(self.least)})")
        return p >= self.least


def calibrate(labels: ArrayLike, probabilities: ArrayLike, alpha: float) -> Calibrated:
    """Return the thresholds that let each class be missed in at most the share `alpha` of its patients.

    labels: class indices (n,) of calibration patients, probabilities: (n, k); never of the patients the
    sets are judged on. A class stays in a set where at least floor((n_k + 1) alpha) of its own calibration
    patients were given no more probability of it: the unsmoothed Mondrian p-value (Vovk 2012,
    arXiv:1209.2673). Coverage over all patients is never coverage of one class.
    """
    _check(alpha)
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or not np.isfinite(p).all():
        raise EvaluationError(f"probabilities {p.shape}; expected finite numbers (n, k)")
    truth = classes(labels, labels, p.shape[1])[0]
    if len(truth) != len(p):
        raise EvaluationError(f"labels ({len(truth)},) and probabilities {p.shape} must be of one length")
    n, least = np.bincount(truth, minlength=p.shape[1]), np.full(p.shape[1], -np.inf)
    for k in range(p.shape[1]):
        missed = misses_allowed(int(n[k]), alpha)
        if missed:
            least[k] = np.sort(p[truth == k, k])[missed - 1]
    return Calibrated(alpha, n, least)


@dataclass(frozen=True)
class Coverage:
    """How often the sets of some patients hold their diagnosis."""

    name: str
    n: int
    value: Value
    interval: Interval
    note: str = ""


@dataclass(frozen=True)
class SetReport:
    """What the sets of the evaluated patients are worth.

    marginal: over all patients, which says nothing of a rare class; by_class, by_source: each alone.
    mean_size, median_size: classes per set. empty, singleton: shares of the patients.
    singleton_accuracy: share of the sets of one class whose class is the true one.
    """

    alpha: float
    marginal: Coverage
    by_class: tuple[Coverage, ...]
    by_source: tuple[Coverage, ...]
    mean_size: Value
    median_size: Value
    empty: Value
    singleton: Value
    singleton_accuracy: Coverage


def _coverage(name: str, held: NDArray[np.bool_], note: str = "") -> Coverage:
    n = len(held)
    value = Value(float(held.mean())) if n else undefined("no patients")
    return Coverage(name, n, value, clopper_pearson(int(held.sum()), n), note)


def judge_sets(
    calibrated: Calibrated,
    labels: ArrayLike,
    probabilities: ArrayLike,
    names: tuple[str, ...],
    sources: ArrayLike | None = None,
) -> SetReport:
    """Return coverage and size of the sets of evaluated patients, other than those of the calibration.

    labels: class indices (n,); probabilities: (n, k); names: of the k classes; sources: texts (n,).
    """
    sets = calibrated.sets(probabilities)
    return _report(sets, calibrated.alpha, calibrated.n, labels, names, sources)


def judge_in_halves(
    labels: ArrayLike,
    probabilities: ArrayLike,
    names: tuple[str, ...],
    sources: ArrayLike | None = None,
    alpha: float = 0.1,
    seed: int = 0,
) -> SetReport:
    """Return what `judge_sets` returns where no other patients are there to calibrate with.

    The patients are halved at random within each class; each half calibrates the sets of the other, which no patient
    of it has touched. Where either half has fewer patients of a class than `patients_needed`, every set holds the class.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    truth = classes(labels, labels, p.shape[1])[0]
    generator = np.random.default_rng(seed)
    first = np.zeros(len(truth), dtype=bool)
    for k in np.unique(truth):
        own = generator.permutation(np.flatnonzero(truth == k))
        first[own[: len(own) // 2]] = True
    sets = np.zeros(p.shape, dtype=bool)
    n = np.full(p.shape[1], len(truth))
    for half in (first, ~first):
        calibrated = calibrate(truth[~half], p[~half], alpha)
        sets[half] = calibrated.sets(p[half])
        n = np.minimum(n, calibrated.n)
    sets[:, [misses_allowed(int(few), alpha) == 0 for few in n]] = True
    return _report(sets, alpha, n, truth, names, sources)


def _report(
    sets: NDArray[np.bool_],
    alpha: float,
    n: NDArray[np.intp],
    labels: ArrayLike,
    names: tuple[str, ...],
    sources: ArrayLike | None,
) -> SetReport:
    """Return what sets (n, k) are worth that were calibrated with `n` patients of each class."""
    truth = classes(labels, labels, sets.shape[1])[0]
    held, sizes = sets[np.arange(len(truth)), truth], sets.sum(axis=1)
    by_class = []
    for k, name in enumerate(names):
        few = f"{n[k]} calibration patients, {patients_needed(alpha)} needed: in every set"
        note = "" if misses_allowed(int(n[k]), alpha) else few
        by_class.append(_coverage(name, held[truth == k], note))
    where = np.asarray([] if sources is None else sources, dtype=object)
    by_source = tuple(_coverage(str(name), held[where == name]) for name in np.unique(where))

    def mean(values: NDArray[Any]) -> Value:
        return Value(float(values.mean())) if len(truth) else undefined("no patients")

    return SetReport(
        alpha=alpha,
        marginal=_coverage("all patients", held),
        by_class=tuple(by_class),
        by_source=by_source,
        mean_size=mean(sizes),
        median_size=Value(float(np.median(sizes))) if len(truth) else undefined("no patients"),
        empty=mean(sizes == 0),
        singleton=mean(sizes == 1),
        singleton_accuracy=_coverage("sets of one class", held[sizes == 1]),
    )
