"""The metrics: each returns a value, or NaN with the reason why it is undefined. Never 0 or 1 instead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import mannwhitneyu

from nmevision.errors import EvaluationError
from nmevision.evaluation.weighted import (
    Floats,
    auroc_of,
    average_precision_of,
    balanced_accuracy_of,
    calibration_error_of,
    estimate,
    macro_f1_of,
    mean_of,
)

WIDTH_BINS = 15
"""Equal-width bins of the top-label ECE (Guo et al. 2017, arXiv:1706.04599), for comparison only."""
MASS_BINS = 10
"""Equal-mass bins: every bin holds as nearly as possible the same number of patients."""
EXACT_PAIRS = 20_000
"""Up to so many positive-negative pairs the Mann-Whitney p is computed exactly (some 0.05 s)."""


@dataclass(frozen=True)
class Value:
    """A number, or NaN and why; `reason` may also qualify a number that is defined."""

    value: float
    reason: str = ""

    @property
    def known(self) -> bool:
        """Tell whether there is a number."""
        return not math.isnan(self.value)


def undefined(reason: str) -> Value:
    """Return the value of what cannot be computed."""
    return Value(math.nan, reason)


def binary(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Return labels as bool (n,) and scores as float (n,); raise EvaluationError where they do not fit."""
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise EvaluationError(
            f"labels {truth.shape} and scores {values.shape} must be two lists of one length"
        )
    if not np.isin(truth, (0, 1)).all():
        raise EvaluationError("binary labels must be 0 or 1 (or false and true)")
    if not np.isfinite(values).all():
        raise EvaluationError("scores must be finite numbers; leave unanswered patients out and count them")
    return truth.astype(bool), values


def why_one_class(truth: NDArray[np.bool_]) -> str:
    """Return why no positive can be compared with a negative, or ""."""
    missing = [
        name for name, found in (("positives", truth.any()), ("negatives", (~truth).any())) if not found
    ]
    return f"no {' and no '.join(missing)}" if missing else ""


def auroc(labels: ArrayLike, scores: ArrayLike) -> Value:
    """Return the area under the ROC curve, P(s+ > s-) + P(s+ = s-) / 2 (mid-ranks for ties).

    labels: bool or 0/1 (n,); scores: any finite numbers (n,), larger means positive.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    Value(value=0.75, reason='')
    >>> auroc([1, 1], [0.2, 0.3])
    Value(value=nan, reason='no negatives')
    """
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    return undefined(reason) if reason else Value(estimate(auroc_of(truth, values), len(truth)))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> Value:
    """Return the average precision; chance level is the prevalence, so compare only within one set.

    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value, 4)
    0.8333
    """
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    return undefined(reason) if reason else Value(estimate(average_precision_of(truth, values), len(truth)))


@dataclass(frozen=True)
class OperatingPoint:
    """Sensitivity where the specificity on the evaluated negatives is at least `target`.

    A patient is called positive where score > threshold. Descriptive: the threshold comes from the
    negatives that are scored with it, so it is no operating point frozen beforehand.
    """

    target: float
    sensitivity: Value
    threshold: float = math.nan
    specificity: float = math.nan
    n_found: int = 0


def negatives_needed(specificity: float) -> int:
    """Return the fewest negatives on which a specificity can be told: one false alarm must fit.

    >>> [negatives_needed(s) for s in (0.9, 0.95, 0.99)]
    [10, 20, 100]
    """
    return math.ceil(1 / (1 - specificity) - 1e-6)


def frozen_threshold(negative_scores: ArrayLike, specificity: float) -> Value:
    """Return the smallest threshold that keeps `specificity` (0 to 1, open) on these negatives.

    negative_scores: of training or calibration negatives, one per patient (n,), never of the test set
    if the threshold is to be an operating point. Positive means score > threshold.

    >>> frozen_threshold([0.1, 0.2, 0.3], 0.95).reason
    '3 negatives; specificity 0.95 needs at least 20'
    """
    if not 0 < specificity < 1:
        raise EvaluationError(f"specificity {specificity}; expected a number between 0 and 1")
    negatives = np.sort(np.asarray(negative_scores, dtype=np.float64))[::-1]
    needed = negatives_needed(specificity)
    if len(negatives) < needed:
        return undefined(f"{len(negatives)} negatives; specificity {specificity:g} needs at least {needed}")
    return Value(float(negatives[len(negatives) - math.ceil(specificity * len(negatives) - 1e-9)]))


def sensitivity_at_specificity(labels: ArrayLike, scores: ArrayLike, specificity: float) -> OperatingPoint:
    """Return the sensitivity at the smallest threshold with at least `specificity` (0 to 1, open)."""
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    threshold = undefined(reason) if reason else frozen_threshold(values[~truth], specificity)
    if not threshold.known:
        return OperatingPoint(specificity, threshold)
    found = int((values[truth] > threshold.value).sum())
    kept = float((values[~truth] <= threshold.value).mean())
    return OperatingPoint(specificity, Value(found / int(truth.sum())), threshold.value, kept, found)


def mann_whitney_p(labels: ArrayLike, scores: ArrayLike) -> tuple[Value, str]:
    """Return the one-sided p that positives score no higher than negatives, and how it was computed.

    Up to EXACT_PAIRS pairs exact, so valid at any n (the least p with 3 and 20 patients is 5.6e-4);
    ties count against the positives. Beyond, normal with tie correction.
    """
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    if reason:
        return undefined(reason), ""
    if int(truth.sum()) * int((~truth).sum()) <= EXACT_PAIRS:
        ranks = np.empty(len(values))
        ranks[np.lexsort((~truth, values))] = np.arange(len(values))  # a tied positive ranks below
        tied = len(np.intersect1d(values[truth], values[~truth])) > 0
        method, said = "exact", "Mann-Whitney, exact" + (" (ties against the positives)" if tied else "")
    else:
        ranks, method, said = values, "asymptotic", "Mann-Whitney, normal approximation"
    p = float(mannwhitneyu(ranks[truth], ranks[~truth], alternative="greater", method=method).pvalue)
    return (undefined("all scores are equal") if math.isnan(p) else Value(p)), said


def classes(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> tuple[Any, Any]:
    """Return both as int (n,); raise EvaluationError unless they are indices below `n_classes`."""
    truth, calls = np.asarray(labels, dtype=np.intp), np.asarray(predicted, dtype=np.intp)
    if truth.ndim != 1 or truth.shape != calls.shape:
        raise EvaluationError(f"labels {truth.shape} and predictions {calls.shape} must be of one length")
    for values in (truth, calls):
        if len(values) and (values.min() < 0 or values.max() >= n_classes):
            raise EvaluationError(f"class indices must lie from 0 to {n_classes - 1}")
    return truth, calls


def balanced_accuracy(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Value:
    """Return the mean recall over the classes present in truth (labels, predicted: indices (n,))."""
    truth, calls = classes(labels, predicted, n_classes)
    present = len(np.unique(truth))
    if present < 2:
        return undefined("fewer than two classes in truth")
    note = "" if present == n_classes else f"over the {present} of {n_classes} classes present in truth"
    return Value(estimate(balanced_accuracy_of(truth, calls, n_classes), len(truth)), note)


def macro_f1(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Value:
    """Return the mean F1 over the declared class list (see weighted.macro_f1_of for empty classes)."""
    truth, calls = classes(labels, predicted, n_classes)
    if len(truth) == 0:
        return undefined("no patients")
    used = len(set(truth) | set(calls))
    note = "" if used == n_classes else f"{n_classes - used} classes without truth or prediction are left out"
    return Value(estimate(macro_f1_of(truth, calls, n_classes), len(truth)), note)


def accuracy(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Value:
    """Return the share of patients whose most probable class is the true one."""
    truth, calls = classes(labels, predicted, n_classes)
    return undefined("no patients") if len(truth) == 0 else Value(float((truth == calls).mean()))


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return counts (k, k): row = truth, column = prediction.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    truth, calls = classes(labels, predicted, n_classes)
    flat = np.bincount(truth * n_classes + calls, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def brier_losses(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Return each patient's squared error: (p - y)^2 for p (n,), sum over classes for p (n, k)."""
    p, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if p.ndim == 1:
        outcome, p = binary(truth, p)
        return (p - outcome) ** 2
    return ((p - np.eye(p.shape[1])[truth.astype(np.intp)]) ** 2).sum(axis=1)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> Value:
    """Return the Brier score: 0 to 1 for probabilities (n,) of the positive, 0 to 2 for (n, k).

    >>> round(brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]).value, 4)
    0.0375
    """
    losses = brier_losses(labels, probabilities)
    return undefined("no patients") if len(losses) == 0 else Value(estimate(mean_of(losses), len(losses)))


def width_bins(probability: Floats, n_bins: int = WIDTH_BINS) -> NDArray[np.intp]:
    """Return each value's bin of `n_bins` equally wide ones on 0 to 1, right edges included."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    return np.searchsorted(inner, probability, side="left")


def mass_bins(probability: Floats, n_bins: int = MASS_BINS) -> NDArray[np.intp]:
    """Return each value's bin of at most `n_bins` equally filled ones; equal values share a bin."""
    n = len(probability)
    ordered = np.sort(probability)
    first = np.searchsorted(ordered, probability, side="left")
    bins = first * min(n_bins, n) // max(n, 1)
    return np.unique(bins, return_inverse=True)[1].astype(np.intp)


def calibration_error(outcome: ArrayLike, probability: ArrayLike, bins: NDArray[np.intp]) -> Value:
    """Return the expected calibration error over `bins` (one bin per patient, of width_bins or mass_bins).

    outcome: 0/1 (n,), "the named class is right"; probability: 0 to 1 (n,), of that class.
    """
    truth, p = binary(outcome, probability)
    if len(p) == 0:
        return undefined("no patients")
    return Value(estimate(calibration_error_of(truth.astype(np.float64), p, bins), len(p)))
