"""Every score of one set of patients: the value, its interval, its n and why it may be missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation import metrics, weighted
from nmevision.evaluation.calibration import expected_by_chance
from nmevision.evaluation.intervals import (
    Interval,
    auroc_interval,
    clopper_pearson,
    no_interval,
    percentile,
    resample,
)
from nmevision.evaluation.metrics import Value
from nmevision.evaluation.truth import Cases
from nmevision.evaluation.weighted import Floats, Statistic
from nmevision.predictions import DECIMALS

ALL = "all"
"""The target of scores over all classes, and the source of scores over all sources."""
SPECIFICITIES = (0.95, 0.90)


@dataclass(frozen=True)
class Score:
    """One number of a report.

    target: a class or group ("positive" against all others), or "all" for scores over all classes.
    source: "all" or one source. n_positive, n_negative: patients; None where target is "all".
    reference: what chance would give (AUROC 0.5, AUPRC the prevalence, Brier the base rates), for a
        calibration error what a perfectly calibrated model would show; NaN where there is none.
    method: how the interval was made. reason: why value or interval are missing, or what qualifies them.
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


@dataclass(frozen=True)
class Target:
    """One question: is the patient's diagnosis one of `members` (class indices)?"""

    name: str
    members: tuple[int, ...]

    def truth(self, cases: Cases) -> NDArray[np.bool_]:
        """Return for every patient whether the diagnosis is a member."""
        return np.isin(cases.labels, self.members)

    def called(self, cases: Cases) -> NDArray[np.bool_]:
        """Return for every patient whether the most probable class is a member."""
        return np.isin(cases.predicted, self.members)

    def probability(self, cases: Cases) -> Floats:
        """Return every patient's probability of the members together."""
        return np.round(cases.probabilities[:, self.members].sum(axis=1), DECIMALS)


@dataclass(frozen=True)
class _Draft:
    """A score whose interval is known, or waits for the bootstrap of `statistic`."""

    metric: str
    target: Target | None
    value: Value
    interval: Interval | None = None
    statistic: Statistic | None = None
    reference: float = math.nan


def score_all(
    cases: Cases, positive: Target | None, targets: list[Target], seed: int, resamples: int
) -> list[Score]:
    """Return every score over all sources. `targets` holds the positive, if any, and every class."""
    drafts = list(_over_classes(cases, seed))
    for target in targets:
        drafts += _discrimination(cases, target)
        drafts += _ranking(cases, target)
        if target == positive:
            drafts += _of_positive(cases, target, seed)
    drafts.append(_macro_auroc(cases))
    return _finish(cases, drafts, ALL, seed, resamples)


def score_source(cases: Cases, source: str, targets: list[Target], seed: int, resamples: int) -> list[Score]:
    """Return the scores of one source's patients: fewer, for the patients are fewer."""
    drafts = list(_decisions(cases))
    for target in targets:
        drafts += _discrimination(cases, target)
    return _finish(cases, drafts, source, seed, resamples)


def _finish(cases: Cases, drafts: list[_Draft], source: str, seed: int, resamples: int) -> list[Score]:
    """Return the scores of all drafts; one bootstrap serves all that wait for it."""
    waiting = {
        str(index): draft.statistic
        for index, draft in enumerate(drafts)
        if draft.statistic is not None and draft.value.known
    }
    replicates = resample(cases.labels, waiting, resamples, seed) if waiting else {}
    smallest = int(np.unique(cases.labels, return_counts=True)[1].min())
    scores = []
    for index, draft in enumerate(drafts):
        interval = draft.interval
        if interval is None and str(index) in replicates:
            truth = draft.target.truth(cases) if draft.target else None
            fewest = smallest if truth is None else int(min(truth.sum(), (~truth).sum()))
            interval = percentile(replicates[str(index)], fewest)
        if interval is None or not draft.value.known:
            interval = no_interval("", interval.method if interval else "")
        scores.append(_score(cases, draft, interval, source))
    return scores


def _score(cases: Cases, draft: _Draft, interval: Interval, source: str) -> Score:
    truth = draft.target.truth(cases) if draft.target else None
    reasons = [draft.value.reason, f"no interval: {interval.reason}" if interval.reason else ""]
    return Score(
        metric=draft.metric,
        target=draft.target.name if draft.target else ALL,
        source=source,
        value=draft.value.value,
        low=interval.low,
        high=interval.high,
        n_patients=len(cases),
        n_positive=None if truth is None else int(truth.sum()),
        n_negative=None if truth is None else int((~truth).sum()),
        n_images=int(cases.n_images.sum()),
        reference=draft.reference,
        method=interval.method,
        reason="; ".join(reason for reason in reasons if reason),
    )


def _decisions(cases: Cases) -> Iterator[_Draft]:
    """Yield the scores of the most probable class over all classes."""
    labels, predicted, k = cases.labels, cases.predicted, len(cases.classes)
    right, shares = int((labels == predicted).sum()), np.bincount(labels, minlength=k) / len(labels)
    yield _Draft(
        "accuracy",
        None,
        metrics.accuracy(labels, predicted, k),
        clopper_pearson(right, len(labels)),
        reference=float(shares.max()),
    )
    balanced = weighted.balanced_accuracy_of(labels, predicted, k)
    chance = 1 / max(1, int((shares > 0).sum()))
    value = metrics.balanced_accuracy(labels, predicted, k)
    yield _Draft("balanced_accuracy", None, value, statistic=balanced, reference=chance)
    value = metrics.macro_f1(labels, predicted, k)
    yield _Draft("macro_f1", None, value, statistic=weighted.macro_f1_of(labels, predicted, k))


def _over_classes(cases: Cases, seed: int) -> Iterator[_Draft]:
    """Yield the decisions and how well the probabilities of all classes are calibrated."""
    yield from _decisions(cases)
    losses = metrics.brier_losses(cases.labels, cases.probabilities)
    shares = np.bincount(cases.labels) / len(cases)
    yield _Draft(
        "brier",
        None,
        Value(float(losses.mean()), "scale 0 to 2"),
        statistic=weighted.mean_of(losses),
        reference=float(1 - (shares**2).sum()),
    )
    right = (cases.labels == cases.predicted).astype(np.float64)
    confidence = cases.probabilities.max(axis=1)
    for name, bins in _both_bins(confidence):
        yield _calibration(f"ece_{name}", None, right, confidence, bins, seed)


def _both_bins(probability: Floats) -> list[tuple[str, NDArray[np.intp]]]:
    return [
        (f"width{metrics.WIDTH_BINS}", metrics.width_bins(probability)),
        (f"mass{metrics.MASS_BINS}", metrics.mass_bins(probability)),
    ]


def _calibration(
    name: str,
    target: Target | None,
    outcome: Floats,
    probability: Floats,
    bins: NDArray[np.intp],
    seed: int,
) -> _Draft:
    """Return one calibration error; its reference is what perfect calibration would show at this n."""
    return _Draft(
        name,
        target,
        metrics.calibration_error(outcome, probability, bins),
        statistic=weighted.calibration_error_of(outcome, probability, bins),
        reference=expected_by_chance(probability, bins, seed),
    )


def _discrimination(cases: Cases, target: Target) -> Iterator[_Draft]:
    """Yield the AUROC of one target, and sensitivity and specificity of the most probable class."""
    truth, called, p = target.truth(cases), target.called(cases), target.probability(cases)
    yield _Draft("auroc", target, metrics.auroc(truth, p), auroc_interval(truth, p), reference=0.5)
    for name, of, hit in (("sensitivity", truth, called), ("specificity", ~truth, ~called)):
        count, n = int((of & hit).sum()), int(of.sum())
        missing = "no positives" if name == "sensitivity" else "no negatives"
        value = Value(count / n) if n else metrics.undefined(missing)
        yield _Draft(name, target, value, clopper_pearson(count, n))


def _ranking(cases: Cases, target: Target) -> Iterator[_Draft]:
    """Yield the average precision and the sensitivities at fixed specificity of one target."""
    truth, p = target.truth(cases), target.probability(cases)
    yield _Draft(
        "auprc",
        target,
        metrics.average_precision(truth, p),
        statistic=weighted.average_precision_of(truth, p),
        reference=float(truth.mean()),
    )
    for specificity in SPECIFICITIES:
        point = metrics.sensitivity_at_specificity(truth, p, specificity)
        interval = clopper_pearson(point.n_found, int(truth.sum()))
        method = f"{interval.method}, threshold taken as fixed"
        value = point.sensitivity
        if value.known:
            told = f"descriptive: threshold {point.threshold:.4g} from these negatives"
            value = Value(value.value, f"{told} (specificity {point.specificity:.3f})")
        interval = replace(interval, method=method)
        yield _Draft(f"sensitivity_at_specificity_{specificity:.2f}", target, value, interval)


def _of_positive(cases: Cases, target: Target, seed: int) -> Iterator[_Draft]:
    """Yield what is told of the declared positive only: exact test and calibration of its probability."""
    truth, p = target.truth(cases), target.probability(cases)
    test, method = metrics.mann_whitney_p(truth, p)
    yield _Draft("mann_whitney_p", target, test, no_interval("", method))
    share = float(truth.mean())
    losses = metrics.brier_losses(truth, p)
    yield _Draft(
        "brier",
        target,
        Value(float(losses.mean()), "scale 0 to 1"),
        statistic=weighted.mean_of(losses),
        reference=share * (1 - share),
    )
    name, bins = _both_bins(p)[1]
    yield _calibration(f"ece_{name}", target, truth.astype(np.float64), p, bins, seed)


def _macro_auroc(cases: Cases) -> _Draft:
    """Return the mean one-versus-rest AUROC over the classes that have positives and negatives."""
    present = [k for k in range(len(cases.classes)) if 0 < (cases.labels == k).sum() < len(cases)]
    ones = [weighted.auroc_of(cases.labels == k, cases.probabilities[:, k]) for k in present]
    if not ones:
        return _Draft("macro_auroc", None, metrics.undefined("fewer than two classes in truth"))
    total = len(cases.classes)
    note = "" if len(present) == total else f"over the {len(present)} of {total} classes present in truth"
    macro = weighted.macro_of(ones)
    value = Value(weighted.estimate(macro, len(cases)), note)
    return _Draft("macro_auroc", None, value, statistic=macro, reference=0.5)
