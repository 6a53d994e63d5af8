"""Temperature scaling, reliability bins, what chance alone would show, and calibration in the large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, log_softmax, logit
from scipy.stats import chi2, norm

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import LEVEL, Interval, no_interval, wilson
from nmevision.evaluation.metrics import MASS_BINS, Value, binary, mass_bins, undefined, why_one_class
from nmevision.evaluation.rates import CLIP
from nmevision.evaluation.weighted import Floats

TEMPERATURES = (0.05, 20.0)
"""Bounds of the fit: separable logits would drive T to 0, useless ones to infinity."""
FEWEST = 10
"""Fewer labelled samples than this tell nothing about one temperature."""
NULL_DRAWS = 500
"""Simulated outcomes for the error of a perfectly calibrated model."""
CELLS = 1_000_000
"""Simulated outcomes held at once (8 MB), so that 100,000 patients fit into memory."""
NO_CLAIM_BELOW = 20
"""Positive patients; with fewer, calibration numbers are shown and nothing is claimed of them."""
NEWTON_STEPS = 50


def why_not_fitted(labels: ArrayLike) -> str:
    """Return why no temperature can be fitted to these labels (class indices (n,)), or ""."""
    truth = np.asarray(labels)
    if len(truth) < FEWEST:
        return f"{len(truth)} labelled samples; a temperature needs at least {FEWEST}"
    if len(np.unique(truth)) < 2:
        return "only one class in the labels; a temperature needs at least 2"
    return ""


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature that minimises the negative log-likelihood (arXiv:1706.04599).

    logits: (n, k) finite; labels: class indices 0 to k-1 (n,). 1.0 where it cannot be fitted;
    `why_not_fitted(labels)` tells the reason. The result lies within TEMPERATURES.
    """
    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.intp)
    if values.ndim != 2 or truth.shape != values.shape[:1]:
        raise EvaluationError(f"logits {values.shape} and labels {truth.shape}; expected (n, k) and (n,)")
    if not np.isfinite(values).all():
        raise EvaluationError("logits must be finite numbers")
    if len(truth) and (truth.min() < 0 or truth.max() >= values.shape[1]):
        raise EvaluationError(f"labels must be class indices from 0 to {values.shape[1] - 1}")
    if why_not_fitted(truth):
        return 1.0
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(values / math.exp(log_temperature), axis=1)[rows, truth].mean())

    low, high = (math.log(bound) for bound in TEMPERATURES)
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return math.exp(float(best.x))


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin: how many patients, their mean probability, the share that came true and its Wilson bar."""

    n: int
    probability: float
    share: float
    low: float
    high: float


def reliability_bins(
    outcome: ArrayLike, probability: ArrayLike, n_bins: int = MASS_BINS
) -> list[ReliabilityBin]:
    """Return equal-mass bins of outcome 0/1 (n,) against probability 0 to 1 (n,), lowest first."""
    truth, p = binary(outcome, probability)
    bins = mass_bins(p, n_bins)
    found = []
    for index in range(int(bins.max(initial=-1)) + 1):
        own = bins == index
        bar = wilson(int(truth[own].sum()), int(own.sum()))
        found.append(
            ReliabilityBin(int(own.sum()), float(p[own].mean()), float(truth[own].mean()), bar.low, bar.high)
        )
    return found


def outcomes_by_chance(probability: Floats, seed: int, draws: int = NULL_DRAWS) -> Iterator[Floats]:
    """Yield blocks (up to CELLS / n rows, n) of outcomes 0/1 drawn from the probabilities (n,) themselves.

    Together `draws` rows; the same seed gives the same rows whatever the size of a block.
    """
    generator, n = np.random.default_rng(seed), len(probability)
    size = max(1, CELLS // max(1, n))
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        yield (generator.random((rows, n)) < probability).astype(np.float64)


def expected_by_chance(probability: ArrayLike, bins: NDArray[np.intp], seed: int) -> float:
    """Return the median calibration error if the outcomes were drawn from the probabilities themselves.

    A perfectly calibrated model shows this error too: only what exceeds it is miscalibration
    (Broecker & Smith 2007, doi:10.1175/WAF993.1). NaN without patients.
    """
    p = np.asarray(probability, dtype=np.float64)
    if len(p) == 0:
        return math.nan
    member = (bins[:, None] == np.arange(bins.max() + 1)).astype(np.float64)
    errors = [np.abs((drawn - p) @ member).sum(axis=1) / len(p) for drawn in outcomes_by_chance(p, seed)]
    return float(np.median(np.concatenate(errors)))


def why_no_claim(n_positive: int) -> str:
    """Return why nothing is claimed of the calibration at so many positive patients, or "".

    >>> why_no_claim(7)
    'no claim: 7 positives, fewer than 20'
    """
    if n_positive >= NO_CLAIM_BELOW:
        return ""
    return f"no claim: {n_positive} positive{'' if n_positive == 1 else 's'}, fewer than {NO_CLAIM_BELOW}"


def _log_odds(p: Floats) -> tuple[Floats, str]:
    """Return the log-odds of probabilities clipped to CLIP, and how many were clipped in words."""
    clipped = int(((p < CLIP) | (p > 1 - CLIP)).sum())
    note = f"{clipped} of {len(p)} probabilities clipped at {CLIP:g}" if clipped else ""
    return logit(np.clip(p, CLIP, 1 - CLIP)), note


def _qualified(value: float, *notes: str) -> Value:
    return Value(value, "; ".join(note for note in notes if note))


def in_the_large(outcome: ArrayLike, probability: ArrayLike, level: float = LEVEL) -> tuple[Value, Interval]:
    """Return calibration-in-the-large with its Wald interval: 0 is ideal, below 0 the risks are too high.

    The intercept of a logistic regression of outcome 0/1 (n,) on the log-odds of probability (n,) whose
    slope is fixed at 1 (Cox 1958, doi:10.1093/biomet/45.3-4.562; doi:10.1186/s12916-019-1466-7).
    """
    truth, p = binary(outcome, probability)
    missing = why_one_class(truth)
    if missing:
        return undefined(missing), no_interval("", "Wald")
    odds, note = _log_odds(p)
    reach = float(np.abs(odds).max()) + math.log(len(p)) + 1
    intercept = float(brentq(lambda a: expit(odds + a).sum() - truth.sum(), -reach, reach))
    fitted = expit(odds + intercept)
    half = norm.isf((1 - level) / 2) / math.sqrt(float((fitted * (1 - fitted)).sum()))
    value = _qualified(intercept, why_no_claim(int(truth.sum())), note)
    return value, Interval(intercept - half, intercept + half, "Wald")


def slope(outcome: ArrayLike, probability: ArrayLike, level: float = LEVEL) -> tuple[Value, Interval]:
    """Return the calibration slope with its Wald interval: 1 is ideal, below 1 the risks are too extreme.

    Of the logistic regression of outcome 0/1 (n,) on the log-odds of probability (n,) with an intercept
    (Cox 1958, doi:10.1093/biomet/45.3-4.562). Undefined where a threshold separates the outcomes.
    """
    truth, p = binary(outcome, probability)
    odds, note = _log_odds(p)
    missing = why_one_class(truth) or ("all probabilities are equal" if np.ptp(odds) < 1e-12 else "")
    if not missing and (odds[truth].min() >= odds[~truth].max() or odds[truth].max() <= odds[~truth].min()):
        missing = "a threshold separates the outcomes, so no slope fits best"
    if missing:
        return undefined(missing), no_interval("", "Wald")
    design = np.stack([np.ones_like(odds), (odds - odds.mean()) / odds.std()], axis=1)
    weights = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        fitted = expit(design @ weights)
        information = (design * (fitted * (1 - fitted))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (truth - fitted))
        weights += step / max(1.0, float(np.abs(step).max()))  # never overshoots into flat regions
        if np.abs(step).max() < 1e-12:
            break
    value = float(weights[1] / odds.std())
    spread = math.sqrt(float(np.linalg.inv(information)[1, 1])) / float(odds.std())
    half = norm.isf((1 - level) / 2) * spread
    told = _qualified(value, why_no_claim(int(truth.sum())), note)
    return told, Interval(value - half, value + half, "Wald")


def expected_to_observed(
    outcome: ArrayLike, probability: ArrayLike, level: float = LEVEL
) -> tuple[Value, Interval]:
    """Return expected / observed positives: 1 is ideal, above 1 the risks are too high.

    The interval takes the observed count as Poisson, exactly (Garwood 1936, doi:10.1093/biomet/28.3-4.437);
    with no positive only its lower limit exists.
    """
    truth, p = binary(outcome, probability)
    method = "exact Poisson"
    if len(p) == 0:
        return undefined("no patients"), no_interval("", method)
    observed, expected, tail = int(truth.sum()), float(p.sum()), (1 - level) / 2
    least = float(chi2.ppf(tail, 2 * observed)) / 2 if observed else 0.0
    most = float(chi2.isf(tail, 2 * observed + 2)) / 2
    interval = Interval(expected / most, expected / least if least else math.inf, method)
    if not observed:
        return undefined("no positives"), interval
    return _qualified(expected / observed, why_no_claim(observed)), interval
