"""How the grades of a text are to be read, learned from abundant diseases that have both a text and patients.

A text says "3" of a finding; what do patients then show? Where other diseases have profiles and patients, that can
be counted: as one spread tau for all cells (empirical Bayes), or as a table of the grades seen for every grade
written. Both are learned from *other* diseases than the one that they are used for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.grades import LEVELS, Floats
from nmevision.knowledge.building import LAPSE
from nmevision.knowledge.observations import grade_masses

SMALLEST_TAU = 0.3
"""No text is trusted more than this, however well it did elsewhere. Our choice."""
PSEUDO_CELLS = 8.0
"""Cells that the prior of a reading table counts for in each row. Our choice."""
PRIOR_VARIANCE = 0.8**2 + 1.0**2
"""Variance of the latent grade in that prior: sigma 0.8 and tau 1, between a stated and a textbook cell."""


def table_of(means: ArrayLike, variances: ArrayLike, lapse: float = LAPSE) -> Floats:
    """Return P'(grade 0..3), ... x 4, of latent grades with slips (`model`): no grade is impossible."""
    return (1 - lapse) * grade_masses(means, variances) + lapse / LEVELS


def grade_shares(
    grades: Floats, labels: NDArray[np.intp], diseases: ArrayLike, pseudo: float = 0.0
) -> Floats:
    """Return the share of each grade among the patients of each disease, K x J x 4; 1/4 each where none is seen.

    Args:
        grades: N x J, NaN where missing.
        labels: N numbers of diseases.
        diseases: K of these numbers.
        pseudo: pseudo-patients spread evenly over the four grades, >= 0.
    """
    hot = grades[..., None] == np.arange(LEVELS)
    counts = np.array([hot[labels == disease].sum(axis=0) for disease in np.asarray(diseases)])
    total = counts.sum(axis=-1, keepdims=True)
    even = (counts + pseudo / LEVELS) / np.maximum(total + pseudo, 1e-12)
    return np.where(total + pseudo > 0, even, 1 / LEVELS)


def estimate_tau(text: ArrayLike, means: ArrayLike, sampling: ArrayLike = 0.0) -> float:
    """Return the spread of the truth about a text's grades: tau^2 = mean((mean - text)^2 - sampling).

    The method of moments of an empirical Bayes prior (Efron & Morris 1975, doi:10.1080/01621459.1975.10479864).

    Args:
        text: K x J grades as written; means: K x J mean grades of the patients, NaN where none was graded.
        sampling: K x J variances of those means (sigma^2 / n).

    >>> estimate_tau([[1.0, 2.0]], [[2.0, 1.0]])
    1.0
    """
    excess = (np.asarray(means) - np.asarray(text)) ** 2 - np.asarray(sampling)
    return float(np.sqrt(max(float(np.nanmean(excess)), SMALLEST_TAU**2)))


def reading_table(text: NDArray[np.intp], tags: NDArray[np.intp], shares: Floats, n_tags: int) -> Floats:
    """Return P(grade seen | grade written, tag), n_tags x 4 x 4, each cell of the text counting as one.

    Rows are shrunk toward the ordinal model: by grade first, then by tag toward the row of all tags.

    Args:
        text: K x J grades written, 0 to 3; tags: K x J numbers below n_tags (all 0: tags are not used).
        shares: K x J x 4 of the same diseases, as `grade_shares` gives them.
    """
    counts = np.zeros((n_tags, LEVELS, LEVELS))
    np.add.at(counts, (tags.ravel(), text.ravel()), shares.reshape(-1, LEVELS))
    prior = grade_masses(np.arange(LEVELS), PRIOR_VARIANCE)
    by_grade = _shrunk(counts.sum(axis=0), prior)
    return by_grade[None] if n_tags == 1 else _shrunk(counts, by_grade)


def _shrunk(counts: Floats, toward: Floats) -> Floats:
    return (counts + PSEUDO_CELLS * toward) / (counts.sum(axis=-1, keepdims=True) + PSEUDO_CELLS)
