"""Is the model worse for some patients: each group against all others, and what too few patients cannot tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.errors import EvaluationError
from nmevision.evaluation.intervals import Interval, auroc_interval, clopper_pearson, no_interval, wilson
from nmevision.evaluation.metrics import Value, auroc, binary, undefined
from nmevision.evaluation.weighted import Floats

FEWEST = 5
"""Patients of a class without which a group's share of them is 'not estimable'."""
ODDS_POSITIVES, ODDS_NEGATIVES = 10, 30
"""Patients that every group needs before equalised odds are told."""
UNKNOWN = ""
"""Stands for a patient whose group is not known: in no comparison, and counted."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Gap:
    """One score of a group, and by how much it exceeds that of all other known patients."""

    value: Value
    interval: Interval
    difference: Value
    difference_interval: Interval


@dataclass(frozen=True)
class Group:
    """One group of patients."""

    name: str
    n_positive: int
    n_negative: int
    sensitivity: Gap
    specificity: Gap
    auroc: Gap


@dataclass(frozen=True)
class Subgroups:
    """Every group of one attribute. worst: the group with the lowest AUROC, None where none is estimable."""

    attribute: str
    groups: tuple[Group, ...]
    n_unknown: int
    worst: str | None
    equalised_odds: Value


def difference_interval(first: tuple[float, Interval], second: tuple[float, Interval]) -> Interval:
    """Return the interval of first - second from those of two independent estimates, by square-and-add.

    With Wilson limits this is Newcombe's method 10
    (doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I); in general MOVER (Zou & Donner
    2008, doi:10.1002/sim.3095).
    """
    (a, own), (b, other) = first, second
    if any(math.isnan(limit) for limit in (own.low, own.high, other.low, other.high)):
        return no_interval(own.reason or other.reason)
    return Interval(
        a - b - math.hypot(a - own.low, other.high - b),
        a - b + math.hypot(own.high - a, b - other.low),
        f"square-and-add of {own.method}",
    )


def _not_estimable(reason: str) -> Gap:
    none = undefined(f"not estimable: {reason}")
    return Gap(none, no_interval(""), none, no_interval(""))


def _few(n: int, kind: str, where: str = "") -> str:
    return f"{n} {kind}{where}, fewer than {FEWEST}" if n < FEWEST else ""


def _share_gap(of: Bools, right: Bools, own: Bools, rest: Bools, kind: str) -> Gap:
    """Return the share of `right` among `of` in a group, and its difference to the rest."""
    n, hit = int((of & own).sum()), int((of & own & right).sum())
    if n < FEWEST:
        return _not_estimable(_few(n, kind))
    value, interval = Value(hit / n), clopper_pearson(hit, n)
    others, hits = int((of & rest).sum()), int((of & rest & right).sum())
    if others < FEWEST:
        none = undefined(f"not estimable: {_few(others, kind, ' in the rest')}")
        return Gap(value, interval, none, no_interval(""))
    limits = difference_interval((hit / n, wilson(hit, n)), (hits / others, wilson(hits, others)))
    return Gap(value, interval, Value(hit / n - hits / others), limits)


def _auroc_gap(truth: Bools, scores: Floats, own: Bools, rest: Bools) -> Gap:
    """Return a group's AUROC and its difference to that of the rest."""
    few = [
        _few(int((of & part).sum()), kind, where)
        for part, where in ((own, ""), (rest, " in the rest"))
        for of, kind in ((truth, "positives"), (~truth, "negatives"))
    ]
    if few[0] or few[1]:
        return _not_estimable(few[0] or few[1])
    value, interval = auroc(truth[own], scores[own]), auroc_interval(truth[own], scores[own])
    if few[2] or few[3]:
        return Gap(value, interval, undefined(f"not estimable: {few[2] or few[3]}"), no_interval(""))
    other, others = auroc(truth[rest], scores[rest]), auroc_interval(truth[rest], scores[rest])
    limits = difference_interval((value.value, interval), (other.value, others))
    return Gap(value, interval, Value(value.value - other.value), limits)


def subgroups(
    labels: ArrayLike, scores: ArrayLike, called: ArrayLike, groups: ArrayLike, attribute: str
) -> Subgroups:
    """Return sensitivity, specificity and AUROC of each group and their differences to all other groups.

    labels: bool or 0/1 (n,); scores: (n,); called: bool (n,), the decisions; groups: texts (n,), UNKNOWN
    where not known. One entry is one patient. Below FEWEST positives (or negatives) a score is not
    estimable. Many groups are compared: the differences explore and prove nothing.
    """
    truth, values = binary(labels, scores)
    calls, names = np.asarray(called, dtype=bool), np.asarray(groups, dtype=object)
    if calls.shape != truth.shape or names.shape != truth.shape:
        raise EvaluationError(f"calls {calls.shape} and groups {names.shape}; expected {truth.shape}")
    known = names != UNKNOWN
    found = []
    for name in np.unique(names[known].astype(str)):
        own, rest = names == name, known & (names != name)
        found.append(
            Group(
                str(name),
                int((truth & own).sum()),
                int((~truth & own).sum()),
                _share_gap(truth, calls, own, rest, "positives"),
                _share_gap(~truth, ~calls, own, rest, "negatives"),
                _auroc_gap(truth, values, own, rest),
            )
        )
    scored = [group for group in found if group.auroc.value.known]
    return Subgroups(
        attribute,
        tuple(found),
        int((~known).sum()),
        min(scored, key=lambda group: group.auroc.value.value).name if scored else None,
        equalised_odds(found),
    )


def equalised_odds(groups: list[Group]) -> Value:
    """Return the larger of the spreads of sensitivity and of specificity over the groups; 0 is equal.

    Hardt, Price & Srebro 2016, arXiv:1610.02413. Only where every group has ODDS_POSITIVES positives and
    ODDS_NEGATIVES negatives: the largest of several small groups' differences is mostly noise.
    """
    if len(groups) < 2:
        return undefined("fewer than two groups")
    small = [g.name for g in groups if g.n_positive < ODDS_POSITIVES or g.n_negative < ODDS_NEGATIVES]
    if small:
        return undefined(
            f"not estimable: fewer than {ODDS_POSITIVES} positives or {ODDS_NEGATIVES} negatives in "
            + ", ".join(small)
        )
    spreads = [
        max(one) - min(one)
        for one in (
            [g.sensitivity.value.value for g in groups],
            [g.specificity.value.value for g in groups],
        )
    ]
    return Value(max(spreads))
