from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from nmevision.errors import EvaluationError
from nmevision.evaluation.open_set import fpr_at_tpr, open_set, open_set_report, oscr


def drawn(seed: int = 0, decimals: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    known = np.round(generator.beta(5, 2, 120), decimals)
    return known, generator.random(120) < 0.4 + known / 2, np.round(generator.beta(3, 3, 80), decimals)


def test_scores_agree_with_scikit_learn() -> None:
    known, correct, unknown = drawn()
    found = open_set(known, correct, unknown)
    truth, sure = np.repeat([1, 0], (120, 80)), np.concatenate([known, unknown])
    assert found.auroc.value == pytest.approx(roc_auc_score(truth, sure))
    assert found.aupr_known.value == pytest.approx(average_precision_score(truth, sure))
    assert found.aupr_unknown.value == pytest.approx(average_precision_score(1 - truth, -sure))
    false, true, _ = roc_curve(truth, sure, drop_intermediate=False)
    assert found.fpr95.value == pytest.approx(false[true >= 0.95].min())
    assert found.auroc_interval.low < found.auroc.value < found.auroc_interval.high


def test_orientation_keeps_the_known() -> None:
    """Unknowns below all known: none is accepted. Turned round, all are."""
    assert fpr_at_tpr([0.8, 0.9], [0.1, 0.2, 0.3]).value == 0
    assert fpr_at_tpr([0.1, 0.2], [0.8, 0.9]).value == 1
    known = np.arange(1, 101)
    assert fpr_at_tpr(known, [5, 6]).value == 0.5  # 95 of 100 known lie at 6 or above


def plain_oscr(known: np.ndarray, correct: np.ndarray, unknown: np.ndarray) -> float:
    thresholds = sorted({*known, *unknown}, reverse=True)
    points = [(0.0, 0.0)] + [((unknown >= t).mean(), (correct & (known >= t)).mean()) for t in thresholds]
    return float(np.trapezoid([y for _, y in points], [x for x, _ in points]))


def test_oscr_is_its_definition_and_between_its_bounds() -> None:
    known, correct, unknown = drawn()
    assert oscr(known, correct, unknown).value == pytest.approx(plain_oscr(known, correct, unknown))
    assert oscr(known, correct, unknown).value <= correct.mean()
    everyone = oscr(known, np.ones(120), unknown).value
    assert everyone == pytest.approx(open_set(known, correct, unknown).auroc.value)
    assert oscr(known + 2, correct, unknown).value == pytest.approx(correct.mean())
    assert oscr(known, np.zeros(120), unknown).value == 0


def test_near_and_far_stand_apart_and_the_worst_leads() -> None:
    known, correct, near = drawn()
    far = np.full(10, 0.05)
    disease = ["pityriasis rosea"] * 80 + ["naevus"] * 10
    found = open_set_report(
        known, correct, np.concatenate([near, far]), disease, {"pityriasis rosea": "near", "naevus": "far"}
    )
    assert found.worst is not None
    assert (found.worst.name, found.worst.distance) == ("pityriasis rosea", "near")
    assert found.near.auroc == found.worst.auroc
    assert found.far.auroc.value == 1
    assert (found.far.n_unknown, found.near.n_unknown) == (10, 80)
    with pytest.raises(EvaluationError, match="naevus; say near or far"):
        open_set_report(known, correct, far, ["naevus"] * 10, {})


def test_nothing_to_compare_is_nan_with_a_reason() -> None:
    found = open_set_report([0.5], [True], [], [], {})
    assert found.worst is None
    for value in (found.near.auroc, found.near.fpr95, found.far.oscr):
        assert value.reason == "no unknown patients"
    assert fpr_at_tpr([], [0.1]).reason == "no known patients"
    assert np.isnan(found.near.auroc_interval.low)
