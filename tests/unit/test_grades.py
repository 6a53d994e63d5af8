"""Grades from conditional logits: against the definition, and that a probability always comes out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nmevision.grades import confusion_of_grades, expected_grade, grade_probabilities, grade_spread


def by_definition(logits: list[float], temperature: float) -> list[float]:
    """P(grade = k) as the product of the steps taken and the one not taken."""
    step = [1 / (1 + np.exp(-value / temperature)) for value in logits]
    return [
        1 - step[0],
        step[0] * (1 - step[1]),
        step[0] * step[1] * (1 - step[2]),
        step[0] * step[1] * step[2],
    ]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probabilities_follow_the_definition(temperature: float) -> None:
    logits = [1.3, -0.4, 2.2]
    found = grade_probabilities(np.array([[logits, [0.0, 0.0, 0.0]]]), [temperature, 1.0])
    np.testing.assert_allclose(found[0, 0], by_definition(logits, temperature), atol=1e-12)
    np.testing.assert_allclose(found[0, 1], [0.5, 0.25, 0.125, 0.125])


@given(hnp.arrays(np.float64, (3, 2, 3), elements=st.floats(-500, 500)))
def test_any_logits_give_probabilities(logits: np.ndarray) -> None:
    found = grade_probabilities(logits)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=-1), 1)
    assert (expected_grade(found) >= 0).all()
    assert (expected_grade(found) <= 3 + 1e-12).all()
    assert (grade_spread(found) <= 1.5 + 1e-9).all()


def test_mean_and_spread_of_grades() -> None:
    p = np.array([[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0], [0.5, 0, 0, 0.5]])
    np.testing.assert_allclose(expected_grade(p), [2.0, 0.0, 1.5])
    np.testing.assert_allclose(grade_spread(p), [1.0, 0.0, 1.5])


def test_the_confusion_counts_only_known_pairs() -> None:
    counts = confusion_of_grades([0, 3, -1, 2, 2], [1, 3, 2, 2, -1])
    expected = np.zeros((4, 4), int)
    expected[0, 1] = expected[3, 3] = expected[2, 2] = 1
    np.testing.assert_array_equal(counts, expected)
