"""What is computed for a set of patients: each score as a value, and how its interval will be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation import metrics, rates, weighted
from nmevision.evaluation.calibration import expected_by_chance
from nmevision.evaluation.intervals import (
    Interval,
    auroc_interval,
    clopper_pearson,
    no_interval,
    secondary_intervals,
    wilson,
)
from nmevision.evaluation.metrics import Value
from nmevision.evaluation.truth import Cases
from nmevision.evaluation.weighted import Floats, Statistic
from nmevision.predictions import DECIMALS

SPECIFICITIES = (0.95, 0.90)
AGAINST = "auroc_vs_"
"""Before the class: the AUROC of the positive against this class alone."""


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
class Draft:
    """A score whose interval is known, or waits for the bootstrap of `statistic`.

    secondary: further intervals of the same value. rows: the patients it rests on (n,), None for all.
    """

    metric: str
    target: Target | None
    value: Value
    interval: Interval | None = None
    statistic: Statistic | None = None
    reference: float = float("nan")
    secondary: tuple[Interval, ...] = ()
    rows: NDArray[np.bool_] | None = None


def decisions(cases: Cases) -> Iterator[Draft]:
    """Yield the scores of the most probable class over all classes."""
    labels, predicted, k = cases.labels, cases.predicted, len(cases.classes)
    right, shares = int((labels == predicted).sum()), np.bincount(labels, minlength=k) / len(labels)
    yield Draft(
        "accuracy",
        None,
        metrics.accuracy(labels, predicted, k),
        clopper_pearson(right, len(labels)),
        reference=float(shares.max()),
        secondary=(wilson(right, len(labels)),),
    )
    balanced = weighted.balanced_accuracy_of(labels, predicted, k)
    chance = 1 / max(1, int((shares > 0).sum()))
    value = metrics.balanced_accuracy(labels, predicted, k)
    yield Draft("balanced_accuracy", None, value, statistic=balanced, reference=chance)
    value = metrics.macro_f1(labels, predicted, k)
    yield Draft("macro_f1", None, value, statistic=weighted.macro_f1_of(labels, predicted, k))
    correlation = weighted.mcc_of(labels, predicted, k)
    yield Draft("mcc", None, rates.mcc(labels, predicted, k), statistic=correlation, reference=0.0)


def over_classes(cases: Cases, seed: int) -> Iterator[Draft]:
    """Yield the decisions and how good the probabilities of all classes are."""
    yield from decisions(cases)
    losses = metrics.brier_losses(cases.labels, cases.probabilities)
    shares = np.bincount(cases.labels) / len(cases)
    yield Draft(
        "brier",
        None,
        Value(float(losses.mean()), "scale 0 to 2"),
        statistic=weighted.mean_of(losses),
        reference=float(1 - (shares**2).sum()),
    )
    skill = weighted.brier_skill_of(cases.labels, cases.probabilities)
    value = rates.brier_skill(cases.labels, cases.probabilities)
    yield Draft("brier_skill", None, value, statistic=skill, reference=0.0)
    surprise = weighted.mean_of(rates.nll_losses(cases.labels, cases.probabilities)[0])
    present = shares[shares > 0]
    yield Draft(
        "nll",
        None,
        rates.nll(cases.labels, cases.probabilities),
        statistic=surprise,
        reference=float(-(present * np.log(present)).sum()),
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
) -> Draft:
    """Return one calibration error; its reference is what perfect calibration would show at this n."""
    return Draft(
        name,
        target,
        metrics.calibration_error(outcome, probability, bins),
        statistic=weighted.calibration_error_of(outcome, probability, bins),
        reference=expected_by_chance(probability, bins, seed),
    )


def _area(metric: str, target: Target, cases: Cases, rows: NDArray[np.bool_] | None = None) -> Draft:
    """Return the AUROC of one target, with all its intervals."""
    own = cases if rows is None else cases.select(rows)
    truth, p = target.truth(own), target.probability(own)
    others = secondary_intervals(truth, p)
    value = metrics.auroc(truth, p)
    return Draft(metric, target, value, auroc_interval(truth, p), reference=0.5, secondary=others, rows=rows)


def discrimination(cases: Cases, target: Target) -> Iterator[Draft]:
    """Yield the AUROC of one target, and sensitivity and specificity of the most probable class."""
    yield _area("auroc", target, cases)
    truth, called = target.truth(cases), target.called(cases)
    for name, of, hit in (("sensitivity", truth, called), ("specificity", ~truth, ~called)):
        count, n = int((of & hit).sum()), int(of.sum())
        missing = "no positives" if name == "sensitivity" else "no negatives"
        value = Value(count / n) if n else metrics.undefined(missing)
        others = (wilson(count, n),) if n else ()
        yield Draft(name, target, value, clopper_pearson(count, n), secondary=others)


def ranking(cases: Cases, target: Target) -> Iterator[Draft]:
    """Yield the average precision and the sensitivities at fixed specificity of one target."""
    truth, p = target.truth(cases), target.probability(cases)
    yield Draft(
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
        yield Draft(f"sensitivity_at_specificity_{specificity:.2f}", target, value, interval)


def of_positive(cases: Cases, target: Target, seed: int) -> Iterator[Draft]:
    """Yield what is told of the declared positive only."""
    truth, p = target.truth(cases), target.probability(cases)
    test, method = metrics.mann_whitney_p(truth, p)
    yield Draft("mann_whitney_p", target, test, no_interval("", method))
    name = f"partial_auroc_{rates.MAX_FPR:.2f}"
    partial = weighted.partial_auroc_of(truth, p, rates.MAX_FPR)
    yield Draft(name, target, rates.partial_auroc(truth, p), statistic=partial, reference=0.5)
    for share in rates.PREVALENCES:
        value = rates.standardised_average_precision(truth, p, share)
        precision = weighted.average_precision_of(truth, p, share)
        yield Draft(f"auprc_at_prevalence_{share:g}", target, value, statistic=precision, reference=share)
    yield from _likelihood_ratios(truth, target.called(cases), target)
    share = float(truth.mean())
    losses = metrics.brier_losses(truth, p)
    yield Draft(
        "brier",
        target,
        Value(float(losses.mean()), "scale 0 to 1"),
        statistic=weighted.mean_of(losses),
        reference=share * (1 - share),
    )
    name, bins = _both_bins(p)[1]
    yield _calibration(f"ece_{name}", target, truth.astype(np.float64), p, bins, seed)
    yield from _against_each(cases, target)


def _likelihood_ratios(
    truth: NDArray[np.bool_], called: NDArray[np.bool_], target: Target
) -> Iterator[Draft]:
    """Yield LR+ and LR- of the most probable class."""
    cells = (truth & called, truth & ~called, ~truth & called, ~truth & ~called)
    found = rates.likelihood_ratios(*(int(cell.sum()) for cell in cells))
    for name, value, interval in (
        ("positive", found.positive, found.positive_interval),
        ("negative", found.negative, found.negative_interval),
    ):
        yield Draft(f"likelihood_ratio_{name}", target, value, interval, reference=1.0)


def _against_each(cases: Cases, target: Target) -> Iterator[Draft]:
    """Yield the AUROC of the positive against each other class alone: which mimic is the hardest."""
    truth = target.truth(cases)
    for other in sorted(set(range(len(cases.classes))) - set(target.members)):
        yield _area(f"{AGAINST}{cases.classes[other]}", target, cases, truth | (cases.labels == other))


def macro_auroc(cases: Cases) -> Draft:
    """Return the mean one-versus-rest AUROC over the classes that have positives and negatives."""
    present = [k for k in range(len(cases.classes)) if 0 < (cases.labels == k).sum() < len(cases)]
    ones = [weighted.auroc_of(cases.labels == k, cases.probabilities[:, k]) for k in present]
    if not ones:
        return Draft("macro_auroc", None, metrics.undefined("fewer than two classes in truth"))
    total = len(cases.classes)
    note = "" if len(present) == total else f"over the {len(present)} of {total} classes present in truth"
    macro = weighted.macro_of(ones)
    value = Value(weighted.estimate(macro, len(cases)), note)
    return Draft("macro_auroc", None, value, statistic=macro, reference=0.5)
