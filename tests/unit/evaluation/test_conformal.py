from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import EvaluationError
from nmevision.evaluation.conformal import (
    calibrate,
    coverage_law,
    judge_in_halves,
    judge_sets,
    patients_needed,
)

NAMES = ("nme", "psoriasis", "eczema")


def drawn(counts: tuple[int, ...], seed: int = 0, decimals: int = 8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    logits = generator.normal(size=(len(labels), len(counts))) + 1.2 * np.eye(len(counts))[labels]
    p = np.exp(logits)
    return labels, np.round(p / p.sum(axis=1, keepdims=True), decimals)


@pytest.mark.parametrize(
    ("n", "alpha", "mean", "low", "high"),
    [
        (19, 0.1, 0.900, 0.774, 0.981),
        (9, 0.1, 0.9, 0.717, 0.994),
        (50, 0.1, 46 / 51, 0.826, 0.960),
        (5, 0.2, 5 / 6, 0.549, 0.990),
    ],
)
def test_the_law_of_coverage(n: int, alpha: float, mean: float, low: float, high: float) -> None:
    """Row 26 of the specification's reference values."""
    law = coverage_law(n, alpha)
    assert (law.mean, law.low, law.high) == pytest.approx((mean, low, high), abs=5e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2, 0.29])
@pytest.mark.parametrize("decimals", [1, 8])
def test_sets_are_those_of_crepes(alpha: float, decimals: int) -> None:
    """An independent reference: Mondrian p-values, one category per class, without smoothing."""
    crepes = pytest.importorskip("crepes")
    labels, p = drawn((12, 30, 55), decimals=decimals)
    others = drawn((5, 20, 20), seed=1, decimals=decimals)[1]
    found = calibrate(labels, p, alpha).sets(others)
    reference = crepes.ConformalClassifier()
    reference.fit(1 - p[np.arange(len(p)), labels], bins=labels)
    for k in range(3):
        values = reference.predict_p(1 - others[:, [k]], bins=np.full(len(others), k), smoothing=False)
        assert (found[:, k] == (values[:, 0] > alpha + 1e-12)).all(), k


@pytest.mark.parametrize(("alpha", "needed"), [(0.2, 4), (0.1, 9), (0.05, 19)])
def test_too_few_patients_are_in_every_set(alpha: float, needed: int) -> None:
    assert patients_needed(alpha) == needed
    never = np.array([[0.0, 0.5, 0.5]])
    few, enough = (calibrate(*drawn((n, 40, 40)), alpha) for n in (needed - 1, needed))
    assert few.always_included == (0,)
    assert few.sets(never)[0, 0]
    assert enough.always_included == ()
    assert not enough.sets(never)[0, 0]
    assert coverage_law(needed - 1, alpha).mean == 1


def test_every_class_is_covered_as_promised() -> None:
    """Over calibrations the coverage of the rare class has the mean of its law; the marginal says nothing."""
    test_labels, test_p = drawn((400, 400, 400), seed=99)
    rare = []
    for seed in range(150):
        found = calibrate(*drawn((12, 60, 60), seed=seed), 0.1).sets(test_p)
        rare.append(found[test_labels == 0, 0].mean())
    law = coverage_law(12, 0.1)
    assert np.mean(rare) == pytest.approx(law.mean, abs=0.02)
    assert np.quantile(rare, 0.05) == pytest.approx(law.low, abs=0.06)


@given(st.integers(0, 40), st.sampled_from([0.05, 0.1, 0.3]), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_fewer_misses_allowed_make_larger_sets(n: int, alpha: float, seed: int) -> None:
    labels, p = drawn((n, 30, 30), seed=seed)
    others = drawn((5, 5, 5), seed=seed + 1)[1]
    strict, loose = (calibrate(labels, p, a).sets(others) for a in (alpha / 2, alpha))
    assert (strict | ~loose).all()


def test_the_report_counts_sizes_and_coverage() -> None:
    labels, p = drawn((6, 30, 30))
    calibrated = calibrate(labels, p, 0.1)
    p = np.array([[0.9, 0.05, 0.05], [0.0, 0.97, 0.03], [0.0, 0.5, 0.5], [0.0, 0.02, 0.98]])
    found = judge_sets(calibrated, [0, 1, 2, 1], p, NAMES, ["a", "a", "b", "b"])
    assert found.by_class[0].value.value == 1
    assert "6 calibration patients, 9 needed" in found.by_class[0].note
    assert found.by_class[1].note == ""
    assert [one.name for one in found.by_source] == ["a", "b"]
    assert (found.marginal.n, found.empty.value) == (4, 0)  # nme stands in every set
    assert found.mean_size.value == calibrated.sets(p).sum(axis=1).mean()
    assert found.singleton_accuracy.n == (calibrated.sets(p).sum(axis=1) == 1).sum()
    none = judge_sets(calibrated, [], np.empty((0, 3)), NAMES)
    assert none.marginal.value.reason == none.mean_size.reason == "no patients"
    with pytest.raises(EvaluationError, match="alpha 1"):
        calibrate(labels, drawn((6, 30, 30))[1], 1.0)


def test_halves_cover_what_is_promised_of_each_class() -> None:
    """Each half calibrates the other: over many draws no class is missed more often than promised."""
    held = {name: [] for name in NAMES}
    for seed in range(60):
        found = judge_in_halves(*drawn((24, 60, 90), seed), NAMES, alpha=0.2, seed=seed)
        for row in found.by_class:
            assert row.note == ""
            held[row.name].append(row.value.value)
    for n, name in zip((24, 60, 90), NAMES, strict=True):
        law = coverage_law(n // 2, 0.2)
        error = 3 * np.std(held[name]) / np.sqrt(60)
        assert np.mean(held[name]) == pytest.approx(law.mean, abs=error)


def test_halves_too_small_hold_the_class_always_and_a_patient_never_calibrates_himself() -> None:
    labels, p = drawn((7, 60, 60))
    found = judge_in_halves(labels, p, NAMES, ["a", "b"] * 63 + ["a"], alpha=0.2)
    nme = found.by_class[0]
    assert (nme.n, nme.value.value) == (7, 1.0)
    assert nme.note == "3 calibration patients, 4 needed: in every set"
    assert [row.name for row in found.by_source] == ["a", "b"]
    assert found.mean_size.value >= 1
    moved = p.copy()
    moved[0] = (0.0, 0.5, 0.5)  # an nme that is never believed: it may cost others, it cannot let itself in
    assert judge_in_halves(labels, moved, NAMES, alpha=0.5).by_class[0].value.value < 1
