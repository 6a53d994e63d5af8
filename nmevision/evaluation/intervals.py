"""Intervals honest at tiny n: HM-score, logit-DeLong, Clopper-Pearson, Wilson, bootstrap of patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm, rankdata
from statsmodels.stats.proportion import proportion_confint

from nmevision.errors import EvaluationError
from nmevision.evaluation.metrics import auroc, binary, why_one_class
from nmevision.evaluation.weighted import Floats, Statistic

LEVEL = 0.95
SCORE_BELOW = 30
"""With fewer patients in the smaller class the AUROC interval is HM-score: DeLong covers 0.66 at n+ = 5."""
BOOTSTRAP_HOLDS_FROM = 20
"""With fewer patients in the smallest class a percentile bootstrap covers less than it says."""
CHUNK = 100_000
"""Cells (replicates x patients) of weights held at once: 0.8 MB, which a processor's cache holds."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, how it was made, and why there is none (NaN limits)."""

    low: float
    high: float
    method: str
    reason: str = ""


def no_interval(reason: str, method: str = "") -> Interval:
    """Return the interval of what has none."""
    return Interval(math.nan, math.nan, method, reason)


def hm_variance(area: float, n_positive: float, n_negative: float) -> float:
    """Return the variance of an AUROC under the exponential model (doi:10.1148/radiology.143.1.7063747).

    Written without differences of near-equal terms, so that it stays exact next to 0 and 1.
    """
    spread = 1 + (n_positive - 1) * (1 - area) / (2 - area) + (n_negative - 1) * area / (1 + area)
    return area * (1 - area) * spread / (n_positive * n_negative)


def hm_score(area: float, n_positive: int, n_negative: int, level: float = LEVEL) -> Interval:
    """Return the score interval of an AUROC: all t with (area - t)^2 <= z^2 V(t), V as hm_variance.

    It never collapses: perfect separation of 5 and 300 patients still starts at 0.750. Covers 0.93 to
    0.98 from n+ = 5 on (doi:10.1002/sim.2324, method 5 without the averaging of n).

    >>> round(hm_score(1.0, 5, 300).low, 3), hm_score(1.0, 5, 300).high
    (0.75, 1.0)
    """
    low, high = _score_limits(area, lambda t: hm_variance(t, n_positive, n_negative), level)
    return Interval(low, high, "HM-score")


def newcombe_5(area: float, n_positive: int, n_negative: int, level: float = LEVEL) -> Interval:
    """Return Newcombe's method 5 (doi:10.1002/sim.2324): hm_score with both n averaged in the spread.

    Narrower, but it covers 0.87 to 0.92 only where positives vary more than negatives: secondary.
    """
    mean = (n_positive + n_negative) / 2

    def variance(t: float) -> float:
        return hm_variance(t, mean, mean) * mean**2 / (n_positive * n_negative)

    low, high = _score_limits(area, variance, level)
    return Interval(low, high, "Newcombe method 5")


def _score_limits(area: float, variance: Callable[[float], float], level: float) -> tuple[float, float]:
    """Return where (area - t)^2 = z^2 variance(t) below and above `area`."""
    z = norm.isf((1 - level) / 2)

    def outside(t: float) -> float:
        return (area - t) ** 2 - z**2 * variance(t)

    near = 1e-12  # the root at `area` itself (0 and 1 have variance 0) is not the limit
    low = brentq(outside, 0.0, area - near) if area > near else 0.0
    high = brentq(outside, area + near, 1.0) if area < 1 - near else 1.0
    return float(low), float(high)


def delong_components(truth: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return DeLong's structural components (doi:10.2307/2531595) by mid-ranks.

    For every positive the share of negatives it beats, for every negative the share of positives that
    beat it; ties count half. Their means are the AUROC.
    """
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    ranks = rankdata(scores)
    above = (ranks[truth] - rankdata(scores[truth])) / n_negative
    below = (ranks[~truth] - rankdata(scores[~truth])) / n_positive
    return above, 1 - below


def delong_variance(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return DeLong's variance of the AUROC (doi:10.2307/2531595); NaN below 2 of a class."""
    truth, values = binary(labels, scores)
    if min(truth.sum(), (~truth).sum()) < 2:
        return math.nan
    return float(sum(part.var(ddof=1) / len(part) for part in delong_components(truth, values)))


def logit_delong(area: float, variance: float, level: float = LEVEL) -> Interval:
    """Return the DeLong interval made on the logit scale (doi:10.1177/0962280218814556)."""
    method = "logit-DeLong"
    if not 0 < area < 1 or not variance > 0:
        return no_interval("DeLong's variance is 0 or undefined", method)
    centre = math.log(area / (1 - area))
    half = norm.isf((1 - level) / 2) * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(centre + side * half))) for side in (-1, 1))
    return Interval(low, high, method)


def auroc_interval(labels: ArrayLike, scores: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the interval the specification wants: HM-score for small classes, else logit-DeLong.

    The smaller class decides (the AUROC is symmetric in both); perfect separation is HM-score always.
    """
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    if reason:
        return no_interval(reason)
    n_positive, n_negative = int(truth.sum()), int((~truth).sum())
    area = auroc(truth, values).value
    if min(n_positive, n_negative) >= SCORE_BELOW:
        interval = logit_delong(area, delong_variance(truth, values), level)
        if not interval.reason:
            return interval
    return hm_score(area, n_positive, n_negative, level)


def secondary_intervals(labels: ArrayLike, scores: ArrayLike, level: float = LEVEL) -> tuple[Interval, ...]:
    """Return the AUROC's other intervals, to stand beside auroc_interval: logit-DeLong and Newcombe's."""
    truth, values = binary(labels, scores)
    if why_one_class(truth):
        return ()
    area, sizes = auroc(truth, values).value, (int(truth.sum()), int((~truth).sum()))
    primary = auroc_interval(truth, values, level).method
    found = (
        hm_score(area, *sizes, level),
        logit_delong(area, delong_variance(truth, values), level),
        newcombe_5(area, *sizes, level),
    )
    return tuple(one for one in found if one.method != primary and not one.reason)


def no_failure_bound(n: int, level: float = LEVEL) -> float:
    """Return the one-sided lower bound of a proportion when all `n` (1 or more) succeeded.

    >>> round(no_failure_bound(5), 3), round(no_failure_bound(59), 3)
    (0.549, 0.95)
    """
    return float((1 - level) ** (1 / n))


def clopper_pearson(count: int, n: int, level: float = LEVEL) -> Interval:
    """Return the exact binomial interval (doi:10.1093/biomet/26.4.404): covers at least `level`.

    >>> round(clopper_pearson(5, 5).low, 3)
    0.478
    """
    return _proportion(count, n, level, "beta", "Clopper-Pearson")


def wilson(count: int, n: int, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval (doi:10.1080/01621459.1927.10502953)."""
    return _proportion(count, n, level, "wilson", "Wilson")


def _proportion(count: int, n: int, level: float, method: str, name: str) -> Interval:
    if not 0 <= count <= n:
        raise EvaluationError(f"{count} of {n} is no proportion")
    if n == 0:
        return no_interval("no patients", name)
    low, high = proportion_confint(count, n, alpha=1 - level, method=method)
    share = count / n  # at 0 and 1 the limit is the share itself, up to rounding
    return Interval(max(min(float(low), share), 0.0), min(max(float(high), share), 1.0), name)


def resample(
    strata: ArrayLike, statistics: Mapping[str, Statistic], resamples: int, seed: int
) -> dict[str, Floats]:
    """Return `resamples` bootstrap replicates of every statistic, drawing patients within each stratum.

    strata: the class of every patient (n,); one entry is one patient, whose images are pooled already.
    All statistics see the same draws. The same seed and order of patients give the same replicates.
    """
    groups = np.unique(np.asarray(strata), return_inverse=True)[1]
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    generator = np.random.default_rng(seed)
    found: dict[str, list[Floats]] = {name: [] for name in statistics}
    size = max(1, CHUNK // max(1, len(groups)))
    for start in range(0, resamples, size):
        weights = _draw(members, len(groups), min(size, resamples - start), generator)
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    return {name: np.concatenate(parts) if parts else np.empty(0) for name, parts in found.items()}


def _draw(members: list[NDArray[np.intp]], n: int, replicates: int, generator: np.random.Generator) -> Floats:
    """Return how often each patient was drawn: replicates x n."""
    weights = np.zeros((replicates, n))
    for own in members:
        drawn = generator.integers(len(own), size=(replicates, len(own)))
        drawn += np.arange(replicates)[:, None] * len(own)
        weights[:, own] = np.bincount(drawn.ravel(), minlength=replicates * len(own)).reshape(replicates, -1)
    return weights


def percentile(replicates: Floats, smallest_class: int, level: float = LEVEL) -> Interval:
    """Return the percentile interval of bootstrap replicates; undefined ones are counted and said.

    smallest_class: patients in the smallest class, which decides whether the interval can be trusted.
    Replicates that are all equal (perfect separation) say nothing of the uncertainty: no interval.
    """
    defined = replicates[~np.isnan(replicates)]
    method = f"percentile bootstrap of patients within class, B={len(replicates)}"
    if smallest_class < BOOTSTRAP_HOLDS_FROM:
        method += ", under-covers"
    if len(defined) < len(replicates):
        method += f", {len(replicates) - len(defined)} resamples undefined"
    if len(defined) < 2 or len(defined) < len(replicates) / 2:
        return no_interval("more than half of the resamples are undefined", method)
    if np.ptp(defined) < 1e-12:
        return no_interval("all resamples give the same value, which says nothing of the uncertainty", method)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), method)
