"""The rare-class protocol: what is hidden stays hidden, chance is chance, and known separations are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from nmevision.errors import EvaluationError
from nmevision.evaluation.conformal import calibrate
from nmevision.evaluation.few_shot import (
    COLOUR_LDA,
    FUSION,
    KNOWLEDGE,
    LDA,
    NOVELTY,
    PROTOTYPE,
    SOURCE_ONLY,
)
from nmevision.evaluation.open_set import oscr
from nmevision.evaluation.rare_class import against_prototype, bands, run
from nmevision.evaluation.rare_class_design import Embedded, RareClassConfig, divide, surrogates_of, unseen_of
from nmevision.evaluation.rare_class_part import MISSED, SEPARATION, Part

CONFIG = RareClassConfig(shots=(0, 1, 5), episodes=20)


def drawn(
    distance: float, sources: int = 1, per_class: int = 30, classes: int = 6, seed: int = 0
) -> Embedded:
    """Return patients with two images each of Gaussian classes whose means lie `distance` from the origin."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(classes), per_class)
    means = np.eye(classes, 8) * distance
    patient = np.repeat(np.arange(len(label)), 2)
    features = (
        means[label][patient]
        + rng.normal(size=(len(label), 8))[patient]
        + 0.3 * rng.normal(size=(len(patient), 8))
    )
    source = np.array([f"s{i % sources}" for i in range(len(label))], dtype=object)
    return Embedded(features, patient, label, source, tuple(f"class{k}" for k in range(classes)))


def test_every_method_of_every_k_is_reported_for_every_surrogate() -> None:
    found = list(run(drawn(3.0), CONFIG))
    assert {o.method for o in found if o.shots == 0} == {NOVELTY}
    assert {o.method for o in found if o.shots == 5} == {PROTOTYPE, LDA, "ridge", "kNN", FUSION}
    assert {o.surrogate for o in found} == {f"class{k}" for k in range(6)}
    assert all(o.n_positive == 30 and o.n_seen == 60 and o.n_unseen == 90 for o in found)


def test_far_classes_are_told_apart_and_more_patients_help() -> None:
    areas = {
        (b.shots, b.method): b.median for b in bands(list(run(drawn(3.0), CONFIG))) if b.measure == "auroc"
    }
    assert areas[5, LDA] > 0.95
    assert areas[5, LDA] > areas[1, LDA] > 0.8


def test_noise_is_chance_within_the_interval() -> None:
    found = [o for seed in range(3) for o in run(drawn(0.0, per_class=40, seed=seed), CONFIG)]
    assert np.mean([o.low < 0.5 < o.high for o in found]) > 0.9
    assert abs(np.mean([o.auroc for o in found]) - 0.5) < 0.02


def test_one_source_is_left_out_at_a_time_where_it_can_be() -> None:
    data = drawn(2.0, sources=3)
    tests, words = divide(data, 0, (1, 2, 3), CONFIG)
    assert words.startswith("3 sources")
    assert [set(data.source[t]) for t in tests] == [{"s0"}, {"s1"}, {"s2"}]
    halves, words = divide(drawn(2.0), 0, (), CONFIG)
    assert "halves" in words
    assert (halves[0] ^ halves[1]).all()


def test_neither_the_hidden_nor_unseen_classes_nor_test_patients_are_learned_from() -> None:
    data = drawn(2.0, sources=3)
    hidden, unseen = 0, (1, 2)
    test = data.source == "s0"
    seen: list[np.ndarray] = []

    def knowing(hidden: int, fit: np.ndarray) -> np.ndarray:
        seen.append(fit)
        return np.zeros(len(data.label))

    part = Part(data, data.of_patients, hidden, unseen, test, CONFIG, knowing, 0)
    assert not np.isin(data.label[seen[0]], [hidden, *unseen]).any()
    assert not test[seen[0]].any()
    assert part.positive.sum() == (test & (data.label == hidden)).sum()


def test_the_hidden_class_s_test_images_do_not_change_what_is_learned() -> None:
    data = drawn(2.0)
    test = divide(data, 0, (1, 2, 3), CONFIG)[0][0]
    changed = data.features.copy()
    target = np.flatnonzero(test & (data.label == 0))[0]
    changed[data.patient == target] += 100
    other = Embedded(changed, data.patient, data.label, data.source, data.classes)
    parts = [Part(d, d.of_patients, 0, (1, 2, 3), test, CONFIG, None, 0) for d in (data, other)]
    column = parts[0].n_calibrating + int((np.flatnonzero(test) < target).sum())
    for first, second in zip(*(list(p.scores(5)) for p in parts), strict=True):
        assert first[:2] == second[:2]
        if first[1] != FUSION:
            np.testing.assert_allclose(np.delete(first[2], column, 1), np.delete(second[2], column, 1))


def test_knowledge_stands_beside_the_rest_and_joins_the_fusion() -> None:
    data = drawn(1.0)

    def knowing(hidden: int, fit: np.ndarray) -> np.ndarray | None:
        return None if hidden == 5 else (data.label == hidden).astype(float)

    found = list(run(data, CONFIG, knowing))
    told = [o for o in found if o.method == KNOWLEDGE]
    assert {o.shots for o in told} == {0, 1, 5}
    assert {o.surrogate for o in told} == {f"class{k}" for k in range(5)}
    assert all(o.auroc == 1.0 for o in told)
    areas = {(o.surrogate, o.method): o.auroc for o in found if o.shots == 1}
    assert areas["class0", FUSION] > areas["class0", LDA]


def test_the_same_seed_gives_the_same_numbers() -> None:
    config = RareClassConfig(shots=(1, 2), episodes=60)
    first = [o for o in run(drawn(2.0), config) if o.method == PROTOTYPE and o.shots == 1]
    again = [o for o in run(drawn(2.0), RareClassConfig(shots=(1,), episodes=60)) if o.method == PROTOTYPE]
    assert [o.surrogate for o in first] == [o.surrogate for o in again]
    assert all(o.episodes == 60 for o in first)
    assert list(run(drawn(2.0), config)) == list(run(drawn(2.0), config))


def test_sign_test_and_promotion() -> None:
    outcomes = [o for o in run(drawn(1.0), CONFIG) if o.shots == 5]
    for row in against_prototype(outcomes):
        assert row.n_classes == 6
        assert row.promoted == (row.wins / 6 >= 0.75 and row.p < 0.05)


def test_unseen_leaves_two_known_classes() -> None:
    assert unseen_of(0, (0, 1, 2), 4, 3) == (1,)
    assert unseen_of(1, (0, 1), 2, 3) == ()


def test_mistakes_are_said_together() -> None:
    data = drawn(1.0, per_class=10)
    with pytest.raises(EvaluationError) as caught:
        surrogates_of(data, RareClassConfig(surrogates=("class1", "nothing")))
    assert "'nothing' is no class" in str(caught.value)
    assert "has 10 patients" in str(caught.value)


def test_the_source_alone_tells_what_it_can_and_nothing_once_it_is_left_out() -> None:
    data = drawn(0.0)
    telling = np.where(data.label == 0, "atlas", "clinic").astype(object)
    own = replace(data, source=telling)
    found = {(o.surrogate, o.method): o.auroc for o in run(own, CONFIG) if o.shots == 5}
    assert found["class0", SOURCE_ONLY] == 1.0
    left_out = [o for o in run(drawn(0.0, sources=3), CONFIG) if o.method == SOURCE_ONLY]
    assert {o.auroc for o in left_out} == {0.5}
    assert not [o for o in run(data, CONFIG) if o.method == SOURCE_ONLY]


def test_colours_are_a_method_of_their_own_on_the_same_supports() -> None:
    blind, telling = drawn(0.0), drawn(4.0)
    found = {
        (o.method, o.surrogate): o
        for o in run(replace(blind, colours=telling.features), CONFIG)
        if o.shots == 5
    }
    plain = {(o.method, o.surrogate): o for o in run(telling, CONFIG) if o.shots == 5}
    for name in telling.classes:
        assert found[COLOUR_LDA, name].auroc == plain[LDA, name].auroc > 0.95
        assert found[LDA, name].auroc < 0.8


def test_oscr_and_coverage_are_those_of_the_definitions() -> None:
    data = drawn(2.0, per_class=60)
    test = divide(data, 0, (1, 2, 3), CONFIG)[0][0]
    part = Part(data, data.of_patients, 0, (1, 2, 3), test, CONFIG, None, 0)
    scores = next(values for k, method, values in part.scores(4) if (k, method) == (5, LDA))
    found = part.measures(scores)
    guess, share = (values[part.n_calibrating :] for values in part.base.nearest_known)
    labels = data.label[test]
    for row, one in enumerate(scores):
        aside, asked = one[: part.n_calibrating], one[part.n_calibrating :]
        z = (asked - aside.mean()) / aside.std()
        prior = part.positive.sum() / test.sum()
        p = expit(SEPARATION * z - SEPARATION**2 / 2 + logit(prior))
        answer = np.where(p >= (1 - p) * share, 0, np.array([4, 5])[guess])
        sure, known = np.maximum(p, (1 - p) * share), ~part.unseen
        expected = oscr(sure[known], (answer == labels)[known], sure[part.unseen]).value
        assert found["oscr"][row] == pytest.approx(expected)
        truth = np.zeros(
            len(aside), dtype=int
        )  # the known as class 0: in a set unless its p-value is too small
        order = np.argsort(np.argsort(np.concatenate([aside, asked])))
        scale = 1 - order / len(order)
        sets = calibrate(truth, np.stack([scale[: len(aside)], 1 - scale[: len(aside)]], axis=1), MISSED)
        held = scale[len(aside) :] >= sets.least[0]
        assert found["coverage"][row] == pytest.approx(held[part.seen].mean())
        assert found["coverage_unseen"][row] == pytest.approx(held[part.unseen].mean())


def test_sets_cover_known_patients_as_promised() -> None:
    found = [o for seed in range(3) for o in run(drawn(2.0, per_class=80, seed=seed), CONFIG) if o.shots == 5]
    assert 0.87 < np.mean([o.coverage for o in found]) < 0.95
    assert all(o.oscr <= 1 for o in found)
