"""What was seen of each finding, as evidence: how well each true grade 0 to 3 explains it.

Every kind of observation becomes four non-negative numbers per finding, P(what was seen | true grade g) up to a
factor of its own, which cancels between diagnoses. A finding that is missing is four ones: it says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.errors import DataError
from nmevision.grades import LEVELS
from nmevision.special import ndtr

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CUTS = (0.5, 1.5, 2.5)
"""Where the latent grade is cut into 0, 1, 2, 3 (the project's knowledge base, section 4.1)."""
SUM_TOLERANCE = 1e-6
"""How far the four probabilities of a grade may be from a sum of 1."""


def grade_masses(mean: ArrayLike, variance: ArrayLike) -> Floats:
    """Return P(grade = 0..3) of a normal latent grade cut at CUTS; the last axis has the 4 grades.

    With Phi(x) = (1 + erf(x / sqrt 2)) / 2 the four are Phi(a), Phi(b) - Phi(a), Phi(c) - Phi(b) and 1 - Phi(c),
    where a, b, c = (0.5 - mean) / sd, (1.5 - mean) / sd, (2.5 - mean) / sd.

    Args:
        mean: expected latent grade, any shape.
        variance: its variance > 0, same shape or one that broadcasts.

    >>> grade_masses(1.5, 1.0).round(3).tolist()
    [0.159, 0.341, 0.341, 0.159]
    """
    m, v = np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64))
    below = ndtr((np.array(CUTS) - m[..., None]) / np.sqrt(v)[..., None])
    zeros, ones = np.zeros((*m.shape, 1)), np.ones((*m.shape, 1))
    return np.diff(np.concatenate([zeros, below, ones], axis=-1), axis=-1)


def from_grades(grades: ArrayLike) -> Floats:
    """Return the evidence of whole grades 0 to 3: one for the grade given, zero for the others.

    Args:
        grades: N x J; NaN where the finding is unknown or cannot be assessed.

    Returns:
        N x J x 4.

    Raises:
        DataError: a grade is not 0, 1, 2, 3 or NaN.

    >>> from_grades([[2, float("nan")]]).tolist()
    [[[0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]]]
    """
    given = np.asarray(grades, dtype=np.float64)
    missing = np.isnan(given)
    wrong = given[~missing & ~np.isin(given, range(LEVELS))]
    if wrong.size:
        raise DataError(
            f"found the grade {wrong[0]:g}; a grade is 0, 1, 2 or 3, and NaN where it cannot be assessed"
        )
    return np.where(missing[..., None], 1.0, given[..., None] == np.arange(LEVELS))


def from_probabilities(probabilities: ArrayLike, shares: ArrayLike | None = None) -> Floats:
    """Return the evidence of a grader who answers with probabilities, such as a network.

    A grader that was trained where grade g had the share s_g answers P(g) s_g-fold; dividing by the shares leaves
    what the image itself says. Without `shares` the four grades count as equally frequent in training.

    Args:
        probabilities: N x J x 4, each four summing to 1; NaN (all four) where the finding is missing.
        shares: J x 4 (or 4) shares > 0 of the grades among the grader's training examples.

    Raises:
        DataError: four numbers are negative, do not sum to 1, or are only partly missing.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    missing = np.asarray(np.isnan(p).all(axis=-1))
    known = p[~missing]
    if np.isnan(known).any() or (known < 0).any() or (np.abs(known.sum(axis=-1) - 1) > SUM_TOLERANCE).any():
        raise DataError("the four probabilities of a grade must be 0 or more, sum to 1, or all be missing")
    weighed = p if shares is None else p / np.asarray(shares, dtype=np.float64)
    total = weighed.sum(axis=-1, keepdims=True)
    return np.where(missing[..., None], 1.0, weighed / np.where(missing[..., None], 1.0, total))


def from_mean_and_sd(mean: ArrayLike, sd: ArrayLike) -> Floats:
    """Return the evidence of an expected grade and its standard deviation: a normal cut into four grades.

    Args:
        mean: N x J expected grades, 0 to 3; NaN where the finding is missing.
        sd: N x J standard deviations >= 0 (0: the nearest grade for certain).

    >>> from_mean_and_sd([[1.0]], [[0.5]]).round(3).tolist()
    [[[0.159, 0.683, 0.157, 0.001]]]
    """
    m, s = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    if np.any(s < 0):
        raise DataError(f"found the standard deviation {np.min(s):g} of a grade; it must be 0 or more")
    missing = np.isnan(m)
    variance = np.maximum(np.where(missing, 1.0, s), 1e-6) ** 2
    masses = grade_masses(np.where(missing, 0.0, m), variance)
    return np.where(missing[..., None], 1.0, masses)


def misread(evidence: ArrayLike, confusion: ArrayLike) -> Floats:
    """Return evidence as it counts when the grader errs: sum over given grades o of M[true, o] * evidence[o].

    Args:
        evidence: N x J x 4 over the *given* grades.
        confusion: J x 4 x 4 (or 4 x 4), rows true grade, columns given grade, each row summing to 1.

    >>> rarely_wrong = 0.9 * np.eye(4) + 0.025
    >>> misread(from_grades([[3]]), rarely_wrong).round(3).tolist()
    [[[0.025, 0.025, 0.025, 0.925]]]
    """
    seen = np.asarray(evidence, dtype=np.float64)
    errors = np.broadcast_to(np.asarray(confusion, dtype=np.float64), (seen.shape[1], LEVELS, LEVELS))
    if (errors < 0).any() or (np.abs(errors.sum(axis=-1) - 1) > SUM_TOLERANCE).any():
        raise DataError(
            "each row of a confusion of grades (true grade) must be 0 or more and sum to 1; "
            "for counts use `confusion_rates`"
        )
    result = np.einsum("jto,njo->njt", errors, seen)
    return np.where(is_missing(seen)[..., None], 1.0, result)


def confusion_rates(counts: ArrayLike, smoothing: float = 1.0) -> Floats:
    """Return counts of (true, given) grades as rates: each row sums to 1, none is 0.

    Args:
        counts: ... x 4 x 4, as `nmevision.grades.confusion_of_grades` gives them.
        smoothing: pseudo-count added to every cell (Laplace); > 0.
    """
    smoothed = np.asarray(counts, dtype=np.float64) + smoothing
    return smoothed / smoothed.sum(axis=-1, keepdims=True)


def is_missing(evidence: Floats) -> Bools:
    """Return where evidence says nothing: N x J, True where all four numbers are the same."""
    return (evidence == evidence[..., :1]).all(axis=-1)
