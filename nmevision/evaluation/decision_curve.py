"""Whether acting on the model does more good than acting on all or on none: decision curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import LEVEL, Interval, no_interval
from nmevision.evaluation.metrics import Value, binary, undefined, why_one_class
from nmevision.evaluation.prevalence import joint_limits

THRESHOLDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2)
"""Risks at which somebody might act on a rare, grave disease: 1 in 1,000 to 1 in 5."""


@dataclass(frozen=True)
class NetBenefit:
    """The net benefit of acting above one threshold, in true positives per patient.

    model, everyone: of acting on the model's calls and on all; acting on none has 0. interval: of model.
    standardised: model / prevalence, 1 is perfect. avoided: interventions per patient saved against
    acting on all, without missing more; undefined at threshold 0.
    """

    threshold: float
    model: Value
    interval: Interval
    everyone: float
    standardised: Value
    avoided: Value


def net_benefit(sensitivity: float, specificity: float, prevalence: float, threshold: float) -> float:
    """Return sens x prevalence - (1 - spec)(1 - prevalence) t / (1 - t) (doi:10.1177/0272989X06295361).

    >>> round(net_benefit(1, 0, 0.14, 0.25), 7)  # acting on all
    -0.1466667
    """
    odds = threshold / (1 - threshold)
    return sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * odds


def decision_curve(
    labels: ArrayLike,
    probability: ArrayLike,
    thresholds: Sequence[float] = THRESHOLDS,
    prevalence: float | None = None,
    level: float = LEVEL,
) -> list[NetBenefit]:
    """Return the net benefit of calling probability > threshold positive at every threshold (0 to 1, not 1).

    labels: bool or 0/1 (n,); probability: 0 to 1 (n,), calibrated for `prevalence`, else thresholds mean
    nothing. prevalence: in the clinic (0 to 1, open); by default the share in this set, which a case-control
    set does not have (Vickers & Elkin 2006, doi:10.1177/0272989X06295361). Standardised: Kerr et al. 2016,
    doi:10.1200/JCO.2015.65.5654. Limits at the corners of `joint_limits`.
    """
    truth, p = binary(labels, probability)
    if not all(0 <= t < 1 for t in thresholds):
        raise EvaluationError(f"thresholds {tuple(thresholds)}; expected shares from 0 to below 1")
    if prevalence is not None and not 0 < prevalence < 1:
        raise EvaluationError(f"prevalence {prevalence}; expected a number between 0 and 1")
    missing = why_one_class(truth)
    if missing:
        none = undefined(missing)
        return [NetBenefit(t, none, no_interval(""), math.nan, none, none) for t in thresholds]
    share = float(truth.mean()) if prevalence is None else prevalence
    return [_at(truth, p > threshold, share, threshold, level) for threshold in thresholds]


def _at(truth: np.ndarray, called: np.ndarray, share: float, threshold: float, level: float) -> NetBenefit:
    tp, fp = int((truth & called).sum()), int((~truth & called).sum())
    fn, tn = int(truth.sum()) - tp, int((~truth).sum()) - fp
    model = net_benefit(tp / (tp + fn), tn / (fp + tn), share, threshold)
    everyone = net_benefit(1, 0, share, threshold)
    sens, spec = joint_limits(tp, fn, fp, tn, level)
    avoided = undefined("threshold 0: an intervention costs nothing")
    if threshold > 0:
        avoided = Value((model - everyone) * (1 - threshold) / threshold)
    low, high = (
        net_benefit(a, b, share, threshold) for a, b in ((sens.low, spec.low), (sens.high, spec.high))
    )
    interval = Interval(low, high, "exact limits of sensitivity and specificity together")
    return NetBenefit(threshold, Value(model), interval, everyone, Value(model / share), avoided)
