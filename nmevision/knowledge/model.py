"""The profile model: from graded findings to how well each diagnosis explains them.

One component is one diagnosis at one stage. For finding j in component c:

    latent grade     z ~ Normal(mu_cj, sigma_j^2),   expected grade mu_cj ~ Normal(m_cj, tau_cj^2)
    grade            z cut at 0.5, 1.5, 2.5, so P(g | c, j) are four differences of Phi with
                     mean m_cj and variance v_cj = sigma_j^2 + tau_cj^2
    slips            P'(g) = (1 - lapse) P(g) + lapse / 4: no grade is impossible
    likelihood       P(x | c) = product over findings of sum over g of evidence_j(g) P'(g | c, j)
    diagnosis        P(x | k) = sum over its stages s of weight_s P(x | k, s)
    other            one more component whose grades are independent, P'(g | other, j) being the mean of P'(g | c, j)
                     with equal weight for groups, then diagnoses, then stages: known findings in no known combination
    posterior        P(k | x) = prior_k P(x | k) / sum over all k

A missing finding drops out (its factor is 1). A finding that is alike in all diagnoses moves nothing, `other`
included. Findings count as independent given diagnosis and stage; where they go together (pallor and
ballooning), posteriors are surer than they should be.

Source: the project's knowledge base, section 4.1. `building` makes models, `learning` updates them with cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nmevision.knowledge.observations import Floats, grade_masses, is_missing
from nmevision.special import logsumexp

OTHER = "other"
"""The class, and its group, of what no profile describes."""


class Component(NamedTuple):
    """One diagnosis at one stage ("" where it has none)."""

    diagnosis: str
    stage: str

    def __str__(self) -> str:
        return f"{self.diagnosis}:{self.stage}" if self.stage else self.diagnosis


@dataclass(frozen=True, eq=False)
class ProfileModel:
    """Diagnoses as profiles of expected grades: C components (K classes with `other`) over J findings."""

    findings: tuple[str, ...]
    components: tuple[Component, ...]
    group_of: Mapping[str, str]
    """Group of every class; `other` is its own."""
    means: Floats
    """C x J expected grades m."""
    taus: Floats
    """C x J standard deviations > 0 of the expected grades."""
    sigma: Floats
    """J spreads > 0 of the latent grade, shared by all diagnoses."""
    stage_counts: Floats
    """C numbers > 0, a Dirichlet over the stages of each diagnosis: 1 each is even, and a case adds 1."""
    cases: Floats
    """C x J real cases behind each expected grade (a case may count for several stages in part)."""
    lapse: float
    """Share of slips, above 0 and below 1."""
    with_other: bool

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Return the diagnoses in order, then `other`: the order of every vector of classes."""
        named = tuple(dict.fromkeys(c.diagnosis for c in self.components))
        return (*named, OTHER) if self.with_other else named

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Return the groups in order of their first diagnosis: the order of every vector of groups."""
        return tuple(dict.fromkeys(self.group_of[key] for key in self.classes))

    @cached_property
    def stages_of(self) -> dict[str, list[int]]:
        """Return the numbers of every class's components; `other` is the last one."""
        owners = [c.diagnosis for c in self.components] + [OTHER] * self.with_other
        return {key: [i for i, owner in enumerate(owners) if owner == key] for key in self.classes}

    @cached_property
    def members(self) -> Floats:
        """Return K x G: 1 where a class belongs to a group, so that `posterior @ members` is by group."""
        return np.array(
            [[float(self.group_of[key] == group) for group in self.groups] for key in self.classes]
        )

    @cached_property
    def even_prior(self) -> Floats:
        """Return the default prior over classes: even over groups, then within each. Never a frequency."""
        return 1 / (len(self.groups) * (self.members @ self.members.sum(axis=0)))

    @cached_property
    def stage_weights(self) -> Floats:
        """Return P(stage | diagnosis) of the C named components: the mean of the Dirichlet `stage_counts`."""
        weights = np.empty(len(self.components))
        for key, stages in self.stages_of.items():
            if not (self.with_other and key == OTHER):
                weights[stages] = self.stage_counts[stages] / self.stage_counts[stages].sum()
        return weights

    @cached_property
    def table(self) -> Floats:
        """Return P'(g | component, finding), C' x J x 4; C' counts `other`, the last, where it competes."""
        return self._tables(self.means, self.taus)

    def _tables(self, means: Floats, taus: Floats) -> Floats:
        """Return the grade probabilities of expected grades ... x C x J, `other` appended."""
        masses = grade_masses(means, self.sigma**2 + taus**2)
        named = (1 - self.lapse) * masses + self.lapse / 4
        if not self.with_other:
            return named
        average = np.einsum("c,...cjg->...jg", self._shares_of_other, named)
        return np.concatenate([named, average[..., None, :, :]], axis=-3)

    @cached_property
    def _shares_of_other(self) -> Floats:
        """Return the weight of each named component in `other`: equal groups, then diagnoses, then stages."""
        named = [key for key in self.classes if key != OTHER]
        in_group = [self.group_of[key] for key in named]
        n_groups = len(set(in_group))
        sizes = {
            key: n_groups * in_group.count(self.group_of[key]) * len(self.stages_of[key]) for key in named
        }
        return np.array([1 / sizes[c.diagnosis] for c in self.components])

    def finding_log_likelihoods(self, evidence: Floats) -> Floats:
        """Return ln P(what was seen of finding j | component), N x J x C'; exactly 0 where it is missing.

        evidence: N x J x 4 from `observations`, findings in the order of `findings`.
        """
        likelihoods = np.einsum("njg,cjg->njc", evidence, self.table)
        return np.where(is_missing(evidence)[..., None], 0.0, np.log(likelihoods))

    def component_log_likelihoods(self, evidence: Floats) -> Floats:
        """Return ln P(all that was seen | component), N x C', without the weights of the stages."""
        return self.finding_log_likelihoods(evidence).sum(axis=1)

    def log_likelihoods(self, evidence: Floats) -> Floats:
        """Return ln P(all that was seen | class), N x K in the order of `classes`."""
        return self.over_stages(self.component_log_likelihoods(evidence))

    def over_stages(self, by_component: Floats) -> Floats:
        """Return log likelihoods ... x K of classes from those ... x C' of components."""
        logs = by_component + np.log(np.append(self.stage_weights, [1.0] * self.with_other))
        return np.stack([logsumexp(logs[..., s], axis=-1) for s in self.stages_of.values()], axis=-1)

    def posterior(self, evidence: Floats, prior: ArrayLike | None = None) -> Floats:
        """Return P(class | findings), N x K, rows summing to 1.

        prior: K numbers > 0 in the order of `classes`; `even_prior` by default.
        """
        return normalised(
            self.log_likelihoods(evidence) + np.log(self.even_prior if prior is None else prior)
        )

    def posterior_draws(self, evidence: Floats, prior: ArrayLike, tables: Floats) -> Floats:
        """Return P(class | one case) under each of D drawn sets of profiles, D x K.

        Args:
            evidence: 1 x J x 4.
            prior: K numbers > 0.
            tables: D x C' x J x 4 from `draw_tables`.
        """
        likelihoods = np.einsum("jg,dcjg->dcj", evidence[0], tables)
        logs = np.where(is_missing(evidence)[0], 0.0, np.log(likelihoods)).sum(axis=-1)
        return normalised(self.over_stages(logs) + np.log(prior))

    def draw_tables(self, draws: int, seed: int) -> Floats:
        """Return the grade probabilities of D sets of expected grades drawn within their tau, D x C' x J x 4.

        The spread of the answers over the draws says how far the profiles themselves are known.
        """
        noise = np.random.default_rng(seed).standard_normal((draws, *self.means.shape))
        return self._tables(self.means + noise * self.taus, np.zeros_like(self.taus))


def normalised(logs: Floats) -> Floats:
    """Return exp(logs) scaled so that the last axis sums to 1."""
    return np.exp(logs - logsumexp(logs, axis=-1, keepdims=True))
