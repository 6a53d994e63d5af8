"""Novelty by features: Gaussian truth, foreign directions, and storage."""

from __future__ import annotations

import numpy as np
import pytest

from nmevision.errors import BundleError
from nmevision.networks.novelty import FeatureNovelty, fit

GENERATOR = np.random.default_rng(0)
MIXING = GENERATOR.normal(size=(5, 64))


def usual(n: int, seed: int) -> np.ndarray:
    """Five strong directions and a little noise in all 64."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, 5)) @ MIXING + generator.normal(0, 0.1, (n, 64))


def test_images_of_the_same_kind_have_evenly_spread_scores() -> None:
    found = fit(usual(1000, 1), usual(400, 2))
    assert found.distance(usual(500, 3)).mean() == pytest.approx(1, abs=0.1)
    scores = found.score(usual(500, 3))
    assert scores.mean() == pytest.approx(0.5, abs=0.06)
    assert (scores >= 1).mean() < 0.01


def test_foreign_images_lie_beyond_all() -> None:
    found = fit(usual(1000, 1), usual(400, 2))
    elsewhere = usual(50, 3) + np.random.default_rng(4).normal(size=64)  # off the five directions
    farther = 8 * usual(50, 3)  # along them, but far
    assert (found.score(elsewhere) == 1).all()
    assert (found.score(farther) == 1).mean() > 0.9


def test_just_beyond_the_most_unusual_is_not_yet_unlike_all() -> None:
    found = fit(usual(1000, 1), usual(10, 2))
    scores = found.score(usual(2000, 5))
    assert (scores == 0.95).any()  # 1 - 0.5 / 10
    assert (scores == 1).mean() < 0.03


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_few_images_suffice(n: int) -> None:
    found = fit(usual(n, 1), usual(1, 2))
    assert np.isfinite(found.distance(usual(4, 3))).all()


def test_equal_images_break_nothing() -> None:
    found = fit(np.ones((9, 6)), np.ones((2, 6)))
    assert found.score(np.zeros((1, 6))).tolist() == [1.0]


def test_it_comes_back_from_its_arrays_and_bad_ones_are_refused() -> None:
    found = fit(usual(100, 1), usual(20, 2))
    again = FeatureNovelty.from_arrays(found.arrays())
    np.testing.assert_array_equal(again.score(usual(9, 3)), found.score(usual(9, 3)))
    for bad in ({}, {"mean": np.zeros(3)}, found.arrays() | {"mean": np.zeros(3, np.float32)}):
        with pytest.raises(BundleError):
            FeatureNovelty.from_arrays(bad)
