"""Leave-pair-out AUROC of ridge regression and LDA in closed form: unbiased where a few positives are all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.errors import EvaluationError
from nmevision.evaluation.metrics import Value, binary, undefined, why_one_class
from nmevision.evaluation.weighted import Floats

LEAST = 1e-10
"""What is not above this, as a share, is rounding: a tie, or a pair without which no fit is determined."""


def leave_pair_out_auroc(features: ArrayLike, labels: ArrayLike, penalty: float) -> Value:
    """Return the share of positive-negative pairs ranked rightly by the model fitted without that pair.

    features: (n, d), one row per patient, not standardised on all of them; labels: bool or 0/1 (n,);
    penalty: the ridge's lambda (0 or more) on the centred features, the intercept free. The same value holds for
    linear discriminant analysis with lambda added to the diagonal of the within-class scatter matrix: its
    direction is the ridge's own.

    Every pair is compared by one model only, so that pure noise gives 0.5, where scores pooled over
    leave-one-out folds give less (doi:10.1016/j.csda.2010.11.023; the closed form leaves two rows out of a
    linear smoother). No n+ n- fits: one decomposition.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise EvaluationError(f"features {x.shape}; expected patients x features, all finite")
    if not penalty >= 0:
        raise EvaluationError(f"penalty {penalty}; expected 0 or more")
    truth, y = binary(labels, np.asarray(labels, dtype=np.float64))
    if len(x) != len(y):
        raise EvaluationError(f"{len(x)} rows of features and {len(y)} labels; expected one label per row")
    reason = why_one_class(truth)
    if not reason and min(truth.sum(), (~truth).sum()) < 2:
        reason = "1 patient in a class; leaving it out leaves nothing to learn from"
    if reason:
        return undefined(reason)
    smoother = _smoother(x, penalty)
    margins = _margins(smoother, y - smoother @ y, y, truth)
    if margins is None:
        return undefined("the fit without some pair is not determined; use a penalty above 0")
    close = np.abs(margins) < LEAST
    return Value(float(np.where(close, 0.5, margins > 0).mean()))


def _smoother(x: Floats, penalty: float) -> Floats:
    """Return the matrix (n, n) that turns labels into fitted values."""
    centred = x - x.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = sizes > sizes.max(initial=0.0) * 1e-12
    left, squares = left[:, kept], sizes[kept] ** 2
    return 1 / len(x) + (left * (squares / (squares + penalty))) @ left.T


def _margins(smoother: Floats, residual: Floats, y: Floats, truth: NDArray[np.bool_]) -> Floats | None:
    """Return for every positive (row) and negative (column) the difference of their left-out predictions.

    The left-out residuals of a pair H are (I - S_HH)^-1 times the pair's residuals.
    """
    positives, negatives = np.flatnonzero(truth), np.flatnonzero(~truth)
    own, other = 1 - np.diag(smoother)[positives, None], 1 - np.diag(smoother)[None, negatives]
    cross = smoother[np.ix_(positives, negatives)]
    determinant = own * other - cross**2
    if (np.minimum(own, other) < LEAST).any() or (determinant < LEAST * own * other).any():
        return None
    first, second = residual[positives, None], residual[None, negatives]
    left_first = (other * first + cross * second) / determinant
    left_second = (cross * first + own * second) / determinant
    return np.asarray((y[positives, None] - left_first) - (y[None, negatives] - left_second))
