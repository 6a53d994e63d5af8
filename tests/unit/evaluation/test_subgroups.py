from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import Interval, clopper_pearson, wilson
from nmevision.evaluation.subgroups import difference_interval, subgroups


def made(sizes: dict[str, tuple[int, int]], seed: int = 0) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    groups = np.array([name for name, both in sizes.items() for _ in range(sum(both))], dtype=object)
    truth = np.array([k < both[0] for both in sizes.values() for k in range(sum(both))])
    scores = np.round(generator.normal(size=len(truth)) + 1.5 * truth, 2)
    return truth, scores, scores > 0.7, groups


@pytest.mark.parametrize(("first", "second"), [((56, 70), (48, 80)), ((9, 10), (3, 10)), ((10, 10), (0, 20))])
def test_the_difference_of_shares_is_newcombes(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Newcombe 1998, method 10; 56/70 and 48/80 are his example (a): 0.0524 to 0.3339."""
    found = difference_interval(
        (first[0] / first[1], wilson(*first)), (second[0] / second[1], wilson(*second))
    )
    expected = confint_proportions_2indep(*first, *second, compare="diff", method="newcomb")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    if first == (56, 70):
        assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_each_group_stands_against_the_rest() -> None:
    truth, scores, called, groups = made({"I-II": (20, 60), "III-IV": (15, 50), "V-VI": (12, 40)})
    found = subgroups(truth, scores, called, groups, "skin_tone")
    assert [group.name for group in found.groups] == ["I-II", "III-IV", "V-VI"]
    dark = found.groups[2]
    own = groups == "V-VI"
    assert (dark.n_positive, dark.n_negative) == (12, 40)
    share, rest = called[truth & own].mean(), called[truth & ~own].mean()
    assert dark.sensitivity.value.value == pytest.approx(share)
    assert dark.sensitivity.difference.value == pytest.approx(share - rest)
    assert dark.sensitivity.interval == clopper_pearson(int(called[truth & own].sum()), 12)
    areas = [roc_auc_score(truth[part], scores[part]) for part in (own, ~own)]
    assert dark.auroc.difference.value == pytest.approx(areas[0] - areas[1])
    limits = dark.auroc.difference_interval
    assert limits.low < dark.auroc.difference.value < limits.high
    worst = min(found.groups, key=lambda group: group.auroc.value.value)
    assert found.worst == worst.name
    shares = [
        [called[truth & (groups == g)].mean() for g in found_names] for found_names in [sorted(set(groups))]
    ]
    alarms = [called[~truth & (groups == g)].mean() for g in sorted(set(groups))]
    assert found.equalised_odds.value == pytest.approx(max(np.ptp(shares), np.ptp(alarms)))


def test_two_groups_mirror_each_other() -> None:
    found = subgroups(*made({"a": (20, 40), "b": (30, 40)}), "sex")
    for name in ("sensitivity", "specificity", "auroc"):
        one, two = (getattr(group, name) for group in found.groups)
        assert one.difference.value == pytest.approx(-two.difference.value)
        assert one.difference_interval.low == pytest.approx(-two.difference_interval.high)


def test_few_patients_are_not_estimable() -> None:
    truth, scores, called, groups = made({"few": (4, 30), "many": (20, 60), "": (3, 3)})
    found = subgroups(truth, scores, called, groups, "sex")
    few, many = found.groups
    assert few.sensitivity.value.reason == "not estimable: 4 positives, fewer than 5"
    assert few.auroc.value.reason == few.sensitivity.value.reason
    assert np.isnan(few.sensitivity.interval.low)
    assert few.specificity.value.known
    assert many.sensitivity.value.known
    assert many.sensitivity.difference.reason == "not estimable: 4 positives in the rest, fewer than 5"
    assert (found.n_unknown, found.worst) == (6, "many")
    assert "few" in found.equalised_odds.reason
    assert "many" not in found.equalised_odds.reason.split(" in ")[-1]


def test_a_planted_gap_is_found_and_none_is_not() -> None:
    """Two equal groups: the interval of the difference holds 0 in 95 % of the draws or so."""
    held = []
    for seed in range(60):
        found = subgroups(*made({"a": (15, 40), "b": (15, 40)}, seed), "sex").groups[0]
        held.append(
            [
                gap.difference_interval.low <= 0 <= gap.difference_interval.high
                for gap in (found.sensitivity, found.auroc)
            ]
        )
    assert np.mean(held, axis=0).min() >= 0.9
    truth, scores, called, groups = made({"a": (60, 200), "b": (60, 200)})
    worse = called & ~((groups == "b") & (np.arange(len(truth)) % 2 == 0))
    assert subgroups(truth, scores, worse, groups, "sex").groups[1].sensitivity.difference_interval.high < 0


def test_what_does_not_fit_is_refused() -> None:
    truth, scores, called, groups = made({"a": (5, 5)})
    with pytest.raises(EvaluationError, match="groups"):
        subgroups(truth, scores, called, groups[:3], "sex")
    alone = subgroups(truth, scores, called, groups, "sex")
    assert alone.equalised_odds.reason == "fewer than two groups"
    none = Interval(np.nan, np.nan, "", "no patients")
    assert difference_interval((0.5, none), (0.5, wilson(5, 10))).reason == "no patients"
