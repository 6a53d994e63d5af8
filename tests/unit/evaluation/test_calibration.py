from __future__ import annotations

import math

import numpy as np
import pytest

from nmevision.errors import EvaluationError
from nmevision.evaluation import calibration, metrics


def drawn(n: int, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits `scale` times too large for the labels drawn from them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, 3)) * 2
    p = calibration.softmax(logits)
    labels = (generator.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return logits * scale, labels


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_temperature_recovers_the_scale(scale: float) -> None:
    logits, labels = drawn(6000, scale)
    temperature = calibration.fit_temperature(logits, labels)
    assert temperature == pytest.approx(scale, rel=0.05)
    p = calibration.softmax(logits, temperature)
    before, after = (metrics.brier(labels, q).value for q in (calibration.softmax(logits), p))
    assert after <= before + 1e-9


def test_temperature_is_a_minimum_of_the_likelihood() -> None:
    logits, labels = drawn(200, 2.0, seed=1)

    def loss(temperature: float) -> float:
        p = calibration.softmax(logits, temperature)
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
    with pytest.raises(EvaluationError, match="temperature"):
        calibration.softmax(logits, 0.0)


def test_softmax_survives_large_logits() -> None:
    p = calibration.softmax([[1e4, 0.0], [-1e4, 0.0]])
    assert p.tolist() == [[1.0, 0.0], [0.0, 1.0]]


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
