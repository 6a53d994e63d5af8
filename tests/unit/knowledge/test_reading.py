"""How texts are read, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nmevision.knowledge.observations import grade_masses
from nmevision.knowledge.reading import (
    PRIOR_VARIANCE,
    PSEUDO_CELLS,
    SMALLEST_TAU,
    estimate_tau,
    grade_shares,
    reading_table,
)

NAN = float("nan")


def test_shares_are_the_counts_of_each_disease_without_what_is_missing() -> None:
    grades = np.array([[0, 3], [1, NAN], [1, 3], [2, 0]])
    shares = grade_shares(grades, np.array([0, 0, 0, 1]), [0, 1])
    np.testing.assert_allclose(shares[0], [[1 / 3, 2 / 3, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(shares[1], [[0, 0, 1, 0], [1, 0, 0, 0]])
    smoothed = grade_shares(grades, np.array([0, 0, 0, 1]), [1], pseudo=1.0)
    np.testing.assert_allclose(smoothed[0, 0], [0.125, 0.125, 0.625, 0.125])
    unseen = grade_shares(np.full((2, 1), NAN), np.zeros(2, dtype=np.intp), [0])
    np.testing.assert_allclose(unseen, 0.25)


def test_tau_finds_the_spread_that_texts_were_drawn_with() -> None:
    generator = np.random.default_rng(0)
    text = generator.integers(0, 4, size=(40, 50)).astype(float)
    truth = text + generator.normal(scale=0.9, size=text.shape)
    means = truth + generator.normal(scale=0.5, size=text.shape)
    means[0, :5] = NAN
    assert estimate_tau(text, means, 0.25) == pytest.approx(0.9, abs=0.03)
    assert estimate_tau(text, text) == SMALLEST_TAU


def test_a_reading_table_is_the_counts_shrunk_toward_the_ordinal_model() -> None:
    text, tags = np.array([[3, 3, 0]]), np.array([[0, 1, 0]])
    shares = np.array([[[0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]], dtype=float)
    prior = grade_masses(np.arange(4), PRIOR_VARIANCE)
    table = reading_table(text, np.zeros_like(tags), shares, 1)
    np.testing.assert_allclose(
        table[0, 3], (np.array([0, 1, 0, 1]) + PSEUDO_CELLS * prior[3]) / (PSEUDO_CELLS + 2)
    )
    np.testing.assert_allclose(table[0, 2], prior[2])  # never written: the ordinal model alone
    by_tag = reading_table(text, tags, shares, 2)
    np.testing.assert_allclose(
        by_tag[0, 3], (np.array([0, 0, 0, 1]) + PSEUDO_CELLS * table[0, 3]) / (PSEUDO_CELLS + 1)
    )
    np.testing.assert_allclose(by_tag.sum(axis=-1), 1)
