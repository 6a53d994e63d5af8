"""The two curves of a score: sensitivity over false alarms, and precision over recall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]


def roc_points(truth: Truth, scores: Floats) -> tuple[Floats, Floats]:
    """Return the false and true positive rates at every threshold, from (0, 0) to (1, 1).

    truth: N, with both classes. scores: N, higher means positive; equal ones share a threshold.
    Points that continue the step before and after them are left out.

    >>> roc_points(np.array([True, False, False]), np.array([0.9, 0.5, 0.1]))
    (array([0., 0., 1.]), array([0., 1., 1.]))
    """
    true, false = _counts(truth, scores)
    bends = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
    kept = np.concatenate([[True], bends, [True]])[: len(true)]
    true, false = np.concatenate([[0], true[kept]]), np.concatenate([[0], false[kept]])
    return false / false[-1], true / true[-1]


def precision_recall_points(truth: Truth, scores: Floats) -> tuple[Floats, Floats]:
    """Return the recall and precision of calling positive what scores at least each threshold, recall rising.

    truth: N, with at least one positive. scores: N. Thresholds that find no further positive are left out.

    >>> precision_recall_points(np.array([True, False, True]), np.array([0.9, 0.5, 0.1]))
    (array([0.5, 1. ]), array([1.        , 0.66666667]))
    """
    true, false = _counts(truth, scores)
    rises = np.diff(true, prepend=0) > 0
    return true[rises] / true[-1], true[rises] / (true + false)[rises]


def _counts(truth: Truth, scores: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many positives and negatives score at least each distinct score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(truth[order])[ends]
    return true, ends + 1 - true
