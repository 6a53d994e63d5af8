"""The plain reader against scikit-learn, its AUROC against pairs counted one by one, and chance where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from nmevision.errors import EvaluationError
from nmevision.evaluation.probe import (
    PENALTY,
    fold_auroc,
    folds_of,
    one_hot,
    pairs_won,
    permuted,
    random_tests,
    read_class,
    read_label,
    reader,
    table,
)


@pytest.mark.parametrize("width", [3, 40])
def test_the_reader_is_ridge_regression_on_standardised_columns(width: int) -> None:
    rng = np.random.default_rng(width)
    train, test, y = rng.normal(3, 2, (25, width)), rng.normal(3, 2, (7, width)), rng.normal(size=25)
    scaler = StandardScaler().fit(train)
    model = Ridge(alpha=PENALTY * width).fit(scaler.transform(train), y)
    found = reader(train, test) @ (y - y.mean())
    np.testing.assert_allclose(found, model.predict(scaler.transform(test)) - y.mean(), atol=1e-10)


def test_a_column_without_variance_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(20, 3)), rng.normal(size=(5, 3))
    wide = [np.column_stack([x, np.full(len(x), 7.0)]) for x in (train, test)]
    np.testing.assert_allclose(reader(*wide), reader(train, test))
    assert not reader(np.ones((4, 2)), np.ones((2, 2))).any()


def test_pairs_are_counted_within_strata_with_ties_as_halves() -> None:
    rng = np.random.default_rng(1)
    scores, strata = rng.integers(0, 4, (3, 30)).astype(float), rng.integers(0, 3, 30)
    labels = rng.uniform(size=(3, 30)) < 0.4
    won, pairs = pairs_won(labels, scores, strata)
    for row in range(3):
        expected = [
            (scores[row, i] > scores[row, j]) + 0.5 * (scores[row, i] == scores[row, j])
            for i in range(30)
            for j in range(30)
            if labels[row, i] and not labels[row, j] and strata[i] == strata[j]
        ]
        assert won[row] == pytest.approx(sum(expected))
        assert pairs[row] == len(expected)


def test_every_patient_is_tested_once_per_repeat_and_every_fold_has_both() -> None:
    labels = np.arange(40) < 7
    tests = random_tests(labels, seed=0)
    assert len(tests) == 20
    for repeat in range(4):
        assert sorted(np.concatenate(tests[5 * repeat : 5 * repeat + 5])) == list(range(40))
    assert all(labels[t].any() and not labels[t].all() for t in tests)


def test_labels_are_permuted_within_strata() -> None:
    labels, strata = np.array([True] * 3 + [False] * 9), np.repeat([0, 1, 2], 4)
    found = permuted(labels, 50, 0, strata)
    assert (found[:, strata == 0].sum(axis=1) == 3).all()
    assert not found[:, strata > 0].any()
    assert len({tuple(row) for row in found}) > 1


def test_noise_is_read_at_chance_without_the_bias_of_pooled_scores() -> None:
    areas = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        labels = np.arange(60) < 8
        features = rng.normal(size=(60, 20))
        areas.append(fold_auroc(folds_of(features, random_tests(labels, seed)), labels[None])[0])
    assert abs(np.mean(areas) - 0.5) < 3 * np.std(areas) / np.sqrt(25)


def test_a_planted_column_is_read_and_its_p_is_the_least_possible() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(60) < 20
    features = rng.normal(size=(60, 10))
    features[:, 3] += 4 * labels
    found = read_label(features, labels, runs=99)
    assert found.value.value > 0.95
    assert found.p == 1 / 100
    assert found.interval.low > 0.8
    assert found.chance == pytest.approx(0.5, abs=0.03)
    assert found.limit < 0.7


def test_a_source_is_read_from_its_shift_and_not_from_noise() -> None:
    rng = np.random.default_rng(3)
    source = np.repeat(["a", "b", "c"], [30, 20, 10])
    noise = rng.normal(size=(60, 5))
    shifted = noise + 3 * one_hot(source) @ rng.normal(size=(3, 5))
    assert read_class(shifted, source, runs=49).value.value > 0.9
    found = read_class(noise, source, runs=49)
    assert found.value.value < 0.5
    assert found.chance == pytest.approx(1 / 3, abs=0.03)


def test_gaps_are_filled_and_marked_and_nonsense_is_refused() -> None:
    assert table([[np.nan, np.nan], [np.nan, 1.0]]).tolist() == [[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]
    with pytest.raises(EvaluationError):
        table([1.0, 2.0])


def test_too_few_patients_say_so() -> None:
    found = read_label(np.zeros((5, 2)), [True, False, False, False, False])
    assert found.value.reason == "1 positive and 4 negative patients; a reader needs 2 of each"
    assert not read_class(np.zeros((3, 2)), ["a", "a", "b"]).value.known
