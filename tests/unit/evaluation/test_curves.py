"""The curves against scikit-learn's, ties and all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from nmevision.evaluation.curves import precision_recall_points, roc_points


@given(st.integers(2, 40), st.integers(0, 10**6), st.integers(1, 12))
def test_they_are_scikit_learns(n: int, seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) < rng.integers(1, n))
    scores = rng.integers(0, levels, n) / levels
    false, true = roc_points(truth, scores)
    expected = roc_curve(truth, scores)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])
    recall, precision = precision_recall_points(truth, scores)
    theirs = precision_recall_curve(truth, scores)
    rises = np.diff(theirs[1][-2::-1], prepend=0.0) > 0
    np.testing.assert_allclose(recall, theirs[1][-2::-1][rises])
    np.testing.assert_allclose(precision, theirs[0][-2::-1][rises])
