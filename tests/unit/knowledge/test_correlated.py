"""The copula term, against the normal densities that it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from nmevision.knowledge.correlated import copula_logs, normal_scores, one_hot, shared_correlation
from nmevision.knowledge.reading import table_of


def test_scores_are_those_of_the_middle_of_each_grade() -> None:
    table = np.array([[[0.2, 0.3, 0.4, 0.1]]])
    scores = normal_scores(table, one_hot(np.array([[0.0], [1.0], [3.0]])))
    assert scores.shape == (1, 3, 1)
    np.testing.assert_allclose(scores[0, :, 0], norm.ppf([0.1, 0.35, 0.95]))


def test_the_term_is_the_joint_density_over_the_single_ones() -> None:
    tables = np.array([[[0.2, 0.3, 0.4, 0.1], [0.5, 0.2, 0.2, 0.1]]])
    hot = one_hot(np.array([[3.0, 3.0], [0.0, 3.0]]))
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    z = normal_scores(tables, hot)[0]
    expected = multivariate_normal(cov=correlation).logpdf(z) - norm.logpdf(z).sum(axis=1)
    np.testing.assert_allclose(copula_logs(tables, hot, correlation)[0], expected)
    assert expected[0] > 0 > expected[1]  # both marked fits a positive correlation, one of them does not
    none = copula_logs(tables, hot, correlation, np.zeros((1, 2)))
    np.testing.assert_allclose(none, 0)  # a text without any certainty says nothing about what goes together


def test_the_correlation_of_latent_grades_is_found_and_shrunk() -> None:
    generator = np.random.default_rng(1)
    latent = generator.multivariate_normal([1.5, 1.5, 1.5], [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 1]], size=4000)
    grades = np.clip(np.rint(latent), 0, 3)
    scores = normal_scores(table_of(np.full((1, 3), 1.5), np.ones((1, 3)), lapse=1e-6), one_hot(grades))[0]
    found = shared_correlation(scores, kept=1.0)
    assert found[0, 1] == pytest.approx(0.75, abs=0.06)
    assert abs(found[0, 2]) < 0.05
    assert shared_correlation(scores, kept=0.5)[0, 1] == pytest.approx(found[0, 1] / 2)
    np.testing.assert_allclose(np.diag(found), 1)
