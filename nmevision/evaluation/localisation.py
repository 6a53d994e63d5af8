"""Does a heat map point at what it should: hits and energy inside a mask, against a random point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import distance_transform_edt

from nmevision.errors import EvaluationError
from nmevision.evaluation.clustered import patient_index
from nmevision.evaluation.intervals import Interval, no_interval
from nmevision.evaluation.metrics import Value, undefined
from nmevision.evaluation.patient_bootstrap import patient_bootstrap
from nmevision.evaluation.weighted import Floats, Statistic, estimate, mean_of, ratio

TOLERANCE = 15 / 224
"""Share of the longer side by which a point may miss the mask: 15 pixels at 224 (arXiv:1608.00507)."""
TOLERANCE_UM = 50.0
"""Micrometres by which a point may miss the mask of a histology image with a known pixel size."""
RESAMPLES = 1000


def tolerance_of(shape: tuple[int, int], mpp: float | None = None) -> float:
    """Return the tolerance in pixels of a map: 50 um where micrometres per pixel are known, else 15 at 224.

    >>> tolerance_of((224, 224)), tolerance_of((512, 512), mpp=0.5)
    (15.0, 100.0)
    """
    if mpp is not None and not mpp > 0:
        raise EvaluationError(f"mpp {mpp}; expected micrometres per pixel above 0")
    return TOLERANCE * max(shape) if mpp is None else TOLERANCE_UM / mpp


@dataclass(frozen=True)
class Pointing:
    """One map against its mask.

    hit: 1 where the map's maximum lies within the tolerance of the mask (a share where maxima are tied);
    area: the chance of that for a random point; energy: share of the positive map inside the mask itself;
    mask_area: what a uniform map's energy would be. NaN with a reason where there is no mask or no map.
    """

    hit: float
    area: float
    energy: float
    mask_area: float
    reason: str = ""


def point(heat: ArrayLike, mask: ArrayLike, tolerance: float) -> Pointing:
    """Return whether a heat map (h, w) points at a mask (h, w, bool); tolerance in pixels, 0 or more.

    Pointing game: Zhang et al. 2016, arXiv:1608.00507; energy: Wang et al. 2020, arXiv:1910.01279, over
    the map's positive part. The random-point chance includes the tolerance.
    """
    values, inside = np.asarray(heat, dtype=np.float64), np.asarray(mask, dtype=bool)
    if values.ndim != 2 or values.shape != inside.shape or not values.size:
        raise EvaluationError(f"map {values.shape} and mask {inside.shape}; expected one (h, w) for both")
    if not np.isfinite(values).all() or not tolerance >= 0:
        raise EvaluationError("a heat map must hold finite numbers, its tolerance 0 or more pixels")
    if not inside.any():
        return Pointing(math.nan, math.nan, math.nan, math.nan, "the mask is empty")
    near = distance_transform_edt(~inside) <= tolerance
    positive = np.maximum(values, 0)
    total = float(positive.sum())
    return Pointing(
        hit=float(near[values == values.max()].mean()),
        area=float(near.mean()),
        energy=float(positive[inside].sum()) / total if total > 0 else math.nan,
        mask_area=float(inside.mean()),
        reason="" if total > 0 else "no energy: the map is nowhere above 0",
    )


@dataclass(frozen=True)
class Localisation:
    """How often maps point at their masks, over images whose patients are resampled.

    adjusted, energy_adjusted: (score - area) / (1 - area): 0 is a random point or a uniform map, 1 perfect.
    """

    n_images: int
    n_patients: int
    n_left_out: int
    hit: Value
    hit_interval: Interval
    area: Value
    adjusted: Value
    adjusted_interval: Interval
    energy: Value
    energy_interval: Interval
    mask_area: Value
    energy_adjusted: Value
    energy_adjusted_interval: Interval


def adjusted_of(score: Floats, area: Floats) -> Statistic:
    """Return (mean score - mean area) / (1 - mean area): what is better than a random point; all (n,)."""

    def statistic(weights: Floats) -> Floats:
        return ratio(weights @ (score - area), weights @ (1 - area))

    return statistic


def judge_maps(
    pointings: Sequence[Pointing], patients: ArrayLike, seed: int = 0, resamples: int = RESAMPLES
) -> Localisation:
    """Return hits and energies over images; those without a mask or energy are left out of what they lack.

    patients: whose image it is (n,); intervals resample patients with all their images.
    """
    whose = np.asarray(patients)
    if whose.shape != (len(pointings),):
        raise EvaluationError(f"patients {whose.shape} and {len(pointings)} maps must be of one length")
    hits = np.array([[one.hit, one.area] for one in pointings]).reshape(-1, 2)
    energies = np.array([[one.energy, one.mask_area] for one in pointings]).reshape(-1, 2)
    pointed, lit = ~np.isnan(hits).any(axis=1), ~np.isnan(energies).any(axis=1)
    by_hit = _scored(hits[pointed], whose[pointed], "no image with a mask", seed, resamples)
    by_energy = _scored(energies[lit], whose[lit], "no image with a mask and energy", seed, resamples)
    return Localisation(
        int(pointed.sum()),
        len(np.unique(whose[pointed])),
        int((~pointed).sum()),
        *by_hit,
        *by_energy,
    )


def _scored(
    pairs: Floats, patients: np.ndarray, missing: str, seed: int, resamples: int
) -> tuple[Value, Interval, Value, Value, Interval]:
    """Return the mean score with its interval, the mean area, and the adjusted score with its interval."""
    if not len(pairs):
        none, nowhere = undefined(missing), no_interval("")
        return none, nowhere, none, none, nowhere
    score, area = pairs[:, 0], pairs[:, 1]
    index = patient_index(patients, len(score))
    plain, adjusted = mean_of(score), adjusted_of(score, area)
    limits = patient_bootstrap({"plain": plain, "adjusted": adjusted}, index, resamples, seed)
    known = estimate(adjusted, len(score))
    better = undefined("the masks cover everything") if math.isnan(known) else Value(known)
    return (
        Value(estimate(plain, len(score))),
        limits["plain"],
        Value(float(area.mean())),
        better,
        limits["adjusted"],
    )
