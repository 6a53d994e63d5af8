"""How the rare-class protocol divides the patients: what is hidden, what stays unseen, what is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nmevision.errors import EvaluationError, Problems
from nmevision.evaluation.weighted import Floats
from nmevision.schema import Record

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


class Observed(Record):
    """What was found for the disease itself, to be set against the band of the surrogates."""

    name: str = Field(description="the disease, such as nme")
    shots: int = Field(ge=0, description="patients of it that the method had seen")
    method: str = Field(description="one of the protocol's methods, such as LDA")
    auroc: float = Field(ge=0, le=1)
    n_positive: int = Field(ge=1, description="patients of it that were judged")


class RareClassConfig(Record):
    """The protocol's choices, made beforehand."""

    surrogates: tuple[str, ...] = Field(
        default=(), description="classes hidden in turn; empty: all with enough patients"
    )
    shots: tuple[int, ...] = Field(default=(0, 1, 2, 5, 10), description="patients revealed")
    episodes: int = Field(default=200, ge=1, description="draws of the revealed patients, per class")
    unseen: int = Field(
        default=3, ge=0, description="further surrogates hidden from training, present in the test"
    )
    images: Literal["one", "all"] = Field(default="one", description="images of each revealed patient")
    min_patients: int = Field(default=20, ge=4, description="of a surrogate")
    seed: int = 0
    observed: tuple[Observed, ...] = Field(
        default=(), description="figures of the disease itself, told to lie inside the band or outside"
    )


@dataclass(frozen=True, eq=False)
class Embedded:
    """N images of P patients as numbers. patient: N indices below P. label, source: of each patient.

    colours: N x C shares of colours, where there are any: what they alone tell stands beside the features.
    """

    features: Floats
    patient: Ints
    label: Ints
    source: NDArray[np.object_]
    classes: tuple[str, ...]
    colours: Floats | None = None

    @property
    def of_patients(self) -> Floats:
        """Return the mean over each patient's images, P x D."""
        return self.mean_of(self.features)

    def mean_of(self, values: Floats) -> Floats:
        """Return the mean over each patient's images of any values (N x D), P x D."""
        sums = np.zeros((len(self.label), values.shape[1]))
        np.add.at(sums, self.patient, values)
        return sums / np.bincount(self.patient, minlength=len(self.label))[:, None]


def surrogates_of(data: Embedded, config: RareClassConfig) -> tuple[int, ...]:
    """Return the classes to hide; raise EvaluationError where those asked for are not there or too few are."""
    counts = np.bincount(data.label, minlength=len(data.classes))
    problems = Problems()
    for name in config.surrogates:
        if name not in data.classes:
            problems.add(
                f"surrogate '{name}' is no class of these patients; there are: {', '.join(data.classes)}"
            )
        elif counts[data.classes.index(name)] < config.min_patients:
            problems.add(
                f"surrogate '{name}' has {counts[data.classes.index(name)]} patients, fewer than {config.min_patients}"
            )
    if any(k < 0 for k in config.shots) or not config.shots:
        problems.add(f"shots {config.shots}; expected numbers from 0")
    names = config.surrogates or [
        name for name, n in zip(data.classes, counts, strict=True) if n >= config.min_patients
    ]
    if not names:
        problems.add(f"no class has {config.min_patients} patients; the largest has {counts.max()}")
    if (counts > 0).sum() < 2:
        problems.add("one class only; expected the surrogate and others")
    problems.raise_if_any(EvaluationError, "rare-class protocol")
    return tuple(data.classes.index(name) for name in names)


def unseen_of(hidden: int, surrogates: Sequence[int], n_classes: int, wanted: int) -> tuple[int, ...]:
    """Return the surrogates that stay unseen beside a hidden one: the next in order, leaving two classes known.

    >>> unseen_of(2, (0, 1, 2, 3), 6, 3)
    (3, 0, 1)
    """
    at = surrogates.index(hidden)
    others = [*surrogates[at + 1 :], *surrogates[:at]]
    return tuple(others[: max(0, min(wanted, n_classes - 3))])


def divide(
    data: Embedded, hidden: int, unseen: Sequence[int], config: RareClassConfig
) -> tuple[list[Bools], str]:
    """Return the test patients of each division: one source left out at a time, or two random halves.

    A source can be left out where it has positives and known negatives and the other sources have positives to reveal.
    """
    own, known = data.label == hidden, ~np.isin(data.label, [hidden, *unseen])
    most = max(config.shots)
    tests = [data.source == s for s in sorted(set(data.source))]
    usable = [
        t
        for t in tests
        if (t & own).sum() >= 2 and (t & known).any() and (~t & own).sum() >= most and (~t & known).any()
    ]
    if len(usable) > 1:
        return usable, f"{len(usable)} sources left out in turn"
    generator = np.random.default_rng([config.seed, hidden])
    first = np.zeros(len(data.label), dtype=bool)
    for k in np.unique(data.label):
        rows = generator.permutation(np.flatnonzero(data.label == k))
        first[rows[: len(rows) // 2]] = True
    return [first, ~first], "two random halves (no two sources can be left out)"
