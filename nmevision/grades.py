"""Grades 0 to 3 of findings, from a network's ordinal outputs to probabilities, means and spreads.

The outputs are conditional logits: output k (0, 1, 2) is the log-odds that the grade is above k, given that
it is at least k (CORN: Shi, Cao & Raschka 2021, arXiv:2111.08851). Probabilities made of them always sum to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.special import expit

Floats = NDArray[np.float64]

LEVELS = 4
"""Grades 0 absent, 1 mild or occasional, 2 moderate or usual, 3 marked or defining."""
STEPS = LEVELS - 1
"""Outputs of the network per finding."""
UNKNOWN = -1
"""Stands for a grade (or a diagnosis) that is not known or cannot be assessed: it trains and tests nothing."""


def grade_probabilities(logits: ArrayLike, temperatures: ArrayLike = 1.0) -> Floats:
    """Return P(grade = 0..3) of conditional logits.

    Args:
        logits: N x J x 3, finite.
        temperatures: one number or J numbers > 0 that the logits are divided by.

    Returns:
        N x J x 4, each row summing to 1.

    >>> grade_probabilities(np.zeros((1, 1, 3))).ravel().tolist()  # each step is even odds
    [0.5, 0.25, 0.125, 0.125]
    """
    scale = np.asarray(temperatures, dtype=np.float64)
    step = expit(np.asarray(logits, dtype=np.float64) / (scale[..., None] if scale.ndim else scale))
    above = np.cumprod(step, axis=-1)  # P(grade > k)
    ones, zeros = np.ones_like(above[..., :1]), np.zeros_like(above[..., :1])
    edges = np.concatenate([ones, above, zeros], axis=-1)
    return edges[..., :-1] - edges[..., 1:]


def expected_grade(probabilities: ArrayLike) -> Floats:
    """Return the mean grade, 0 to 3, of ... x 4 grade probabilities.

    >>> float(expected_grade([0.5, 0.25, 0.125, 0.125]))
    0.875
    """
    return np.asarray(probabilities, dtype=np.float64) @ np.arange(LEVELS)


def grade_spread(probabilities: ArrayLike) -> Floats:
    """Return the standard deviation of the grade, 0 to 1.5, of ... x 4 grade probabilities."""
    p = np.asarray(probabilities, dtype=np.float64)
    variance = p @ np.arange(LEVELS) ** 2 - expected_grade(p) ** 2
    return np.sqrt(np.maximum(variance, 0))


def confusion_of_grades(truth: ArrayLike, graded: ArrayLike) -> NDArray[np.int64]:
    """Return the 4 x 4 counts of (true grade, given grade); pairs with an UNKNOWN are left out."""
    true, given = np.asarray(truth, dtype=np.int64), np.asarray(graded, dtype=np.int64)
    known = (true != UNKNOWN) & (given != UNKNOWN)
    counts = np.zeros((LEVELS, LEVELS), dtype=np.int64)
    np.add.at(counts, (true[known], given[known]), 1)
    return counts
