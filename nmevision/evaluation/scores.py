"""Every score of one set of patients: the value, its interval, its n and why it may be missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmevision.evaluation import drafts
from nmevision.evaluation.bca import bootstrap_interval
from nmevision.evaluation.drafts import Draft, Target
from nmevision.evaluation.intervals import Interval, no_interval, resample
from nmevision.evaluation.truth import Cases
from nmevision.evaluation.weighted import Floats

ALL = "all"
"""The target of scores over all classes, and the source of scores over all sources."""


@dataclass(frozen=True)
class Score:
    """One number of a report.

    target: a class or group ("positive" against all others), or "all" for scores over all classes.
    source: "all" or one source. n_positive, n_negative: patients; None where target is "all".
    reference: what chance would give (AUROC 0.5, AUPRC the prevalence, Brier the base rates), for a
        calibration error what a perfectly calibrated model would show; NaN where there is none.
    method: how the interval was made. reason: why value or interval are missing, or what qualifies them.
    secondary: further intervals of the same value, made by other methods.
    """

    metric: str
    target: str
    source: str
    value: float
    low: float
    high: float
    n_patients: int
    n_positive: int | None
    n_negative: int | None
    n_images: int
    reference: float
    method: str
    reason: str = ""
    secondary: tuple[Interval, ...] = ()


def score_all(
    cases: Cases, positive: Target | None, targets: list[Target], seed: int, resamples: int
) -> list[Score]:
    """Return every score over all sources. `targets` holds the positive, if any, and every class."""
    found = list(drafts.over_classes(cases, seed))
    for target in targets:
        found += drafts.discrimination(cases, target)
        found += drafts.ranking(cases, target)
        if target == positive:
            found += drafts.of_positive(cases, target, seed)
    found.append(drafts.macro_auroc(cases))
    return _finish(cases, found, ALL, seed, resamples)


def score_source(cases: Cases, source: str, targets: list[Target], seed: int, resamples: int) -> list[Score]:
    """Return the scores of one source's patients: fewer, for the patients are fewer."""
    found = list(drafts.decisions(cases))
    for target in targets:
        found += drafts.discrimination(cases, target)
    return _finish(cases, found, source, seed, resamples)


def _finish(cases: Cases, found: list[Draft], source: str, seed: int, resamples: int) -> list[Score]:
    """Return the scores of all drafts; one bootstrap serves all that wait for it."""
    waiting = {
        str(index): draft.statistic
        for index, draft in enumerate(found)
        if draft.statistic is not None and draft.value.known
    }
    replicates = resample(cases.labels, waiting, resamples, seed) if waiting else {}
    scores = []
    for index, draft in enumerate(found):
        interval = draft.interval
        if interval is None and str(index) in replicates:
            interval = _bootstrapped(cases, draft, replicates[str(index)])
        if interval is None or not draft.value.known:
            interval = no_interval("", interval.method if interval else "")
        scores.append(_score(cases, draft, interval, source))
    return scores


def _bootstrapped(cases: Cases, draft: Draft, replicates: Floats) -> Interval | None:
    """Return the interval of a draft from its bootstrap replicates."""
    if draft.statistic is None:
        return None
    if draft.target is None:
        fewest = int(np.unique(cases.labels, return_counts=True)[1].min())
    else:
        truth = draft.target.truth(cases)
        fewest = int(min(truth.sum(), (~truth).sum()))
    return bootstrap_interval(replicates, draft.statistic, cases.labels, fewest)


def _score(cases: Cases, draft: Draft, interval: Interval, source: str) -> Score:
    own = cases if draft.rows is None else cases.select(draft.rows)
    truth = draft.target.truth(own) if draft.target else None
    reasons = [draft.value.reason, f"no interval: {interval.reason}" if interval.reason else ""]
    return Score(
        metric=draft.metric,
        target=draft.target.name if draft.target else ALL,
        source=source,
        value=draft.value.value,
        low=interval.low,
        high=interval.high,
        n_patients=len(own),
        n_positive=None if truth is None else int(truth.sum()),
        n_negative=None if truth is None else int((~truth).sum()),
        n_images=int(own.n_images.sum()),
        reference=draft.reference,
        method=interval.method,
        reason="; ".join(reason for reason in reasons if reason),
        secondary=draft.secondary if draft.value.known else (),
    )
