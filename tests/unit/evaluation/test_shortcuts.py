"""The shortcut tests: planted ones are flagged, clean sets are not, and each statistic is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from nmevision.evaluation.intervals import hm_score
from nmevision.evaluation.metrics import auroc
from nmevision.evaluation.shortcuts import (
    Question,
    assertion,
    matched_negatives,
    read_all,
    source_from,
    source_question,
    tally,
)
from nmevision.evaluation.shortcuts_model import (
    ablated,
    inserted,
    leave_out,
    permuted_labels,
    stratified_auroc,
    within_source,
)

POSITIVE = np.arange(90) < 30


def texts(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def sources(rng: np.random.Generator, tied: float) -> np.ndarray:
    """Return sources a and b; a positive is of a with this probability, a negative with one minus it."""
    return np.where(rng.uniform(size=90) < np.where(POSITIVE, tied, 1 - tied), "a", "b").astype(object)


def questions(rng: np.random.Generator, shift: float) -> list[Question]:
    found = [Question("L8", f"noise {i}", "noise", rng.normal(size=(90, 15)), True) for i in range(3)]
    planted = rng.normal(size=(90, 4))
    planted[:, 1] += shift * POSITIVE
    return [*found, Question("L4", "file", "the file", planted, False, ("a", "size", "c", "d"))]


def test_a_planted_shortcut_is_flagged_and_named_and_noise_is_not() -> None:
    checks = read_all(questions(np.random.default_rng(0), 3.0), POSITIVE)
    assert [check.verdict for check in checks] == ["pass", "pass", "pass", "flag"]
    assert "'size'" in checks[3].words
    assert (checks[3].n_positive, checks[3].n_negative) == (30, 60)


@pytest.mark.slow
def test_clean_sets_raise_an_alarm_in_at_most_one_of_twenty() -> None:
    alarms = [
        any(
            check.verdict != "pass"
            for check in read_all(questions(np.random.default_rng(100 + seed), 0.0), POSITIVE, seed)
        )
        for seed in range(20)
    ]
    assert sum(alarms) <= 1


def test_a_source_that_tells_the_label_voids_a_model_that_is_no_better() -> None:
    source = sources(np.random.default_rng(1), 0.9)
    question = source_question(source)
    assert question is not None
    check = read_all([question], POSITIVE, model=0.9)[0]
    assert check.verdict == "flag"
    assert "void" in check.words
    assert "void" not in read_all([question], POSITIVE, model=0.99)[0].words
    assert source_question(texts("a", "a")) is None


def test_what_a_disease_may_show_asks_for_an_explanation_only() -> None:
    features = np.random.default_rng(2).normal(size=(90, 3)) + 3 * POSITIVE[:, None]
    assert read_all([Question("L8", "colours", "colours", features, True)], POSITIVE)[0].verdict == "explain"


def test_stratified_auroc_by_hand_and_its_interval_is_hm_score_for_one_stratum() -> None:
    rng = np.random.default_rng(3)
    scores, strata = rng.normal(size=90) + POSITIVE, np.repeat(["x", "y", "z"], 30).astype(object)
    strata = rng.permutation(strata)
    weights, areas = [], []
    for s in "xyz":
        own = strata == s
        weights.append(POSITIVE[own].sum() * (~POSITIVE[own]).sum())
        areas.append(auroc(POSITIVE[own], scores[own]).value)
    assert stratified_auroc(POSITIVE, scores, strata)[0] == pytest.approx(np.average(areas, weights=weights))
    area, interval = stratified_auroc(POSITIVE, scores, np.full(90, "one", object))
    expected = hm_score(area, 30, 60)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_stratified_interval_covers_where_sources_share_one_auroc() -> None:
    rng, hits = np.random.default_rng(4), []
    strata = np.tile(["x", "y", "z"], 30).astype(object)
    for _ in range(200):
        interval = stratified_auroc(POSITIVE, rng.normal(size=90) + 1.19 * POSITIVE, strata)[1]
        hits.append(interval.low <= 0.80 <= interval.high)
    assert np.mean(hits) > 0.93


def test_a_model_that_reads_the_source_fails_within_sources() -> None:
    rng = np.random.default_rng(5)
    source = sources(rng, 0.9)
    reads_source = (source == "a") + 0.1 * rng.normal(size=90)
    assert within_source(POSITIVE, reads_source, source).verdict == "flag"
    reads_disease = 2 * POSITIVE + rng.normal(size=90)
    assert within_source(POSITIVE, reads_disease, source).verdict == "pass"
    assert within_source(POSITIVE, reads_disease, np.full(90, "a", object)).verdict == "not tested"


def test_positives_without_negatives_of_their_source_are_counted() -> None:
    positive = np.array([True, True, False, False])
    check = matched_negatives(positive, texts("journal", "clinic", "clinic", "clinic"))
    assert (check.verdict, check.value) == ("flag", 0.5)
    assert "1 of 2" in check.words
    assert "'journal'" in check.words
    none = matched_negatives(positive, texts("journal", "journal", "clinic", "clinic"))
    assert "no discrimination claim" in none.words
    assert matched_negatives(positive, texts("a", "b", "a", "b")).verdict == "pass"


def test_a_source_in_the_features_is_reported() -> None:
    rng = np.random.default_rng(6)
    source = sources(rng, 0.5)
    features = rng.normal(size=(90, 6)) + 0.9 * (source == "a")[:, None]
    check = source_from("features", features, source)
    assert (check.verdict, check.chance) == ("report", 0.5)
    assert check.value > 0.75
    assert 0.6 < check.low < check.value < check.high


def test_ablations_must_be_explained_unless_the_disease_is_still_there() -> None:
    scores = POSITIVE + 0.2 * np.random.default_rng(7).normal(size=90)
    assert ablated("frame", "the frame", False, POSITIVE, scores).verdict == "explain"
    assert ablated("grey", "shapes", True, POSITIVE, scores).verdict == "report"
    noise = np.random.default_rng(8).normal(size=90)
    assert ablated("frame", "the frame", False, POSITIVE, noise).verdict == "pass"


def test_flips_are_counted_against_the_budget() -> None:
    before, after = np.full(100, 0.4), np.r_[np.full(6, 0.7), np.full(94, 0.4)]
    called = before > 0.5
    check = inserted("ruler", 0.05, before, after, called, after > 0.5)
    assert (check.verdict, check.value) == ("flag", 0.06)
    assert check.low == pytest.approx(0.0223, abs=1e-4)  # Clopper-Pearson of 6 in 100
    assert inserted("ruler", 0.06, before, after, called, after > 0.5).verdict == "pass"


def test_permuted_labels_are_chance_within_sources_even_where_the_source_tells_the_label() -> None:
    rng = np.random.default_rng(9)
    source = sources(rng, 0.8)
    features = rng.normal(size=(90, 5)) + 3 * (source == "a")[:, None]
    check = permuted_labels(features, POSITIVE, source, runs=400)
    assert check.chance == pytest.approx(0.5, abs=0.02)
    assert check.verdict == "flag"
    features[:, 0] += 4 * POSITIVE
    assert permuted_labels(features, POSITIVE, source, runs=400).value > 0.9


def test_leaving_a_source_out_shows_what_does_not_carry_over() -> None:
    rng = np.random.default_rng(10)
    group = rng.permutation(np.repeat(["p", "q", "r"], 30)).astype(object)
    sign = np.select([group == "p", group == "q"], [1, -1], 0)
    misleading = np.column_stack([3 * sign * POSITIVE, rng.normal(size=90)])
    steady = np.column_stack([3 * POSITIVE, np.zeros(90)]) + rng.normal(size=(90, 2))
    assert leave_out("L11", "publication", steady, POSITIVE, group).verdict == "pass"
    assert leave_out("L11", "publication", misleading, POSITIVE, group).verdict == "flag"
    assert leave_out("L11", "publication", steady, POSITIVE, np.full(90, "p", object)).verdict == "not tested"


def test_assertions_name_what_breaks_them() -> None:
    check = assertion("L1", "groups", "none", [f"group {i}" for i in range(5)], "fine")
    assert check.words == "5 found: group 0; group 1; group 2 and 2 more."
    assert tally([check])["flag"] == 1
