"""Every metric once, as a function of how often each patient counts.

A statistic takes weights (replicates x patients, >= 0) and returns one value per replicate, NaN where
it is undefined. All ones give the metric itself, the multiplicities of a bootstrap its replicates, so
an estimate and its interval can never be computed by two different formulas.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


def ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where `below` is zero."""
    result = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=result, where=np.broadcast_to(below > 0, result.shape))
    return result


def _running(weights: Floats) -> Floats:
    """Return the cumulative weights along each row with a leading zero."""
    total = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total


def auroc_of(positive: NDArray[np.bool_], scores: Floats) -> Statistic:
    """Return the AUROC, P(s+ > s-) + P(s+ = s-) / 2, of bool `positive` and `scores` (both (n,))."""
    for_positive, for_negative = np.flatnonzero(positive), np.flatnonzero(~positive)
    for_negative = for_negative[np.argsort(scores[for_negative], kind="stable")]
    below = np.searchsorted(scores[for_negative], scores[for_positive], side="left")
    upto = np.searchsorted(scores[for_negative], scores[for_positive], side="right")

    def statistic(weights: Floats) -> Floats:
        own = weights[:, for_positive]
        others = _running(weights[:, for_negative])
        won = np.einsum("ij,ij->i", own, others[:, below] + others[:, upto]) / 2
        return ratio(won, own.sum(axis=1) * others[:, -1])

    return statistic


def average_precision_of(
    positive: NDArray[np.bool_], scores: Floats, prevalence: float | None = None
) -> Statistic:
    """Return the average precision, sum of (R_i - R_(i-1)) P_i over distinct scores, no interpolation.

    prevalence: weigh the negatives so that the positives are this share of all; None leaves them be.
    """
    for_positive, for_negative = np.flatnonzero(positive), np.flatnonzero(~positive)
    for_positive = for_positive[np.argsort(scores[for_positive], kind="stable")]
    for_negative = for_negative[np.argsort(scores[for_negative], kind="stable")]
    own_below = np.searchsorted(scores[for_positive], scores[for_positive], side="left")
    others_below = np.searchsorted(scores[for_negative], scores[for_positive], side="left")

    def statistic(weights: Floats) -> Floats:
        own = weights[:, for_positive]
        hits, alarms = _running(own), _running(weights[:, for_negative])
        true = hits[:, -1:] - hits[:, own_below]
        false = alarms[:, -1:] - alarms[:, others_below]
        if prevalence is not None:
            false *= ratio(hits[:, -1:], alarms[:, -1:]) * (1 - prevalence) / prevalence
        precision = np.nan_to_num(ratio(true, true + false))  # a patient not drawn has weight 0 as well
        result = ratio(np.einsum("ij,ij->i", own, precision), hits[:, -1])
        return np.where(alarms[:, -1] > 0, result, np.nan)

    return statistic


def partial_auroc_of(positive: NDArray[np.bool_], scores: Floats, max_fpr: float) -> Statistic:
    """Return McClish's standardised area under the ROC curve up to a false positive rate (0 to 1).

    (1 + (area - f^2 / 2) / (f - f^2 / 2)) / 2 with f = max_fpr, so that chance gives 0.5 and perfect
    separation 1 (doi:10.1177/0272989X8900900307).
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True]) + 1
    least = max_fpr**2 / 2

    def statistic(weights: Floats) -> Floats:
        drawn = weights[:, order]
        true, false = (_running(drawn * of[order])[:, np.r_[0, ends]] for of in (positive, ~positive))
        x, y = ratio(false, false[:, -1:]), ratio(true, true[:, -1:])
        width = np.clip(max_fpr - x[:, :-1], 0, np.diff(x, axis=1))
        slope = np.nan_to_num(ratio(np.diff(y, axis=1), np.diff(x, axis=1)))
        area = (width * (y[:, :-1] + slope * width / 2)).sum(axis=1)
        return (1 + (area - least) / (max_fpr - least)) / 2

    return statistic


def mean_of(values: Floats) -> Statistic:
    """Return the mean of one value per patient."""

    def statistic(weights: Floats) -> Floats:
        return ratio(weights @ values, weights.sum(axis=1))

    return statistic


def _one_hot(labels: NDArray[np.intp], n_classes: int) -> Floats:
    return (labels[:, None] == np.arange(n_classes)).astype(np.float64)


def balanced_accuracy_of(labels: NDArray[np.intp], predicted: NDArray[np.intp], n_classes: int) -> Statistic:
    """Return the mean recall over the classes present in truth."""
    truth = _one_hot(labels, n_classes)
    hit = truth * (labels == predicted)[:, None]

    def statistic(weights: Floats) -> Floats:
        recall = ratio(weights @ hit, weights @ truth)
        return ratio(np.nansum(recall, axis=1), (~np.isnan(recall)).sum(axis=1).astype(np.float64))

    return statistic


def macro_f1_of(labels: NDArray[np.intp], predicted: NDArray[np.intp], n_classes: int) -> Statistic:
    """Return the mean F1 over a declared class list.

    A class with neither truth nor prediction is left out; one with predictions but no truth counts 0.
    """
    truth, calls = _one_hot(labels, n_classes), _one_hot(predicted, n_classes)
    hit = truth * calls

    def statistic(weights: Floats) -> Floats:
        f1 = ratio(2 * (weights @ hit), weights @ truth + weights @ calls)
        return ratio(np.nansum(f1, axis=1), (~np.isnan(f1)).sum(axis=1).astype(np.float64))

    return statistic


def mcc_of(labels: NDArray[np.intp], predicted: NDArray[np.intp], n_classes: int) -> Statistic:
    """Return Matthews' correlation over all classes, R_K (doi:10.1016/j.compbiolchem.2004.09.006)."""
    truth, calls = _one_hot(labels, n_classes), _one_hot(predicted, n_classes)
    right = (labels == predicted).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        total, true, called = weights.sum(axis=1), weights @ truth, weights @ calls
        spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (called**2).sum(axis=1))
        covariance = (weights @ right) * total - (true * called).sum(axis=1)
        return ratio(covariance, np.sqrt(np.maximum(spread, 0)))

    return statistic


def brier_skill_of(labels: NDArray[np.intp], probabilities: Floats) -> Statistic:
    """Return 1 - Brier / Brier of the base rates, for probabilities (n, k): 0 is no better than those."""
    truth = _one_hot(labels, probabilities.shape[1])
    losses = ((probabilities - truth) ** 2).sum(axis=1)

    def statistic(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        shares = ratio(weights @ truth, total[:, None])
        return 1 - ratio(weights @ losses, total * (1 - (shares**2).sum(axis=1)))

    return statistic


def calibration_error_of(outcome: Floats, probability: Floats, bins: NDArray[np.intp]) -> Statistic:
    """Return the expected calibration error: sum over bins of share * |mean outcome - mean probability|.

    bins: the bin of each patient (n,), held fixed over replicates.
    """
    member = _one_hot(bins, int(bins.max(initial=-1)) + 1)
    gap = member * (outcome - probability)[:, None]

    def statistic(weights: Floats) -> Floats:
        return ratio(np.abs(weights @ gap).sum(axis=1), weights.sum(axis=1))

    return statistic


def difference_of(first: Statistic, second: Statistic) -> Statistic:
    """Return first - second on the same draws, for paired comparisons."""

    def statistic(weights: Floats) -> Floats:
        return first(weights) - second(weights)

    return statistic


def macro_of(statistics: list[Statistic]) -> Statistic:
    """Return the mean of several statistics, over those that are defined in a replicate."""

    def statistic(weights: Floats) -> Floats:
        values = np.stack([one(weights) for one in statistics], axis=1)
        return ratio(np.nansum(values, axis=1), (~np.isnan(values)).sum(axis=1).astype(np.float64))

    return statistic


def estimate(statistic: Statistic, n: int) -> float:
    """Return the statistic of the patients as they are: each counted once."""
    return float(statistic(np.ones((1, n)))[0])
