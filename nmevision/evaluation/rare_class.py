"""The rare-class protocol: abundant diseases are hidden in turn and k patients revealed, as if they were NME.

Too few patients with NME exist to choose a method on; how the methods do on hidden surrogates of the same set says
what k patients can be worth (the project's evaluation specification, 7.1). The class is the unit, its band over the
surrogates the result. Nothing is tuned, so that every surrogate may be reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from nmevision.evaluation.few_shot import PROTOTYPE
from nmevision.evaluation.intervals import hm_score
from nmevision.evaluation.rare_class_design import Embedded, RareClassConfig, divide, surrogates_of, unseen_of
from nmevision.evaluation.rare_class_part import MEASURES, Knowing, Part
from nmevision.evaluation.weighted import Floats

PROMOTE_SHARE, PROMOTE_P = 0.75, 0.05
"""A method is promoted if it beats the prototype in this share of the surrogates with a sign test below this p."""
WANTED_PATIENTS, WANTED_SURROGATES = 50, 8
"""What the specification asks for; less is said."""


@dataclass(frozen=True)
class Outcome:
    """One hidden class, k and method: means over the episodes, NaN where there is nothing to measure.

    auroc against all negatives of the test, those of classes seen in training, and unseen ones. low, high: HM-score
    interval of auroc on the patients. sensitivity: at SPECIFICITY on known patients set aside; kept_unseen: the
    specificity that is left on unseen classes. brier_skill: 1 - Brier / that of the prevalence. oscr: area under the
    open-set classification rate, unseen classes as the unknown. coverage: share of the known patients (coverage_unseen:
    of the unseen) whose conformal set says that they are not of the class.
    """

    surrogate: str
    shots: int
    method: str
    auroc: float
    low: float
    high: float
    auroc_seen: float
    auroc_unseen: float
    sensitivity: float
    kept_unseen: float
    brier: float
    brier_skill: float
    oscr: float
    coverage: float
    coverage_unseen: float
    n_positive: int
    n_seen: int
    n_unseen: int
    episodes: int
    division: str


@dataclass(frozen=True)
class Band:
    """A measure over the surrogates: median and 10th to 90th percentile, classes as units."""

    shots: int
    method: str
    measure: str
    median: float
    low: float
    high: float
    n_classes: int


@dataclass(frozen=True)
class Against:
    """A method against the prototype on the same supports: in how many classes its mean AUROC is higher; sign test."""

    shots: int
    method: str
    wins: int
    ties: int
    n_classes: int
    p: float
    promoted: bool


def run(data: Embedded, config: RareClassConfig, knowing: Knowing | None = None) -> Iterator[Outcome]:
    """Yield the outcomes of every surrogate in turn. The same supports serve all methods, and smaller k are parts of larger."""
    surrogates = surrogates_of(data, config)
    patients = data.of_patients
    present = len(np.unique(data.label))
    for hidden in surrogates:
        unseen = unseen_of(hidden, surrogates, present, config.unseen)
        tests, division = divide(data, hidden, unseen, config)
        parts = [
            Part(data, patients, hidden, unseen, test, config, knowing, i) for i, test in enumerate(tests)
        ]
        episodes = -(-config.episodes // len(parts))
        found: dict[tuple[int, str], list[dict[str, Floats]]] = {}
        for part in parts:
            for k, method, scores in part.scores(episodes):
                found.setdefault((k, method), []).append(part.measures(scores))
        for (k, method), measured in found.items():
            yield _outcome(data.classes[hidden], k, method, measured, parts, division)


def _outcome(
    name: str, k: int, method: str, measured: list[dict[str, Floats]], parts: Sequence[Part], division: str
) -> Outcome:
    """Return the means over the episodes of all divisions."""
    joined = {key: np.concatenate([m[key] for m in measured]) for key in MEASURES}
    means = {key: float(np.nanmean(v)) if (~np.isnan(v)).any() else math.nan for key, v in joined.items()}
    n, seen, unseen = (
        sum(int(getattr(part, key).sum()) for part in parts) for key in ("positive", "seen", "unseen")
    )
    around = hm_score(min(max(means["auroc"], 0.0), 1.0), n, seen + unseen)
    return Outcome(
        name, k, method, n_positive=n, n_seen=seen, n_unseen=unseen, low=around.low, high=around.high,
        episodes=len(joined["auroc"]), division=division, **means,
    )  # fmt: skip


def bands(outcomes: Sequence[Outcome]) -> list[Band]:
    """Return the band of every measure over the surrogates, by k and method."""
    found = []
    for k, method in dict.fromkeys((o.shots, o.method) for o in outcomes):
        for measure in MEASURES:
            values = np.array([getattr(o, measure) for o in outcomes if (o.shots, o.method) == (k, method)])
            values = values[~np.isnan(values)]
            if len(values):
                low, middle, high = (float(q) for q in np.quantile(values, [0.1, 0.5, 0.9]))
                found.append(Band(k, method, measure, middle, low, high, len(values)))
    return found


def against_prototype(outcomes: Sequence[Outcome]) -> list[Against]:
    """Return every method's paired comparison with the prototype, by k; ties count for neither side."""
    areas = {(o.shots, o.method, o.surrogate): o.auroc for o in outcomes}
    found = []
    for k, method in dict.fromkeys(
        (o.shots, o.method) for o in outcomes if o.shots and o.method != PROTOTYPE
    ):
        names = [s for (shots, m, s) in areas if (shots, m) == (k, method) and (k, PROTOTYPE, s) in areas]
        gaps = np.array([areas[k, method, s] - areas[k, PROTOTYPE, s] for s in names])
        wins, losses = int((gaps > 1e-12).sum()), int((gaps < -1e-12).sum())
        p = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
        share = wins / len(names) if names else 0.0
        found.append(
            Against(
                k,
                method,
                wins,
                len(names) - wins - losses,
                len(names),
                p,
                share >= PROMOTE_SHARE and p < PROMOTE_P,
            )
        )
    return found
