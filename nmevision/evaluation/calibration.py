"""Temperature scaling, reliability bins and the calibration error that chance alone would give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as plain_softmax

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import wilson
from nmevision.evaluation.metrics import MASS_BINS, binary, mass_bins
from nmevision.evaluation.weighted import Floats, calibration_error_of

TEMPERATURES = (0.05, 20.0)
"""Bounds of the fit: separable logits would drive T to 0, useless ones to infinity."""
FEWEST = 10
"""Fewer labelled samples than this tell nothing about one temperature."""
NULL_DRAWS = 500
"""Simulated outcomes for the error of a perfectly calibrated model."""


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Return probabilities (n, k) of logits (n, k) divided by `temperature` (> 0).

    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    if not temperature > 0 or not math.isfinite(temperature):
        raise EvaluationError(f"temperature {temperature}; expected a number above 0")
    values = np.asarray(logits, dtype=np.float64)
    return np.asarray(plain_softmax(values / temperature, axis=-1))


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


def expected_by_chance(probability: ArrayLike, bins: NDArray[np.intp], seed: int) -> float:
    """Return the median calibration error if the outcomes were drawn from the probabilities themselves.

    A perfectly calibrated model shows this error too: only what exceeds it is miscalibration
    (Broecker & Smith 2007, doi:10.1175/WAF993.1). NaN without patients.
    """
    p = np.asarray(probability, dtype=np.float64)
    if len(p) == 0:
        return math.nan
    drawn = (np.random.default_rng(seed).random((NULL_DRAWS, len(p))) < p).astype(np.float64)
    once = np.ones((1, len(p)))
    return float(np.median([calibration_error_of(row, p, bins)(once)[0] for row in drawn]))
