"""Many comparisons, many folds, many models: what must be corrected before a p or a best score counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import CHUNK, LEVEL, Interval, no_interval
from nmevision.evaluation.metrics import Value, binary, undefined, why_one_class
from nmevision.evaluation.weighted import Floats

GRID = 20_001
"""Points of the numeric expectation of a maximum; 12 standard deviations wide."""


def holm(p: ArrayLike) -> Floats:
    """Return Holm's adjusted p values (n,): for the planned comparisons of one family.

    NaN (undefined) stays NaN and does not count as a comparison.

    >>> holm([0.01, float("nan"), 0.04]).tolist()
    [0.02, nan, 0.04]
    """
    return _adjusted(p, "holm")


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return Benjamini-Hochberg's adjusted p values (n,): for exploratory tables, at a false discovery rate.

    NaN stays NaN and does not count.
    """
    return _adjusted(p, "fdr_bh")


def _adjusted(p: ArrayLike, method: str) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(values)
    if ((values[known] < 0) | (values[known] > 1)).any():
        raise EvaluationError("p values must lie from 0 to 1")
    found = np.full(len(values), np.nan)
    if known.any():
        found[known] = multipletests(values[known], method=method)[1]
    return found


@dataclass(frozen=True)
class RepeatedDifference:
    """The mean difference over the folds of a repeated cross-validation, corrected."""

    mean: Value
    interval: Interval
    p: Value
    t: float = math.nan


def nadeau_bengio(
    differences: ArrayLike, n_train: int, n_test: int, level: float = LEVEL
) -> RepeatedDifference:
    """Return the corrected resampled t test of per-fold differences (doi:10.1023/A:1024068626366).

    differences: one per fold of all repeats (J,); n_train, n_test: patients of a fold. The variance is
    multiplied by 1 / J + n_test / n_train, for the training sets overlap. Undefined folds (NaN) are left out.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    if n_train < 1 or n_test < 1:
        raise EvaluationError(f"n_train {n_train}, n_test {n_test}; expected numbers of patients")
    method = f"corrected resampled t, {len(values)} folds"
    if len(values) < 2:
        reason = f"{len(values)} defined folds; the test needs at least 2"
        return RepeatedDifference(undefined(reason), no_interval(reason, method), undefined(reason))
    mean, freedom = float(values.mean()), len(values) - 1
    spread = math.sqrt(float(values.var(ddof=1)) * (1 / len(values) + n_test / n_train))
    if spread == 0:
        reason = "all folds differ by the same"
        return RepeatedDifference(Value(mean), no_interval(reason, method), undefined(reason))
    t, half = mean / spread, float(student.isf((1 - level) / 2, freedom)) * spread
    return RepeatedDifference(
        Value(mean),
        Interval(mean - half, mean + half, method),
        Value(float(2 * student.sf(abs(t), freedom))),
        t,
    )


def best_of_chance_models(n_positive: int, n_negative: int, models: int) -> Value:
    """Return the AUROC that the best of `models` (1 or more) independent chance models is expected to show.

    The winner's curse on a tiny test set, by the normal approximation of the AUROC under chance.

    >>> round(best_of_chance_models(5, 50, 20).value, 2)
    0.76
    """
    if models < 1:
        raise EvaluationError(f"{models} models; expected at least 1")
    if min(n_positive, n_negative) < 1:
        return undefined("no positives" if n_positive < 1 else "no negatives")
    spread = math.sqrt((n_positive + n_negative + 1) / (12 * n_positive * n_negative))
    points = np.linspace(-6, 6, GRID)
    density = models * norm.cdf(points) ** (models - 1) * norm.pdf(points)
    return Value(min(0.5 + spread * float(np.trapezoid(points * density, points)), 1.0))


@dataclass(frozen=True)
class BestOfChance:
    """The best AUROC of several models, and what it would be if the labels meant nothing.

    expected: mean best AUROC over permuted labels; limit: its 95th percentile; p: of the observed best.
    """

    best: Value
    expected: Value
    limit: Value
    p: Value


def best_under_permutation(
    labels: ArrayLike, scores: ArrayLike, permutations: int = 10_000, seed: int = 0
) -> BestOfChance:
    """Return the best AUROC of scores (n, m) beside the best under permuted labels.

    Permuting labels keeps the models as alike as they are, which independent chance models are not.
    """
    columns = np.asarray(scores, dtype=np.float64)
    if columns.ndim != 2 or columns.shape[1] == 0:
        raise EvaluationError(f"scores {columns.shape}; expected patients x models")
    ranks = np.stack([rankdata(binary(labels, column)[1]) for column in columns.T], axis=1)
    truth = binary(labels, columns[:, 0])[0]
    reason = why_one_class(truth)
    if reason:
        return BestOfChance(*(undefined(reason) for _ in range(4)))
    n, n_positive = len(truth), int(truth.sum())
    least, pairs = n_positive * (n_positive + 1) / 2, n_positive * (n - n_positive)
    observed = float(((truth @ ranks - least) / pairs).max())
    generator, found, step = np.random.default_rng(seed), [], max(1, CHUNK // n)
    for start in range(0, permutations, step):
        drawn = np.tile(truth.astype(np.float64), (min(step, permutations - start), 1))
        generator.permuted(drawn, axis=1, out=drawn)
        found.append(((drawn @ ranks - least) / pairs).max(axis=1))
    best = np.concatenate(found)
    p = (int((best >= observed - 1e-12).sum()) + 1) / (permutations + 1)
    return BestOfChance(
        Value(observed), Value(float(best.mean())), Value(float(np.quantile(best, LEVEL))), Value(p)
    )
