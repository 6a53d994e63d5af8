"""One division of one hidden class: the episodes' scores and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import expit, logit

from nmevision.evaluation.conformal import misses_allowed, patients_needed
from nmevision.evaluation.few_shot import (
    COLOUR_LDA,
    FUSION,
    KNN,
    KNOWLEDGE,
    LDA,
    NOVELTY,
    PROTOTYPE,
    RIDGE_PROBE,
    SOURCE_ONLY,
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
MISSED = 0.1
"""Share of the known patients that their conformal sets may miss."""
HALF = 0.5
"""Patients added to every source, so that one without revealed patients has a finite score."""
MEASURES = (
    "auroc", "auroc_seen", "auroc_unseen", "sensitivity", "kept_unseen", "brier", "brier_skill", "oscr",
    "coverage", "coverage_unseen",
)  # fmt: skip


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
        rows = [np.flatnonzero(data.patient == p) for p in self._revealable]
        whole = config.images == "all"
        ends = np.arange(1, len(rows) + 1) if whole else np.cumsum([len(r) for r in rows])
        sizes = [1 if whole else len(r) for r in rows]
        self._images = [np.arange(end - n, end) for n, end in zip(sizes, ends, strict=True)]
        known_labels, codes = np.unique(data.label[fit], return_inverse=True)

        def base(images: Floats, of_patients: Floats) -> Base:
            shown = of_patients[self._revealable] if whole else images[np.concatenate(rows)]
            return Base(of_patients[fit], codes, shown.astype(np.float64), of_patients[judged])

        self.base = base(data.features, patients)
        self._colours = None if data.colours is None else base(data.colours, data.mean_of(data.colours))
        self._n_candidates = int(ends[-1]) if len(ends) else 0
        sources = np.unique(data.source, return_inverse=True)[1]
        self._sources = sources[fit], sources[np.repeat(self._revealable, sizes)], sources[judged]
        guess, self._share = (part[self.n_calibrating :] for part in self.base.nearest_known)
        self._right = known_labels[guess] == data.label[test]
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
                if self._colours is not None:
                    yield k, COLOUR_LDA, self._colours.scores(LDA, support)
                if len(np.unique(np.concatenate(self._sources))) > 1:
                    yield k, SOURCE_ONLY, self._by_source(support)
            if self._knowledge is not None and k <= len(self._revealable):
                yield (
                    k,
                    KNOWLEDGE,
                    np.broadcast_to(self._knowledge, (episodes if k else 1, len(self._knowledge))),
                )

    def _by_source(self, support: Support) -> Floats:
        """Return the log of how much more often a patient's source is among the revealed than among the known."""
        known, candidates, judged = self._sources
        n = int(max(part.max(initial=0) for part in self._sources)) + 1
        revealed = (candidates[support.rows][:, :, None] == np.arange(n)).sum(axis=1) + HALF
        common = np.bincount(known, minlength=n) + HALF
        shares = np.log(revealed / revealed.sum(axis=1, keepdims=True)) - np.log(common / common.sum())
        return np.asarray(shares[:, judged])

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
        for name in ("sensitivity", "kept_unseen", "coverage", "coverage_unseen"):
            found[name] = np.full(len(scores), math.nan)
        ordered = np.sort(aside, axis=1)
        if n >= negatives_needed(SPECIFICITY):
            place = math.ceil(SPECIFICITY * n - 1e-9) - 1
            called = test > ordered[:, place : place + 1]
            found["sensitivity"] = called[:, self.positive].mean(axis=1)
            if self.unseen.any():
                found["kept_unseen"] = 1 - called[:, self.unseen].mean(axis=1)
        if n >= patients_needed(MISSED):
            most = ordered[:, n - misses_allowed(n, MISSED)]
            for name, kind in (("coverage", self.seen), ("coverage_unseen", self.unseen)):
                if kind.any():
                    found[name] = (test[:, kind] <= most[:, None]).mean(axis=1)
        return found | self._of_probabilities(z)

    def _aurocs(self, test: Floats) -> dict[str, Floats]:
        own = test[:, self.positive]
        seen, unseen = (pairs_won(own, test[:, kind]) for kind in (self.seen, self.unseen))
        pairs = [own.shape[1] * int(kind.sum()) for kind in (self.seen, self.unseen)]
        return {
            "auroc": (seen + unseen) / (sum(pairs) or math.nan),
            "auroc_seen": seen / (pairs[0] or math.nan),
            "auroc_unseen": unseen / (pairs[1] or math.nan),
        }

    def _of_probabilities(self, z: Floats) -> dict[str, Floats]:
        """Return what needs probabilities: the log odds are moved to the prevalence of the test.

        OSCR: a patient is answered by the more probable of the hidden class and the nearest known one; right answers
        to patients of known classes against answers to unseen ones, over all limits of the probability.
        """
        used = self.positive | self.seen | self.unseen
        truth = self.positive[used]
        prior = float(truth.mean())
        p = expit(SEPARATION * z - SEPARATION**2 / 2 + logit(prior))
        brier = ((p[:, used] - truth) ** 2).mean(axis=1)
        found = {"brier": brier, "brier_skill": 1 - brier / max(prior * (1 - prior), 1e-12)}
        other = (1 - p) * self._share
        right = np.where(self.positive, p >= other, (p < other) & self._right)
        sure = np.maximum(p, other)
        known = self.positive | self.seen
        won = pairs_won(np.where(right, sure, -1.0)[:, known], sure[:, self.unseen])
        return found | {"oscr": won / (int(known.sum()) * int(self.unseen.sum()) or math.nan)}


def pairs_won(positive: Floats, negative: Floats) -> Floats:
    """Return in how many pairs a positive beats a negative, row by row (episodes x patients each); ties count half.

    >>> pairs_won(np.array([[0.5, 0.9]]), np.array([[0.1, 0.5]])).tolist()
    [3.5]
    """
    ranked, asked = (
        np.sort(negative, axis=1),
        np.sort(positive, axis=1),
    )  # sorted questions are answered faster
    both = (
        np.searchsorted(n, p, "left") + np.searchsorted(n, p, "right")
        for n, p in zip(ranked, asked, strict=True)
    )
    return np.array([counts.sum() / 2 for counts in both])
