"""Further metrics of ranking, decision and probability; undefined is NaN with a reason, as in metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import LEVEL, Interval, clopper_pearson, no_interval
from nmevision.evaluation.metrics import Value, auroc, binary, classes, undefined, why_one_class
from nmevision.evaluation.weighted import (
    Floats,
    average_precision_of,
    brier_skill_of,
    estimate,
    mcc_of,
    partial_auroc_of,
)

MAX_FPR = 0.1
"""The false positive rates that the partial AUROC covers end here."""
PREVALENCES = (0.01, 0.001)
"""Shares of positives at which the average precision is also told: pre-selected referrals, a wide net."""
CLIP = 1e-7
"""Least probability that a log-likelihood uses; below, one sure mistake would make it infinite."""


def partial_auroc(
    labels: ArrayLike, scores: ArrayLike, max_fpr: float = MAX_FPR, standardised: bool = True
) -> Value:
    """Return the area under the ROC curve up to `max_fpr` (0 to 1), by McClish's standard or raw.

    Standardised, chance is 0.5 and perfect separation 1 (doi:10.1177/0272989X8900900307); raw, chance is
    max_fpr^2 / 2 and perfect separation max_fpr. The area over a range of high sensitivities is the one
    of exchanged labels and negated scores.
    """
    if not 0 < max_fpr <= 1:
        raise EvaluationError(f"max_fpr {max_fpr}; expected a number above 0, at most 1")
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    if reason:
        return undefined(reason)
    found = estimate(partial_auroc_of(truth, values, max_fpr), len(truth))
    least = max_fpr**2 / 2
    return Value(found if standardised else least + (2 * found - 1) * (max_fpr - least))


def standardised_average_precision(labels: ArrayLike, scores: ArrayLike, prevalence: float) -> Value:
    """Return the average precision as if positives were the share `prevalence` (0 to 1, open) of all.

    Negatives are re-weighted, so that sets of different composition can be compared; chance is `prevalence`.

    >>> round(standardised_average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.5).value, 4)
    0.8333
    """
    if not 0 < prevalence < 1:
        raise EvaluationError(f"prevalence {prevalence}; expected a number between 0 and 1")
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    if reason:
        return undefined(reason)
    return Value(estimate(average_precision_of(truth, values, prevalence), len(truth)))


def auroc_against_each(
    labels: ArrayLike, scores: ArrayLike, members: Sequence[int], n_classes: int
) -> dict[int, Value]:
    """Return the AUROC of the positives against every other class alone: class index -> value.

    labels: class indices (n,); scores: of the positive (n,); members: the class indices that are positive.
    """
    truth, values = classes(labels, labels, n_classes)[0], np.asarray(scores, dtype=np.float64)
    positive = np.isin(truth, members)
    found = {}
    for other in sorted(set(range(n_classes)) - set(members)):
        own = positive | (truth == other)
        found[other] = auroc(positive[own], values[own])
    return found


def mcc(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Value:
    """Return Matthews' correlation over all classes, R_K: 0 is chance, 1 perfect (-1 for two classes reversed).

    >>> round(mcc([1, 1, 1, 0], [1, 0, 1, 1], 2).value, 4)
    -0.3333
    """
    truth, calls = classes(labels, predicted, n_classes)
    for values, name in ((truth, "truth"), (calls, "the predictions")):
        if len(np.unique(values)) < 2:
            return undefined(f"fewer than two classes in {name}")
    return Value(estimate(mcc_of(truth, calls, n_classes), len(truth)))


def nll_losses(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, int]:
    """Return each patient's -log of the true class's probability, and how many were clipped at CLIP.

    probabilities: (n,) of the positive with labels 0/1, or (n, k) with class indices.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim == 1:
        truth, p = binary(labels, p)
        own = np.where(truth, p, 1 - p)
    else:
        own = p[np.arange(len(p)), classes(labels, labels, p.shape[1])[0]]
    return -np.log(np.maximum(own, CLIP)), int((own < CLIP).sum())


def nll(labels: ArrayLike, probabilities: ArrayLike) -> Value:
    """Return the mean negative log-likelihood in nats; the reason says how many were clipped.

    >>> found = nll([1, 0], [0.0, 0.5])
    >>> round(found.value, 4), found.reason
    (8.4056, '1 of 2 probabilities clipped at 1e-07')
    """
    losses, clipped = nll_losses(labels, probabilities)
    if len(losses) == 0:
        return undefined("no patients")
    note = f"{clipped} of {len(losses)} probabilities clipped at {CLIP:g}" if clipped else ""
    return Value(float(losses.mean()), note)


def one_per_class(labels: ArrayLike, probabilities: ArrayLike) -> tuple[ArrayLike, Floats]:
    """Return labels as class indices and probabilities as (n, k), also where they are of a positive alone."""
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim == 2:
        return classes(labels, labels, p.shape[1])[0], p
    truth, p = binary(labels, p)
    return truth.astype(np.intp), np.stack([1 - p, p], axis=1)


def brier_skill(labels: ArrayLike, probabilities: ArrayLike) -> Value:
    """Return 1 - Brier / Brier of this set's base rates: 1 is perfect, 0 no better than the base rates.

    probabilities: (n,) of the positive, or (n, k); the scale of the Brier score cancels.
    """
    truth, p = one_per_class(labels, probabilities)
    indices = np.asarray(truth, dtype=np.intp)
    if len(np.unique(indices)) < 2:
        return undefined("fewer than two classes in truth")
    return Value(estimate(brier_skill_of(indices, p), len(indices)))


@dataclass(frozen=True)
class LikelihoodRatios:
    """How much a positive and a negative call change the odds, with log-method intervals."""

    positive: Value
    positive_interval: Interval
    negative: Value
    negative_interval: Interval


def likelihood_ratios(tp: int, fn: int, fp: int, tn: int, level: float = LEVEL) -> LikelihoodRatios:
    """Return LR+ = sensitivity / (1 - specificity) and LR- = (1 - sensitivity) / specificity.

    Intervals on the log scale (doi:10.1016/0895-4356(91)90128-V). Where a cell is zero, 0.5 is added to all
    four, and the reason says so.

    >>> found = likelihood_ratios(1, 1, 1, 2)
    >>> round(found.positive.value, 6), round(found.negative.value, 6)
    (1.5, 0.75)
    """
    missing = "no positives" if tp + fn == 0 else "no negatives" if fp + tn == 0 else ""
    method = "log-method"
    if missing:
        none = undefined(missing), no_interval("", method)
        return LikelihoodRatios(*none, *none)
    cells = np.array([tp, fn, fp, tn], dtype=np.float64)
    note = "0.5 added to all four cells, for one is zero" if (cells == 0).any() else ""
    a, b, c, d = (float(cell) for cell in cells + (0.5 if note else 0.0))

    def ratio_of(hit: float, miss: float, alarm: float, kept: float) -> tuple[Value, Interval]:
        value = hit / (hit + miss) / (alarm / (alarm + kept))
        spread = 1 / hit - 1 / (hit + miss) + 1 / alarm - 1 / (alarm + kept)
        factor = math.exp(norm.isf((1 - level) / 2) * math.sqrt(max(spread, 0.0)))
        return Value(value, note), Interval(value / factor, value * factor, method)

    return LikelihoodRatios(*ratio_of(a, b, c, d), *ratio_of(b, a, d, c))


@dataclass(frozen=True)
class Decisions:
    """The table at a threshold that was frozen beforehand: counts, shares and their exact intervals."""

    threshold: float
    tp: int
    fn: int
    fp: int
    tn: int
    sensitivity: Value
    sensitivity_interval: Interval
    specificity: Value
    specificity_interval: Interval
    ratios: LikelihoodRatios


def at_threshold(labels: ArrayLike, scores: ArrayLike, threshold: float) -> Decisions:
    """Return what calling score > threshold positive finds; the threshold comes from elsewhere.

    threshold: of metrics.frozen_threshold on training or calibration negatives; finite.
    """
    if not math.isfinite(threshold):
        raise EvaluationError(f"threshold {threshold}; expected a number (why is it missing?)")
    truth, values = binary(labels, scores)
    called = values > threshold
    tp, fp = int((truth & called).sum()), int((~truth & called).sum())
    fn, tn = int(truth.sum()) - tp, int((~truth).sum()) - fp
    return Decisions(
        threshold,
        *(tp, fn, fp, tn),
        Value(tp / (tp + fn)) if tp + fn else undefined("no positives"),
        clopper_pearson(tp, tp + fn),
        Value(tn / (tn + fp)) if tn + fp else undefined("no negatives"),
        clopper_pearson(tn, tn + fp),
        likelihood_ratios(tp, fn, fp, tn),
    )
