"""One division of one hidden class: the episodes' scores and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import expit, logit

from nmevision.evaluation.few_shot import (
    FUSION,
    KNN,
    KNOWLEDGE,
    LDA,
    NOVELTY,
    PROTOTYPE,
    RIDGE_PROBE,
    Base,
    Support,
)
from nmevision.evaluation.metrics import negatives_needed
from nmevision.evaluation.rare_class_design import Bools, Embedded, Ints, RareClassConfig
from nmevision.evaluation.weighted import Floats

Knowing = Callable[[int, Ints], Floats | None]
"""(hidden class, known patients) -> a score per patient that used no case of the class; None where there is none."""

SPECIFICITY = 0.95
CALIBRATING = 0.25
"""Share of the known patients that sets the threshold and the z-scores; the rest is learned from."""
SEPARATION = 2.0
"""z-score between the classes that is assumed to turn a score into a probability: log odds = d z - d^2 / 2 + logit(prior)."""
MEASURES = ("auroc", "auroc_seen", "auroc_unseen", "sensitivity", "kept_unseen", "brier", "brier_skill")


class Part:
    """One division of one hidden class: what is learned from, what is judged."""

    def __init__(
        self,
        data: Embedded,
        patients: Floats,
        hidden: int,
        unseen: Sequence[int],
        test: Bools,
        config: RareClassConfig,
        knowing: Knowing | None,
        number: int,
    ) -> None:
        self.config = config
        self._generator = np.random.default_rng([config.seed, hidden, number])
        own = data.label == hidden
        known = ~own & ~np.isin(data.label, unseen)
        learning = np.flatnonzero(known & ~test)
        aside = self._aside(data.label[learning])
        fit, calibrating = learning[~aside], learning[aside]
        judged = np.concatenate([calibrating, np.flatnonzero(test)])
        self.n_calibrating = len(calibrating)
        self.positive, self.seen, self.unseen = (m[test] for m in (own, known, np.isin(data.label, unseen)))
        self._revealable = np.flatnonzero(own & ~test)
        if config.images == "all":
            candidates, self._images = (
                patients[self._revealable],
                [np.array([i]) for i in range(len(self._revealable))],
            )
        else:
            rows = [np.flatnonzero(data.patient == p) for p in self._revealable]
            candidates = data.features[np.concatenate(rows)]
            ends = np.cumsum([len(r) for r in rows])
            self._images = [np.arange(end - len(r), end) for r, end in zip(rows, ends, strict=True)]
        codes = np.unique(data.label[fit], return_inverse=True)[1]
        self.base = Base(patients[fit], codes, candidates.astype(np.float64), patients[judged])
        self._n_candidates = len(candidates)
        told = knowing(hidden, fit) if knowing else None
        self._knowledge = None if told is None else told[judged]

    def _aside(self, labels: Ints) -> Bools:
        """Return which known patients are set aside, a share of every class."""
        aside = np.zeros(len(labels), dtype=bool)
        for k in np.unique(labels):
            rows = self._generator.permutation(np.flatnonzero(labels == k))
            aside[rows[: int(CALIBRATING * len(rows))]] = True
        return aside

    def scores(self, episodes: int) -> Iterator[tuple[int, str, Floats]]:
        """Yield k, method and scores (episodes x judged) of everything that can be done with k patients."""
        most = max(self.config.shots)
        orders = [self._generator.permutation(len(self._revealable))[:most] for _ in range(episodes)]
        pictures = np.array(
            [[self._generator.choice(self._images[p]) for p in order] for order in orders], dtype=np.intp
        )
        for k in self.config.shots:
            if k == 0:
                yield 0, NOVELTY, self.base.novelty[None]
            elif k <= len(self._revealable):
                support = Support(pictures[:, :k], self._n_candidates)
                learned = {m: self.base.scores(m, support) for m in (PROTOTYPE, LDA, RIDGE_PROBE, KNN)}
                yield from ((k, method, values) for method, values in learned.items())
                yield k, FUSION, self._fused(learned)
            if self._knowledge is not None and k <= len(self._revealable):
                yield (
                    k,
                    KNOWLEDGE,
                    np.broadcast_to(self._knowledge, (episodes if k else 1, len(self._knowledge))),
                )

    def _fused(self, learned: dict[str, Floats]) -> Floats:
        if self._knowledge is None:
            return np.asarray(np.mean([self._z(learned[m]) for m in (PROTOTYPE, LDA, RIDGE_PROBE)], axis=0))
        return (self._z(learned[LDA]) + self._z(self._knowledge[None])) / 2

    def _z(self, scores: Floats) -> Floats:
        """Return scores in standard deviations of the known patients set aside (of all judged where there are few)."""
        own = scores[:, : self.n_calibrating] if self.n_calibrating > 1 else scores
        spread = own.std(axis=1, keepdims=True)
        return (scores - own.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)

    def measures(self, scores: Floats) -> dict[str, Floats]:
        """Return MEASURES per episode."""
        n = self.n_calibrating
        aside, test = scores[:, :n], scores[:, n:]
        z = self._z(scores)[:, n:]
        found = self._aurocs(test)
        nothing = np.full(len(scores), math.nan)
        found["sensitivity"] = found["kept_unseen"] = nothing
        if n >= negatives_needed(SPECIFICITY):
            threshold = np.sort(aside, axis=1)[
                :, math.ceil(SPECIFICITY * n - 1e-9) - 1 : math.ceil(SPECIFICITY * n - 1e-9)
            ]
            called = test > threshold
            found["sensitivity"] = called[:, self.positive].mean(axis=1)
            if self.unseen.any():
                found["kept_unseen"] = 1 - called[:, self.unseen].mean(axis=1)
        return found | self._brier(z)

    def _aurocs(self, test: Floats) -> dict[str, Floats]:
        own = test[:, self.positive]
        seen, unseen = (pairs_won(own, test[:, kind]) for kind in (self.seen, self.unseen))
        pairs = [own.shape[1] * int(kind.sum()) for kind in (self.seen, self.unseen)]
        return {
            "auroc": (seen + unseen) / (sum(pairs) or math.nan),
            "auroc_seen": seen / (pairs[0] or math.nan),
            "auroc_unseen": unseen / (pairs[1] or math.nan),
        }

    def _brier(self, z: Floats) -> dict[str, Floats]:
        """Return the Brier score once the log odds stand on the prevalence of the test, and its skill."""
        used = self.positive | self.seen | self.unseen
        truth = self.positive[used]
        prior = float(truth.mean())
        p = expit(SEPARATION * z[:, used] - SEPARATION**2 / 2 + logit(prior))
        brier = ((p - truth) ** 2).mean(axis=1)
        return {"brier": brier, "brier_skill": 1 - brier / max(prior * (1 - prior), 1e-12)}


def pairs_won(positive: Floats, negative: Floats) -> Floats:
    """Return in how many pairs a positive beats a negative, row by row (episodes x patients each); ties count half.

    >>> pairs_won(np.array([[0.5, 0.9]]), np.array([[0.1, 0.5]])).tolist()
    [3.5]
    """
    ranked = np.sort(negative, axis=1)
    both = (
        np.searchsorted(n, p, "left") + np.searchsorted(n, p, "right")
        for n, p in zip(ranked, positive, strict=True)
    )
    return np.array([counts.sum() / 2 for counts in both])
