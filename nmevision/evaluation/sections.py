"""What the report says beyond the scores: calibration, abstention, prevalence, decisions and subgroups."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation import calibration
from nmevision.evaluation.abstention import AtCoverage, at_coverage, risk_coverage
from nmevision.evaluation.attributes import attributes_of
from nmevision.evaluation.decision_curve import NetBenefit, decision_curve
from nmevision.evaluation.drafts import Target
from nmevision.evaluation.intervals import Interval
from nmevision.evaluation.metrics import Value, mass_bins
from nmevision.evaluation.prevalence import PREVALENCES, AtPrevalence, at_prevalence, shift_prior
from nmevision.evaluation.reliability import (
    ERRORS,
    BeyondChance,
    Decomposition,
    beyond_chance,
    class_wise,
    consistency_band,
    corp,
    isotonic_band,
)
from nmevision.evaluation.subgroups import Subgroups, subgroups
from nmevision.evaluation.truth import Cases
from nmevision.evaluation.weighted import Floats
from nmevision.manifest import Manifest

CLINIC = 0.01
"""Prevalence of the decision curve: a clinic's pre-selected patients, never the share in the set."""
CURVE_POINTS = 101
"""Points of an isotonic curve that a report keeps; between them it is drawn straight."""


@dataclass(frozen=True)
class Measured:
    """A number with its interval."""

    value: Value
    interval: Interval


@dataclass(frozen=True)
class Bin:
    """An equal-mass bin: mean probability, the share that came true, and where it lies if calibrated."""

    n: int
    probability: float
    share: float
    consistent_low: float
    consistent_high: float


@dataclass(frozen=True)
class CalibrationSection:
    """How far the positive's probability is from what came true.

    no_claim: why nothing is claimed of it, or "". errors: by name, see reliability.ERRORS; class_wise: of
    every class, and their mean. band: (probability, low, high) of the isotonic curve where positives are
    too few for bins, else empty.
    """

    no_claim: str
    decomposition: Decomposition
    errors: dict[str, BeyondChance]
    in_the_large: Measured
    slope: Measured
    expected_to_observed: Measured
    class_wise: dict[str, BeyondChance]
    class_wise_mean: Value
    bins: tuple[Bin, ...]
    band: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class AbstentionSection:
    """What leaving the least sure patients to a human does; confidence = the largest probability.

    aurc, excess_aurc, augrc: of the errors of the most probable class over all classes.
    """

    aurc: Value
    excess_aurc: Value
    augrc: Value
    at_coverage: tuple[AtCoverage, ...]


@dataclass(frozen=True)
class DecisionSection:
    """Net benefit at `prevalence`, the probabilities moved there from this set's share of positives."""

    prevalence: float
    curve: tuple[NetBenefit, ...]


@dataclass(frozen=True)
class Sections:
    """All of it for one positive. prevalence: of calling the most probable class."""

    calibration: CalibrationSection
    abstention: AbstentionSection
    prevalence: tuple[AtPrevalence, ...]
    decisions: DecisionSection
    subgroups: tuple[Subgroups, ...]


def sections(cases: Cases, positive: Target, manifest: Manifest, seed: int) -> Sections:
    """Return every section about `positive` from the scored patients.

    manifest: says what is known of the patients (attributes_of); seed: of every simulation.
    """
    truth, called = positive.truth(cases), positive.called(cases)
    p = np.clip(positive.probability(cases), 0, 1)
    confidence = cases.probabilities.max(axis=1)
    risk = risk_coverage(confidence, cases.labels != cases.predicted)
    tp, fp = int((truth & called).sum()), int((~truth & called).sum())
    fn, tn = int(truth.sum()) - tp, int((~truth).sum()) - fp
    return Sections(
        calibration=_calibration(cases, truth, p, seed),
        abstention=AbstentionSection(
            risk.aurc, risk.excess, risk.augrc, tuple(at_coverage(truth, called, confidence))
        ),
        prevalence=tuple(at_prevalence(tp, fn, fp, tn, share) for share in PREVALENCES),
        decisions=DecisionSection(CLINIC, tuple(_decisions(truth, p))),
        subgroups=tuple(
            subgroups(truth, p, called, groups, name)
            for name, groups in attributes_of(cases, manifest).items()
        ),
    )


def _decisions(truth: NDArray[np.bool_], p: Floats) -> list[NetBenefit]:
    share = float(truth.mean())
    if 0 < share < 1:
        p = shift_prior(np.stack([1 - p, p], axis=1), [1 - share, share], [1 - CLINIC, CLINIC])[:, 1]
    return decision_curve(truth, p, prevalence=CLINIC)


def _calibration(cases: Cases, truth: NDArray[np.bool_], p: Floats, seed: int) -> CalibrationSection:
    no_claim = calibration.why_no_claim(int(truth.sum()))
    by_class, mean = class_wise(cases.labels, np.clip(cases.probabilities, 0, 1), seed)
    decomposition = corp(truth, p)
    bins = mass_bins(p)
    low, high = consistency_band(p, bins, seed)
    found = calibration.reliability_bins(truth, p)
    band = np.stack(isotonic_band(truth, p, seed), axis=1) if no_claim else np.empty((0, 3))
    return CalibrationSection(
        no_claim=no_claim,
        decomposition=replace(decomposition, curve=_thinned(np.array(decomposition.curve))),
        errors={name: beyond_chance(error, truth, p, seed) for name, error in ERRORS.items()},
        in_the_large=Measured(*calibration.in_the_large(truth, p)),
        slope=Measured(*calibration.slope(truth, p)),
        expected_to_observed=Measured(*calibration.expected_to_observed(truth, p)),
        class_wise=dict(zip(cases.classes, by_class, strict=True)),
        class_wise_mean=mean,
        bins=tuple(
            Bin(one.n, one.probability, one.share, float(least), float(most))
            for one, least, most in zip(found, low, high, strict=True)
        ),
        band=_thinned(band),
    )


def _thinned(rows: Floats) -> tuple[tuple[float, ...], ...]:
    """Return at most CURVE_POINTS of the rows, evenly spread, first and last included."""
    kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), CURVE_POINTS)).round().astype(int))
    return tuple(tuple(round(float(value), 6) for value in rows[i]) for i in kept) if len(rows) else ()
