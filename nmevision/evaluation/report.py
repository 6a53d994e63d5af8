"""The evaluation of one prediction table: every score with n and interval, curves, caveats, and who is left out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nmevision import __version__
from nmevision.errors import EvaluationError
from nmevision.evaluation import claims
from nmevision.evaluation.calibration import reliability_bins
from nmevision.evaluation.conformal import SetReport, judge_in_halves
from nmevision.evaluation.curves import precision_recall_points, roc_points
from nmevision.evaluation.description import Description, describe
from nmevision.evaluation.drafts import Target
from nmevision.evaluation.failures import Failures, failures, patients
from nmevision.evaluation.metrics import confusion_matrix, why_one_class
from nmevision.evaluation.scores import ALL, Score, score_all, score_source
from nmevision.evaluation.sections import Sections, sections
from nmevision.evaluation.truth import UNKNOWN_SOURCE, Cases, LeftOut, join
from nmevision.evaluation.unknown import Unknowns, unknowns
from nmevision.evaluation.weighted import Floats
from nmevision.manifest import Manifest
from nmevision.predictions import PredictionTable
from nmevision.taxonomy import Taxonomy

DEFAULT_POSITIVE = "nme"
RESAMPLES = 2000
LISTED_UP_TO = 30
"""With at most so many positive patients each is listed with its rank among the negatives."""
HISTOGRAM_BINS = 20
MISSES = (0.1, 0.2)
"""Shares of each class that its sets may miss: 9 and 4 calibration patients of the class are needed."""


@dataclass(frozen=True)
class Curves:
    """What the figures draw for one target: lists of numbers, empty where not estimable (see `reason`).

    reliability: equal-mass bins; histogram: counts of negatives and positives in equal bins of 0 to 1.
    """

    target: str
    reason: str
    roc: dict[str, list[float]]
    precision_recall: dict[str, list[float]]
    reliability: list[dict[str, float]]
    histogram: dict[str, list[int]]


@dataclass(frozen=True)
class EvaluationReport:
    """All that was found; `to_dict` makes it JSON.

    confusion_patients, confusion_images: rows = truth, columns = most probable class, in `classes` order.
    composition: patients and images per class and source, scored and unanswered.
    positives: each positive patient with its rank, where there are at most LISTED_UP_TO.
    sections: calibration, abstention, prevalence, decisions and subgroups of the positive, if any.
    sets: conformal sets of diagnoses, one for each of MISSES. unknowns: diseases outside the list.
    failures: what the most probable class gets wrong about the positive, if any. data: what was evaluated.
    """

    positive: str | None
    classes: tuple[str, ...]
    phantom: bool
    counts: dict[str, int]
    composition: list[dict[str, Any]]
    scores: tuple[Score, ...]
    confusion_patients: list[list[int]]
    confusion_images: list[list[int]]
    curves: tuple[Curves, ...]
    positives: list[dict[str, Any]]
    sections: Sections | None
    sets: tuple[SetReport, ...]
    unknowns: Unknowns
    failures: Failures | None
    data: Description
    claims: tuple[str, ...]
    caveats: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    seed: int
    resamples: int
    version: str = __version__

    def score(self, metric: str, target: str = ALL, source: str = ALL) -> Score:
        """Return one score; raise EvaluationError naming what there is."""
        for found in self.scores:
            if (found.metric, found.target, found.source) == (metric, target, source):
                return found
        known = ", ".join(sorted({s.metric for s in self.scores if (s.target, s.source) == (target, source)}))
        raise EvaluationError(
            f"no score '{metric}' of target '{target}' and source '{source}'; known for them: {known or 'none'}"
        )

    @property
    def headline(self) -> Score:
        """Return the one number to quote first: the positive's AUROC, else the balanced accuracy."""
        return self.score("auroc", self.positive) if self.positive else self.score("balanced_accuracy")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; what is NaN becomes None, its reason stands beside it."""
        content = {"research_use": claims.RESEARCH_ONLY} | dataclasses.asdict(self)
        if self.phantom:
            content = {"notice": claims.PHANTOM_NOTICE} | content
        return json_safe(content)


def json_safe(value: Any) -> Any:
    """Return `value` made of JSON types only, NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    predictions: PredictionTable,
    manifest: Manifest,
    taxonomy: Taxonomy,
    positive: str | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> EvaluationReport:
    """Return the report of `predictions` against the labels of `manifest`, patient by patient.

    positive: a diagnosis or group of `taxonomy`; None means 'nme' where the taxonomy has it, else no
        declared positive. seed, resamples: of the bootstrap.
    Raises EvaluationError where the tables cannot be scored together (see truth.join), ConfigError
    where `positive` is unknown.
    """
    target = positive_target(taxonomy, positive)
    truth = join(predictions, manifest, taxonomy)
    cases = truth.cases
    targets = _targets(taxonomy, target)
    sources = [str(source) for source in np.unique(cases.sources)]
    if sources == [UNKNOWN_SOURCE]:
        sources = []
    wrong = claims.notice_of(sources, [one.name for one in targets])
    if wrong:
        raise EvaluationError(wrong)
    scores = score_all(cases, target, targets, seed, resamples)
    for source in sources:
        scores += score_source(cases.select(cases.sources == source), source, targets, seed, resamples)
    k = len(taxonomy.keys)
    limits = claims.caveats(cases, target, targets, taxonomy, truth.counts, scores)
    return EvaluationReport(
        positive=target.name if target else None,
        classes=taxonomy.keys,
        phantom=truth.phantom,
        counts=truth.counts,
        composition=_records(truth.composition),
        scores=tuple(scores),
        confusion_patients=confusion_matrix(cases.labels, cases.predicted, k).tolist(),
        confusion_images=confusion_matrix(truth.image_labels, truth.image_predicted, k).tolist(),
        curves=tuple(_curves(cases, one) for one in ([target] if target else targets)),
        positives=_positives(cases, target) if target else [],
        sections=sections(cases, target, manifest, seed) if target else None,
        sets=tuple(_sets(cases, alpha, seed) for alpha in MISSES),
        unknowns=unknowns(cases, predictions, manifest, taxonomy),
        failures=failures(cases, target) if target else None,
        data=describe(cases, manifest, taxonomy),
        claims=(claims.PHANTOM_CLAIM,) if truth.phantom else tuple(claims.claims(cases, target, scores)),
        caveats=(*truth.notes, *limits),
        left_out=truth.left_out,
        seed=seed,
        resamples=resamples,
    )


def _sets(cases: Cases, alpha: float, seed: int) -> SetReport:
    sources = None if set(cases.sources) == {UNKNOWN_SOURCE} else cases.sources
    return judge_in_halves(cases.labels, cases.probabilities, cases.classes, sources, alpha, seed)


def positive_target(taxonomy: Taxonomy, positive: str | None) -> Target | None:
    """Return the declared positive, else 'nme' where it is a diagnosis, else None."""
    if positive is None:
        if DEFAULT_POSITIVE not in taxonomy.keys:
            return None
        positive = DEFAULT_POSITIVE
    members = taxonomy.members_of(positive)
    if len(members) == len(taxonomy.keys):
        raise EvaluationError(
            f"positive '{positive}' holds every diagnosis of '{taxonomy.name}'; choose a part"
        )
    name = members[0] if taxonomy.diagnosis_of(positive) else positive
    return Target(name, tuple(taxonomy.keys.index(key) for key in members))


def _targets(taxonomy: Taxonomy, positive: Target | None) -> list[Target]:
    """Return the positive first, then every group of several diagnoses, then every diagnosis."""
    mine = [taxonomy.group_of[key] for key in taxonomy.keys]
    found = [positive] if positive else []
    for group in dict.fromkeys(mine):
        members = tuple(k for k, own in enumerate(mine) if own == group)
        if 1 < len(members) < len(mine) and group not in taxonomy.keys:
            found.append(Target(group, members))
    found += [Target(key, (k,)) for k, key in enumerate(taxonomy.keys)]
    unique: dict[tuple[int, ...], Target] = {}
    for one in found:
        unique.setdefault(one.members, one)
    return list(unique.values())


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 6) for value in values]


def _curves(cases: Cases, target: Target) -> Curves:
    """Return the curve data of one target."""
    truth, p = target.truth(cases), target.probability(cases)
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    histogram = {
        "negatives": np.histogram(p[~truth], edges)[0].tolist(),
        "positives": np.histogram(p[truth], edges)[0].tolist(),
    }
    bins = [dataclasses.asdict(one) for one in reliability_bins(truth, p)]
    reason = why_one_class(truth)
    if reason:
        return Curves(target.name, reason, {}, {}, bins, histogram)
    false, true = roc_points(truth, p)
    recall, precision = _steps(truth, p)
    return Curves(
        target.name,
        "",
        {"false_positive_rate": _rounded(false), "true_positive_rate": _rounded(true)},
        {"recall": _rounded(recall), "precision": _rounded(precision)},
        bins,
        histogram,
    )


def _steps(truth: NDArray[np.bool_], p: Floats) -> tuple[Floats, Floats]:
    """Return recall and precision where recall rises: the steps whose area is the average precision.

    Precision at the first recall reaches back to recall 0.
    """
    recall, precision = precision_recall_points(truth, p)
    return np.concatenate([[0.0], recall]), np.concatenate([precision[:1], precision])


def _positives(cases: Cases, target: Target) -> list[dict[str, Any]]:
    """Return each positive patient, highest first, with the negatives that score at least as high."""
    truth, p = target.truth(cases), target.probability(cases)
    own = np.flatnonzero(truth)
    if len(own) > LISTED_UP_TO:
        return []
    order = sorted(own.tolist(), key=lambda i: (-p[i], str(cases.names[i])))
    return [
        row | {"negatives_as_high": int((p[~truth] >= row["probability"]).sum())}
        for row in patients(cases, target, order)
    ]
