from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from nmevision.errors import EvaluationError
from nmevision.evaluation.abstention import at_coverage, decision_costs, risk_coverage

PATIENTS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=1, max_size=30
)


def test_risk_coverage_by_hand() -> None:
    found = risk_coverage([0.9, 0.8, 0.7, 0.6], [0, 1, 0, 1])
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert found.risk == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert found.aurc.value == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert found.excess.value == pytest.approx(found.aurc.value - (1 / 3 + 1 / 2) / 4)
    joint = [0, 0, 0.25, 0.25, 0.5]  # P(error and answered) at coverages 0, 1/4 ... 1
    assert found.augrc.value == pytest.approx(np.trapezoid(joint, dx=0.25))


def test_augrc_is_the_formula_of_its_authors() -> None:
    """Traub et al. 2024 (arXiv:2407.01032): (1 - AUROC) acc (1 - acc) + (1 - acc)^2 / 2, AUROC of right on confidence."""
    generator = np.random.default_rng(0)
    for decimals in (1, 8):
        sure = np.round(generator.random(400), decimals)
        right = generator.random(400) < 0.5 + sure / 2
        accuracy = right.mean()
        expected = (1 - roc_auc_score(right, sure)) * accuracy * (1 - accuracy) + (1 - accuracy) ** 2 / 2
        assert risk_coverage(sure, ~right).augrc.value == pytest.approx(expected, abs=1e-12)


def test_the_best_order_is_near_its_closed_form() -> None:
    """Geifman et al. 2019 (arXiv:1805.08206): the best AURC is about r + (1 - r) ln(1 - r)."""
    wrong = np.arange(5000) >= 4000
    found = risk_coverage(-np.arange(5000), wrong)
    assert found.excess.value == 0
    assert found.aurc.value == pytest.approx(0.2 + 0.8 * np.log(0.8), abs=2e-4)


@given(PATIENTS)
@settings(max_examples=60, deadline=None)
def test_no_order_is_better_than_the_best(patients: list[tuple[float, bool]]) -> None:
    sure, wrong = (np.array(column) for column in zip(*patients, strict=True))
    found = risk_coverage(sure, wrong)
    assert found.excess.value >= 0
    assert 0 <= found.augrc.value <= found.aurc.value + 1e-12
    monotone = risk_coverage(np.exp(sure) - 3, wrong)
    assert monotone.aurc == found.aurc
    turned = risk_coverage(sure[::-1], wrong[::-1])
    assert turned.aurc.value == pytest.approx(found.aurc.value, abs=1e-12)


def test_ties_are_the_mean_over_their_orders() -> None:
    wrong = np.array([1, 0, 0, 1])
    orders = [risk_coverage([4, 3, 2, 1], wrong[list(order)]) for order in itertools.permutations(range(4))]
    tied = risk_coverage([1, 1, 1, 1], wrong)
    assert tied.aurc.value == pytest.approx(np.mean([one.aurc.value for one in orders]))
    assert tied.augrc.value == pytest.approx(np.mean([one.augrc.value for one in orders]))


def test_a_missed_positive_may_cost_more() -> None:
    truth, called = [1, 0, 0, 0], [0, 0, 1, 0]
    dear = risk_coverage([0.9, 0.8, 0.7, 0.6], decision_costs(truth, called, miss=20))
    cheap = risk_coverage([0.9, 0.8, 0.7, 0.6], decision_costs(truth, called, miss=1))
    assert dear.risk.tolist() == [20, 10, 7, 21 / 4]
    assert dear.augrc.value > 10 * cheap.augrc.value
    with pytest.raises(EvaluationError, match="from 0 on"):
        risk_coverage([0.1], [-1])
    assert risk_coverage([], []).aurc.reason == "no patients"


def test_positives_left_out_are_counted() -> None:
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    called = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 1], dtype=bool)
    sure = np.array([0.9, 0.1, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6, 0.2])
    everyone, ninety, eighty = at_coverage(truth, called, sure)
    assert (everyone.sensitivity.value, everyone.n_positive_abstained) == (pytest.approx(2 / 3), 0)
    assert (ninety.sensitivity.value, ninety.n_positive, ninety.n_positive_abstained) == (1, 2, 1)
    assert ninety.specificity.value == pytest.approx(6 / 7)
    assert (eighty.n_answered, eighty.specificity.value, eighty.n_negative_abstained) == (8, 1, 1)
    half = at_coverage(truth, called, sure, (0.5,))[0]
    assert (half.n_answered, half.coverage) == (7, 0.7)  # five are equally sure and stay together
    none = at_coverage(truth[1:2], called[1:2], sure[1:2], (1.0,))[0]
    assert none.specificity.reason == "no negatives answered"
    with pytest.raises(EvaluationError, match="coverages"):
        at_coverage(truth, called, sure, (0.0,))
