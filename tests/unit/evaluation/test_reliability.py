from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from nmevision.evaluation import metrics, reliability
from nmevision.evaluation.weighted import Floats

OUTCOMES = st.lists(
    st.tuples(st.booleans(), st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))),
    min_size=1,
    max_size=60,
)


def drawn(n: int, seed: int = 0, bend: float = 1.0) -> tuple[Floats, Floats]:
    """Return outcomes and probabilities; bend 1 is calibrated."""
    generator = np.random.default_rng(seed)
    p = generator.beta(0.6, 1.4, n)
    return (generator.random(n) < p**bend).astype(np.float64), p


@given(OUTCOMES)
@settings(max_examples=30, deadline=None)
def test_corp_parts_make_the_brier_score(pairs: list[tuple[bool, float]]) -> None:
    y, p = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    found = reliability.corp(y, p)
    assert found.miscalibration - found.discrimination + found.uncertainty == pytest.approx(
        found.brier, abs=1e-12
    )
    assert found.brier == pytest.approx(float(((p - y) ** 2).mean()), abs=1e-12)
    assert found.miscalibration >= -1e-12
    assert found.discrimination >= -1e-12
    shares = [share for _, share in found.curve]
    assert shares == sorted(shares)


def test_corp_agrees_with_isotonic_regression_of_scikit_learn() -> None:
    y, p = drawn(300, bend=2.0)
    p = np.round(p, 2)
    found = reliability.corp(y, p)
    fitted = IsotonicRegression().fit_transform(p, y)
    best = brier_score_loss(y, fitted)
    assert found.miscalibration == pytest.approx(brier_score_loss(y, p) - best, abs=1e-9)
    assert found.discrimination == pytest.approx(y.mean() * (1 - y.mean()) - best, abs=1e-9)
    assert dict(found.curve)[p[7]] == pytest.approx(fitted[7], abs=1e-9)


def test_recalibrated_probabilities_have_no_miscalibration() -> None:
    y, p = drawn(200, bend=2.0)
    again = reliability.corp(y, IsotonicRegression().fit_transform(p, y))
    assert again.miscalibration == pytest.approx(0, abs=1e-12)
    assert again.discrimination == pytest.approx(reliability.corp(y, p).discrimination, abs=1e-9)


@pytest.mark.parametrize("name", reliability.ERRORS)
def test_certain_and_right_is_no_error(name: str) -> None:
    y = np.array([0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1.0])
    found = reliability.beyond_chance(reliability.ERRORS[name], y, y, seed=0)
    assert (found.value.value, found.expected, found.excess) == (0, 0, 0)


@given(OUTCOMES, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_patients_plays_no_part(pairs: list[tuple[bool, float]], chance: object) -> None:
    mixed = pairs.copy()
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    for error in reliability.ERRORS.values():
        values = []
        for one in (pairs, mixed):
            y, p = np.array([float(pair[0]) for pair in one]), np.array([pair[1] for pair in one])
            values.append(float(error(y[None], p)[0]))
        assert values[0] == pytest.approx(values[1], abs=1e-9, nan_ok=True)
        assert not values[0] < 0


def test_the_debiased_square_has_mean_zero_where_probabilities_are_right() -> None:
    """The plain square has not: it is the sum of p(1-p)/n over the bins."""
    p = np.repeat([0.1, 0.4, 0.8], 8)
    outcomes = (np.random.default_rng(0).random((40_000, 24)) < p).astype(np.float64)
    squares = reliability.debiased_square(outcomes, p, n_bins=3)
    plain = np.mean([(outcomes[:, p == one].mean(axis=1) - one) ** 2 for one in (0.1, 0.4, 0.8)], axis=0)
    assert plain.mean() == pytest.approx(np.mean([0.09, 0.24, 0.16]) / 8, rel=0.03)
    assert squares.mean() == pytest.approx(0, abs=0.02 * plain.mean())
    off = (np.random.default_rng(0).random((40_000, 24)) < p + 0.1).astype(np.float64)
    assert reliability.debiased_square(off, p, n_bins=3).mean() == pytest.approx(0.01, rel=0.05)


def test_the_debiased_square_by_hand() -> None:
    y, p = np.array([[0, 1, 1, 1.0]]), np.array([0.2, 0.4, 0.6, 0.8])
    lower, upper = (0.3 - 0.5) ** 2 - 0.25, (0.7 - 1) ** 2 - 0
    assert reliability.debiased_square(y, p, n_bins=2)[0] == pytest.approx((lower + upper) / 2)
    assert reliability.debiased_l2(y, p)[0] == 0
    alone = reliability.beyond_chance(reliability.debiased_l2, [1], [0.4], 0)
    assert alone.value.reason == "a bin holds a single patient"


def plain_sweep(y: Floats, p: Floats) -> float:
    """The definition in words: add bins while the shares keep rising."""
    best = abs(float((y - p).mean()))
    for n_bins in range(2, len(p) + 1):
        bins = metrics.mass_bins(p, n_bins)
        shares = [y[bins == one].mean() for one in range(bins.max() + 1)]
        if any(after < before for before, after in pairwise(shares)):
            return best
        best = metrics.calibration_error(y, p, bins).value
    return best


@given(OUTCOMES)
@settings(max_examples=40, deadline=None)
def test_the_sweep_is_its_definition(pairs: list[tuple[bool, float]]) -> None:
    y, p = np.array([float(pair[0]) for pair in pairs]), np.array([pair[1] for pair in pairs])
    assert reliability.sweep(y[None], p)[0] == pytest.approx(plain_sweep(y, p), abs=1e-9)


def test_many_outcomes_at_once_are_each_their_own() -> None:
    p = drawn(50)[1]
    outcomes = (np.random.default_rng(1).random((30, 50)) < p).astype(np.float64)
    for name, error in reliability.ERRORS.items():
        alone = [float(error(row[None], p)[0]) for row in outcomes]
        assert error(outcomes, p) == pytest.approx(alone, abs=1e-12), name


@pytest.mark.parametrize(
    ("n", "share", "width", "mass"),
    [
        (100, 0.05, 0.043, 0.024),
        (300, 0.05, 0.026, 0.014),
        (1000, 0.05, 0.015, 0.008),
        (100, 0.3, 0.108, 0.089),
    ],
)
def test_calibrated_models_show_the_errors_of_the_specification(
    n: int, share: float, width: float, mass: float
) -> None:
    """Section 1 names no law of p; Beta(2 share, 2 (1 - share)) gives its eight numbers to 0.003."""
    generator = np.random.default_rng(0)
    found = []
    for seed in range(6):
        p = generator.beta(2 * share, 2 * (1 - share), n)
        y = generator.random(n) < p
        found.append(
            [
                reliability.beyond_chance(reliability.ERRORS[e], y, p, seed).expected
                for e in ("ece_width15", "ece_mass10")
            ]
        )
    assert np.mean(found, axis=0) == pytest.approx([width, mass], rel=0.12, abs=0.0015)


def test_only_miscalibration_exceeds_chance() -> None:
    y, p = drawn(800)
    bent, q = drawn(800, bend=3.0)
    for name, error in reliability.ERRORS.items():
        right, wrong = (reliability.beyond_chance(error, *pair, 0) for pair in ((y, p), (bent, q)))
        assert right.value.value < right.upper * 1.3, name
        assert wrong.value.value > 2 * wrong.upper, name
        assert wrong.excess == wrong.value.value - wrong.expected
    none = reliability.beyond_chance(reliability.sweep, [], [], 0)
    assert none.value.reason == "no patients"


def test_class_wise_judges_every_class() -> None:
    generator = np.random.default_rng(2)
    p = generator.dirichlet([1, 1, 1], 600)
    labels = (generator.random(600)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    each, mean = reliability.class_wise(labels, p, 0)
    own = reliability.beyond_chance(reliability.debiased_l2, labels == 1, p[:, 1], 0)
    assert each[1] == own
    assert mean.value == pytest.approx(np.mean([one.value.value for one in each]))
    wrong = reliability.class_wise(labels, p[:, [1, 2, 0]], 0)[1]
    assert wrong.value > mean.value + 0.2


def test_bands_hold_what_they_promise() -> None:
    y, p = drawn(400)
    bins = metrics.mass_bins(p)
    low, high = reliability.consistency_band(p, bins, 0)
    generator, inside = np.random.default_rng(9), []
    for _ in range(200):
        outcome = generator.random(400) < p
        shares = np.array([outcome[bins == one].mean() for one in range(10)])
        inside.append((low <= shares) & (shares <= high))
    assert np.mean(inside) == pytest.approx(0.96, abs=0.02)
    values, below, above = reliability.isotonic_band(y, p, 0)
    curve = np.array([share for _, share in reliability.corp(y, p).curve])
    assert len(values) == len(curve)
    assert ((below <= curve + 1e-9) & (curve <= above + 1e-9)).mean() > 0.9
    assert (np.diff(below) >= 0).all()
    assert math.isnan(reliability.corp([], []).brier)
