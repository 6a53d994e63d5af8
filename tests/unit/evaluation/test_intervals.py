from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as reference

from nmevision.errors import EvaluationError
from nmevision.evaluation import intervals, weighted
from nmevision.evaluation.metrics import auroc


def binormal(n_positive: int, n_negative: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n_positive + n_negative) < n_positive
    return labels, generator.normal(size=len(labels)) + shift * labels


@pytest.mark.parametrize(("n", "low"), [(5, 0.750), (7, 0.802), (10, 0.849), (20, 0.915)])
def test_perfect_separation_starts_at_the_published_limit(n: int, low: float) -> None:
    interval = intervals.hm_score(1.0, n, 300)
    assert interval.low == pytest.approx(low, abs=5e-4)
    assert interval.high == 1.0
    mirrored = intervals.hm_score(0.0, 300, n)
    assert (mirrored.low, mirrored.high) == (0.0, pytest.approx(1 - interval.low))


@pytest.mark.parametrize("area", [0.2, 0.5, 0.83, 0.999])
def test_hm_limits_solve_the_score_equation_as_printed(area: float) -> None:
    n, m = 6, 41
    interval = intervals.hm_score(area, n, m)
    assert interval.low < area < interval.high
    for t in (interval.low, interval.high):
        printed = (t * (1 - t) + (n - 1) * (t / (2 - t) - t**2) + (m - 1) * (2 * t**2 / (1 + t) - t**2)) / (
            n * m
        )
        assert (area - t) ** 2 == pytest.approx(1.959964**2 * printed, rel=1e-5)
    swapped = intervals.hm_score(1 - area, m, n)
    assert (1 - swapped.high, 1 - swapped.low) == pytest.approx((interval.low, interval.high))


def test_delong_agrees_with_its_definition_on_ties() -> None:
    labels, scores = binormal(12, 25, 1, 0)
    scores = np.round(scores, 1)
    positives, negatives = scores[labels], scores[~labels]
    won = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    expected = won.mean(1).var(ddof=1) / 12 + won.mean(0).var(ddof=1) / 25
    assert intervals.delong_variance(labels, scores) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(intervals.delong_variance([1, 0, 0], [1, 2, 3]))


def test_logit_delong_by_hand() -> None:
    interval = intervals.logit_delong(0.8, 0.0016)
    half = 1.959964 * 0.04 / 0.16
    for limit, side in ((interval.low, -1), (interval.high, 1)):
        assert math.log(limit / (1 - limit)) == pytest.approx(math.log(4) + side * half, abs=1e-6)
    assert intervals.logit_delong(1.0, 0.0).reason


def test_rule_for_the_auroc_interval() -> None:
    assert intervals.auroc_interval(*binormal(29, 100, 1, 0)).method == "HM-score"
    assert intervals.auroc_interval(*binormal(100, 29, 1, 0)).method == "HM-score"
    assert intervals.auroc_interval(*binormal(30, 100, 1, 0)).method == "logit-DeLong"
    perfect = intervals.auroc_interval(*binormal(40, 100, 99, 0))
    assert perfect.method == "HM-score"
    assert 0.9 < perfect.low < 1
    assert intervals.auroc_interval([1, 1], [0.1, 0.2]).reason == "no negatives"


@pytest.mark.parametrize(
    ("n", "exact", "score", "missed"),
    [
        (5, 0.478, 0.566, (0.284, 0.995)),
        (7, 0.590, 0.646, (0.421, 0.996)),
        (10, 0.692, 0.722, (0.555, 0.997)),
        (15, 0.782, 0.796, (0.681, 0.998)),
        (20, 0.832, 0.839, (0.751, 0.999)),
        (59, 0.939, 0.939, (0.909, 1.000)),
    ],
)
def test_table_of_what_can_be_claimed(
    n: int, exact: float, score: float, missed: tuple[float, float]
) -> None:
    """EVALUATION section 2.2."""
    assert intervals.clopper_pearson(n, n).low == pytest.approx(exact, abs=5e-4)
    assert intervals.wilson(n, n).low == pytest.approx(score, abs=6e-4)
    one = intervals.clopper_pearson(n - 1, n)
    assert (one.low, one.high) == pytest.approx(missed, abs=6e-4)


@pytest.mark.parametrize(
    ("count", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_newcombe_1998(count: int, n: int, wilson: tuple[float, float], exact: tuple[float, float]) -> None:
    """EVALUATION section 4, row 19."""
    found = intervals.wilson(count, n), intervals.clopper_pearson(count, n)
    assert (found[0].low, found[0].high) == pytest.approx(wilson, abs=6e-5)
    assert (found[1].low, found[1].high) == pytest.approx(exact, abs=6e-5)


def test_other_published_proportions() -> None:
    """EVALUATION section 4, rows 20 and 21."""
    found = intervals.clopper_pearson(7, 50)
    assert (found.low, found.high) == pytest.approx((0.05819170033997344, 0.26739600249700846), abs=1e-12)
    found = intervals.wilson(6, 32)
    assert (found.low, found.high) == pytest.approx((0.08889545, 0.35309155), abs=1e-7)


def test_proportions_agree_with_scipy() -> None:
    for n in (1, 4, 31):
        for count in range(n + 1):
            for method, ours in (("exact", intervals.clopper_pearson), ("wilson", intervals.wilson)):
                expected = binomtest(count, n).proportion_ci(method=method)
                found = ours(count, n)
                assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert intervals.wilson(0, 0).reason == "no patients"
    with pytest.raises(EvaluationError):
        intervals.wilson(3, 2)


def test_weighted_statistics_equal_the_metric_of_repeated_patients() -> None:
    generator = np.random.default_rng(3)
    labels, k = generator.integers(0, 3, 40), 3
    predicted = generator.integers(0, 3, 40)
    scores = np.round(generator.random(40), 1)
    weights = generator.integers(0, 4, (6, 40))
    statistics = {
        "auroc": (weighted.auroc_of(labels == 0, scores), lambda y, q, s: reference.roc_auc_score(y == 0, s)),
        "ap": (
            weighted.average_precision_of(labels == 0, scores),
            lambda y, q, s: reference.average_precision_score(y == 0, s),
        ),
        "balanced": (
            weighted.balanced_accuracy_of(labels, predicted, k),
            lambda y, q, s: reference.balanced_accuracy_score(y, q),
        ),
        "f1": (
            weighted.macro_f1_of(labels, predicted, k),
            lambda y, q, s: reference.f1_score(y, q, average="macro"),
        ),
        "mean": (weighted.mean_of(scores), lambda y, q, s: s.mean()),
    }
    for statistic, expected in statistics.values():
        found = statistic(weights.astype(float))
        for row, value in zip(weights, found, strict=True):
            index = np.repeat(np.arange(40), row)
            assert value == pytest.approx(expected(labels[index], predicted[index], scores[index]), abs=1e-12)


def test_bootstrap_draws_patients_within_class() -> None:
    strata = np.array([0] * 7 + [1] * 3)
    totals = intervals.resample(
        strata,
        {
            "zero": lambda w: w[:, :7].sum(axis=1),
            "one": lambda w: w[:, 7:].sum(axis=1),
            "first": lambda w: w[:, 0],
        },
        4000,
        0,
    )
    assert (totals["zero"] == 7).all()
    assert (totals["one"] == 3).all()
    assert totals["first"].mean() == pytest.approx(1, abs=0.06)
    assert totals["first"].var() == pytest.approx(6 / 7, abs=0.08)  # binomial(7, 1/7)


def test_bootstrap_of_a_mean_agrees_with_its_standard_error_and_the_seed() -> None:
    values = np.random.default_rng(0).normal(size=300)
    statistics = {"mean": weighted.mean_of(values)}
    first, again = (intervals.resample(np.zeros(300), statistics, 2000, 7)["mean"] for _ in range(2))
    other = intervals.resample(np.zeros(300), statistics, 2000, 8)["mean"]
    assert (first == again).all()
    assert (first != other).any()
    assert first.std() == pytest.approx(values.std() / math.sqrt(300), rel=0.06)
    interval = intervals.percentile(first, 300)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(300), rel=0.08)
    assert "under-covers" not in interval.method
    assert "under-covers" in intervals.percentile(first, 19).method


def test_percentile_counts_undefined_and_refuses_to_claim_no_uncertainty() -> None:
    some = np.r_[np.full(10, np.nan), np.linspace(0, 1, 90)]
    assert "10 resamples undefined" in intervals.percentile(some, 50).method
    for bad in (np.ones(100), np.r_[np.full(60, np.nan), np.linspace(0, 1, 40)]):
        interval = intervals.percentile(bad, 50)
        assert math.isnan(interval.low)
        assert interval.reason


def test_resamples_spread_as_delong_says() -> None:
    labels, scores = binormal(1000, 1000, 1, 0)
    replicates = intervals.resample(labels, {"auroc": weighted.auroc_of(labels, scores)}, 2000, 0)["auroc"]
    assert replicates.std() == pytest.approx(math.sqrt(intervals.delong_variance(labels, scores)), rel=0.06)


@pytest.mark.parametrize("area", [0.80, 0.95])
def test_hm_score_covers_at_five_positives(area: float) -> None:
    """EVALUATION 2.1: binormal, n- = 300; HM-score covers 0.98 where DeLong covers 0.66 to 0.81."""
    from scipy.stats import norm

    shift = math.sqrt(2) * norm.ppf(area)
    covered = 0
    for seed in range(1000):
        labels, scores = binormal(5, 300, shift, seed)
        interval = intervals.hm_score(auroc(labels, scores).value, 5, 300)
        covered += interval.low <= area <= interval.high
    assert covered / 1000 >= 0.93


def test_newcombe_method_5_solves_its_equation_and_is_narrower() -> None:
    n, m, area = 6, 41, 0.83
    found, wider = intervals.newcombe_5(area, n, m), intervals.hm_score(area, n, m)
    mean = (n + m) / 2 - 1
    for t in (found.low, found.high):
        spread = t * (1 - t) + mean * (t / (2 - t) - t**2) + mean * (2 * t**2 / (1 + t) - t**2)
        assert (area - t) ** 2 == pytest.approx(1.959964**2 * spread / (n * m), rel=1e-5)
    assert found.high - found.low < wider.high - wider.low
    same = intervals.newcombe_5(0.8, 20, 20)
    assert (same.low, same.high) == pytest.approx(
        (intervals.hm_score(0.8, 20, 20).low, intervals.hm_score(0.8, 20, 20).high)
    )


def test_the_other_intervals_stand_beside_the_first() -> None:
    few, many = (intervals.secondary_intervals(*binormal(n, 100, 1, 0)) for n in (8, 60))
    assert [one.method for one in few] == ["logit-DeLong", "Newcombe method 5"]
    assert [one.method for one in many] == ["HM-score", "Newcombe method 5"]
    perfect = intervals.secondary_intervals(*binormal(8, 100, 99, 0))
    assert [one.method for one in perfect] == ["Newcombe method 5"]  # DeLong's variance is 0
    assert intervals.secondary_intervals([1, 1], [1, 2]) == ()


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "least", "most"), [(1.0, 0.96, 1.0), (2.0, 0.915, 0.975)])
def test_hm_score_covers_also_where_positives_vary_more(spread: float, least: float, most: float) -> None:
    """EVALUATION 2.1 and 7.2: true AUROC 0.95, n+ = 5, n- = 300; 0.98, or 0.93 to 0.96 at twice the spread.

    Newcombe's method 5 covers less (0.87 to 0.92 at twice the spread), which makes it the secondary one.
    """
    from scipy.stats import norm

    shift = math.sqrt(1 + spread**2) * norm.ppf(0.95)
    covered = {"hm": 0, "newcombe": 0}
    for seed in range(2000):
        generator = np.random.default_rng(seed)
        labels = np.arange(305) < 5
        scores = generator.normal(size=305) * np.where(labels, spread, 1) + shift * labels
        area = auroc(labels, scores).value
        for name, make in (("hm", intervals.hm_score), ("newcombe", intervals.newcombe_5)):
            interval = make(area, 5, 300)
            covered[name] += interval.low <= 0.95 <= interval.high
    assert least <= covered["hm"] / 2000 <= most
    assert covered["newcombe"] < covered["hm"]
