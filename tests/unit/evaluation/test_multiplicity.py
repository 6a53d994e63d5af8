from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from nmevision.errors import EvaluationError
from nmevision.evaluation import multiplicity
from nmevision.evaluation.metrics import auroc


def test_holm_by_hand_and_benjamini_hochberg_by_scipy() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    # ordered 0.005 0.01 0.03 0.04 times 4 3 2 1, then never falling
    assert multiplicity.holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    drawn = np.random.default_rng(0).random(30) ** 2
    assert multiplicity.benjamini_hochberg(drawn) == pytest.approx(false_discovery_control(drawn))
    assert (multiplicity.holm(drawn) >= multiplicity.benjamini_hochberg(drawn) - 1e-12).all()


def test_an_undefined_p_is_no_comparison() -> None:
    found = multiplicity.holm([0.02, math.nan, 0.03])
    assert found[[0, 2]].tolist() == pytest.approx([0.04, 0.04])
    assert math.isnan(found[1])
    assert multiplicity.holm([]).tolist() == []
    with pytest.raises(EvaluationError, match="from 0 to 1"):
        multiplicity.holm([1.2])


def test_the_corrected_t_is_the_plain_one_made_smaller() -> None:
    differences = np.random.default_rng(0).normal(0.05, 0.1, 50)
    found = multiplicity.nadeau_bengio(differences, n_train=80, n_test=20)
    plain = ttest_1samp(differences, 0)
    factor = math.sqrt((1 / 50) / (1 / 50 + 20 / 80))
    assert found.t == pytest.approx(plain.statistic * factor)
    assert found.p.value > plain.pvalue
    assert found.interval.low < differences.mean() < found.interval.high
    with_gap = multiplicity.nadeau_bengio(np.r_[differences, np.nan], 80, 20)
    assert with_gap.t == pytest.approx(found.t)


def test_the_corrected_t_says_why_there_is_none() -> None:
    assert "at least 2" in multiplicity.nadeau_bengio([0.1], 8, 2).p.reason
    assert multiplicity.nadeau_bengio([0.1, 0.1], 8, 2).p.reason == "all folds differ by the same"
    with pytest.raises(EvaluationError):
        multiplicity.nadeau_bengio([0.1, 0.2], 0, 2)


@pytest.mark.parametrize("models", [1, 2, 20])
def test_best_of_chance_models_agrees_with_simulation(models: int) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(46) < 6
    best = [max(auroc(labels, s).value for s in generator.random((models, 46))) for _ in range(800)]
    found = multiplicity.best_of_chance_models(6, 40, models).value
    assert found == pytest.approx(np.mean(best), abs=0.012)
    if models == 1:
        assert found == pytest.approx(0.5, abs=1e-9)


def test_permuted_labels_give_the_chance_of_the_best() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(60) < 8
    noise = generator.random((60, 10))
    found = multiplicity.best_under_permutation(labels, noise, 2000)
    assert found.best.value == max(auroc(labels, column).value for column in noise.T)
    assert found.expected.value == pytest.approx(
        multiplicity.best_of_chance_models(8, 52, 10).value, abs=0.03
    )
    assert found.expected.value < found.limit.value < 1
    assert found.p.value > 0.05
    good = np.c_[noise, generator.random(60) + labels]
    assert multiplicity.best_under_permutation(labels, good, 2000).p.value < 0.01


def test_models_that_are_alike_count_as_one() -> None:
    scores = np.random.default_rng(0).random(50)
    labels = np.arange(50) < 6
    alike = multiplicity.best_under_permutation(labels, np.tile(scores[:, None], 10), 4000)
    assert alike.expected.value == pytest.approx(0.5, abs=0.01)


def test_what_cannot_be_told() -> None:
    assert multiplicity.best_of_chance_models(0, 5, 3).reason == "no positives"
    assert multiplicity.best_under_permutation([1, 1], [[0.1], [0.2]]).p.reason == "no negatives"
    with pytest.raises(EvaluationError, match="at least 1"):
        multiplicity.best_of_chance_models(3, 5, 0)
    with pytest.raises(EvaluationError, match="patients x models"):
        multiplicity.best_under_permutation([1, 0], [0.1, 0.2])
