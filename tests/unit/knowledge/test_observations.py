"""Every kind of observation as evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from nmevision.errors import DataError
from nmevision.knowledge.observations import (
    confusion_rates,
    from_grades,
    from_mean_and_sd,
    from_probabilities,
    grade_masses,
    is_missing,
    misread,
)


@settings(deadline=None)
@given(st.floats(-2, 5), st.floats(0.01, 9))
def test_masses_are_those_of_scipys_normal(mean: float, variance: float) -> None:
    edges = norm(mean, variance**0.5).cdf([-np.inf, 0.5, 1.5, 2.5, np.inf])
    assert grade_masses(mean, variance) == pytest.approx(np.diff(edges), abs=1e-12)


@pytest.mark.parametrize("grade", [4, -1, 1.5, np.inf])
def test_what_is_no_grade_is_refused(grade: float) -> None:
    with pytest.raises(DataError, match=r"a grade is 0, 1, 2 or 3"):
        from_grades([[1, grade]])


def test_probabilities_are_divided_by_the_shares_the_grader_was_trained_on() -> None:
    found = from_probabilities([[[0.6, 0.2, 0.1, 0.1]]], shares=[0.6, 0.2, 0.1, 0.1])
    assert found.ravel() == pytest.approx(
        [0.25] * 4
    )  # it answered its training shares: the image said nothing
    plain = from_probabilities([[[0.6, 0.2, 0.1, 0.1], [np.nan] * 4]])
    assert plain[0, 0] == pytest.approx([0.6, 0.2, 0.1, 0.1])
    assert is_missing(plain).tolist() == [[False, True]]


@pytest.mark.parametrize("four", [[0.5, 0.5, 0.5, 0], [-0.1, 0.4, 0.4, 0.3], [np.nan, 0.5, 0.5, 0]])
def test_what_are_no_probabilities_is_refused(four: list[float]) -> None:
    with pytest.raises(DataError, match="sum to 1"):
        from_probabilities([[four]])


def test_a_certain_mean_is_the_grade_itself_and_a_missing_one_says_nothing() -> None:
    found = from_mean_and_sd([[2.0, np.nan]], [[0.0, 0.4]])
    assert found.tolist() == from_grades([[2, np.nan]]).tolist()
    with pytest.raises(DataError, match=r"-0\.5"):
        from_mean_and_sd([[1.0]], [[-0.5]])


def test_a_perfect_grader_changes_nothing_and_a_blind_one_says_nothing() -> None:
    evidence = from_grades([[0, 3, np.nan]])
    assert misread(evidence, np.eye(4)).tolist() == evidence.tolist()
    blind = misread(evidence, np.full((4, 4), 0.25))
    assert is_missing(blind).all()
    with pytest.raises(DataError, match="sum to 1"):
        misread(evidence, 2 * np.eye(4))


def test_counts_of_confusions_become_rates_without_zeros() -> None:
    rates = confusion_rates(np.diag([8, 0, 4, 2]))
    assert rates.sum(axis=-1) == pytest.approx(1)
    assert rates[0] == pytest.approx([9 / 12, 1 / 12, 1 / 12, 1 / 12])
    assert rates[1] == pytest.approx([0.25] * 4)
