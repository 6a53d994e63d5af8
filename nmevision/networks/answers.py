"""From what a network puts out to the columns of predictions.csv: the same for a batch, a correction, a resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmevision.grades import STEPS, expected_grade, grade_probabilities, grade_spread
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.route import KnowledgeRoute, Reading
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.networks.tasks import ATTENTION, DIAGNOSIS, FEATURES, FIELDS, FINDINGS
from nmevision.predictions import (
    FIT,
    KNOWLEDGE_GROUP_PREFIX,
    KNOWLEDGE_PREFIX,
    LEARNED_PREFIX,
    NOVELTY,
    PROBABILITY_PREFIX,
    SPREAD_PREFIX,
)
from nmevision.special import expit, softmax

if TYPE_CHECKING:
    from nmevision.networks.bundle import Bundle, BundleInfo

Floats = NDArray[np.float64]
Columns = dict[str, Floats]
"""Column of predictions.csv -> N numbers."""


def route_of(info: BundleInfo) -> KnowledgeRoute:
    """Return the knowledge's reading of this model's findings."""
    return KnowledgeRoute(
        load_knowledge(),
        info.modality,
        info.taxonomy,
        [finding.key for finding in info.findings],
        [finding.confusion for finding in info.findings],
    )


def of_learned(learned: Floats, has_images: NDArray[np.bool_]) -> Floats:
    """Return N x D shares among the diagnoses that have training images alone, 0 for the others."""
    learned = np.where(has_images, learned, 0)
    total = learned.sum(axis=1, keepdims=True)
    return np.divide(learned, total, out=np.zeros_like(learned), where=total > 0)


class Graded(NamedTuple):
    """What a network sees of N images: expected grades and their spreads, N x J, and what is in the field."""

    means: Floats
    spreads: Floats
    fields: Columns


def graded(
    outputs: Mapping[str, NDArray[np.floating]], temperatures: Sequence[float], fields: Sequence[str]
) -> Graded:
    """Return the grades that a network's outputs mean, in training and prediction alike.

    temperatures: of the J findings, J >= 1. fields: keys of what it looks for, in the order of the outputs.
    """
    steps = np.asarray(outputs[FINDINGS], np.float64).reshape(-1, len(temperatures), STEPS)
    p = grade_probabilities(steps, temperatures)
    odds = np.asarray(outputs[FIELDS], np.float64) if fields else np.empty((len(p), 0))
    return Graded(
        expected_grade(p), grade_spread(p), {key: expit(odds[:, j]) for j, key in enumerate(fields)}
    )


class AnswerMaker:
    """Makes the numeric columns of one bundle's answers."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.info = bundle, bundle.info
        self._has_images = np.array([key not in self.info.unlearned for key in self.info.taxonomy.keys])

    @cached_property
    def _route(self) -> KnowledgeRoute:
        return route_of(self.info)

    def from_outputs(self, outputs: Mapping[str, NDArray[np.floating]]) -> Columns:
        """Return the columns for a network's outputs: task -> N x logits, and FEATURES."""
        learned = softmax(np.asarray(outputs[DIAGNOSIS], np.float64) / self.info.temperature, axis=1)
        columns = {NOVELTY: self.bundle.novelty.score(outputs[FEATURES])}
        if ATTENTION in outputs:
            columns[ATTENTION] = np.asarray(outputs[ATTENTION], np.float64)[:, 0]
        if not self.info.findings:
            return self._named(PROBABILITY_PREFIX, learned) | columns
        learned = of_learned(learned, self._has_images)
        temperatures = [finding.temperature for finding in self.info.findings]
        seen = graded(outputs, temperatures, self.info.fields)
        columns |= self._named(LEARNED_PREFIX, learned)
        for j, finding in enumerate(self.info.findings):
            columns[FINDING_PREFIX + finding.key] = seen.means[:, j]
            columns[SPREAD_PREFIX + finding.key] = seen.spreads[:, j]
        return self.fused(columns | {FIELD_PREFIX + key: share for key, share in seen.fields.items()})

    def fused(self, columns: Columns, given: Columns | None = None) -> Columns:
        """Return the columns with the fused answer made anew, with the true grades that a person gave.

        given: finding -> N grades, NaN where none was given.
        Raises ConfigError where `given` names a finding that this model does not grade.
        """
        assert self.info.fusion is not None
        reading = self._read(columns, given)
        learned = self._stacked(LEARNED_PREFIX, columns)
        together = self.info.fusion.together(learned, reading.diagnoses, self._has_images)
        by_group = {
            KNOWLEDGE_GROUP_PREFIX + key: reading.groups[:, i] for i, key in enumerate(self._route.groups)
        }
        corrected: Columns = {}
        for key, grades in (given or {}).items():
            known = ~np.isnan(grades)
            corrected[FINDING_PREFIX + key] = np.where(known, grades, columns[FINDING_PREFIX + key])
            corrected[SPREAD_PREFIX + key] = np.where(known, 0.0, columns[SPREAD_PREFIX + key])
        return (
            self._named(PROBABILITY_PREFIX, together)
            | {name: values for name, values in columns.items() if not name.startswith(PROBABILITY_PREFIX)}
            | self._named(KNOWLEDGE_PREFIX, reading.diagnoses)
            | by_group
            | {FIT: reading.fit}
            | corrected
        )

    def _read(self, columns: Columns, given: Columns | None) -> Reading:
        keys = [finding.key for finding in self.info.findings]
        means = np.column_stack([columns[FINDING_PREFIX + key] for key in keys])
        spreads = np.column_stack([columns[SPREAD_PREFIX + key] for key in keys])
        fields = {key: columns[FIELD_PREFIX + key] for key in self.info.fields}
        return self._route.read(means, spreads, fields, given)

    def _named(self, prefix: str, values: Floats) -> Columns:
        return {prefix + key: values[:, i] for i, key in enumerate(self.info.taxonomy.keys)}

    def _stacked(self, prefix: str, columns: Columns) -> Floats:
        return np.column_stack([columns[prefix + key] for key in self.info.taxonomy.keys])
