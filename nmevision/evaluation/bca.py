"""The bootstrap interval that a statistic deserves: BCa where there are enough patients, else percentile."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from nmevision.evaluation.intervals import (
    BOOTSTRAP_HOLDS_FROM,
    CHUNK,
    LEVEL,
    Interval,
    percentile,
)
from nmevision.evaluation.weighted import Floats, Statistic, estimate

JACKKNIFE_UP_TO = 2000
"""Patients up to which a jackknife is made; the acceleration falls with their root and is nothing beyond."""


def acceleration(statistic: Statistic, strata: ArrayLike) -> float:
    """Return BCa's acceleration by a jackknife over patients within each stratum (class); NaN if undefined.

    strata: the class of every patient (n,). Several samples after Efron 1987
    (doi:10.1080/01621459.1987.10478410) and Davison & Hinkley 1997, section 5.3.2.
    """
    groups = np.unique(np.asarray(strata), return_inverse=True)[1]
    sizes = np.bincount(groups)[groups]
    n = len(groups)
    without = np.full(n, np.nan)
    step = max(1, CHUNK // n)
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        weights = np.ones((len(rows), n))
        weights[np.arange(len(rows)), rows] = 0
        without[rows] = statistic(weights)
    several = sizes > 1  # a patient alone in a class is in every resample
    if not several.any() or np.isnan(without[several]).any():
        return math.nan
    means = np.bincount(groups[several], without[several], minlength=groups.max() + 1)
    influence = (sizes - 1) * (means[groups] / sizes - without) / sizes
    influence = influence[several]
    spread = float((influence**2).sum())
    if spread <= 0:
        return math.nan
    return float((influence**3).sum()) / (6 * spread**1.5)


def bca(replicates: Floats, value: float, acceleration: float, level: float = LEVEL) -> Interval | None:
    """Return the bias-corrected and accelerated interval of defined replicates, None where there is none.

    value: the statistic of the patients as they are; ties with it count half. None also where the corrected
    interval would not hold it: the bootstrap is then biased too far, as it can be for a calibration error.
    """
    share = float((replicates < value).mean() + (replicates == value).mean() / 2)
    if not 0 < share < 1 or math.isnan(acceleration):
        return None
    bias = norm.ppf(share)
    limits = []
    for side in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + norm.ppf(side)
        if acceleration * shifted >= 1:
            return None
        limits.append(float(np.quantile(replicates, norm.cdf(bias + shifted / (1 - acceleration * shifted)))))
    if not limits[0] <= value <= limits[1]:
        return None
    return Interval(limits[0], limits[1], f"BCa bootstrap of patients within class, B={len(replicates)}")


def bootstrap_interval(
    replicates: Floats, statistic: Statistic, strata: ArrayLike, smallest_class: int, level: float = LEVEL
) -> Interval:
    """Return BCa from BOOTSTRAP_HOLDS_FROM patients in the smallest class on, else the percentile interval.

    replicates: of intervals.resample with the same `strata`. The percentile interval also stands in where
    a resample is undefined, all resamples are equal, or the jackknife says nothing.
    """
    plain = percentile(replicates, smallest_class, level)
    n = len(np.asarray(strata))
    if (
        plain.reason
        or np.isnan(replicates).any()
        or smallest_class < BOOTSTRAP_HOLDS_FROM
        or n > JACKKNIFE_UP_TO
    ):
        return plain
    found = bca(replicates, estimate(statistic, n), acceleration(statistic, strata), level)
    return found or plain
