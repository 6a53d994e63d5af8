"""Histology and clinical findings of one patient as one answer: Bayes over all diagnoses that any profile describes.

    P(d | histology, clinical) is proportional to prior(d) * L_histology(d) * L_clinical(d)

L(d) is how probable a modality's findings are in d, scaled so that its mean under the prior is 1. Both modalities count
as independent given the diagnosis (the independent opinion pool: Genest & Zidek 1986, doi:10.1214/ss/1177013825); where
they go together (a severe lesion is severe in both), the answer is surer than it should be. A modality keeps the factor
1 for a diagnosis that it does not describe: of that one the other modality alone speaks.

The members of the necrolytic group are told apart as `answer` does it: never by H&E, nor by the look of a lesion, but by
clinical findings that need a place or a history. All else that was seen moves the group as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nmevision.knowledge.answer import FOCUS
from nmevision.knowledge.building import CellLike, model_of_profiles
from nmevision.knowledge.observations import Bools, Floats
from nmevision.knowledge.prior import Prior
from nmevision.knowledge.tables import MODALITIES, Knowledge, Modality
from nmevision.taxonomy import Diagnosis, Group, Taxonomy

EVEN = 1e-9
"""Relative difference of likelihoods below which they tell nothing apart: rounding alone."""


class Joint(NamedTuple):
    """What several modalities say of N patients together."""

    posterior: Floats
    """N x K, rows summing to 1."""
    support: Floats
    """N: P(all that was seen) over the product of P(what each modality saw); 1 where only one saw anything."""


def scaled(likelihoods: Floats, prior: Floats) -> Floats:
    """Return likelihoods whose mean under the prior is 1, and 1 where there is none.

    So a modality never moves probability between what it describes and what it does not.

    Args:
        likelihoods: N x K numbers >= 0, known up to a factor of each row; NaN where not described.
        prior: K numbers > 0.

    >>> scaled(np.array([[0.2, 0.6, np.nan]]), np.array([0.25, 0.25, 0.5])).round(3).tolist()
    [[0.5, 1.5, 1.0]]
    """
    known = ~np.isnan(likelihoods)
    weights = np.where(known, prior, 0.0)
    total = (np.where(known, likelihoods, 0.0) * weights).sum(axis=-1, keepdims=True)
    mean = total / np.maximum(weights.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    return np.where(known, likelihoods / np.where(total > 0, mean, 1.0), 1.0)


def joint(prior: Floats, *parts: Floats) -> Joint:
    """Return the posterior of parts that are independent given the diagnosis; their order does not matter.

    Args:
        prior: K numbers > 0 that sum to 1.
        parts: of each modality N x K likelihoods as for `scaled`.
    """
    together = prior * np.prod([scaled(part, prior) for part in parts], axis=0)
    support = together.sum(axis=-1)
    return Joint(together / support[..., None], support)


def shared_within(likelihoods: Floats, prior: Floats, own: Bools, by: Floats | None = None) -> Floats:
    """Return likelihoods in which a group as a whole keeps its own, its members being told apart by `by` alone.

    Args:
        likelihoods: N x K, NaN where not described.
        prior: K numbers > 0.
        own: K, the members of the group.
        by: N x K likelihoods; rows of NaN, or None, tell no member apart.
    """
    weights = np.where(own & ~np.isnan(likelihoods), prior, 0.0)
    share = weights.sum(axis=-1, keepdims=True)
    whole = np.nansum(likelihoods * weights, axis=-1, keepdims=True) / np.where(share > 0, share, 1.0)
    apart = np.ones_like(likelihoods) if by is None else scaled(np.where(weights > 0, by, np.nan), prior)
    return np.where(weights > 0, whole * apart, likelihoods)


@dataclass(frozen=True)
class Cases:
    """N patients, by what the profiles say of their findings."""

    classes: Floats
    """N x K posteriors over `Combiner.classes` by all that was seen; the prior where nothing was."""
    members_apart: Bools
    """N, whether anything tells the members of the necrolytic group apart; else theirs are only the prior's shares."""
    groups: Mapping[Modality, Floats]
    """N x G posteriors over `Combiner.groups` by each modality alone."""
    conflict: Floats
    """N bits, log2 of P(histology) P(clinical) / P(both): above 0 each makes the other less expected (Jensen et al.
    1990, arXiv:1304.1146)."""


class Combiner:
    """Combines what the profiles of both modalities say, with one knowledge and one prior."""

    def __init__(self, knowledge: Knowledge, prior: Prior | None = None) -> None:
        """Raises ConfigError where the prior does not fit the knowledge's groups and members."""
        self.knowledge, self.prior = knowledge, prior or Prior()
        blank: dict[str, dict[str, CellLike]] = {
            p.diagnosis: {} for modality in MODALITIES for p in knowledge.profiles_of(modality)
        }
        model = model_of_profiles(blank, findings=("none",), group_of=knowledge.group_of)  # who, not what
        self.classes, self.groups, self.members = model.classes, model.groups, model.members
        self.group_of = model.group_of
        self.weights = self.prior.over_classes(model)
        self._of_focus = np.array([self.group_of[key] == FOCUS for key in self.classes])

    @property
    def taxonomy(self) -> Taxonomy:
        """Return all classes as a taxonomy, for a `KnowledgeRoute` that reads them all."""
        about = self.knowledge.diagnoses
        names = {key: about[key].name if key in about else "no profile's" for key in self.classes}
        return Taxonomy(
            name="all profiles",
            groups=tuple(Group(key=key, name=self.name_of(key)) for key in self.groups),
            diagnoses=tuple(
                Diagnosis(key=key, name=name, group=self.group_of[key]) for key, name in names.items()
            ),
        )

    def combine(self, likelihoods: Mapping[Modality, Floats], sites: Floats) -> Cases:
        """Return the answers to N patients.

        Args:
            likelihoods: of each modality N x K over `classes`; NaN where a class is not described, rows of NaN where
                a patient has no answered image.
            sites: N x K, by the clinical findings alone that need a place or a history; rows of NaN where none.
        """
        told = self._of_focus & ~np.isnan(sites)
        high, low = np.where(told, sites, 0.0).max(axis=1), np.where(told, sites, np.inf).min(axis=1)
        parts = {
            modality: shared_within(
                part, self.weights, self._of_focus, sites if modality == "clinical" else None
            )
            for modality, part in likelihoods.items()
        }
        found = joint(self.weights, *parts.values())
        alone = {
            modality: joint(self.weights, part).posterior @ self.members for modality, part in parts.items()
        }
        return Cases(found.posterior, high > (1 + EVEN) * low, alone, -np.log2(found.support))

    def name_of(self, group: str) -> str:
        """Return a group's name in words."""
        return self.knowledge.groups[group].name if group in self.knowledge.groups else group
