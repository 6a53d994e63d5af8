"""The prior: how likely each group and diagnosis is before anything is seen. Always stated, never a frequency.

A prior file (YAML) holds weights, of which only the ratios count:

    groups: {necrolytic: 1, psoriasiform: 5, spongiotic: 10, ...}      # all groups with a profile, and `other`
    members: {necrolytic: {nme: 1, acrodermatitis_enteropathica: 2, ...}}  # all members of the groups named
    comparison_rates: {diabetes: {k: 12, n: 100, source: "own clinic 2019-2024, not NME"}}

Whatever is left out is even: groups among themselves, members within their group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from nmevision.errors import ConfigError, Problems, did_you_mean
from nmevision.knowledge.model import OTHER, ProfileModel
from nmevision.knowledge.observations import Floats
from nmevision.schema import Record, read_yaml, validate


class Rate(Record):
    """A proportion with its source: k of n patients."""

    k: int = Field(ge=0)
    n: int = Field(gt=0)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _k_is_at_most_n(self) -> Rate:
        if self.k > self.n:
            raise ValueError(f"k is {self.k} and n is {self.n}; k is at most n")
        return self

    @property
    def smoothed(self) -> float:
        """Return (k + 1/2) / (n + 1), the posterior mean under Jeffreys' Beta(1/2, 1/2): never 0 or 1."""
        return (self.k + 0.5) / (self.n + 1)

    def __str__(self) -> str:
        return f"{self.k}/{self.n}"


class Prior(Record):
    """Weights over groups and members; `Prior()` is even over groups, then within each group."""

    groups: Mapping[str, float] = Field(default_factory=dict)
    members: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)
    comparison_rates: Mapping[str, Rate] = Field(default_factory=dict)
    """How often a clinical feature is seen in the members of a group that have no cited rate of their own."""

    def over_classes(self, model: ProfileModel) -> Floats:
        """Return P(class), K numbers in the order of `model.classes`, summing to 1.

        Raises ConfigError with every group or member that is unknown, missing or not above 0.
        """
        problems = Problems()
        by_group = _weights(self.groups, model.groups, "groups", problems)
        problems_of = [group for group in self.members if group not in model.groups]
        for group in problems_of:
            problems.add(f"members: unknown group '{group}'{did_you_mean(group, model.groups)}")
        within = {
            group: _weights(self.members.get(group, {}), keys, f"members of {group}", problems)
            for group in model.groups
            if (keys := [key for key in model.classes if model.group_of[key] == group])
        }
        problems.raise_if_any(ConfigError, "prior")
        return np.array([by_group[g := model.group_of[key]] * within[g][key] for key in model.classes])

    def within(self, group: str, members: Iterable[str]) -> dict[str, float]:
        """Return P(member | group), summing to 1."""
        problems = Problems()
        weights = _weights(self.members.get(group, {}), list(members), f"members of {group}", problems)
        problems.raise_if_any(ConfigError, "prior")
        return weights

    def in_words(self) -> str:
        """Return the prior as a sentence for the reader of an answer."""
        groups = _listed(self.groups) or "even over groups"
        members = "; ".join(f"within {group}: {_listed(of)}" for group, of in self.members.items())
        return f"Prior: {groups}; {members or 'even within each group'}; never a training frequency."


def load_prior(path: Path) -> Prior:
    """Read a prior file; raise ConfigError with every mistake in it."""
    return validate(Prior, read_yaml(path, ConfigError), str(path), ConfigError)


def _listed(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {weight:g}" for key, weight in weights.items())


def _weights(
    given: Mapping[str, float], keys: Iterable[str], what: str, problems: Problems
) -> dict[str, float]:
    """Return the weights of `keys`, summing to 1; note those unknown, missing or not above 0."""
    wanted = list(keys)
    if not given:
        return dict.fromkeys(wanted, 1 / len(wanted))
    for key, weight in given.items():
        if key not in wanted:
            problems.add(f"{what}: unknown '{key}'{did_you_mean(key, wanted)}; known: {', '.join(wanted)}")
        elif not (np.isfinite(weight) and weight > 0):
            problems.add(f"{what}: '{key}' has the weight {weight:g}; expected a number above 0")
    for key in wanted:
        if key not in given:
            hint = f" ('{OTHER}' stands for what no profile describes)" if key == OTHER else ""
            problems.add(f"{what}: '{key}' is missing{hint}; give every weight or none")
    total = sum(given.get(key, 1.0) for key in wanted)
    return {key: given.get(key, 1.0) / total for key in wanted}
