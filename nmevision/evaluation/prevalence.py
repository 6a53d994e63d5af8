"""What sensitivity and specificity are worth where the disease is rare, and probabilities under another prevalence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import LEVEL, Interval, clopper_pearson, no_interval
from nmevision.evaluation.metrics import Value, undefined
from nmevision.evaluation.weighted import Floats

PREVALENCES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""From a whole population to a pre-selected clinic (chronic erosive rash with weight loss or diabetes)."""
EM_STEPS = 1000
EM_TOLERANCE = 1e-9
RELIABLE_FROM = 20
"""Expected patients of a class; with fewer, an estimated prevalence is reported and not acted on."""


def ppv(sensitivity: float, specificity: float, prevalence: float) -> Value:
    """Return the share of positive calls that are right at a prevalence, by Bayes; all 0 to 1.

    >>> [round(ppv(0.95, s, 1e-4).value, 4) for s in (0.99, 0.999, 0.9999)]
    [0.0094, 0.0868, 0.4872]
    """
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    return Value(true / (true + false)) if true + false > 0 else undefined("nobody is called positive")


def npv(sensitivity: float, specificity: float, prevalence: float) -> Value:
    """Return the share of negative calls that are right at a prevalence, by Bayes; all 0 to 1."""
    true, false = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return Value(true / (true + false)) if true + false > 0 else undefined("nobody is called negative")


@dataclass(frozen=True)
class AtPrevalence:
    """What a positive and a negative call mean where `prevalence` of the patients have the disease.

    needed: positive calls (biopsies, tests) per true case found, 1 / ppv; the high limit may be infinite.
    """

    prevalence: float
    ppv: Value
    ppv_interval: Interval
    npv: Value
    npv_interval: Interval
    needed: Value
    needed_interval: Interval


def joint_limits(tp: int, fn: int, fp: int, tn: int, level: float = LEVEL) -> tuple[Interval, Interval]:
    """Return intervals of sensitivity and specificity that hold both together with at least `level`.

    Clopper-Pearson at the root of `level` each: positives and negatives are different patients, so the
    probabilities multiply. What rises with both then has its limits at the corners.
    """
    return clopper_pearson(tp, tp + fn, math.sqrt(level)), clopper_pearson(tn, fp + tn, math.sqrt(level))


def at_prevalence(
    tp: int, fn: int, fp: int, tn: int, prevalence: float, level: float = LEVEL
) -> AtPrevalence:
    """Return PPV, NPV and number needed at a prevalence (0 to 1, open) from the counts of evaluated patients.

    Limits at the corners of `joint_limits`: they hold at least `level`. The counts' own share of positives
    plays no part: never read the PPV of a test set as that of a clinic.
    """
    if not 0 < prevalence < 1:
        raise EvaluationError(f"prevalence {prevalence}; expected a number between 0 and 1")
    if min(tp, fn, fp, tn) < 0:
        raise EvaluationError(f"counts {tp}, {fn}, {fp}, {tn}; expected 0 or more")
    missing = "no positives" if tp + fn == 0 else "no negatives" if fp + tn == 0 else ""
    if missing:
        none = undefined(missing), no_interval("")
        return AtPrevalence(prevalence, *none, *none, *none)
    share = tp / (tp + fn), tn / (fp + tn)
    limits = joint_limits(tp, fn, fp, tn, level)
    positive, between = _carried(ppv, share, limits, prevalence)
    needed = undefined(positive.reason or "no positive was found")
    if positive.known and positive.value > 0:
        needed = Value(1 / positive.value)
    most = 1 / between.low if between.low > 0 else math.inf
    return AtPrevalence(
        prevalence,
        positive,
        between,
        *_carried(npv, share, limits, prevalence),
        needed,
        Interval(1 / between.high, most, between.method),
    )


def _carried(
    of: Callable[[float, float, float], Value],
    share: tuple[float, float],
    limits: tuple[Interval, Interval],
    prevalence: float,
) -> tuple[Value, Interval]:
    """Return ppv or npv, which rise with both shares, and its limits; 0 and 1 where the corner has none."""
    low = of(limits[0].low, limits[1].low, prevalence)
    high = of(limits[0].high, limits[1].high, prevalence)
    interval = Interval(
        low.value if low.known else 0.0,
        high.value if high.known else 1.0,
        "exact limits of sensitivity and specificity together",
    )
    return of(*share, prevalence), interval


def _prior(prior: ArrayLike, n_classes: int, name: str) -> Floats:
    found = np.asarray(prior, dtype=np.float64)
    fits = found.shape == (n_classes,) and bool((found >= 0).all())
    if not fits or abs(found.sum() - 1) > 1e-6:
        raise EvaluationError(
            f"{name} {np.round(found, 6).tolist()}; expected {n_classes} shares that sum to 1"
        )
    return found


def shift_prior(probabilities: ArrayLike, prior: ArrayLike, new_prior: ArrayLike) -> Floats:
    """Return probabilities (n, k) as they are where the classes have the shares `new_prior` instead of `prior`.

    p'_k ~ p_k new_k / prior_k (Saerens, Latinne & Decaestecker 2002, doi:10.1162/089976602753284446); needs
    calibrated probabilities. A class of prior 0 cannot be brought back; its new share must be 0 too.

    >>> shift_prior([[0.5, 0.5]], [0.5, 0.5], [0.01, 0.99]).round(4).tolist()
    [[0.01, 0.99]]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2:
        raise EvaluationError(f"probabilities {p.shape}; expected (n, k)")
    old, new = _prior(prior, p.shape[1], "prior"), _prior(new_prior, p.shape[1], "new prior")
    if ((old == 0) & (new > 0)).any():
        raise EvaluationError("a class had no share when the model was made, but has one now; train with it")
    moved = p * np.divide(new, old, out=np.zeros_like(new), where=old > 0)
    total = moved.sum(axis=1, keepdims=True)
    if len(p) and (total <= 0).any():
        raise EvaluationError("a patient's probability lies wholly in classes whose new share is 0")
    return moved / total


@dataclass(frozen=True)
class EstimatedPrior:
    """The class shares of unlabelled patients as the probabilities themselves suggest, and their doubts."""

    prior: Floats
    probabilities: Floats
    steps: int
    converged: bool
    warnings: tuple[str, ...]


def estimate_prior(probabilities: ArrayLike, prior: ArrayLike) -> EstimatedPrior:
    """Return the class shares that make these probabilities (n, k) likeliest, by expectation maximisation.

    prior: the shares (k,) the model was made with. Iterates new_k = mean p'_k from there (doi:10.1162/089976602753284446);
    only as good as the calibration, and the classes must look as they did. Warnings say where the
    estimate is to be reported but not acted on.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or len(p) == 0:
        raise EvaluationError(f"probabilities {p.shape}; expected (n, k) with at least one patient")
    old = _prior(prior, p.shape[1], "prior")
    new, converged, steps = old, False, 0
    while not converged and steps < EM_STEPS:
        previous, steps = new, steps + 1
        new = shift_prior(p, old, previous).mean(axis=0)
        new = new / new.sum()
        converged = bool(np.abs(new - previous).max() < EM_TOLERANCE)
    warnings = ["needs calibrated probabilities, and classes that look as they did where the model was made"]
    few = [k for k in range(p.shape[1]) if new[k] * len(p) < RELIABLE_FROM]
    if few:
        warnings.append(
            f"fewer than {RELIABLE_FROM} patients expected of class {', '.join(map(str, few))}: report, do not act"
        )
    if not converged:
        warnings.append(f"not settled after {EM_STEPS} steps")
    return EstimatedPrior(new, shift_prior(p, old, new), steps, converged, tuple(warnings))
