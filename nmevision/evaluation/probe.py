"""What a plain linear reader can take from a table of numbers: cross-validated on patients, and under permuted labels.

Nothing is tuned. The reader is a ridge regression of the label on standardised columns whose penalty is the mean
variance of the data (PENALTY), so that it works with more columns than patients. All of it but the labels is
prepared once per fold: a thousand permuted labellings cost one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import Interval, hm_score, no_interval, percentile, resample
from nmevision.evaluation.metrics import Value, undefined
from nmevision.evaluation.weighted import Floats, mean_of

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

PENALTY = 1.0
"""Ridge penalty in units of the patients' mean squared length; fixed before any data were seen."""
FOLDS, REPEATS = 5, 4
"""Random folds, each of about a fifth of every class, drawn anew four times: one draw of five varies by 0.05."""
PERMUTATIONS = 499
"""Labellings drawn by chance: the least p is 0.002, which six tests corrected by Holm can still bring below 0.05."""
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Fold:
    """One reading: labels of the `train` patients (rows) times `reader` (test x train) score the `test` patients."""

    test: Ints
    train: Ints
    reader: Floats


def table(features: ArrayLike) -> Floats:
    """Return features as float N x D; columns with a gap (NaN) hold the mean there and a column that says so.

    >>> table([[1.0, np.nan], [3.0, 2.0]]).tolist()
    [[1.0, 2.0, 1.0], [3.0, 2.0, 0.0]]
    """
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or np.isinf(values).any():
        raise EvaluationError(f"features {values.shape}; expected finite numbers, patients x columns")
    gaps = np.isnan(values)
    holed = gaps.any(axis=0) & ~gaps.all(axis=0)
    counts = np.maximum((~gaps).sum(axis=0), 1)
    filled = np.where(gaps, np.where(gaps, 0, values).sum(axis=0) / counts, values)
    return np.concatenate([filled, gaps[:, holed].astype(np.float64)], axis=1)


def one_hot(texts: ArrayLike) -> Floats:
    """Return one column of 0 and 1 per distinct text of a list (n,), in sorted order."""
    names, codes = np.unique(np.asarray(texts, dtype=str), return_inverse=True)
    return np.eye(len(names))[codes]


def reader(train: Floats, test: Floats) -> Floats:
    """Return the matrix (test x train) that turns centred train labels into ridge scores of the test patients.

    Columns are standardised by the train patients; those that do not vary there are left out. Equal to a ridge
    regression with intercept whose penalty is PENALTY times the number of columns.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    varies = spread > 1e-12 * (1 + np.abs(mean))
    if not varies.any():
        return np.zeros((len(test), len(train)))
    own, theirs = ((x[:, varies] - mean[varies]) / spread[varies] for x in (train, test))
    inner = own @ own.T / varies.sum()
    inner[np.diag_indices_from(inner)] += PENALTY
    return np.asarray(np.linalg.solve(inner, own @ theirs.T / varies.sum()).T)


def folds_of(features: Floats, tests: Sequence[Ints]) -> list[Fold]:
    """Return a fold per set of test rows; all other rows are read from."""
    everyone = np.arange(len(features))
    found = []
    for test in tests:
        train = np.setdiff1d(everyone, test)
        found.append(Fold(test, train, reader(features[train], features[test])))
    return found


def random_tests(labels: ArrayLike, seed: int, folds: int = FOLDS, repeats: int = REPEATS) -> list[Ints]:
    """Return test rows of `repeats` random divisions into at most `folds` parts, every class spread evenly.

    There are no more parts than patients of the smallest class, so that each part has one to be compared.
    """
    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    parts = max(2, min(folds, int(np.bincount(codes).min())))
    generator, found = np.random.default_rng(seed), []
    for _ in range(repeats):
        order = generator.permutation(len(codes))
        order = order[np.argsort(codes[order], kind="stable")]
        found += [np.sort(order[part::parts]) for part in range(parts)]
    return found


def pairs_won(labels: Bools, scores: Floats, strata: Ints | None = None) -> tuple[Floats, Floats]:
    """Return how many pairs of a positive and a negative of one stratum are ranked rightly, and of how many.

    labels, scores: labellings x patients. strata: stratum of each patient; one for all by default. Ties count half.
    """
    if strata is None:
        strata = np.zeros(scores.shape[1], dtype=np.intp)
    won, pairs = np.zeros(len(scores)), np.zeros(len(scores))
    for stratum in np.unique(strata):
        own = strata == stratum
        truth = labels[:, own]
        n = truth.sum(axis=1).astype(np.float64)
        ranks = rankdata(scores[:, own], axis=1)
        won += (ranks * truth).sum(axis=1) - n * (n + 1) / 2
        pairs += n * (own.sum() - n)
    return won, pairs


def fold_auroc(folds: Sequence[Fold], labels: Bools, strata: Ints | None = None) -> Floats:
    """Return the AUROC over all pairs that share a fold (and a stratum), one per labelling (P x N); NaN without pairs.

    Scores of two folds are never compared: pooled they are biased against the left-out label.
    """
    won, pairs = np.zeros(len(labels)), np.zeros(len(labels))
    truth = labels.astype(np.float64)
    for fold in folds:
        train = truth[:, fold.train]
        scores = (train - train.mean(axis=1, keepdims=True)) @ fold.reader.T
        scores = np.round(scores, 9)  # what differs by rounding alone is a tie
        own = None if strata is None else strata[fold.test]
        more_won, more = pairs_won(labels[:, fold.test], scores, own)
        won, pairs = won + more_won, pairs + more
    return np.divide(won, pairs, out=np.full(len(labels), np.nan), where=pairs > 0)


def permuted(labels: ArrayLike, runs: int, seed: int, strata: Ints | None = None) -> NDArray[np.generic]:
    """Return `runs` random orders of the labels (runs x N), dealt within each stratum where there are any."""
    values, generator = np.asarray(labels), np.random.default_rng(seed)
    found = np.tile(values, (runs, 1))
    groups = np.zeros(len(values), dtype=np.intp) if strata is None else strata
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        found[:, own] = generator.permuted(found[:, own], axis=1)
    return found


@dataclass(frozen=True)
class Reading:
    """How well the label can be read from a table.

    chance, limit: mean and 95th percentile under permuted labels. p: of the value, one-sided, by permutation.
    """

    value: Value
    interval: Interval
    chance: float
    limit: float
    p: float
    runs: int
    spread: float = float("nan")


def read_label(
    features: ArrayLike,
    positive: ArrayLike,
    seed: int = 0,
    strata: Ints | None = None,
    runs: int = PERMUTATIONS,
) -> Reading:
    """Return the cross-validated AUROC of a label (bool, n patients) read from features (n x D).

    strata: compare and permute only within them, such as sources. The interval is HM-score on all patients; it
    does not know that the readers share training patients.
    """
    values, truth = table(features), np.asarray(positive, dtype=bool)
    n, m = int(truth.sum()), int((~truth).sum())
    if min(n, m) < 2:
        reason = f"{n} positive and {m} negative patients; a reader needs 2 of each"
        return Reading(undefined(reason), no_interval(reason), np.nan, np.nan, np.nan, 0)
    folds = folds_of(values, random_tests(truth, seed))
    area = float(fold_auroc(folds, truth[None], strata)[0])
    if np.isnan(area):
        reason = "no positive and negative patient of one stratum share a fold"
        return Reading(undefined(reason), no_interval(reason), np.nan, np.nan, np.nan, 0)
    null = fold_auroc(folds, permuted(truth, runs, seed + 1, strata).astype(bool), strata)
    return _against(area, hm_score(min(max(area, 0.0), 1.0), n, m), null)


def _against(value: float, interval: Interval, null: Floats) -> Reading:
    """Return a reading beside its permuted ones."""
    null = null[~np.isnan(null)]
    p = (1 + int((null >= value - 1e-12).sum())) / (1 + len(null))
    limit = float(np.quantile(null, 0.95)) if len(null) else np.nan
    chance, spread = (float(null.mean()), float(null.std(ddof=1))) if len(null) > 1 else (np.nan, np.nan)
    return Reading(Value(value), interval, chance, limit, p, len(null), spread)


def read_class(features: ArrayLike, classes: ArrayLike, seed: int = 0, runs: int = 199) -> Reading:
    """Return the balanced accuracy with which one of several classes (n texts) is read from features (n x D)."""
    values, names = table(features), np.asarray(classes, dtype=str)
    codes = np.unique(names, return_inverse=True)[1]
    counts = np.bincount(codes)
    if len(counts) < 2 or counts.min() < 2:
        reason = f"{len(counts)} classes, {counts.min()} patients in the smallest; a reader needs 2 of 2"
        return Reading(undefined(reason), no_interval(reason), np.nan, np.nan, np.nan, 0)
    folds = folds_of(values, random_tests(codes, seed))
    right = _hits(folds, codes[None])[0]
    weights = 1 / (len(counts) * counts[codes])
    value = float(weights @ right)

    def balanced(drawn: Floats) -> Floats:
        own = [mean_of(right[codes == k])(drawn[:, codes == k]) for k in range(len(counts))]
        return np.asarray(np.mean(own, axis=0))

    drawn = resample(codes, {"balanced": balanced}, RESAMPLES, seed)["balanced"]
    labellings = permuted(codes, runs, seed + 1).astype(np.intp)
    return _against(
        value, percentile(drawn, int(counts.min())), _balanced(_hits(folds, labellings), labellings, counts)
    )


def _balanced(hits: Floats, codes: Ints, counts: NDArray[np.int64]) -> Floats:
    return np.asarray((hits / counts[codes]).sum(axis=1) / len(counts))


def _hits(folds: Sequence[Fold], codes: Ints) -> Floats:
    """Return the share of a patient's folds in which the class is read rightly, labellings x patients."""
    n_classes = int(codes.max()) + 1
    right, seen = np.zeros(codes.shape), np.zeros(codes.shape[1])
    for fold in folds:
        scores = []
        for k in range(n_classes):
            own = (codes[:, fold.train] == k).astype(np.float64)
            share = own.mean(axis=1, keepdims=True)
            scores.append(
                ((own - share) @ fold.reader.T) / np.maximum(share, 1e-12)
            )  # classes count the same
        right[:, fold.test] += np.argmax(scores, axis=0) == codes[:, fold.test]
        seen[fold.test] += 1
    return right / np.maximum(seen, 1)
