"""Scores of single images whose patients are resampled: images of one patient are not independent."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import (
    LEVEL,
    Interval,
    delong_components,
    logit_delong,
    no_interval,
)
from nmevision.evaluation.metrics import auroc, binary, why_one_class
from nmevision.evaluation.weighted import Floats, Statistic, auroc_of, ratio

PAIRS_IN_MEMORY = 4_000_000
"""Patient pairs up to which the wins of every pair are kept (32 MB); beyond, images are counted one by one."""
EXACT_IN_FLOAT32 = 2**23
"""Halves are exact in float32 below this, which a product of integer weights and wins must not exceed."""


def patient_index(patients: ArrayLike, n_images: int) -> NDArray[np.intp]:
    """Return for every image the index of its patient among the sorted names."""
    index = np.unique(np.asarray(patients), return_inverse=True)[1]
    if index.shape != (n_images,):
        raise EvaluationError(f"patients {index.shape} and scores ({n_images},) must be of one length")
    return index.astype(np.intp)


def of_images(statistic: Statistic, patients: NDArray[np.intp]) -> Statistic:
    """Return a statistic of images as one of patients: every image counts as often as its patient.

    patients: index of each image's patient (n_images,), see patient_index.
    """

    def of_patients(weights: Floats) -> Floats:
        return statistic(weights[:, patients])

    return of_patients


def image_auroc_of(positive: NDArray[np.bool_], scores: Floats, patients: NDArray[np.intp]) -> Statistic:
    """Return the AUROC over images as a function of patient weights (replicates x patients, integers).

    The wins between every two patients are counted once; a replicate is then W+ M W-, one matrix
    product. Too many pairs for memory are counted per replicate instead.
    """
    n = int(patients.max(initial=-1)) + 1
    positives, own = np.unique(patients[positive], return_inverse=True)
    negatives, others = np.unique(patients[~positive], return_inverse=True)
    if len(positives) * len(negatives) > PAIRS_IN_MEMORY:
        return of_images(auroc_of(positive, scores), patients)
    wins = _wins(scores[positive], own, scores[~positive], others)
    n_positive, n_negative = (np.bincount(patients[of], minlength=n) for of in (positive, ~positive))
    most = 2 * positive.sum() * n_negative.max(initial=0)
    if most < EXACT_IN_FLOAT32:
        wins = wins.astype(np.float32)

    def statistic(weights: Floats) -> Floats:
        beaten = weights[:, positives].astype(wins.dtype) @ wins
        won = np.einsum("ij,ij->i", beaten, weights[:, negatives], dtype=np.float64)
        return ratio(won, (weights @ n_positive) * (weights @ n_negative))

    return statistic


def _wins(
    positive: Floats, own: NDArray[np.intp], negative: Floats, others: NDArray[np.intp]
) -> NDArray[np.floating]:
    """Return how many image pairs each positive patient (row) wins from each negative one, ties half."""
    order = np.argsort(negative, kind="stable")
    ordered, whose = negative[order], others[order]
    n_rows, n_columns = int(own.max(initial=-1)) + 1, int(others.max(initial=-1)) + 1
    below, upto = (np.searchsorted(ordered, positive, side=side) for side in ("left", "right"))
    wins = np.zeros((n_rows, n_columns))
    seen = np.zeros(n_columns)
    position = 0
    # one sweep over all thresholds: `seen` holds the negatives' images below, half a count per limit
    limits = np.concatenate([below, upto])
    rows = np.concatenate([own, own])
    for step in np.argsort(limits, kind="stable"):
        if limits[step] > position:
            seen += np.bincount(whose[position : limits[step]], minlength=n_columns)
            position = int(limits[step])
        wins[rows[step]] += seen
    return wins / 2


def image_average_precision_of(
    positive: NDArray[np.bool_], scores: Floats, patients: NDArray[np.intp]
) -> Statistic:
    """Return the average precision over images as a function of patient weights (whole numbers).

    The images are put in order of their scores once; a replicate then gathers its patients' weights in that order and
    adds them up, in integers. Memory is that of one block of replicates: images x replicates x 4 bytes.
    """
    order = np.argsort(-scores, kind="stable")
    whose, falling, is_positive = patients[order], -scores[order], positive[order]
    own, others = whose[is_positive], whose[~is_positive]
    if not len(own) or not len(others):
        return lambda weights: np.full(len(weights), np.nan)
    # images of either side that score at least as high as each positive
    true_at = np.searchsorted(falling[is_positive], falling[is_positive], side="right") - 1
    false_at = np.searchsorted(falling[~is_positive], falling[is_positive], side="right")

    def statistic(weights: Floats) -> Floats:
        drawn = weights.astype(np.int32)
        counted = np.take(drawn, own, axis=1)
        alarms = np.zeros((len(drawn), len(others) + 1), dtype=np.int32)
        np.cumsum(np.take(drawn, others, axis=1), axis=1, out=alarms[:, 1:])
        hits = np.cumsum(counted, axis=1, dtype=np.int32)
        true = np.take(hits, true_at, axis=1)
        precision = true / np.maximum(true + np.take(alarms, false_at, axis=1), 1)
        result = ratio(np.einsum("ij,ij->i", counted, precision), hits[:, -1].astype(np.float64))
        return np.where(alarms[:, -1] > 0, result, np.nan)

    return statistic


def image_calibration_error_of(
    outcome: Floats, probability: Floats, bins: NDArray[np.intp], patients: NDArray[np.intp]
) -> Statistic:
    """Return the expected calibration error over images as a function of patient weights.

    A patient's gaps are summed per bin once; a replicate is then one small matrix product.
    """
    n, n_bins = int(patients.max(initial=-1)) + 1, int(bins.max(initial=-1)) + 1
    cells = patients * n_bins + bins
    gaps = np.bincount(cells, outcome - probability, minlength=n * n_bins).reshape(n, n_bins)
    images = np.bincount(patients, minlength=n).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        return ratio(np.abs(weights @ gaps).sum(axis=1), weights @ images)

    return statistic


def clustered_variance(labels: ArrayLike, scores: ArrayLike, patients: ArrayLike) -> float:
    """Return Obuchowski's variance of the AUROC over images of patients (doi:10.2307/2533958).

    DeLong's structural components are summed within a patient, who may hold images of both labels. One
    image per patient gives DeLong's variance. NaN with fewer than two patients of a label.
    """
    truth, values = binary(labels, scores)
    index = patient_index(patients, len(values))
    n = int(index.max(initial=-1)) + 1
    m, k = (np.bincount(index[of], minlength=n) for of in (truth, ~truth))
    with_positive, with_negative = int((m > 0).sum()), int((k > 0).sum())
    if min(with_positive, with_negative) < 2:
        return math.nan
    above, below = delong_components(truth, values)
    area, n_positive, n_negative = float(above.mean()), m.sum(), k.sum()
    ten = np.bincount(index[truth], above, minlength=n) - m * area
    one = np.bincount(index[~truth], below, minlength=n) - k * area
    s10 = with_positive / ((with_positive - 1) * n_positive) * (ten**2).sum()
    s01 = with_negative / ((with_negative - 1) * n_negative) * (one**2).sum()
    s11 = n / (n - 1) * (ten * one).sum()
    return float(s10 / n_positive + s01 / n_negative + 2 * s11 / (n_positive * n_negative))


def clustered_interval(
    labels: ArrayLike, scores: ArrayLike, patients: ArrayLike, level: float = LEVEL
) -> Interval:
    """Return the interval of an AUROC over images: Obuchowski's variance on the logit scale.

    Descriptive, as every score of single images is; with few positive patients it covers too little.
    """
    truth, values = binary(labels, scores)
    reason = why_one_class(truth)
    if reason:
        return no_interval(reason)
    variance = clustered_variance(truth, values, patients)
    found = logit_delong(auroc(truth, values).value, variance, level)
    return Interval(
        found.low, found.high, "clustered DeLong (Obuchowski 1997) on the logit scale", found.reason
    )
