"""The knowledge's way from an image to an answer: findings that a network graded, read by the cited profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmevision.errors import ConfigError, did_you_mean
from nmevision.knowledge.building import model_of_knowledge
from nmevision.knowledge.model import normalised
from nmevision.knowledge.novelty import tail_probabilities
from nmevision.knowledge.observations import Floats, confusion_rates, from_grades, from_mean_and_sd, misread
from nmevision.knowledge.tables import Knowledge, Modality
from nmevision.taxonomy import Taxonomy


class Reading(NamedTuple):
    """What the profiles say of N images."""

    diagnoses: Floats
    """N x D over the taxonomy's diagnoses, rows summing to 1; 0 for a diagnosis without a profile."""
    groups: Floats
    """N x G over `KnowledgeRoute.groups`, with an even prior over all of them; rows sum to 1."""
    fit: Floats
    """N tail probabilities of the best profile's surprise; small: like no profile."""


class KnowledgeRoute:
    """Reads grades as a bundle's network gives them; the same arithmetic in training and prediction.

    The prior is even over the taxonomy's diagnoses (and, for groups, even over groups): never a frequency.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        modality: Modality,
        taxonomy: Taxonomy,
        findings: Sequence[str],
        confusions: ArrayLike,
    ) -> None:
        """Make the model of all profiles over the findings that the knowledge describes.

        findings: keys as the network grades them; those without a profile row are left aside.
        confusions: J x 4 x 4 validation counts of (true, given) grade: the network's measurement error.
        """
        described = {finding.key for finding in knowledge.findings_of(modality)}
        self.findings = tuple(findings)
        used = [key for key in self.findings if key in described]
        self.model = model_of_knowledge(knowledge, modality, findings=used)
        self._columns = [self.findings.index(key) for key in self.model.findings]
        self._rates = confusion_rates(
            np.asarray(confusions, dtype=np.float64).reshape(-1, 4, 4)[self._columns]
        )
        needs = [knowledge.findings[key].needs for key in self.model.findings]
        self._needs = dict(zip(self.model.findings, needs, strict=True))
        self.groups = self.model.groups
        self._member = np.array(
            [
                [float(taxonomy.diagnosis_of(key) == own) for own in taxonomy.keys]
                for key in self.model.classes
            ]
        )

    @property
    def described(self) -> tuple[bool, ...]:
        """Tell for each diagnosis of the taxonomy whether a profile speaks for it."""
        return tuple(bool(column.any()) for column in self._member.T)

    def read(
        self,
        means: ArrayLike,
        spreads: ArrayLike,
        fields: Mapping[str, Floats] | None = None,
        given: Mapping[str, Floats] | None = None,
    ) -> Reading:
        """Return what the profiles say of N images.

        Args:
            means: N x J expected grades in the order of `findings`, NaN where not assessable.
            spreads: N x J standard deviations of the grades.
            fields: what is in the field -> N probabilities; below one half its findings are not assessable.
            given: finding -> N true grades that a person gave in place of the network's, NaN where none.

        Raises:
            ConfigError: `given` names a finding that the model does not grade.
        """
        evidence = self._evidence(np.asarray(means, np.float64), np.asarray(spreads, np.float64))
        for j, key in enumerate(self.model.findings):
            for need in self._needs[key]:
                if fields and need in fields:
                    evidence[fields[need] < 0.5, j] = 1.0
        for key, grades in (given or {}).items():
            if key not in self.model.findings:
                hint = did_you_mean(key, self.model.findings)
                raise ConfigError(f"'{key}' is no finding that this model grades{hint}")
            known = ~np.isnan(grades)
            evidence[known, self.model.findings.index(key)] = from_grades(grades[known, None])[:, 0]
        logs = self.model.log_likelihoods(evidence)
        even = normalised(logs + np.log(self.model.even_prior))
        return Reading(
            self._over_taxonomy(logs), even @ self.model.members, tail_probabilities(self.model, evidence)
        )

    def _evidence(self, means: Floats, spreads: Floats) -> Floats:
        """Return N x J' x 4 evidence of the described findings, the grader's own errors counted in."""
        return misread(from_mean_and_sd(means[:, self._columns], spreads[:, self._columns]), self._rates)

    def _over_taxonomy(self, logs: Floats) -> Floats:
        """Return N x D posteriors with an even prior over the taxonomy's diagnoses that have a profile."""
        prior = self._member / np.maximum(self._member.sum(axis=0), 1)  # even within each diagnosis
        likelihoods = np.exp(logs - logs.max(axis=1, keepdims=True)) @ prior
        total = likelihoods.sum(axis=1, keepdims=True)
        return np.divide(likelihoods, total, out=np.zeros_like(likelihoods), where=total > 0)
