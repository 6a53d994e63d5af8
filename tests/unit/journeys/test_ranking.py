"""What a leaderboard concludes: ranks only where intervals part, differences to the first, weakest spots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nmevision.evaluation.comparison import compare_auroc
from nmevision.evaluation.metrics import auroc
from nmevision.journeys.ranking import PatientCalls, PatientScores, concluded, conclusions


def row(name: str, low: float | None, value: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    """Return a leaderboard row; without a value one that could not be scored."""
    made: dict[str, Any] = {"bundle": name, "note": ""}
    if value is not None:
        made |= {"auroc": value, "auroc_low": low, "auroc_high": high, "balanced_accuracy": 0.5}
        made |= {
            "positive": "nme",
            "n": "8 positive and 60 negative patients",
            "n_positive": 8,
            "n_negative": 60,
        }
    return made | more


def ranks(*rows: dict[str, Any]) -> dict[str, Any]:
    return {one["bundle"]: one.get("rank_text") for one in concluded([(one, None) for one in rows])}


def test_overlapping_intervals_share_a_rank() -> None:
    assert ranks(row("a", 0.7, 0.8, 0.9), row("b", 0.85, 0.9, 0.95)) == {"b": "1=", "a": "1="}
    assert ranks(row("a", 0.5, 0.6, 0.7), row("b", 0.85, 0.9, 0.95)) == {"b": "1", "a": "2"}


def test_a_chain_of_overlaps_is_one_rank_and_the_next_counts_all_above() -> None:
    chain = [row("a", 0.8, 0.85, 0.9), row("b", 0.7, 0.75, 0.82), row("c", 0.6, 0.65, 0.72)]
    assert ranks(*chain, row("d", 0.3, 0.4, 0.5)) == {"a": "1=", "b": "1=", "c": "1=", "d": "4"}


def test_one_with_a_wide_interval_keeps_what_is_below_it_at_its_rank() -> None:
    """The interval of `a` reaches below that of `b`, so that `c` cannot be told from `a`."""
    found = ranks(row("a", 0.4, 0.9, 0.99), row("b", 0.8, 0.85, 0.9), row("c", 0.45, 0.5, 0.55))
    assert found == {"a": "1=", "b": "1=", "c": "1="}


@pytest.mark.parametrize("seed", range(20))
def test_two_of_different_rank_never_overlap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    middle, half = generator.random(12), generator.random(12) / 12
    rows = [row(str(n), m - h, m, m + h) for n, (m, h) in enumerate(zip(middle, half, strict=True))]
    found = concluded([(one, None) for one in rows])
    for one in found:
        for other in found:
            if one["rank"] < other["rank"]:
                assert one["auroc_low"] > other["auroc_high"]


def test_a_wide_interval_further_down_joins_those_above() -> None:
    """`b` lies below `a`, but `c` below it overlaps both."""
    found = ranks(row("a", 0.8, 0.85, 0.9), row("b", 0.65, 0.7, 0.75), row("c", 0.3, 0.6, 0.85))
    assert found == {"a": "1=", "b": "1=", "c": "1="}


def test_unscored_rows_and_different_questions_have_no_rank() -> None:
    assert ranks(row("a", 0.7, 0.8, 0.9), row("b", None, None, None)) == {"a": "1", "b": None}
    assert ranks(row("a", 0.7, 0.8, 0.9), row("b", 0.1, 0.2, 0.3, positive="necrolytic")) == {
        "a": None,
        "b": None,
    }
    undefined = row("a", None, None, None, positive=None, balanced_accuracy=0.5, n="3 patients")
    assert ranks(undefined)["a"] is None


def answers(n: int, more: float, seed: int, names: range | None = None) -> PatientScores:
    generator = np.random.default_rng(seed)
    truth = np.arange(n) % 4 == 0
    names = names or range(n)
    return PatientScores(
        np.array([f"p{i:03d}" for i in names], dtype=object), truth, generator.normal(size=n) + more * truth
    )


def test_comparisons_are_those_of_the_first_bundle_named_with_holm() -> None:
    first, good, alike = answers(80, 0.2, 0), answers(80, 3.0, 1), answers(80, 0.3, 2)
    rows = [row(name, 0.4, value, 0.95) for name, value in (("first", 0.5), ("good", 0.9), ("alike", 0.6))]
    found = {r["bundle"]: r for r in concluded(list(zip(rows, (first, good, alike), strict=True)))}
    assert found["first"]["first"] is True
    assert "difference" not in found["first"]
    expected = compare_auroc(first.truth, good.probability, first.probability)
    areas = [auroc(first.truth, one.probability).value for one in (good, first)]
    assert found["good"]["difference"] == pytest.approx(areas[0] - areas[1])
    assert found["good"]["p"] == expected.p.value
    assert found["good"]["p_holm"] == pytest.approx(2 * expected.p.value)
    assert found["good"]["difference_low"] == expected.interval.low > 0
    assert found["alike"]["p_holm"] == found["alike"]["p"]  # the larger of two
    lines = conclusions(list(found.values()))
    assert any("AUROC minus that of first" in line for line in lines)
    assert any(line.startswith("| good | +0.") for line in lines)
    assert any("The best of 3 models that know nothing" in line for line in lines)
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_only_patients_that_both_answered_are_compared() -> None:
    first, other = answers(60, 1.0, 0), answers(60, 1.0, 1, range(20, 80))
    found = concluded([(row("a", 0.4, 0.6, 0.8), first), (row("b", 0.4, 0.5, 0.8), other)])[1]
    assert found["compared_patients"] == 40
    ours = PatientScores(first.names[20:], first.truth[20:], first.probability[20:])
    assert found["difference"] == pytest.approx(
        auroc(ours.truth, other.probability[:40]).value - auroc(ours.truth, ours.probability).value
    )


def test_what_cannot_be_compared_says_why() -> None:
    first = answers(60, 1.0, 0)
    turned = PatientScores(first.names, ~first.truth, first.probability)
    rows = [
        row("a", 0.4, 0.6, 0.8),
        row("b", 0.4, 0.5, 0.8),
        row("c", 0.4, 0.5, 0.8),
        row("d", None, None, None),
    ]
    found = {r["bundle"]: r for r in concluded(list(zip(rows, (first, turned, None, None), strict=True)))}
    assert "another question" in found["b"]["comparison_note"]
    assert found["c"]["comparison_note"] == "this one was not scored here"
    assert "p_holm" not in found["b"]
    unscored = concluded([(row("d", None, None, None), None), (row("a", 0.4, 0.6, 0.8), first)])[0]
    assert unscored["comparison_note"] == "the first one was not scored here"
    assert conclusions([{"bundle": "x", "note": "", "first": True}]) == []
    assert not any(isinstance(v, float) and math.isnan(v) for r in found.values() for v in r.values())


def test_without_a_positive_the_balanced_accuracies_are_compared_on_shared_patients() -> None:
    names = np.array([f"p{i:02d}" for i in range(40)], dtype=object)
    truth = np.array(["a", "b"] * 10 + ["a", "c"] * 10)
    wrong = np.where(np.arange(40) < 12, "a", truth)
    first, other = PatientCalls(names, truth, wrong), PatientCalls(names[:30], truth[:30], truth[:30])
    both = [row("first", None, None, None), row("other", None, None, None)]
    rows = [one | {"positive": None, "balanced_accuracy": 0.5, "n": "40 patients"} for one in both]
    rows = [one | {"n_positive": None, "n_negative": None} for one in rows]
    found = {r["bundle"]: r for r in concluded(list(zip(rows, (first, other), strict=True)))}
    recalls = [(wrong[:30] == truth[:30])[truth[:30] == key].mean() for key in "abc"]
    assert found["other"]["difference"] == pytest.approx(1 - np.mean(recalls))
    assert found["other"]["compared_patients"] == 30
    assert found["other"]["p"] == pytest.approx(2 / 2**6)  # six patients, all better: one of the two extremes
    lines = conclusions(list(found.values()), "answered by")
    assert any("| answered by | balanced accuracy minus that of first" in line for line in lines)
    asked_else = PatientScores(names, truth == "a", np.zeros(40))
    mixed = concluded([(rows[0], first), (rows[1], asked_else)])[1]
    assert "another question" in mixed["comparison_note"]
