"""Prediction sets: what an answer cannot rule out, at a level that holds for the images of every class alone.

Class-conditional (Mondrian) conformal sets: a class is ruled out where its probability is lower than almost all
validation images of that class were given (Vovk 2012, arXiv:1209.2673). Training keeps one limit of each class and
the number of patients behind it; a class with too few patients is never ruled out, and its count is said instead.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from nmevision.predictions import (
    GROUP_PREFIX,
    PROBABILITY_PREFIX,
    SET,
    SET_GROUPS,
    SET_LEVEL,
    PredictionTable,
)
from nmevision.schema import Record

BETWEEN, NEVER_OUT, NOTHING = "; ", "?", "(none)"
"""Between the keys of a set; after one that is in every set for want of patients; a set without any."""
NOT_ESTIMABLE = "not estimable"
OF_SLIDE = f"{NOT_ESTIMABLE} for a whole slide: calibrated on single images"
BY_HAND = f"{NOT_ESTIMABLE}: grades were given by hand"


class SetLimit(Record):
    """From which probability on a class is in the set."""

    key: str
    patients: int = Field(ge=0, description="validation patients of this class")
    least: float | None = Field(
        default=None, ge=0, le=1, description="the limit; None: too few patients, it is in every set"
    )


class PredictionSets(Record):
    """How the sets of one model are made."""

    level: float = Field(gt=0, lt=1, description="share of each class's images whose set holds the class")
    needed: int = Field(ge=1, description="validation patients without which a class is never ruled out")
    diagnoses: tuple[SetLimit, ...] = Field(description="in the taxonomy's order")
    groups: tuple[SetLimit, ...] = Field(
        default=(), description="empty where they would repeat the diagnoses"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for limit in (*self.diagnoses, *self.groups):
            if (limit.least is None) != (limit.patients < self.needed):
                raise ValueError(
                    f"sets: {limit.key} has {limit.patients} patients of {self.needed} needed, and limit {limit.least}"
                )
        return self


def sets_in_words(limits: Sequence[SetLimit], needed: int, probabilities: NDArray[np.floating]) -> list[str]:
    """Return the set of each row: the keys that are in it, or that no set can be told.

    limits: of K classes. needed: patients without which there is no limit. probabilities: N x K.

    >>> limits = [SetLimit(key="a", patients=12, least=0.3), SetLimit(key="b", patients=2)]
    >>> sets_in_words(limits, 9, np.array([[0.4, 0.6], [0.1, 0.9]]))
    ['a; b?', 'b?']
    >>> sets_in_words(limits[1:], 9, np.array([[1.0]]))
    ['not estimable: n=2 of 9 patients needed']
    """
    counts = sorted({limit.patients for limit in limits})
    if all(limit.least is None for limit in limits):
        n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return [f"{NOT_ESTIMABLE}: n={n} of {needed} patients needed"] * len(probabilities)
    least = np.array([-np.inf if limit.least is None else limit.least for limit in limits])
    names = [limit.key + NEVER_OUT * (limit.least is None) for limit in limits]
    held = np.asarray(probabilities) >= least
    return [BETWEEN.join(names[k] for k in np.flatnonzero(row)) or NOTHING for row in held]


def with_sets(
    table: PredictionTable, sets: PredictionSets | None, slides: Collection[str] = ()
) -> PredictionTable:
    """Return the table with every answer's set beside its diagnosis; as it is where the model holds no limits.

    slides: ids of whole slides, to whose answers, made of many tiles, the limits of single images do not apply.
    """
    if sets is None:
        return table
    frame = table.frame.copy()
    answered = (frame["status"] != "error").to_numpy()
    whole = frame["id"].isin(list(slides)).to_numpy()
    place = list(frame.columns).index("diagnosis") + 1
    for name, prefix, limits in (
        (SET, PROBABILITY_PREFIX, sets.diagnoses),
        (SET_GROUPS, GROUP_PREFIX, sets.groups),
    ):
        if not limits:
            continue
        values = frame[[prefix + limit.key for limit in limits]].to_numpy(np.float64)
        told = np.array(sets_in_words(limits, sets.needed, np.nan_to_num(values)), dtype=object)
        frame.insert(place, name, np.where(answered, np.where(whole, OF_SLIDE, told), ""))
        place += 1
    frame.insert(place, SET_LEVEL, np.where(answered, f"{sets.level:g}", ""))
    return replace(table, frame=frame)
