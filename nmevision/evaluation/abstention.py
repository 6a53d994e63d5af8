"""What is lost and won by leaving the least sure patients to a human: risk over coverage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import Interval, clopper_pearson
from nmevision.evaluation.metrics import Value, undefined
from nmevision.evaluation.weighted import Floats

COVERAGES = (1.0, 0.9, 0.8)
"""Shares of patients answered at which the sensitivity is told."""


def _ranked(confidence: ArrayLike, losses: ArrayLike) -> Floats:
    """Return the losses, surest patient first; equally sure patients share their mean loss."""
    sure, loss = np.asarray(confidence, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != loss.shape:
        raise EvaluationError(f"confidence {sure.shape} and losses {loss.shape} must be of one length")
    if not np.isfinite(sure).all() or not np.isfinite(loss).all() or (loss < 0).any():
        raise EvaluationError("confidence must be finite numbers, losses finite numbers from 0 on")
    place = np.unique(-sure, return_inverse=True)[1]
    sizes = np.bincount(place)
    return np.repeat(np.bincount(place, loss) / np.maximum(sizes, 1), sizes)


def decision_costs(truth: ArrayLike, called: ArrayLike, miss: float, false_alarm: float = 1.0) -> Floats:
    """Return each patient's cost: `miss` for a positive not called, `false_alarm` for a negative called.

    >>> decision_costs([1, 1, 0], [0, 1, 1], miss=50).tolist()
    [50.0, 0.0, 1.0]
    """
    positive, calls = np.asarray(truth, dtype=bool), np.asarray(called, dtype=bool)
    return np.where(positive & ~calls, miss, np.where(~positive & calls, false_alarm, 0.0))


@dataclass(frozen=True)
class RiskCoverage:
    """How the loss among the answered falls with the share that is answered.

    coverage, risk: (n,), the mean loss of the surest patients at each share of all.
    aurc: mean of risk over coverages. excess: aurc - that of the best possible order.
    augrc: mean over coverage of (loss and answered), which does not over-weigh the surest few.
    """

    coverage: Floats
    risk: Floats
    aurc: Value
    excess: Value
    augrc: Value


def risk_coverage(confidence: ArrayLike, losses: ArrayLike) -> RiskCoverage:
    """Return the risk-coverage curve and its areas; the lower the better.

    confidence: (n,), larger is surer; losses: (n,) from 0 on: 0/1 errors, or costs of `decision_costs`.
    AURC and E-AURC: Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206. AUGRC: Traub et al. 2024,
    arXiv:2407.01032, the area by trapezoids from coverage 0. Equally sure patients are answered in random
    order, in expectation.
    """
    loss = _ranked(confidence, losses)
    n = len(loss)
    if n == 0:
        none = undefined("no patients")
        return RiskCoverage(np.empty(0), np.empty(0), none, none, none)
    counts = np.arange(1, n + 1)
    risk = np.cumsum(loss) / counts
    best = np.cumsum(np.sort(np.asarray(losses, dtype=np.float64))) / counts
    area = float(risk.mean())
    generalised = float((loss * (n - counts + 0.5)).sum()) / n**2
    return RiskCoverage(
        counts / n, risk, Value(area), Value(max(0.0, area - float(best.mean()))), Value(generalised)
    )


@dataclass(frozen=True)
class AtCoverage:
    """The decisions when only the surest patients are answered.

    asked: the share wanted; coverage: the share answered (equally sure patients stay together).
    n_positive: positives answered; n_positive_abstained, n_negative_abstained: left to a human.
    """

    asked: float
    coverage: float
    n_answered: int
    n_positive: int
    n_positive_abstained: int
    n_negative_abstained: int
    sensitivity: Value
    sensitivity_interval: Interval
    specificity: Value
    specificity_interval: Interval


def at_coverage(
    truth: ArrayLike, called: ArrayLike, confidence: ArrayLike, coverages: tuple[float, ...] = COVERAGES
) -> list[AtCoverage]:
    """Return sensitivity and specificity among the surest patients, and how many positives are left out.

    truth, called: bool (n,); confidence: (n,), larger is surer; coverages: shares above 0, at most 1.
    A sensitivity that rises because positives are abstained on is no gain: read both together.
    """
    positive, calls = np.asarray(truth, dtype=bool), np.asarray(called, dtype=bool)
    sure = np.asarray(confidence, dtype=np.float64)
    if not positive.shape == calls.shape == sure.shape:
        raise EvaluationError(
            f"truth {positive.shape}, calls {calls.shape} and confidence {sure.shape} must be of one length"
        )
    if not all(0 < asked <= 1 for asked in coverages):
        raise EvaluationError(f"coverages {coverages}; expected shares above 0, at most 1")
    return [_answered(asked, positive, calls, sure) for asked in coverages]


def _answered(
    asked: float, positive: NDArray[np.bool_], calls: NDArray[np.bool_], sure: Floats
) -> AtCoverage:
    """Return the decisions on at least the share `asked` of the patients, the surest first."""
    n = len(sure)
    least = np.sort(sure)[n - math.ceil(asked * n - 1e-9)] if n else math.inf
    kept = sure >= least
    shares = []
    for of, right, missing in (
        (positive & kept, calls, "no positives answered"),
        (~positive & kept, ~calls, "no negatives answered"),
    ):
        hit, total = int((of & right).sum()), int(of.sum())
        shares.append((Value(hit / total) if total else undefined(missing), clopper_pearson(hit, total)))
    return AtCoverage(
        asked=asked,
        coverage=float(kept.mean()) if n else math.nan,
        n_answered=int(kept.sum()),
        n_positive=int((positive & kept).sum()),
        n_positive_abstained=int((positive & ~kept).sum()),
        n_negative_abstained=int((~positive & ~kept).sum()),
        sensitivity=shares[0][0],
        sensitivity_interval=shares[0][1],
        specificity=shares[1][0],
        specificity_interval=shares[1][1],
    )
