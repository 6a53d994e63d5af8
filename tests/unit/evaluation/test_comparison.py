from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import permutation_test as reference_permutation
from scipy.stats import rankdata
from sklearn import metrics as reference
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from nmevision.errors import EvaluationError
from nmevision.evaluation import comparison, weighted
from nmevision.evaluation.comparison import compare_balanced_accuracy
from nmevision.evaluation.metrics import auroc


def two_models(
    n_positive: int, n_negative: int, better: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n_positive + n_negative) < n_positive
    common = generator.normal(size=len(labels))
    first, second = (
        common + generator.normal(size=len(labels)) + (1 + more) * labels for more in (better, 0.0)
    )
    return labels, np.round(first, 1), np.round(second, 1)


def exchanged_everywhere(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Return the exact p by ranking all 2^n exchanges anew."""
    a, b = rankdata(first), rankdata(second)
    differences = []
    for swap in itertools.product((False, True), repeat=len(labels)):
        ours, theirs = np.where(swap, b, a), np.where(swap, a, b)
        differences.append(auroc(labels, ours).value - auroc(labels, theirs).value)
    return float((np.abs(differences) >= abs(differences[0]) - 1e-12).mean())


@pytest.mark.parametrize("seed", range(3))
def test_permutation_of_few_patients_is_the_exhaustive_one(seed: int) -> None:
    labels, first, second = two_models(3, 6, 1.0, seed)
    p, method = comparison.permutation_test(labels, first, second)
    assert p.value == pytest.approx(exchanged_everywhere(labels, first, second), abs=1e-12)
    assert "all" in method


def test_random_exchanges_estimate_the_exhaustive_p(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, first, second = two_models(4, 7, 1.0, 1)
    exact = comparison.permutation_test(labels, first, second)[0].value
    monkeypatch.setattr(comparison, "ENUMERATED_UP_TO", 0)
    p, method = comparison.permutation_test(labels, first, second)
    assert p.value == pytest.approx(exact, abs=0.02)
    assert method == "exchanged within patients, 10000 random ways"
    assert comparison.permutation_test(labels, first, second, seed=0)[0] == p
    assert comparison.permutation_test(labels, first, second, seed=1)[0] != p


def test_only_the_ranks_of_each_model_count() -> None:
    labels, first, second = two_models(10, 30, 0.5)
    one = comparison.permutation_test(labels, first, second)
    assert comparison.permutation_test(labels, 5 * first - 3, np.exp(second)) == one
    swapped = comparison.permutation_test(labels, second, first)[0].value
    assert swapped == pytest.approx(one[0].value)
    assert comparison.permutation_test(labels, first, 2 * first)[0].value == 1.0


def test_chance_differences_are_rarely_significant_and_real_ones_often() -> None:
    false, true = (
        [comparison.permutation_test(*two_models(8, 30, better, s), 400)[0].value for s in range(200)]
        for better in (0.0, 4.0)
    )
    assert 0.01 <= np.mean(np.array(false) <= 0.05) <= 0.09
    assert np.mean(np.array(true) <= 0.05) > 0.6


def test_sign_flip_agrees_with_scipy() -> None:
    generator = np.random.default_rng(0)
    terms = generator.normal(0.3, 1, 11)
    expected = reference_permutation(
        (terms,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert comparison.sign_flip_p(terms)[0].value == pytest.approx(expected)
    assert comparison.sign_flip_p(np.zeros(5))[0].value == 1.0
    assert comparison.sign_flip_p([])[0].reason == "no patients"
    with pytest.raises(EvaluationError, match="finite"):
        comparison.sign_flip_p([1.0, np.nan])


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 9), (6, 0), (12, 20)])
def test_mcnemar_agrees_with_statsmodels(b: int, c: int) -> None:
    first, second = np.repeat([1, 1, 0, 0], [30, b, c, 20]), np.repeat([1, 0, 1, 0], [30, b, c, 20])
    found = comparison.mcnemar(first, second)
    expected = reference_mcnemar([[30, b], [c, 20]], exact=True).pvalue if b + c else 1.0
    assert found.p.value == pytest.approx(expected)
    assert ("fewer than 6" in found.p.reason) == (b + c < 6)
    assert comparison.mcnemar(second, first).p.value == pytest.approx(found.p.value)
    with pytest.raises(EvaluationError, match="one length"):
        comparison.mcnemar([1, 0], [1])


def test_paired_delong_needs_twenty_of_each_class() -> None:
    found = comparison.paired_delong(*two_models(19, 40))
    assert math.isnan(found.p.value)
    assert found.p.reason == "19 patients in the smaller class; paired DeLong needs at least 20"
    labels, first, second = two_models(40, 80, 0.8)
    found = comparison.paired_delong(labels, first, second)
    assert found.difference.value == pytest.approx(auroc(labels, first).value - auroc(labels, second).value)
    back = comparison.paired_delong(labels, second, first)
    assert (back.statistic, back.p.value) == pytest.approx((-found.statistic, found.p.value))
    assert comparison.paired_delong(labels, first, first).p.reason == "the variance of the difference is 0"


def test_permutation_and_delong_agree_on_many_patients() -> None:
    labels, first, second = two_models(150, 300, 0.4)
    ours = comparison.permutation_test(labels, first, second)[0].value
    assert ours == pytest.approx(comparison.paired_delong(labels, first, second).p.value, abs=0.02)


def test_a_comparison_has_difference_interval_and_p() -> None:
    labels, first, second = two_models(40, 100, 0.8)
    found = comparison.compare_auroc(labels, first, second, resamples=1000)
    assert found.interval.low < found.difference.value < found.interval.high
    delong = comparison.paired_delong(labels, first, second).interval
    assert (found.interval.low, found.interval.high) == pytest.approx((delong.low, delong.high), abs=0.02)
    assert "under-covers" not in found.interval.method
    few = comparison.compare_auroc(*two_models(8, 30), resamples=200)
    assert "under-covers" in few.interval.method
    none = comparison.compare_auroc([1, 1], [1, 2], [2, 1])
    assert none.p.reason == none.interval.reason == "no negatives"
    same = comparison.compare_auroc(labels, first, first, resamples=50)
    assert (same.difference.value, same.p.value) == (0.0, 1.0)
    assert same.interval.reason


def test_paired_draws_make_a_narrower_interval_than_unpaired_ones() -> None:
    labels, first, second = two_models(60, 120)
    one, other = weighted.auroc_of(labels, first), weighted.auroc_of(labels, second)
    paired = comparison.paired_interval(labels, one, other, 1000, 0)
    unpaired = comparison.unpaired_delong(labels, first, labels, second).interval
    assert paired.high - paired.low < 0.85 * (unpaired.high - unpaired.low)


def test_unpaired_delong_needs_two_of_a_class() -> None:
    found = comparison.unpaired_delong([1, 0, 0], [3, 2, 1], [1, 1, 0, 0], [1, 2, 3, 4])
    assert "needs at least 2" in found.p.reason


def test_balanced_accuracies_are_compared_by_exchange_within_patients() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], (6, 20, 40))
    ours, theirs = (np.where(generator.random(66) < share, truth, (truth + 1) % 3) for share in (0.8, 0.6))
    found = compare_balanced_accuracy(truth, ours, theirs)
    scores = [reference.balanced_accuracy_score(truth, called) for called in (ours, theirs)]
    assert found.difference.value == pytest.approx(scores[0] - scores[1])
    exchanged = []
    for _ in range(2000):
        swap = generator.random(66) < 0.5
        pair = np.where(swap, theirs, ours), np.where(swap, ours, theirs)
        exchanged.append(np.subtract(*(reference.balanced_accuracy_score(truth, called) for called in pair)))
    p = np.mean(np.abs(exchanged) >= abs(found.difference.value) - 1e-12)
    assert found.p.value == pytest.approx(p, abs=4 * np.sqrt(0.25 / 2000))
    assert found.interval.low < found.difference.value < found.interval.high
    assert compare_balanced_accuracy(truth, ours, ours).p.value == 1
    assert not compare_balanced_accuracy([], [], []).difference.known
