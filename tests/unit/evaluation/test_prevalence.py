from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from nmevision.errors import EvaluationError
from nmevision.evaluation.prevalence import (
    at_prevalence,
    estimate_prior,
    joint_limits,
    npv,
    ppv,
    shift_prior,
)

TABLE = {  # section 1 of the specification, sensitivity 0.90: specificity -> prevalence -> PPV, number needed
    0.95: {
        1e-6: (1.8e-5, 55_600),
        1e-5: (1.8e-4, 5_560),
        1e-4: (0.0018, 557),
        1e-3: (0.018, 56),
        1e-2: (0.15, 6.5),
    },
    0.99: {
        1e-6: (9e-5, 11_100),
        1e-5: (9e-4, 1_110),
        1e-4: (0.0089, 112),
        1e-3: (0.083, 12),
        1e-2: (0.48, 2.1),
    },
    0.999: {
        1e-6: (9e-4, 1_110),
        1e-5: (0.0089, 112),
        1e-4: (0.083, 12),
        1e-3: (0.47, 2.1),
        1e-2: (0.90, 1.1),
    },
}


def to_digits(value: float, like: float) -> float:
    digits = len(f"{like:g}".replace(".", "").lstrip("0").split("e")[0].rstrip("0")) or 1
    return float(f"{value:.{digits}g}")


@pytest.mark.parametrize("specificity", TABLE)
def test_the_table_of_the_specification(specificity: float) -> None:
    for prevalence, (share, needed) in TABLE[specificity].items():
        found = ppv(0.9, specificity, prevalence).value
        assert to_digits(found, share) == pytest.approx(share)
        assert 1 / found == pytest.approx(needed, rel=0.05 if needed < 100 else 0.005)


def test_the_closed_form_of_the_field_notes() -> None:
    """Sensitivity 0.95 at 1:10,000: PPV 0.94 %, 8.7 %, 48.7 %."""
    found = [ppv(0.95, specificity, 1e-4).value for specificity in (0.99, 0.999, 0.9999)]
    assert found == pytest.approx([0.0094, 0.087, 0.487], rel=0.005)


def test_counts_of_a_clinic_are_bayes() -> None:
    """At its own prevalence the PPV is the share of right calls, whatever Bayes says."""
    found = at_prevalence(45, 5, 30, 420, 50 / 500)
    assert found.ppv.value == pytest.approx(45 / 75)
    assert found.npv.value == pytest.approx(420 / 425)
    assert found.needed.value == pytest.approx(75 / 45)
    assert found.ppv_interval.low < 0.6 < found.ppv_interval.high
    assert found.needed_interval.low == pytest.approx(1 / found.ppv_interval.high)


@given(*[st.integers(0, 40)] * 4, st.floats(1e-6, 0.5))
@settings(max_examples=60, deadline=None)
def test_limits_enclose_and_rarity_lowers(tp: int, fn: int, fp: int, tn: int, prevalence: float) -> None:
    found = at_prevalence(tp, fn, fp, tn, prevalence)
    for value, interval in (
        (found.ppv, found.ppv_interval),
        (found.npv, found.npv_interval),
        (found.needed, found.needed_interval),
    ):
        if value.known:
            assert interval.low <= value.value + 1e-12
            assert value.value <= interval.high + 1e-12
        else:
            assert value.reason
    rarer = at_prevalence(tp, fn, fp, tn, prevalence / 2)
    if found.ppv.known:
        assert rarer.ppv.value <= found.ppv.value + 1e-12


def test_the_limits_hold_their_level() -> None:
    """Drawn tables at sensitivity 0.8, specificity 0.9: at least 95 % of the intervals hold the true PPV."""
    generator = np.random.default_rng(0)
    true = ppv(0.8, 0.9, 0.01).value
    held = []
    for _ in range(300):
        tp, tn = generator.binomial(12, 0.8), generator.binomial(80, 0.9)
        limits = at_prevalence(tp, 12 - tp, 80 - tn, tn, 0.01).ppv_interval
        held.append(limits.low <= true <= limits.high)
    assert np.mean(held) >= 0.95


def test_extremes_are_said() -> None:
    none_called = at_prevalence(0, 5, 0, 50, 0.01)
    assert none_called.ppv.reason == none_called.needed.reason == "nobody is called positive"
    assert none_called.ppv_interval.low == 0
    assert none_called.needed_interval.high == math.inf
    assert at_prevalence(0, 5, 5, 50, 0.01).needed.reason == "no positive was found"
    assert at_prevalence(0, 0, 5, 50, 0.01).ppv.reason == "no positives"
    assert npv(1, 0, 0.1).reason == "nobody is called negative"
    sens, spec = joint_limits(5, 0, 0, 300)
    assert sens.low < 0.478  # wider than the 95 % interval of one alone
    assert spec.high == 1
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        at_prevalence(1, 1, 1, 1, 0.0)


PROBABILITIES = st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=20)
SHARES = st.lists(st.floats(0.05, 1), min_size=3, max_size=3)


@given(PROBABILITIES, SHARES, SHARES)
@settings(max_examples=60, deadline=None)
def test_shifting_is_a_group(rows: list[list[float]], first: list[float], second: list[float]) -> None:
    p = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    a, b = np.array(first) / sum(first), np.array(second) / sum(second)
    assert shift_prior(p, a, a) == pytest.approx(p, abs=1e-12)
    moved = shift_prior(p, a, b)
    assert moved.sum(axis=1) == pytest.approx(1)
    assert shift_prior(moved, b, a) == pytest.approx(p, abs=1e-9)
    odds = (moved[:, 0] / moved[:, 1]) / (p[:, 0] / p[:, 1])
    assert odds == pytest.approx((b[0] / b[1]) / (a[0] / a[1]), rel=1e-6)


def mixture(shares: tuple[float, ...], n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and the exact posteriors under equal shares of three normal classes."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, n, p=shares)
    x = generator.normal(size=n) + 2 * labels
    density = np.exp(-((x[:, None] - 2 * np.arange(3)) ** 2) / 2)
    return labels, density / density.sum(axis=1, keepdims=True)


def test_the_estimated_prior_is_the_likeliest() -> None:
    _, p = mixture((0.1, 0.3, 0.6), 800, 0)
    equal = np.full(3, 1 / 3)
    found = estimate_prior(p, equal)

    def loss(weights: np.ndarray) -> float:
        shares = np.exp(weights - weights.max())
        return -float(np.log(p @ (shares / shares.sum())).sum())

    best = minimize(loss, np.zeros(3), method="BFGS").x
    assert found.prior == pytest.approx(np.exp(best) / np.exp(best).sum(), abs=1e-4)
    assert found.converged
    assert found.prior == pytest.approx([0.1, 0.3, 0.6], abs=0.06)
    assert found.probabilities == pytest.approx(shift_prior(p, equal, found.prior))
    assert len(found.warnings) == 1  # that it needs calibrated probabilities


def test_a_rare_class_cannot_be_estimated() -> None:
    _, p = mixture((0.01, 0.39, 0.6), 300, 1)
    assert any(
        "class 0: report, do not act" in warning for warning in estimate_prior(p, [1 / 3] * 3).warnings
    )


def test_a_prior_that_cannot_be_is_refused() -> None:
    p = [[0.5, 0.5]]
    with pytest.raises(EvaluationError, match="sum to 1"):
        shift_prior(p, [0.5, 0.6], [0.5, 0.5])
    with pytest.raises(EvaluationError, match="train with it"):
        shift_prior(p, [0, 1], [0.5, 0.5])
    with pytest.raises(EvaluationError, match="wholly"):
        shift_prior([[1.0, 0.0]], [0.5, 0.5], [0, 1])
    with pytest.raises(EvaluationError, match="at least one"):
        estimate_prior(np.empty((0, 2)), [0.5, 0.5])
