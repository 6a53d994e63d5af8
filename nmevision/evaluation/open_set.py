"""Does the model know what it does not know: diseases it was trained on against diseases it never saw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import Interval, auroc_interval
from nmevision.evaluation.metrics import Value, auroc, average_precision, undefined
from nmevision.evaluation.weighted import Floats

Distance = Literal["near", "far"]
"""near: other inflammatory dermatoses; far: tumours, other organs, what is no skin."""
KEPT = 0.95
"""Share of the known patients that must be kept where the false positive rate is told."""


def _sure(confidence: ArrayLike) -> Floats:
    values = np.asarray(confidence, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise EvaluationError(f"confidence {values.shape}; expected a list of finite numbers")
    return values


def _missing(known: Floats, unknown: Floats) -> str:
    return "no known patients" if not len(known) else "no unknown patients" if not len(unknown) else ""


def fpr_at_tpr(known: ArrayLike, unknown: ArrayLike, kept: float = KEPT) -> Value:
    """Return the share of unknown patients still accepted where at least `kept` of the known are.

    Orientation: known is the positive, accepted means confidence >= threshold, and the threshold is the
    largest that keeps the share (arXiv:1706.02690). known, unknown: confidence of the patients of
    trained and of never seen diseases, larger is surer. Lower is better; chance is about `kept`.

    >>> fpr_at_tpr([0.9, 0.8, 0.7, 0.6], [0.65, 0.1], kept=0.75).value
    0.0
    """
    ours, theirs = _sure(known), _sure(unknown)
    missing = _missing(ours, theirs)
    if missing:
        return undefined(missing)
    threshold = np.sort(ours)[::-1][math.ceil(kept * len(ours) - 1e-9) - 1]
    return Value(float((theirs >= threshold).mean()))


def oscr(known: ArrayLike, correct: ArrayLike, unknown: ArrayLike) -> Value:
    """Return the area under the open-set classification rate curve (arXiv:1811.04110).

    CCR(d) = share of the known patients that are classified correctly with confidence >= d, over FPR(d) =
    share of the unknown with confidence >= d; trapezoids over all thresholds. At most the accuracy on the
    known; equal to the AUROC where all of them are correct. correct: bool, one per known patient.
    """
    ours, theirs, right = _sure(known), _sure(unknown), np.asarray(correct, dtype=bool)
    if right.shape != ours.shape:
        raise EvaluationError(f"correct {right.shape} and confidence {ours.shape} must be of one length")
    missing = _missing(ours, theirs)
    if missing:
        return undefined(missing)
    thresholds = np.unique(np.concatenate([ours, theirs]))[::-1]
    hits, alarms = np.sort(ours[right]), np.sort(theirs)
    ccr = (len(hits) - np.searchsorted(hits, thresholds, side="left")) / len(ours)
    fpr = (len(alarms) - np.searchsorted(alarms, thresholds, side="left")) / len(theirs)
    return Value(float(np.trapezoid(np.r_[0.0, ccr], np.r_[0.0, fpr])))


@dataclass(frozen=True)
class OpenSet:
    """How well confidence tells known from unknown patients.

    auroc: of known against unknown; fpr95: share of the unknown accepted where 95 % of the known are
    kept; aupr_known, aupr_unknown: average precision with either as the positive, chance is its share.
    """

    name: str
    distance: str
    n_known: int
    n_unknown: int
    auroc: Value
    auroc_interval: Interval
    fpr95: Value
    aupr_known: Value
    aupr_unknown: Value
    oscr: Value


def open_set(
    known: ArrayLike, correct: ArrayLike, unknown: ArrayLike, name: str = "all unknown", distance: str = ""
) -> OpenSet:
    """Return every open-set score of one group of unknown patients (baseline: arXiv:1610.02136).

    known, unknown: confidence, one per patient, larger is surer; correct: bool, one per known patient.
    """
    ours, theirs = _sure(known), _sure(unknown)
    confidence = np.concatenate([ours, theirs])
    is_known = np.arange(len(confidence)) < len(ours)
    return OpenSet(
        name=name,
        distance=distance,
        n_known=len(ours),
        n_unknown=len(theirs),
        auroc=auroc(is_known, confidence)
        if not _missing(ours, theirs)
        else undefined(_missing(ours, theirs)),
        auroc_interval=auroc_interval(is_known, confidence),
        fpr95=fpr_at_tpr(ours, theirs),
        aupr_known=average_precision(is_known, confidence),
        aupr_unknown=average_precision(~is_known, -confidence),
        oscr=oscr(ours, correct, theirs),
    )


@dataclass(frozen=True)
class OpenSetReport:
    """Open-set scores of every unknown class, of the near and the far together, and the worst class.

    worst: the class with the lowest AUROC, the headline: a mean over classes hides a failure. None where
    no class can be scored.
    """

    by_class: tuple[OpenSet, ...]
    near: OpenSet
    far: OpenSet
    worst: OpenSet | None


def open_set_report(
    known: ArrayLike,
    correct: ArrayLike,
    unknown: ArrayLike,
    unknown_class: ArrayLike,
    distance_of: Mapping[str, Distance],
) -> OpenSetReport:
    """Return open-set scores by unknown class; near and far unknowns are never pooled.

    unknown_class: the disease of every unknown patient; distance_of: disease -> "near" or "far".
    """
    theirs = _sure(unknown)
    disease: NDArray[np.object_] = np.asarray(unknown_class, dtype=object)
    if disease.shape != theirs.shape:
        raise EvaluationError(f"classes {disease.shape} and confidence {theirs.shape} must be of one length")
    names = [str(name) for name in np.unique(disease)]
    strangers = sorted(set(names) - set(distance_of))
    if strangers:
        raise EvaluationError(f"unknown classes without a distance: {', '.join(strangers)}; say near or far")
    rows = tuple(open_set(known, correct, theirs[disease == name], name, distance_of[name]) for name in names)
    far = np.array([distance_of[str(name)] == "far" for name in disease], dtype=bool)
    scored = [row for row in rows if row.auroc.known]
    return OpenSetReport(
        by_class=rows,
        near=open_set(known, correct, theirs[~far], "all near unknowns", "near"),
        far=open_set(known, correct, theirs[far], "all far unknowns", "far"),
        worst=min(scored, key=lambda row: row.auroc.value) if scored else None,
    )
