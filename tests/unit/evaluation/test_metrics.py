from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn import metrics as reference

from nmevision.errors import EvaluationError
from nmevision.evaluation import metrics


def with_ties(seed: int, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.random(n) < 0.3
    return labels, np.round(generator.random(n) + 0.3 * labels, 1)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 40))
    labels = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda x: 0 < sum(x) < len(x)))
    scores = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    return np.array(labels), np.array(scores, dtype=float)


@pytest.mark.parametrize("seed", range(5))
def test_ranking_metrics_agree_with_scikit_learn_on_ties(seed: int) -> None:
    labels, scores = with_ties(seed)
    assert metrics.auroc(labels, scores).value == pytest.approx(
        reference.roc_auc_score(labels, scores), abs=1e-12
    )
    expected = reference.average_precision_score(labels, scores)
    assert metrics.average_precision(labels, scores).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_class_metrics_agree_with_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels, predicted = generator.integers(0, 4, (2, 60))
    p = generator.dirichlet(np.ones(4), 60)
    assert metrics.balanced_accuracy(labels, predicted, 4).value == pytest.approx(
        reference.balanced_accuracy_score(labels, predicted)
    )
    assert metrics.macro_f1(labels, predicted, 4).value == pytest.approx(
        reference.f1_score(labels, predicted, average="macro")
    )
    assert (
        metrics.confusion_matrix(labels, predicted, 4) == reference.confusion_matrix(labels, predicted)
    ).all()
    assert metrics.brier(labels, p).value == pytest.approx(
        reference.brier_score_loss(labels, p, scale_by_half=False)
    )


def test_published_numbers() -> None:
    """EVALUATION section 4, rows 23 to 25 and 27."""
    assert metrics.auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value == 0.75
    assert metrics.average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value == pytest.approx(5 / 6)
    assert metrics.brier([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]).value == pytest.approx(0.0375)
    assert metrics.balanced_accuracy([0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], 2).value == pytest.approx(0.625)
    p = np.array([0.25, 0.25, 0.55, 0.75, 0.75])
    error = metrics.calibration_error([0, 0, 1, 1, 1], p, metrics.width_bins(p, 2))
    assert error.value == pytest.approx(0.29, abs=1e-12)
    for n_positive, expected in ((3, 5.647e-4), (5, 1.882e-5)):
        scores = np.arange(20 + n_positive)
        value, method = metrics.mann_whitney_p(scores >= 20, scores)
        assert value.value == pytest.approx(expected, rel=1e-3)
        assert "exact" in method


def test_exact_p_agrees_with_scipy_and_ties_never_help() -> None:
    generator = np.random.default_rng(1)
    labels, scores = np.arange(30) < 6, generator.normal(size=30)
    expected = mannwhitneyu(scores[labels], scores[~labels], alternative="greater", method="exact").pvalue
    assert metrics.mann_whitney_p(labels, scores)[0].value == pytest.approx(expected)
    tied = np.round(scores)
    broken_for = tied + 1e-6 * labels
    assert metrics.mann_whitney_p(labels, tied)[0].value > metrics.mann_whitney_p(labels, broken_for)[0].value
    assert metrics.mann_whitney_p(labels, np.zeros(30))[0].value == pytest.approx(1.0)


def test_undefined_is_nan_with_a_reason() -> None:
    for value in (
        metrics.auroc([1, 1], [0.1, 0.2]),
        metrics.average_precision([0, 0], [0.1, 0.2]),
        metrics.balanced_accuracy([0, 0], [0, 1], 2),
        metrics.macro_f1([], [], 2),
        metrics.brier([], np.empty((0, 2))),
        metrics.mann_whitney_p([1], [0.3])[0],
        metrics.calibration_error([], [], np.empty(0, dtype=np.intp)),
    ):
        assert math.isnan(value.value)
        assert value.reason
    assert metrics.auroc([], []).reason == "no positives and no negatives"


def test_macro_f1_follows_the_declared_class_list() -> None:
    """Class 2 has neither truth nor prediction: left out. Class 1 is predicted but never true: 0."""
    value = metrics.macro_f1([0, 0, 0], [0, 0, 1], 3)
    assert value.value == pytest.approx((0.8 + 0.0) / 2)
    assert "1 classes" in value.reason


def test_sensitivity_at_specificity_by_hand() -> None:
    negatives, positives = np.arange(20) / 20, np.array([0.2, 0.9, 0.92, 0.99])
    labels = np.r_[np.zeros(20, bool), np.ones(4, bool)]
    scores = np.r_[negatives, positives]
    point = metrics.sensitivity_at_specificity(labels, scores, 0.95)
    # one of twenty negatives (0.95) may lie above: the threshold is the second highest negative, 0.90
    assert (point.threshold, point.specificity) == (0.9, 0.95)
    assert point.sensitivity.value == 0.5  # 0.92 and 0.99; 0.9 itself is not above
    assert point.n_found == 2


@pytest.mark.parametrize(("specificity", "n"), [(0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)])
def test_fixed_specificity_needs_enough_negatives(specificity: float, n: int) -> None:
    def labels(negatives: int) -> np.ndarray:
        return np.r_[np.zeros(negatives, bool), True]

    enough = metrics.sensitivity_at_specificity(labels(n), np.arange(n + 1), specificity)
    few = metrics.sensitivity_at_specificity(labels(n - 1), np.arange(n), specificity)
    assert enough.sensitivity.value == 1.0
    assert enough.specificity >= specificity
    assert math.isnan(few.sensitivity.value)
    assert str(n) in few.sensitivity.reason


@given(scored())
@settings(deadline=None, max_examples=60)
def test_threshold_is_the_smallest_that_keeps_the_specificity(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    point = metrics.sensitivity_at_specificity(labels, scores, 0.5)
    if not point.sensitivity.known:
        return
    negatives = scores[~labels]
    candidates = [t for t in np.unique(negatives) if (negatives <= t).mean() >= 0.5]
    assert point.threshold == min(candidates)


@given(scored())
@settings(deadline=None, max_examples=60)
def test_metamorphic_relations(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    area, precision = metrics.auroc(labels, scores).value, metrics.average_precision(labels, scores).value
    assert metrics.auroc(labels, np.exp(scores) - 3).value == pytest.approx(area)
    assert metrics.auroc(~labels, scores).value == pytest.approx(1 - area)
    twice = np.r_[labels, labels], np.r_[scores, scores]
    assert metrics.auroc(*twice).value == pytest.approx(area)
    assert metrics.average_precision(*twice).value == pytest.approx(precision)
    order = np.random.default_rng(0).permutation(len(labels))
    assert metrics.auroc(labels[order], scores[order]).value == pytest.approx(area)
    assert metrics.average_precision(labels[order], scores[order]).value == pytest.approx(precision)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 15))
def test_mass_bins_are_monotone_and_keep_equal_values_together(values: list[int], n_bins: int) -> None:
    p = np.array(values) / 20
    bins = metrics.mass_bins(p, n_bins)
    assert set(bins) == set(range(bins.max() + 1))
    assert bins.max() < n_bins
    order = np.argsort(p, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    assert all(len(set(bins[p == value])) == 1 for value in set(p))


def test_mass_bins_are_equally_filled_and_width_bins_equally_wide() -> None:
    p = np.random.default_rng(0).random(100)
    assert np.bincount(metrics.mass_bins(p, 10)).tolist() == [10] * 10
    assert metrics.width_bins(np.array([0.0, 0.2, 0.2001, 1.0]), 5).tolist() == [0, 0, 1, 4]


def test_wrong_shapes_and_values_are_refused() -> None:
    for labels, scores in (([1], [0.1, 0.2]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, math.nan])):
        with pytest.raises(EvaluationError):
            metrics.auroc(labels, scores)
    with pytest.raises(EvaluationError, match="0 to 1"):
        metrics.accuracy([0, 2], [0, 1], 2)
