"""Two models on the same patients: is one better? Paired tests that stay valid at tiny n."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm, rankdata
from scipy.stats import t as student

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import (
    BOOTSTRAP_HOLDS_FROM,
    CHUNK,
    LEVEL,
    Interval,
    delong_components,
    no_interval,
    percentile,
    resample,
)
from nmevision.evaluation.metrics import Value, binary, classes, undefined, why_one_class
from nmevision.evaluation.weighted import (
    Floats,
    Statistic,
    auroc_of,
    balanced_accuracy_of,
    difference_of,
    estimate,
)

PERMUTATIONS = 10_000
ENUMERATED_UP_TO = 13
"""Patients that differ up to which all 2^n exchanges are tried, so that p is exact."""
DISCORDANT_NEEDED = 6
"""Patients called right by one model only, all by the same: 5 give p = 0.0625, 6 give 0.031."""
ROUNDING = 1e-12
"""Differences closer than this are equal: sums of the same terms in another order."""


@dataclass(frozen=True)
class Comparison:
    """The difference first - second with its interval and the two-sided p of no difference.

    statistic: what p was computed from (Z, t), NaN where there is none. method: of p, then of the interval.
    """

    difference: Value
    interval: Interval
    p: Value
    method: str
    statistic: float = math.nan


def _paired(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    truth, ours = binary(labels, first)
    return truth, ours, binary(labels, second)[1]


def delong_covariance(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return the AUROCs (m,) of scores (n, m) of the same patients and their covariance (m, m).

    DeLong, DeLong & Clarke-Pearson 1988 (doi:10.2307/2531595). Needs two patients of each label.
    """
    columns = np.asarray(scores, dtype=np.float64)
    parts = [delong_components(*binary(labels, column)) for column in columns.T]
    above, below = (np.stack(side) for side in zip(*parts, strict=True))
    covariance = np.cov(above) / above.shape[1] + np.cov(below) / below.shape[1]
    return above.mean(axis=1), np.atleast_2d(covariance)


def paired_delong(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    level: float = LEVEL,
    fewest: int = BOOTSTRAP_HOLDS_FROM,
) -> Comparison:
    """Return DeLong's test of two AUROCs on the same patients; secondary to `permutation_test`.

    fewest: patients that the smaller class needs; below, the variance is too small and nothing is told.
    """
    truth, ours, theirs = _paired(labels, first, second)
    method = "paired DeLong"
    reason = why_one_class(truth)
    if not reason and (least := int(min(truth.sum(), (~truth).sum()))) < max(fewest, 2):
        reason = f"{least} patients in the smaller class; paired DeLong needs at least {max(fewest, 2)}"
    if reason:
        return Comparison(undefined(reason), no_interval(reason, method), undefined(reason), method)
    areas, covariance = delong_covariance(truth, np.stack([ours, theirs], axis=1))
    difference = float(areas[0] - areas[1])
    spread = math.sqrt(max(float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]), 0.0))
    if spread < ROUNDING:
        return _no_spread(difference, method)
    z, half = difference / spread, norm.isf((1 - level) / 2) * spread
    interval = Interval(difference - half, difference + half, method)
    return Comparison(Value(difference), interval, Value(float(2 * norm.sf(abs(z)))), method, z)


def _no_spread(difference: float, method: str) -> Comparison:
    reason = "the variance of the difference is 0"
    return Comparison(Value(difference), no_interval(reason, method), undefined(reason), method)


def unpaired_delong(
    labels: ArrayLike,
    scores: ArrayLike,
    other_labels: ArrayLike,
    other_scores: ArrayLike,
    level: float = LEVEL,
) -> Comparison:
    """Return the test of two AUROCs on different patients: t with Welch's degrees of freedom.

    For subgroups and sources, which share no patient (degrees of freedom as in pROC,
    doi:10.1186/1471-2105-12-77).
    """
    method = "unpaired DeLong"
    sides = [binary(labels, scores), binary(other_labels, other_scores)]
    least = min(int(min(truth.sum(), (~truth).sum())) for truth, _ in sides)
    if least < 2:
        reason = f"{least} patients in the smallest class; unpaired DeLong needs at least 2"
        return Comparison(undefined(reason), no_interval(reason, method), undefined(reason), method)
    areas, variances = zip(
        *(delong_covariance(truth, values[:, None]) for truth, values in sides), strict=True
    )
    difference = float(areas[0][0] - areas[1][0])
    first, second = (float(one[0, 0]) for one in variances)
    total = first + second
    if total < ROUNDING**2:
        return _no_spread(difference, method)
    sizes = [len(truth) - 1 for truth, _ in sides]
    freedom = total**2 / (first**2 / sizes[0] + second**2 / sizes[1])
    t, half = difference / math.sqrt(total), student.isf((1 - level) / 2, freedom) * math.sqrt(total)
    interval = Interval(difference - half, difference + half, method)
    return Comparison(Value(difference), interval, Value(float(2 * student.sf(abs(t), freedom))), method, t)


def permutation_test(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, permutations: int = PERMUTATIONS, seed: int = 0
) -> tuple[Value, str]:
    """Return the two-sided p that two models rank the same patients equally well, and how it was found.

    The models' scores, as ranks among all patients, are exchanged within each patient (after
    Venkatraman & Begg 1996, doi:10.1093/biomet/83.4.835). The difference of the AUROCs after an exchange is
    a sum of one signed term per patient, so that a permutation costs no ranking.
    """
    truth, ours, theirs = _paired(labels, first, second)
    reason = why_one_class(truth)
    if reason:
        return undefined(reason), ""
    return sign_flip_p(_terms(truth, rankdata(ours), rankdata(theirs)), permutations, seed)


def _terms(truth: NDArray[np.bool_], a: Floats, b: Floats) -> Floats:
    """Return each patient's term of AUROC(a) - AUROC(b); exchanging a patient's scores flips its sign.

    With s = +1 (kept) or -1 (exchanged) the difference is the sum over pairs of
    s_i (aa - bb + ab - ba) / 2 + s_j (aa - bb - ab + ba) / 2, where `ab` tells that positive i beats
    negative j by i's score of a and j's of b.
    """
    terms = np.empty(len(truth))
    aa, bb, ab, ba = (_beaten(x[truth], y[~truth]) for x, y in ((a, a), (b, b), (a, b), (b, a)))
    terms[truth] = aa[0] - bb[0] + ab[0] - ba[0]
    terms[~truth] = aa[1] - bb[1] - ab[1] + ba[1]
    return terms / (2 * truth.sum() * (~truth).sum())


def _beaten(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Return how many negatives each positive beats, and how many positives beat each negative; ties half."""
    for_positive, for_negative = np.sort(negative), np.sort(positive)
    won = np.searchsorted(for_positive, positive, "left") + np.searchsorted(for_positive, positive, "right")
    kept = np.searchsorted(for_negative, negative, "left") + np.searchsorted(for_negative, negative, "right")
    return won / 2, len(positive) - kept / 2


def sign_flip_p(terms: ArrayLike, permutations: int = PERMUTATIONS, seed: int = 0) -> tuple[Value, str]:
    """Return the two-sided p that the sum of `terms` (n,) is as large with random signs, and the method.

    terms: one difference per patient, such as of two models' squared errors or log-losses.
    """
    values = np.asarray(terms, dtype=np.float64)
    if not np.isfinite(values).all():
        raise EvaluationError("paired differences must be finite numbers")
    if len(values) == 0:
        return undefined("no patients"), ""
    observed = abs(values.sum()) - ROUNDING
    moving = values[values != 0]
    if len(moving) == 0:
        return Value(1.0), "no patient differs"
    if len(moving) <= ENUMERATED_UP_TO:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(moving))))
        share = float((np.abs(signs @ moving) >= observed).mean())
        return Value(share), f"exchanged within patients, all {len(signs)} ways"
    generator = np.random.default_rng(seed)
    reached, step = 0, max(1, CHUNK // len(moving))
    for start in range(0, permutations, step):
        shape = (min(step, permutations - start), len(moving))
        signs = generator.integers(0, 2, shape, dtype=np.int8) * 2.0 - 1.0
        reached += int((np.abs(signs @ moving) >= observed).sum())
    p = (reached + 1) / (permutations + 1)
    return Value(p), f"exchanged within patients, {permutations} random ways"


@dataclass(frozen=True)
class McNemar:
    """Patients that only the first or only the second model called right, and the exact two-sided p."""

    only_first: int
    only_second: int
    p: Value


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> McNemar:
    """Return McNemar's exact test on patients (doi:10.1007/BF02295996): was each call right, per model.

    Fewer than DISCORDANT_NEEDED patients on whom the models disagree cannot show a difference, and the
    reason says so.

    >>> found = mcnemar([1] * 5 + [0], [0] * 5 + [0])
    >>> found.p.value, found.p.reason
    (0.0625, '5 discordant patients: fewer than 6 can never reach p < 0.05')
    """
    ours, theirs = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise EvaluationError(f"calls {ours.shape} and {theirs.shape} must be two lists of one length")
    b, c = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    few = f"{b + c} discordant patients: fewer than {DISCORDANT_NEEDED} can never reach p < 0.05"
    p = float(binomtest(b, b + c).pvalue) if b + c else 1.0
    return McNemar(b, c, Value(p, few if b + c < DISCORDANT_NEEDED else ""))


def paired_interval(
    strata: ArrayLike, first: Statistic, second: Statistic, resamples: int, seed: int
) -> Interval:
    """Return the percentile interval of first - second, both on the same draws of patients within class."""
    groups = np.asarray(strata)
    replicates = resample(groups, {"difference": difference_of(first, second)}, resamples, seed)["difference"]
    smallest = int(np.unique(groups, return_counts=True)[1].min()) if len(groups) else 0
    return percentile(replicates, smallest)


def compare_auroc(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, resamples: int = 2000, seed: int = 0
) -> Comparison:
    """Return the planned comparison of two models: permutation p, and the paired bootstrap's interval.

    labels: bool or 0/1 (n,), one per patient; first, second: scores of the same patients (n,).
    """
    truth, ours, theirs = _paired(labels, first, second)
    reason = why_one_class(truth)
    if reason:
        return Comparison(undefined(reason), no_interval(reason), undefined(reason), "")
    one, other = auroc_of(truth, ours), auroc_of(truth, theirs)
    difference = float(difference_of(one, other)(np.ones((1, len(truth))))[0])
    p, method = permutation_test(truth, ours, theirs, seed=seed)
    return Comparison(Value(difference), paired_interval(truth, one, other, resamples, seed), p, method)


def compare_balanced_accuracy(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, resamples: int = 2000, seed: int = 0
) -> Comparison:
    """Return the planned comparison of two models' calls: p by exchange within patients, paired interval.

    labels, first, second: class indices from 0 (n,) of the same patients: truth and each model's call. The
    difference of the balanced accuracies is a sum over patients of (right or wrong) / (classes x patients of the
    class), so that exchanging the calls of a patient flips the sign of one term.

    >>> found = compare_balanced_accuracy([0, 0, 1, 1], [0, 0, 1, 0], [0, 1, 1, 0])
    >>> found.difference.value, found.p.value
    (0.25, 1.0)
    """
    n_classes = int(max(np.max(x, initial=-1) for x in (labels, first, second))) + 1
    truth, ours = classes(labels, first, n_classes)
    theirs = classes(labels, second, n_classes)[1]
    if len(truth) == 0:
        reason = "no patients"
        return Comparison(undefined(reason), no_interval(reason), undefined(reason), "")
    one, other = (balanced_accuracy_of(truth, called, n_classes) for called in (ours, theirs))
    sizes = np.bincount(truth, minlength=n_classes)
    terms = ((ours == truth).astype(np.float64) - (theirs == truth)) / (sizes[truth] * (sizes > 0).sum())
    p, method = sign_flip_p(terms, seed=seed)
    difference = estimate(difference_of(one, other), len(truth))
    return Comparison(Value(difference), paired_interval(truth, one, other, resamples, seed), p, method)
