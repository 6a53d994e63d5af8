"""Scoring patients for a class of which only k are known, beside classes known by many: closed forms, all episodes at once.

What the abundant classes teach (means, shared covariance, nearest neighbours) is computed once per `Base`; an episode
is a column of support weights, so that two hundred of them cost one matrix product. Every constant below was fixed
before any data were seen, and nothing is tuned on positives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp

from nmevision.evaluation.weighted import Floats

Ints = NDArray[np.intp]

SHRINKAGE = 0.5
"""Share of the shared covariance that is replaced by its mean variance in all directions (LDA)."""
RIDGE = 1.0
"""Ridge penalty in units of the mean variance; with the classes weighted evenly."""
NEIGHBOURS = 3
"""Nearest neighbours whose cosine is averaged, or all where there are fewer."""
PROTOTYPE, LDA, RIDGE_PROBE, KNN, NOVELTY, KNOWLEDGE, FUSION, COLOUR_LDA, SOURCE_ONLY = (
    "prototype", "LDA", "ridge", "kNN", "novelty", "knowledge", "fusion", "colour LDA", "source only",
)  # fmt: skip
METHODS: Mapping[str, str] = {
    PROTOTYPE: "SimpleShot (arXiv:1911.04623): centred on the known classes' mean, unit length, squared distance to the "
    "mean of the class, less that of the nearest known class",
    LDA: f"shared covariance of the known classes, shrunk by {SHRINKAGE} to its mean variance; log odds against all known classes",
    RIDGE_PROBE: f"least squares of +1 / -1 with penalty {RIDGE} mean variance, both sides weighted the same",
    KNN: f"mean cosine to the {NEIGHBOURS} nearest of the class less that to the {NEIGHBOURS} nearest known patients",
    NOVELTY: "Mahalanobis distance from the nearest known class: no case of the class is used (k = 0)",
    KNOWLEDGE: "a score from findings and cited profiles: no image of the class is used (any k)",
    COLOUR_LDA: "LDA as above on the shares of 216 colours of the same images, blind to every shape",
    SOURCE_ONLY: "how much more often the revealed patients come from a patient's source than the known ones do; 0.5 where "
    "the test is one source that was left out",
    FUSION: "mean of the z-scores of LDA and knowledge, where there is none of prototype, LDA and ridge",
}


@dataclass(frozen=True, eq=False)
class Support:
    """E episodes over M candidate images of the hidden class. rows: E x k, which ones are revealed."""

    rows: Ints
    n_candidates: int

    @property
    def weights(self) -> Floats:
        """Return M x E: 1 / k where a candidate is revealed."""
        return self.spread(np.full(self.rows.shape, 1 / self.rows.shape[1]))

    def spread(self, values: Floats) -> Floats:
        """Return values (E x k) put to their candidates: M x E."""
        found = np.zeros((self.n_candidates, len(self.rows)))
        np.add.at(found, (self.rows, np.arange(len(self.rows))[:, None]), values)
        return found


class Base:
    """What does not depend on the episode.

    fit: F x D known patients and their classes (numbers from 0, each present). candidates: M x D images of the hidden
    class that may be revealed. judged: V x D patients to be scored.
    """

    def __init__(self, fit: Floats, classes: Ints, candidates: Floats, judged: Floats) -> None:
        self._mean = fit.mean(axis=0)
        self._n = np.bincount(classes)
        self._fit, self._classes = fit - self._mean, classes
        self._own, self._judged = candidates - self._mean, judged - self._mean
        self._means = np.stack([self._fit[classes == k].mean(axis=0) for k in range(len(self._n))])
        rest = self._fit - self._means[classes]
        within = rest.T @ rest / len(fit)
        between = (self._means.T * (self._n / len(fit))) @ self._means
        self._lda(within)
        self._ridge(within + between)
        self._cosines()

    def _lda(self, within: Floats) -> None:
        width = len(within)
        shrunk = (1 - SHRINKAGE) * within
        shrunk[np.diag_indices(width)] += SHRINKAGE * max(float(np.trace(within)) / width, 1e-12)
        factor = cho_factor(shrunk, lower=True, overwrite_a=True)
        own, known = cho_solve(factor, self._own.T), cho_solve(factor, self._means.T)
        self._lda_judged, self._lda_own = self._judged @ own, self._own @ own
        length = (self._means * known.T).sum(axis=1)
        self._lda_known = self._judged @ known - length / 2
        self._lda_rival = logsumexp(self._lda_known + np.log(self._n / self._n.sum()), axis=1)
        square = (self._judged * cho_solve(factor, self._judged.T).T).sum(axis=1)
        self._distance = square - 2 * self._lda_known.max(axis=1)

    def _ridge(self, total: Floats) -> None:
        """Prepare the least squares with a constant column, whose Gram matrix of the known patients is `total` and 1."""
        width = len(total)
        penalty = RIDGE * max(float(np.trace(total)) / width, 1e-12)
        gram = total.copy()
        gram[np.diag_indices(width)] += penalty
        own = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), self._own.T)
        constant = 1 / (1 + penalty)  # the known patients are centred, so the constant stands apart
        self._ridge_judged = self._judged @ own + constant
        self._ridge_own = self._own @ own + constant
        self._ridge_constant = constant

    def _cosines(self) -> None:
        fit, own, judged = (_unit(x) for x in (self._fit, self._own, self._judged))
        prototypes = np.stack([fit[self._classes == k].mean(axis=0) for k in range(len(self._n))])
        self._cosine_judged, self._cosine_own = judged @ own.T, own @ own.T
        self._nearest = (2 * judged @ prototypes.T - (prototypes**2).sum(axis=1)).max(axis=1)
        self._neighbours = _largest(judged @ fit.T)

    def scores(self, method: str, support: Support) -> Floats:
        """Return E x V scores of one of the methods that learn from the support."""
        scorer: Callable[[Support], Floats] = {
            PROTOTYPE: self._prototype, LDA: self._discriminant, RIDGE_PROBE: self._least_squares, KNN: self._knn
        }[method]  # fmt: skip
        return scorer(support)

    @property
    def nearest_known(self) -> tuple[Ints, Floats]:
        """Return V most probable known classes by LDA and their share of the probability of all known ones."""
        logs = self._lda_known + np.log(self._n / self._n.sum())
        return logs.argmax(axis=1), np.exp(logs.max(axis=1) - self._lda_rival)

    @property
    def novelty(self) -> Floats:
        """Return V distances from the nearest known class."""
        return self._distance

    def _prototype(self, support: Support) -> Floats:
        weights = support.weights
        length = (weights * (self._cosine_own @ weights)).sum(axis=0)
        return np.asarray((2 * self._cosine_judged @ weights - length - self._nearest[:, None]).T)

    def _discriminant(self, support: Support) -> Floats:
        weights = support.weights
        length = (weights * (self._lda_own @ weights)).sum(axis=0)
        return np.asarray((self._lda_judged @ weights - length / 2 - self._lda_rival[:, None]).T)

    def _least_squares(self, support: Support) -> Floats:
        """Add the support to the known patients' least squares by Woodbury's identity, k x k per episode."""
        rows = support.rows
        k = rows.shape[1]
        among = self._ridge_own[rows[:, :, None], rows[:, None, :]]
        pulled = among.mean(axis=2) - self._ridge_constant
        change = np.linalg.solve(among + k * np.eye(k), pulled[..., None])[..., 0]
        weights = support.spread(1 / k - change)
        return np.asarray((self._ridge_judged @ weights).T - self._ridge_constant)

    def _knn(self, support: Support) -> Floats:
        if support.rows.shape[1] <= NEIGHBOURS:
            nearest = self._cosine_judged @ support.weights
        else:
            nearest = np.stack([_largest(self._cosine_judged[:, rows]) for rows in support.rows], axis=1)
        return np.asarray((nearest - self._neighbours[:, None]).T)


def _unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _largest(values: Floats) -> Floats:
    """Return the mean of the NEIGHBOURS largest of each row."""
    n = values.shape[1]
    if n <= NEIGHBOURS:
        return np.asarray(values.mean(axis=1))
    return np.asarray(np.partition(values, n - NEIGHBOURS, axis=1)[:, n - NEIGHBOURS :].mean(axis=1))
