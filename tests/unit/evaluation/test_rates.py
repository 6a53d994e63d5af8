from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from nmevision.errors import EvaluationError
from nmevision.evaluation import metrics, rates, weighted


def with_ties(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.random(n) < 0.3
    return labels, np.round(generator.random(n) + 0.3 * labels, 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_fpr", [0.03, 0.1, 0.5])
def test_partial_auroc_agrees_with_scikit_learn_on_ties(seed: int, max_fpr: float) -> None:
    labels, scores = with_ties(seed)
    expected = reference.roc_auc_score(labels, scores, max_fpr=max_fpr)
    assert rates.partial_auroc(labels, scores, max_fpr).value == pytest.approx(expected, abs=1e-12)


def test_partial_auroc_of_chance_and_of_perfection() -> None:
    labels = np.arange(40) < 10
    assert rates.partial_auroc(labels, np.zeros(40)).value == pytest.approx(0.5)
    assert rates.partial_auroc(labels, labels).value == pytest.approx(1.0)
    assert rates.partial_auroc(labels, labels, standardised=False).value == pytest.approx(0.1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prevalence", [0.3, 0.01, 0.001])
def test_standardised_average_precision_is_that_of_weighted_negatives(seed: int, prevalence: float) -> None:
    labels, scores = with_ties(seed)
    weights = np.where(labels, prevalence / labels.sum(), (1 - prevalence) / (~labels).sum())
    expected = reference.average_precision_score(labels, scores, sample_weight=weights)
    found = rates.standardised_average_precision(labels, scores, prevalence).value
    assert found == pytest.approx(expected, abs=1e-12)


def test_standardised_average_precision_does_not_depend_on_the_number_of_negatives() -> None:
    labels, scores = with_ties(1)
    repeated = (
        np.r_[labels, labels[~labels], labels[~labels]],
        np.r_[scores, scores[~labels], scores[~labels]],
    )
    once, thrice = (
        rates.standardised_average_precision(*one, 0.01).value for one in ((labels, scores), repeated)
    )
    assert thrice == pytest.approx(once)
    assert metrics.average_precision(*repeated).value < metrics.average_precision(labels, scores).value
    as_it_is = rates.standardised_average_precision(labels, scores, labels.mean()).value
    assert as_it_is == pytest.approx(metrics.average_precision(labels, scores).value)
    assert rates.standardised_average_precision(labels, np.zeros(len(labels)), 0.01).value == pytest.approx(
        0.01
    )


@pytest.mark.parametrize("seed", range(4))
def test_class_and_probability_metrics_agree_with_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels, predicted = generator.integers(0, 4, (2, 70))
    p = generator.dirichlet(np.ones(4), 70)
    expected = reference.matthews_corrcoef(labels, predicted)
    assert rates.mcc(labels, predicted, 4).value == pytest.approx(expected, abs=1e-12)
    assert rates.nll(labels, p).value == pytest.approx(reference.log_loss(labels, p), abs=1e-12)
    skill = reference.d2_brier_score(labels, p)
    assert rates.brier_skill(labels, p).value == pytest.approx(skill, abs=1e-12)
    binary = reference.d2_brier_score(labels == 1, p[:, 1])
    assert rates.brier_skill(labels == 1, p[:, 1]).value == pytest.approx(binary, abs=1e-12)
    assert rates.nll(labels == 1, p[:, 1]).value == pytest.approx(reference.log_loss(labels == 1, p[:, 1]))


def test_the_base_rates_have_no_skill() -> None:
    labels = np.repeat([0, 1, 2], [10, 20, 30])
    shares = np.tile(np.array([10, 20, 30]) / 60, (60, 1))
    assert rates.brier_skill(labels, shares).value == pytest.approx(0, abs=1e-12)
    assert rates.brier_skill(labels, np.eye(3)[labels]).value == 1.0


def test_clipped_probabilities_are_counted() -> None:
    found = rates.nll([0, 1, 1], [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert found.value == pytest.approx(-2 * math.log(1e-7) / 3)
    assert found.reason == "2 of 3 probabilities clipped at 1e-07"
    assert rates.nll([1], [0.4]).reason == ""


def test_weighted_statistics_equal_the_metric_of_repeated_patients() -> None:
    generator = np.random.default_rng(3)
    labels, predicted = generator.integers(0, 3, (2, 40))
    scores, p = np.round(generator.random(40), 1), generator.dirichlet(np.ones(3), 40)
    weights = generator.integers(0, 4, (5, 40))
    statistics = {
        "mcc": (weighted.mcc_of(labels, predicted, 3), lambda i: rates.mcc(labels[i], predicted[i], 3)),
        "skill": (weighted.brier_skill_of(labels, p), lambda i: rates.brier_skill(labels[i], p[i])),
        "partial": (
            weighted.partial_auroc_of(labels == 0, scores, 0.1),
            lambda i: rates.partial_auroc(labels[i] == 0, scores[i]),
        ),
        "standardised": (
            weighted.average_precision_of(labels == 0, scores, 0.01),
            lambda i: rates.standardised_average_precision(labels[i] == 0, scores[i], 0.01),
        ),
    }
    for name, (statistic, expected) in statistics.items():
        for row, value in zip(weights, statistic(weights.astype(float)), strict=True):
            assert value == pytest.approx(expected(np.repeat(np.arange(40), row)).value, abs=1e-12), name


def test_auroc_against_each_mimic_adds_up_to_the_auroc() -> None:
    generator = np.random.default_rng(0)
    labels, scores = generator.integers(0, 4, 90), generator.random(90)
    found = rates.auroc_against_each(labels, scores, [0], 5)
    assert set(found) == {1, 2, 3, 4}
    assert found[4].reason == "no negatives"
    sizes = np.bincount(labels)
    pooled = sum(found[k].value * sizes[k] for k in (1, 2, 3)) / sizes[1:].sum()
    assert pooled == pytest.approx(metrics.auroc(labels == 0, scores).value)


@pytest.mark.parametrize("table", [(8, 2, 5, 95), (40, 10, 30, 70)])
def test_likelihood_ratios_by_hand_and_by_scikit_learn(table: tuple[int, int, int, int]) -> None:
    tp, fn, fp, tn = table
    found = rates.likelihood_ratios(*table)
    truth = np.repeat([1, 1, 0, 0], table)
    called = np.repeat([1, 0, 1, 0], table)
    assert (found.positive.value, found.negative.value) == pytest.approx(
        reference.class_likelihood_ratios(truth, called)
    )
    half = norm.isf(0.025) * math.sqrt(1 / tp - 1 / (tp + fn) + 1 / fp - 1 / (fp + tn))
    limits = math.log(found.positive_interval.low), math.log(found.positive_interval.high)
    centre = math.log(found.positive.value)
    assert limits == pytest.approx((centre - half, centre + half))
    assert found.negative_interval.low < found.negative.value < found.negative_interval.high
    assert found.positive.reason == ""


def test_half_a_patient_is_added_only_where_a_cell_is_zero_and_said() -> None:
    found = rates.likelihood_ratios(5, 0, 0, 100)
    assert found.positive.value == pytest.approx((5.5 / 6) / (0.5 / 101))
    assert found.negative.value == pytest.approx((0.5 / 6) / (100.5 / 101))
    assert "0.5 added to all four cells" in found.positive.reason
    assert math.isfinite(found.positive_interval.high)
    assert rates.likelihood_ratios(0, 0, 3, 4).positive.reason == "no positives"
    assert rates.likelihood_ratios(3, 4, 0, 0).negative.reason == "no negatives"


def test_a_threshold_frozen_on_other_negatives_decides() -> None:
    calibration, test = np.arange(100) / 100, np.array([0.2, 0.95, 0.97, 0.1, 0.99])
    threshold = metrics.frozen_threshold(calibration, 0.95)
    assert threshold.value == 0.94
    assert (calibration <= threshold.value).mean() == 0.95
    found = rates.at_threshold([1, 1, 1, 0, 0], test, threshold.value)
    assert (found.tp, found.fn, found.fp, found.tn) == (2, 1, 1, 1)
    assert (found.sensitivity.value, found.specificity.value) == pytest.approx((2 / 3, 0.5))
    assert found.specificity_interval.method == "Clopper-Pearson"
    assert math.isnan(metrics.frozen_threshold(calibration[:99], 0.99).value)
    with pytest.raises(EvaluationError, match="threshold nan"):
        rates.at_threshold([1, 0], [0.1, 0.2], metrics.frozen_threshold([], 0.9).value)


def test_undefined_is_nan_with_a_reason() -> None:
    for value in (
        rates.partial_auroc([1, 1], [0.1, 0.2]),
        rates.standardised_average_precision([0], [0.1], 0.01),
        rates.mcc([0, 0], [0, 1], 2),
        rates.mcc([0, 1], [0, 0], 2),
        rates.nll([], []),
        rates.brier_skill([1, 1], [0.5, 0.5]),
    ):
        assert math.isnan(value.value)
        assert value.reason
    for wrong in (
        lambda: rates.partial_auroc([0, 1], [0.1, 0.2], 0.0),
        lambda: rates.standardised_average_precision([0, 1], [0.1, 0.2], 1.0),
        lambda: metrics.frozen_threshold([0.1], 1.0),
    ):
        with pytest.raises(EvaluationError):
            wrong()
