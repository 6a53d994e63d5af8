from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from nmevision.errors import EvaluationError
from nmevision.evaluation.leave_pair_out import leave_pair_out_auroc
from nmevision.evaluation.metrics import auroc


def drawn(n_positive: int, n_negative: int, d: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n_positive + n_negative) < n_positive
    x = generator.normal(size=(len(labels), d)) + 3
    x[:, 0] += shift * labels
    return x, labels


def refitted(x: np.ndarray, labels: np.ndarray, direction: object) -> float:
    """Return the share of pairs won by a direction fitted without the pair, one fit per pair."""
    won = []
    for i in np.flatnonzero(labels):
        for j in np.flatnonzero(~labels):
            kept = np.ones(len(labels), bool)
            kept[[i, j]] = False
            margin = (x[i] - x[j]) @ direction(x[kept], labels[kept])  # type: ignore[operator]
            won.append(0.5 if abs(margin) < 1e-12 else margin > 0)
    return float(np.mean(won))


def ridge(penalty: float) -> object:
    return lambda x, y: Ridge(alpha=penalty).fit(x, y.astype(float)).coef_


def regularised_lda(penalty: float) -> object:
    def direction(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        means = np.stack([x[~y].mean(axis=0), x[y].mean(axis=0)])
        within = (x - means[y.astype(int)]).T @ (x - means[y.astype(int)])
        return np.linalg.solve(within + penalty * np.eye(x.shape[1]), means[1] - means[0])

    return direction


@pytest.mark.parametrize("penalty", [0.1, 5.0, 1000.0])
@pytest.mark.parametrize(("d", "seed"), [(3, 0), (30, 1)])  # fewer and more features than patients
def test_closed_form_is_the_brute_force_of_ridge_and_lda(penalty: float, d: int, seed: int) -> None:
    x, labels = drawn(5, 13, d, 1.0, seed)
    found = leave_pair_out_auroc(x, labels, penalty).value
    assert found == pytest.approx(refitted(x, labels, ridge(penalty)), abs=1e-12)
    assert found == pytest.approx(refitted(x, labels, regularised_lda(penalty)), abs=1e-12)


def test_without_a_penalty_it_is_scikit_learns_lda() -> None:
    x, labels = drawn(7, 20, 4, 1.0, 2)

    def lda(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return LinearDiscriminantAnalysis().fit(x, y).coef_[0]

    assert leave_pair_out_auroc(x, labels, 0.0).value == pytest.approx(refitted(x, labels, lda), abs=1e-12)


def pooled_leave_one_out(x: np.ndarray, labels: np.ndarray, penalty: float) -> float:
    """Return the AUROC of scores pooled over leave-one-out fits: the trap."""
    scores = np.empty(len(labels))
    for i in range(len(labels)):
        kept = np.arange(len(labels)) != i
        scores[i] = Ridge(alpha=penalty).fit(x[kept], labels[kept].astype(float)).predict(x[i : i + 1])[0]
    return auroc(labels, scores).value


def test_pure_noise_gives_one_half_where_pooling_gives_less() -> None:
    """EVALUATION section 2.4: 8 positives, 52 negatives, ridge: pooled leave-one-out 0.462."""
    pairs, pooled = [], []
    for seed in range(60):
        x, labels = drawn(8, 52, 20, 0.0, seed)
        pairs.append(leave_pair_out_auroc(x, labels, 100.0).value)
        pooled.append(pooled_leave_one_out(x, labels, 100.0))
    error = np.std(pairs) / np.sqrt(len(pairs))
    assert abs(np.mean(pairs) - 0.5) < 3 * error
    assert np.mean(pooled) < np.mean(pairs) - 0.02


def test_no_leakage_from_many_features_and_perfect_classes_are_found() -> None:
    noise = [leave_pair_out_auroc(*drawn(6, 30, 200, 0.0, seed), 1e-3).value for seed in range(60)]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.06)
    assert leave_pair_out_auroc(*drawn(6, 30, 3, 50.0, 0), 1.0).value == 1.0
    assert leave_pair_out_auroc(np.zeros((20, 2)), np.arange(20) < 5, 1.0).value == 0.5


def test_relations_that_must_hold() -> None:
    x, labels = drawn(6, 20, 5, 0.7, 3)
    found = leave_pair_out_auroc(x, labels, 2.0).value
    assert leave_pair_out_auroc(x, ~labels, 2.0).value == pytest.approx(found)  # the direction turns as well
    assert leave_pair_out_auroc(x + 100, labels, 2.0).value == pytest.approx(found)
    assert leave_pair_out_auroc(3 * x, labels, 18.0).value == pytest.approx(found)
    order = np.random.default_rng(0).permutation(26)
    assert leave_pair_out_auroc(x[order], labels[order], 2.0).value == pytest.approx(found)


def test_what_cannot_be_told_has_a_reason() -> None:
    x, labels = drawn(6, 6, 20, 0.0, 0)
    assert "penalty above 0" in leave_pair_out_auroc(x, labels, 0.0).reason
    assert leave_pair_out_auroc(x, np.zeros(12), 1.0).reason == "no positives"
    assert "nothing to learn" in leave_pair_out_auroc(x, np.arange(12) < 1, 1.0).reason
    for wrong in (
        lambda: leave_pair_out_auroc(x[0], labels, 1.0),
        lambda: leave_pair_out_auroc(x, labels, -1.0),
        lambda: leave_pair_out_auroc(x[:5], labels, 1.0),
    ):
        with pytest.raises(EvaluationError):
            wrong()
