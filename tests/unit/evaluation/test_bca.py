from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, norm

from nmevision.evaluation import bca, intervals, weighted


def two_classes(n_positive: int, n_negative: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n_positive + n_negative) < n_positive
    return labels, generator.normal(size=len(labels)) + 1.2 * labels


def test_bca_agrees_with_scipy_on_two_samples() -> None:
    """scipy resamples both classes and jackknifes each, as we do; the draws differ, hence the tolerance."""
    labels, scores = two_classes(25, 60)
    statistic = weighted.auroc_of(labels, scores)

    def area(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
        wins = positive[..., :, None] > negative[..., None, :]
        return wins.mean(axis=(-1, -2))

    expected = bootstrap(
        (scores[labels], scores[~labels]), area, n_resamples=8000, method="BCa", rng=1, batch=500
    )
    replicates = intervals.resample(labels, {"a": statistic}, 8000, 0)["a"]
    found = bca.bootstrap_interval(replicates, statistic, labels, 25)
    limits = expected.confidence_interval
    assert (found.low, found.high) == pytest.approx((limits.low, limits.high), abs=0.006)
    assert found.method == "BCa bootstrap of patients within class, B=8000"
    plain = intervals.percentile(replicates, 25)
    assert found.low < plain.low  # an AUROC near 1 is skewed downwards


def test_acceleration_of_a_mean_is_its_skewness() -> None:
    """For the mean of one sample a = skewness / (6 sqrt(n)) (Efron 1987, section 3)."""
    values = np.random.default_rng(0).exponential(size=200)
    found = bca.acceleration(weighted.mean_of(values), np.zeros(200))
    centred = values - values.mean()
    expected = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    assert found == pytest.approx(expected, rel=1e-9)


def test_without_bias_or_acceleration_bca_is_the_percentile_interval() -> None:
    replicates = norm.ppf((np.arange(999) + 0.5) / 999)
    found = bca.bca(replicates, 0.0, 0.0)
    plain = intervals.percentile(replicates, 50)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-9)
    assert bca.bca(replicates, 99.0, 0.0) is None
    assert bca.bca(replicates, 0.0, math.nan) is None
    assert bca.bca(replicates, -2.0, 0.0) is None  # corrected for this bias, it would lie below -2


@pytest.mark.parametrize(("n", "method"), [(19, "percentile"), (20, "BCa")])
def test_bca_only_from_twenty_patients_on(n: int, method: str) -> None:
    labels, scores = two_classes(n, 60)
    statistic = weighted.auroc_of(labels, scores)
    replicates = intervals.resample(labels, {"a": statistic}, 500, 0)["a"]
    found = bca.bootstrap_interval(replicates, statistic, labels, n)
    assert found.method.startswith(method)
    assert ("under-covers" in found.method) == (n < 20)


def test_undefined_resamples_are_counted_and_keep_the_percentile() -> None:
    labels, scores = two_classes(30, 60)
    statistic = weighted.auroc_of(labels, scores)
    replicates = intervals.resample(labels, {"a": statistic}, 500, 0)["a"]
    replicates[:7] = np.nan
    found = bca.bootstrap_interval(replicates, statistic, labels, 30)
    assert found.method.startswith("percentile")
    assert "7 resamples undefined" in found.method


def test_a_patient_alone_in_its_class_does_not_stop_the_jackknife() -> None:
    strata = np.r_[np.zeros(30), np.ones(30), 2]
    values = np.random.default_rng(0).random(61)
    assert math.isfinite(bca.acceleration(weighted.mean_of(values), strata))
