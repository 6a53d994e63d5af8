"""Findings that go together: one correlation of latent grades, learned from abundant diseases and shared by all.

The profile model counts findings as independent given the diagnosis. Here the rest of each grade about its own
disease becomes a normal score, the correlation R of these scores is learned from diseases with many patients, and
every component's log likelihood gains the Gaussian copula term

    -1/2 z' (R^-1 - I) z - 1/2 ln |R|,        z_j = Phi^-1(F(g_j - 1) + P(g_j) / 2)   (mid-distribution score)

The spread tau of a text is a further, uncorrelated part of the variance, so R_jk shrinks by w_j w_k with
w = sigma / sqrt(sigma^2 + tau^2). An approximation for graded data (discrete margins); it needs all findings seen.
Source of the copula density: Song 2000, doi:10.1111/1467-9469.00191.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from nmevision.grades import LEVELS, Floats
from nmevision.knowledge.observations import Bools

MOST_CERTAIN = 1e-4
"""Mid-distribution probabilities are kept this far from 0 and 1: a score of 3.7 at most."""
SMALLEST_SPREAD = 0.3
"""Scores that spread less than this in the abundant diseases say nothing about correlation. Our choice."""
KEPT = 0.7
"""Share of the correlation seen that is kept; the rest is shrunk away (to none). Our choice."""


def normal_scores(tables: Floats, hot: Bools) -> Floats:
    """Return the normal score of every grade under every component, C x N x J.

    tables: C x J x 4 grade probabilities; hot: N x J x 4, True at the grade seen.
    """
    middle = np.cumsum(tables, axis=-1) - tables / 2
    scores = ndtri(np.clip(middle, MOST_CERTAIN, 1 - MOST_CERTAIN))
    return scores[:, np.arange(hot.shape[1]), hot.argmax(axis=-1)]


def shared_correlation(scores: Floats, kept: float = KEPT) -> Floats:
    """Return the correlation J x J of M x J normal scores about their own disease, shrunk toward none."""
    second = scores.T @ scores / len(scores)
    spread = np.maximum(np.sqrt(np.diag(second)), SMALLEST_SPREAD)
    correlation = kept * second / np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def copula_logs(tables: Floats, hot: Bools, correlation: Floats, weights: Floats | None = None) -> Floats:
    """Return what the correlation adds to the log likelihoods, C x N.

    Args:
        tables: C x J x 4. hot: N x J x 4, one True per finding (none missing).
        correlation: J x J, positive definite.
        weights: C x J, w of the text's spread; 1 where the component was learned from many patients.
    """
    n = tables.shape[1]
    w = np.ones(tables.shape[:2]) if weights is None else weights
    own = correlation * w[:, :, None] * w[:, None, :]
    own[:, np.arange(n), np.arange(n)] = 1.0
    extra = np.linalg.inv(own) - np.eye(n)
    z = normal_scores(tables, hot)
    quadratic = ((z @ extra) * z).sum(axis=-1)
    return np.asarray(-0.5 * quadratic - 0.5 * np.linalg.slogdet(own)[1][:, None])


def one_hot(grades: Floats) -> Bools:
    """Return N x J x 4, True at the grade seen and nowhere where it is missing (NaN)."""
    return np.asarray(grades[..., None] == np.arange(LEVELS))
