from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit, softmax
from scipy.stats import poisson

from nmevision.errors import EvaluationError
from nmevision.evaluation import calibration, metrics


def drawn(n: int, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits `scale` times too large for the labels drawn from them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)) * 2
    p = softmax(logits, axis=1)
    labels = (generator.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return logits * scale, labels


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_recovers_the_scale(scale: float) -> None:
    logits, labels = drawn(6000, scale)
    temperature = calibration.fit_temperature(logits, labels)
    assert temperature == pytest.approx(scale, rel=0.05)
    p = softmax(logits / temperature, axis=1)
    before, after = (metrics.brier(labels, q).value for q in (softmax(logits, axis=1), p))
    assert after <= before + 1e-9


def test_temperature_is_a_minimum_of_the_likelihood() -> None:
    logits, labels = drawn(200, 2.0, seed=1)

    def loss(temperature: float) -> float:
        p = softmax(logits / temperature, axis=1)
        return float(-np.log(p[np.arange(200), labels]).mean())

    best = calibration.fit_temperature(logits, labels)
    assert loss(best) <= min(loss(best * 0.99), loss(best * 1.01))


def test_what_cannot_be_fitted_is_one_with_a_reason() -> None:
    logits, labels = drawn(9, 3.0)
    assert calibration.fit_temperature(logits, labels) == 1.0
    assert "at least 10" in calibration.why_not_fitted(labels)
    logits, _ = drawn(50, 3.0)
    assert calibration.fit_temperature(logits, np.zeros(50, int)) == 1.0
    assert "one class" in calibration.why_not_fitted(np.zeros(50, int))
    assert calibration.why_not_fitted([0, 1] * 5) == ""


def test_separable_logits_stay_within_bounds() -> None:
    labels = np.array([0, 1] * 10)
    logits = np.eye(2)[labels] * 5
    assert calibration.TEMPERATURES[0] <= calibration.fit_temperature(logits, labels) < 1


def test_mistakes_are_said() -> None:
    logits, labels = drawn(20, 1.0)
    for wrong in (labels[:5], labels + 3):
        with pytest.raises(EvaluationError):
            calibration.fit_temperature(logits, wrong)
    with pytest.raises(EvaluationError, match="finite"):
        calibration.fit_temperature(np.full((20, 3), np.nan), labels)


def test_reliability_bins_count_everyone() -> None:
    generator = np.random.default_rng(0)
    p = np.round(generator.random(137), 2)
    outcome = generator.random(137) < p
    bins = calibration.reliability_bins(outcome, p)
    assert sum(one.n for one in bins) == 137
    assert sum(one.n * one.share for one in bins) == pytest.approx(outcome.sum())
    assert sum(one.n * one.probability for one in bins) == pytest.approx(p.sum())
    assert all(one.low <= one.share <= one.high for one in bins)


@pytest.mark.parametrize("n", [50, 1000])
def test_calibrated_truth_shows_an_error_too(n: int) -> None:
    """In one bin the error is |mean(y) - p|, whose median is 0.6745 standard errors."""
    p = np.full(n, 0.3)
    found = calibration.expected_by_chance(p, metrics.width_bins(p), seed=0)
    assert found == pytest.approx(0.6745 * math.sqrt(0.21 / n), rel=0.2)
    assert math.isnan(calibration.expected_by_chance([], np.empty(0, dtype=np.intp), 0))


def test_a_block_changes_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    p = np.random.default_rng(0).random(40)
    whole = np.concatenate(list(calibration.outcomes_by_chance(p, 3)))
    monkeypatch.setattr(calibration, "CELLS", 100)
    blocks = list(calibration.outcomes_by_chance(p, 3))
    assert len(blocks) == 250
    assert (np.concatenate(blocks) == whole).all()
    assert whole.mean(axis=0) == pytest.approx(p, abs=0.1)


@pytest.mark.parametrize("n", [30, 400])
def test_in_the_large_and_slope_agree_with_statsmodels(n: int) -> None:
    generator = np.random.default_rng(n)
    p = generator.beta(1, 2, n)
    y = (generator.random(n) < expit(0.5 + 0.6 * logit(p))).astype(float)
    fixed = sm.GLM(y, np.ones((n, 1)), family=sm.families.Binomial(), offset=logit(p)).fit(tol=1e-12)
    free = sm.GLM(y, sm.add_constant(logit(p)), family=sm.families.Binomial()).fit(tol=1e-12)
    for (value, interval), fit, place in (
        (calibration.in_the_large(y, p), fixed, 0),
        (calibration.slope(y, p), free, 1),
    ):
        assert value.value == pytest.approx(fit.params[place], abs=1e-6)
        assert (interval.low, interval.high) == pytest.approx(fit.conf_int()[place], abs=1e-5)


def test_a_temperature_shows_as_the_slope() -> None:
    """Log-odds twice too large have slope 1/2; odds twice too large have log 1/2 in the large."""
    generator = np.random.default_rng(1)
    odds = generator.normal(size=20_000)
    y = generator.random(20_000) < expit(odds)
    assert calibration.slope(y, expit(2 * odds))[0].value == pytest.approx(0.5, abs=0.02)
    shifted = calibration.in_the_large(y, expit(odds + np.log(2)))[0]
    assert shifted.value == pytest.approx(-np.log(2), abs=0.05)
    assert shifted.reason == ""


def test_what_no_regression_can_tell_is_nan_with_a_reason() -> None:
    assert calibration.slope([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])[0].reason.startswith("a threshold separates")
    assert calibration.slope([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4])[0].reason.startswith("a threshold separates")
    assert calibration.slope([0, 1], [0.2, 0.2])[0].reason == "all probabilities are equal"
    for value, interval in (calibration.in_the_large([1, 1], [0.2, 0.3]), calibration.slope([1], [0.2])):
        assert value.reason == "no negatives"
        assert math.isnan(interval.low)
    assert (
        "1 of 4 probabilities clipped" in calibration.in_the_large([0, 1, 0, 1], [0, 0.3, 0.2, 0.9])[0].reason
    )


@pytest.mark.parametrize("observed", [0, 1, 7, 40])
def test_expected_to_observed_is_exact(observed: int) -> None:
    """At the limits of the interval the observed count has a tail of 2.5 % under the Poisson law."""
    y = np.arange(200) < observed
    p = np.full(200, 0.05)
    value, interval = calibration.expected_to_observed(y, p)
    if observed:
        assert value.value == pytest.approx(10 / observed)
        assert poisson.sf(observed - 1, 10 / interval.high) == pytest.approx(0.025)
    else:
        assert value.reason == "no positives"
        assert interval.high == math.inf
    assert poisson.cdf(observed, 10 / interval.low) == pytest.approx(0.025)
    assert ("no claim" in value.reason) == (0 < observed < 20)
