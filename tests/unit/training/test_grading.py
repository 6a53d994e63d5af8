"""The grader's own measurement: a known temperature is found again, and the confusion counts the truth."""

from __future__ import annotations

import numpy as np
import pytest

from nmevision.grades import grade_probabilities
from nmevision.training.grading import finding_records, fit_grade_temperature


def sampled(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of which the truth is drawn after division by `temperature`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (n, 3))
    probabilities = grade_probabilities(logits[:, None], temperature)[:, 0]
    grades = (generator.random((n, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(grades, 3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_the_data_is_found(temperature: float) -> None:
    logits, grades = sampled(6000, temperature)
    grades[::7] = -1
    assert fit_grade_temperature(logits, grades) == pytest.approx(temperature, rel=0.1)


def test_too_few_or_equal_grades_leave_it_alone() -> None:
    logits, grades = sampled(19, 2.0)
    assert fit_grade_temperature(logits, grades) == 1
    assert fit_grade_temperature(np.zeros((50, 3)), np.zeros(50, int)) == 1
    assert fit_grade_temperature(np.zeros((50, 3)), np.full(50, -1)) == 1


def test_records_say_what_was_measured() -> None:
    sure = np.array([[[-9.0, 0, 0], [9, 9, 9]], [[9, -9, 0], [9, -9, 9]]]).reshape(2, 6)
    validation = np.array([[0, 3], [2, -1]])
    training = np.array([[0, 3], [0, 1], [-1, 1]])
    one, other = finding_records(("parakeratosis", "spongiosis"), sure, validation, training)
    assert one["key"] == "parakeratosis"
    assert one["train_counts"] == [2, 0, 0, 0]
    assert other["train_counts"] == [0, 2, 0, 1]
    counts = np.zeros((4, 4), int)
    counts[0, 0] = counts[2, 1] = 1
    np.testing.assert_array_equal(one["confusion"], counts)
    assert np.array(other["confusion"]).sum() == 1
    assert finding_records((), np.empty((2, 0)), np.empty((2, 0), int), np.empty((3, 0), int)) == []
