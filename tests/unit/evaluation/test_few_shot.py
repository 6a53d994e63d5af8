"""The closed forms of the few-shot methods against fits written out, episode by episode."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from nmevision.evaluation.few_shot import (
    KNN,
    LDA,
    NEIGHBOURS,
    PROTOTYPE,
    RIDGE,
    RIDGE_PROBE,
    SHRINKAGE,
    Base,
    Support,
)

RNG = np.random.default_rng(0)
WIDTH = 12
CLASSES = np.repeat([0, 1, 2], [30, 20, 10])
FIT = (
    RNG.normal(size=(60, WIDTH)) @ RNG.normal(size=(WIDTH, WIDTH)) + 3 * RNG.normal(size=(3, WIDTH))[CLASSES]
)
CANDIDATES = RNG.normal(size=(14, WIDTH)) + 2
JUDGED = RNG.normal(size=(25, WIDTH)) * 2
BASE = Base(FIT, CLASSES, CANDIDATES, JUDGED)


def supports(k: int) -> Support:
    return Support(np.array([RNG.permutation(len(CANDIDATES))[:k] for _ in range(4)]), len(CANDIDATES))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_lda_has_the_covariance_of_scikit_learn(k: int) -> None:
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE, store_covariance=True).fit(
        FIT, CLASSES
    )
    precision = np.linalg.inv(model.covariance_)
    support = supports(k)

    def linear(mean: np.ndarray) -> np.ndarray:
        return JUDGED @ precision @ mean - mean @ precision @ mean / 2

    rivals = np.stack([linear(m) + np.log(p) for m, p in zip(model.means_, model.priors_, strict=True)])
    expected = [linear(CANDIDATES[rows].mean(axis=0)) - logsumexp(rivals, axis=0) for rows in support.rows]
    np.testing.assert_allclose(BASE.scores(LDA, support), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_ridge_is_a_refit_of_scikit_learn(k: int) -> None:
    support, mean = supports(k), FIT.mean(axis=0)
    penalty = RIDGE * np.trace(np.cov(FIT.T, bias=True)) / WIDTH
    for rows, found in zip(support.rows, BASE.scores(RIDGE_PROBE, support), strict=True):
        x = np.concatenate([FIT, CANDIDATES[rows]]) - mean
        x = np.column_stack([x, np.ones(len(x))])
        y = np.r_[-np.ones(len(FIT)), np.ones(k)]
        weights = np.r_[np.full(len(FIT), 1 / len(FIT)), np.full(k, 1 / k)]
        model = Ridge(alpha=penalty, fit_intercept=False).fit(x, y, sample_weight=weights)
        expected = model.predict(np.column_stack([JUDGED - mean, np.ones(len(JUDGED))]))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("k", [1, 5])
def test_prototype_is_the_nearest_centroid(k: int) -> None:
    support, mean = supports(k), FIT.mean(axis=0)
    fit, own, judged = (unit(x - mean) for x in (FIT, CANDIDATES, JUDGED))
    centroids = np.stack([fit[c == CLASSES].mean(axis=0) for c in range(3)])
    nearest = ((judged[:, None] - centroids) ** 2).sum(axis=2).min(axis=1)
    expected = [nearest - ((judged - own[rows].mean(axis=0)) ** 2).sum(axis=1) for rows in support.rows]
    np.testing.assert_allclose(BASE.scores(PROTOTYPE, support), expected, atol=1e-9)


@pytest.mark.parametrize("k", [2, 7])
def test_knn_averages_the_nearest_cosines(k: int) -> None:
    support, mean = supports(k), FIT.mean(axis=0)
    fit, own, judged = (unit(x - mean) for x in (FIT, CANDIDATES, JUDGED))

    def nearest(among: np.ndarray) -> np.ndarray:
        n = min(NEIGHBOURS, len(among))
        finder = NearestNeighbors(n_neighbors=n, metric="cosine", algorithm="brute").fit(among)
        return 1 - finder.kneighbors(judged)[0].mean(axis=1)

    expected = [nearest(own[rows]) - nearest(fit) for rows in support.rows]
    np.testing.assert_allclose(BASE.scores(KNN, support), expected, atol=1e-9)


def test_novelty_is_the_least_mahalanobis_distance() -> None:
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE, store_covariance=True).fit(
        FIT, CLASSES
    )
    precision = np.linalg.inv(model.covariance_)
    gaps = JUDGED[:, None] - model.means_
    expected = np.einsum("vki,ij,vkj->vk", gaps, precision, gaps).min(axis=1)
    np.testing.assert_allclose(BASE.novelty, expected, rtol=1e-6)
