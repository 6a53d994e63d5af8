from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, cohen_kappa_score, confusion_matrix, roc_auc_score

from nmevision.errors import EvaluationError
from nmevision.evaluation.clustered import clustered_interval
from nmevision.evaluation.findings import judge_findings, kappa_of
from nmevision.evaluation.intervals import auroc_interval
from nmevision.evaluation.weighted import estimate

NAMES = ("pallor", "parakeratosis", "acantholysis")


def made(n: int = 80, seed: int = 0, strength: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return grades (n, 3) and grade probabilities (n, 3, 4) that lean to the truth."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(4, (n, 3), p=[0.4, 0.3, 0.2, 0.1])
    logits = generator.normal(size=(n, 3, 4)) + strength * np.eye(4)[truth]
    p = np.exp(logits)
    return truth, p / p.sum(axis=2, keepdims=True)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
@settings(max_examples=40, deadline=None)
def test_kappa_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, given_ = (np.array(column) for column in zip(*pairs, strict=True))
    found = estimate(kappa_of(truth, given_), len(truth))
    if len(set(truth) | set(given_)) == 1:
        assert np.isnan(found)
    else:
        expected = cohen_kappa_score(truth, given_, weights="quadratic", labels=range(4))
        assert found == pytest.approx(expected, abs=1e-9)
    weights = np.random.default_rng(0).integers(0, 3, (1, len(truth)))
    repeated = estimate(kappa_of(np.repeat(truth, weights[0]), np.repeat(given_, weights[0])), weights.sum())
    assert kappa_of(truth, given_)(weights.astype(float))[0] == pytest.approx(repeated, nan_ok=True)


def test_every_score_agrees_with_its_reference() -> None:
    truth, p = made()
    patients = [f"P{i}" for i in range(80)]
    found = judge_findings(NAMES, truth, p, patients)
    for j, one in enumerate(found.findings):
        given_, mean = p[:, j].argmax(axis=1), p[:, j] @ np.arange(4)
        assert one.name == NAMES[j]
        assert one.kappa.value == pytest.approx(cohen_kappa_score(truth[:, j], given_, weights="quadratic"))
        assert one.kappa_interval.low < one.kappa.value < one.kappa_interval.high
        assert one.mae.value == pytest.approx(np.abs(mean - truth[:, j]).mean())
        assert one.spearman.value == pytest.approx(spearmanr(truth[:, j], mean).statistic)
        assert one.confusion == confusion_matrix(truth[:, j], given_, labels=range(4)).tolist()
        for cut, at in zip((1, 2), one.at_least, strict=True):
            score = p[:, j, cut:].sum(axis=1)
            assert at.auroc.value == pytest.approx(roc_auc_score(truth[:, j] >= cut, score))
            assert at.average_precision.value == pytest.approx(
                average_precision_score(truth[:, j] >= cut, score)
            )
            assert at.interval == auroc_interval(truth[:, j] >= cut, score)
            assert at.n_positive == (truth[:, j] >= cut).sum()
    kappas = [one.kappa.value for one in found.findings]
    assert found.macro["kappa"].value == pytest.approx(np.mean(kappas))
    assert found.macro["kappa"].reason == "over 3 of 3 findings"


def test_unknown_grades_are_masked() -> None:
    truth, p = made(100)
    hidden = truth.copy()
    hidden[30:, 1] = -1
    hidden[:, 2] = -1
    patients = np.arange(100)
    found = judge_findings(NAMES, hidden, p, patients).findings
    whole = judge_findings(NAMES[1:2], truth[:30, 1:2], p[:30, 1:2], patients[:30]).findings[0]
    assert found[1] == whole
    assert (found[2].n_images, found[2].kappa.reason) == (0, "no graded image")
    assert found[2].at_least[0].auroc.reason == "no positives and no negatives"
    everything = judge_findings(NAMES, hidden, p, patients).macro["mae"]
    assert everything.reason == "over 2 of 3 findings"
    assert everything.value == pytest.approx((found[0].mae.value + whole.mae.value) / 2)


def test_many_images_of_a_patient_tell_no_more() -> None:
    """The same images four times: equal scores, and intervals no narrower."""
    truth, p = made(60)
    one = judge_findings(NAMES, truth, p, np.arange(60), seed=1).findings[0]
    four = judge_findings(
        NAMES, np.repeat(truth, 4, axis=0), np.repeat(p, 4, axis=0), np.repeat(np.arange(60), 4), seed=1
    ).findings[0]
    assert (four.n_images, four.n_patients, four.n_positive) == (240, 60, one.n_positive)
    assert four.kappa.value == pytest.approx(one.kappa.value)
    assert (four.kappa_interval.low, four.kappa_interval.high) == pytest.approx(
        (one.kappa_interval.low, one.kappa_interval.high)
    )
    assert "patients, B=" in four.kappa_interval.method
    positive, score = np.repeat(truth[:, 0] >= 1, 4), np.repeat(p[:, 0, 1:].sum(axis=1), 4)
    assert four.at_least[0].interval == clustered_interval(positive, score, np.repeat(np.arange(60), 4))


def test_rare_findings_do_not_enter_the_mean() -> None:
    truth, p = made(60)
    truth[:, 2] = 0
    truth[:9, 2] = 2
    found = judge_findings(NAMES, truth, p, np.arange(60))
    assert found.findings[2].n_positive == 9
    assert found.macro["spearman"].reason == "over 2 of 3 findings"
    none = judge_findings(NAMES[:1], np.zeros((60, 1), int), p[:, :1], np.arange(60))
    assert none.macro["kappa"].reason == "no finding with 10 positive patients"
    assert none.findings[0].spearman.reason == "all grades are equal"
    for wrong in (truth[:, :2], truth + 2):
        with pytest.raises(EvaluationError):
            judge_findings(NAMES, wrong, p, np.arange(60))
