"""How far probabilities are from what came true: CORP, errors beyond chance, and bands for the diagram."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from nmevision.evaluation.calibration import outcomes_by_chance
from nmevision.evaluation.intervals import LEVEL
from nmevision.evaluation.metrics import (
    MASS_BINS,
    Value,
    binary,
    classes,
    mass_bins,
    undefined,
    width_bins,
)
from nmevision.evaluation.weighted import Floats

Error = Callable[[Floats, Floats], Floats]
"""A calibration error: outcomes 0/1 (draws, n) and probabilities (n,) -> one error per draw."""
BAND_RESAMPLES = 200
"""Bootstrap resamples of the isotonic curve; its band is drawn, never quoted."""


def _levels(p: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distinct probabilities, lowest first, and the place of each patient's among them."""
    values, place = np.unique(p, return_inverse=True)
    return values, place


def _recalibrated(y: Floats, place: NDArray[np.intp], weights: Floats) -> Floats:
    """Return the isotonic (PAV) share at every distinct probability; NaN where it carries no weight."""
    total = np.bincount(place, weights)
    share = np.full(len(total), np.nan)
    there = total > 0
    means = np.bincount(place, weights * y)[there] / total[there]
    share[there] = isotonic_regression(means, weights=total[there]).x
    return share


@dataclass(frozen=True)
class Decomposition:
    """The Brier score (0 to 1) in three parts: brier = miscalibration - discrimination + uncertainty.

    curve: (probability, share) at every distinct probability: the reliability curve by PAV, without bins.
    """

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    curve: tuple[tuple[float, ...], ...]


def corp(outcome: ArrayLike, probability: ArrayLike) -> Decomposition:
    """Return the CORP decomposition of the Brier score of outcome 0/1 (n,) and probability (n,).

    Miscalibration is what isotonic recalibration would save, discrimination what the recalibrated
    probabilities save against the base rate; neither is ever negative (Dimitriadis, Gneiting & Jordan
    2021, doi:10.1073/pnas.2016191118). All NaN without patients.

    >>> found = corp([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3])
    >>> round(found.brier, 4), round(found.miscalibration, 4), round(found.discrimination, 4)
    (0.0375, 0.0375, 0.25)
    """
    truth, p = binary(outcome, probability)
    if len(p) == 0:
        return Decomposition(math.nan, math.nan, math.nan, math.nan, ())
    y = truth.astype(np.float64)
    values, place = _levels(p)
    shares = _recalibrated(y, place, np.ones(len(p)))
    brier, recalibrated = float(((p - y) ** 2).mean()), float(((shares[place] - y) ** 2).mean())
    uncertainty = float(y.mean() * (1 - y.mean()))
    curve = tuple((float(value), float(share)) for value, share in zip(values, shares, strict=True))
    return Decomposition(brier, brier - recalibrated, uncertainty - recalibrated, uncertainty, curve)


def _per_bin(outcomes: Floats, p: Floats, bins: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """Return the outcomes' sum (draws, bins), the probabilities' sum (bins,) and the size (bins,) of each bin."""
    member = (bins[:, None] == np.arange(bins.max() + 1)).astype(np.float64)
    return outcomes @ member, p @ member, member.sum(axis=0)


def ece_of(bins_of: Callable[[Floats], NDArray[np.intp]]) -> Error:
    """Return the plain expected calibration error over bins: sum of share x |mean outcome - mean p|."""

    def error(outcomes: Floats, p: Floats) -> Floats:
        hits, expected, _ = _per_bin(outcomes, p, bins_of(p))
        return np.abs(hits - expected).sum(axis=1) / len(p)

    return error


def debiased_square(outcomes: Floats, p: Floats, n_bins: int = MASS_BINS) -> Floats:
    """Return the squared error over equal-mass bins less what the outcomes' own noise adds; may be negative.

    Each bin's (mean p - share)^2 loses share (1 - share) / (n - 1) (Ferro & Fricker 2012,
    doi:10.1002/qj.1924; Kumar, Liang & Ma 2019, arXiv:1909.10155). A bin of one patient has no known
    noise; then the result is NaN.
    """
    hits, expected, sizes = _per_bin(outcomes, p, mass_bins(p, min(n_bins, max(1, len(p) // 2))))
    if (sizes < 2).any():
        return np.full(len(outcomes), np.nan)
    share = hits / sizes
    square = (expected / sizes - share) ** 2 - share * (1 - share) / (sizes - 1)
    return square @ sizes / len(p)


def debiased_l2(outcomes: Floats, p: Floats) -> Floats:
    """Return the root of `debiased_square`, 0 where that is negative."""
    return np.sqrt(np.maximum(debiased_square(outcomes, p), 0))


def sweep(outcomes: Floats, p: Floats) -> Floats:
    """Return the ECE with as many equal-mass bins as keep the shares rising (Roelofs 2022, arXiv:2012.08668)."""
    order = np.argsort(p, kind="stable")
    ordered, n = p[order], len(p)
    starts = np.flatnonzero(np.r_[True, np.diff(ordered) > 0])  # equal probabilities stay in one bin
    gaps = np.pad(np.cumsum(outcomes[:, order] - ordered, axis=1), ((0, 0), (1, 0)))
    hits = np.pad(np.cumsum(outcomes[:, order], axis=1), ((0, 0), (1, 0)))
    errors, rising = np.abs(gaps[:, -1]) / n, np.arange(len(outcomes))
    for n_bins in range(2, n + 1):
        edges = np.r_[starts[np.r_[True, np.diff(starts * n_bins // n) > 0]], n]
        shares = np.diff(hits[rising][:, edges], axis=1) / np.diff(edges)
        rising = rising[(np.diff(shares, axis=1) >= 0).all(axis=1)]
        if len(rising) == 0:
            break
        errors[rising] = np.abs(np.diff(gaps[rising][:, edges], axis=1)).sum(axis=1) / n
        if len(edges) > len(starts):  # every distinct probability has its bin
            break
    return errors


ERRORS: dict[str, Error] = {
    "ece_width15": ece_of(width_bins),
    "ece_mass10": ece_of(mass_bins),
    "debiased_l2": debiased_l2,
    "ece_sweep": sweep,
}
"""Every calibration error of a positive's probability, by its name in a report."""


@dataclass(frozen=True)
class BeyondChance:
    """A calibration error and what a perfectly calibrated model would show at the same probabilities.

    expected, upper: median and 95th percentile under perfect calibration; excess: value - expected.
    """

    value: Value
    expected: float
    upper: float
    excess: float


def beyond_chance(error: Error, outcome: ArrayLike, probability: ArrayLike, seed: int) -> BeyondChance:
    """Return `error` of outcome 0/1 (n,) and probability (n,) beside its null, 500 simulated outcomes.

    An error is biased upwards at small n: only what exceeds the null is miscalibration (Broecker & Smith
    2007, doi:10.1175/WAF993.1).
    """
    truth, p = binary(outcome, probability)
    if len(p) == 0:
        return BeyondChance(undefined("no patients"), math.nan, math.nan, math.nan)
    value = float(error(truth[None].astype(np.float64), p)[0])
    if math.isnan(value):
        return BeyondChance(undefined("a bin holds a single patient"), math.nan, math.nan, math.nan)
    null = np.concatenate([error(drawn, p) for drawn in outcomes_by_chance(p, seed)])
    expected, upper = float(np.median(null)), float(np.quantile(null, LEVEL))
    return BeyondChance(Value(value), expected, upper, value - expected)


def class_wise(
    labels: ArrayLike, probabilities: ArrayLike, seed: int, error: Error = debiased_l2
) -> tuple[tuple[BeyondChance, ...], Value]:
    """Return the calibration error of every class's probability, and their mean (arXiv:1910.12656).

    labels: class indices (n,); probabilities: (n, k). Classes whose error is undefined are left out of
    the mean.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    truth = classes(labels, labels, p.shape[1])[0]
    found = tuple(beyond_chance(error, truth == k, p[:, k], seed) for k in range(p.shape[1]))
    known = [one.value.value for one in found if one.value.known]
    if not known:
        return found, undefined("no class has a defined error")
    note = "" if len(known) == len(found) else f"over {len(known)} of {len(found)} classes"
    return found, Value(float(np.mean(known)), note)


def consistency_band(
    probability: ArrayLike, bins: NDArray[np.intp], seed: int, level: float = LEVEL
) -> tuple[Floats, Floats]:
    """Return per bin the limits in which `level` of the shares lie if the probabilities are right.

    bins: one per patient (n,), from 0 without gaps. By simulation (doi:10.1175/WAF993.1).
    """
    p = np.asarray(probability, dtype=np.float64)
    if len(p) == 0:
        return np.empty(0), np.empty(0)
    shares = []
    for drawn in outcomes_by_chance(p, seed):
        hits, _, sizes = _per_bin(drawn, p, bins)
        shares.append(hits / sizes)
    low, high = np.quantile(np.concatenate(shares), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def isotonic_band(
    outcome: ArrayLike, probability: ArrayLike, seed: int, level: float = LEVEL
) -> tuple[Floats, Floats, Floats]:
    """Return the distinct probabilities and the limits of the PAV curve over bootstrapped patients.

    For the reliability diagram where fewer than 20 positives leave bins empty; patients are drawn within
    each outcome.
    """
    truth, p = binary(outcome, probability)
    values, place = _levels(p)
    generator, y = np.random.default_rng(seed), truth.astype(np.float64)
    curves = np.empty((BAND_RESAMPLES, len(values)))
    for row in curves:
        weights = np.zeros(len(p))
        for own in (np.flatnonzero(truth), np.flatnonzero(~truth)):
            if len(own):
                weights += np.bincount(generator.choice(own, len(own)), minlength=len(p))
        share = _recalibrated(y, place, weights)
        drawn = ~np.isnan(share)
        row[:] = np.interp(values, values[drawn], share[drawn]) if drawn.any() else np.nan
    low, high = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return values, low, high
