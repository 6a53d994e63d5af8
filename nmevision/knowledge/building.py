"""Profile models made from the knowledge base or from any profiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nmevision.errors import ConfigError, Problems, did_you_mean
from nmevision.knowledge.model import OTHER, Component, ProfileModel
from nmevision.knowledge.tables import Knowledge, Modality

TAU: dict[str, float] = {"u": 0.5, "a": 0.75, "c": 1.25, "t": 1.25}
"""Standard deviation of the expected grade by evidence tag (the project's knowledge base, section 4.1)."""
SIGMA = 0.8
"""Spread of the latent grade between cases of one diagnosis (worked example of the project's knowledge base, section 4.1)."""
LAPSE = 0.01
"""Share of grades that are slips of the pen, so that one finding says 26 decibans at most. Our choice."""


class Expectation(NamedTuple):
    """What a profile expects of one finding: a grade, and how far the truth may be from it."""

    grade: float
    tau: float


UNKNOWN = Expectation(1.5, 1.5)
"""Nothing is known: almost even odds of the four grades, worth 0.28 of a case. Our choice."""

CellLike = str | tuple[float, float]


def expectation(cell: CellLike) -> Expectation:
    """Return a cell as an expectation; a text is a grade and its evidence tag.

    Raises ConfigError where the cell is neither that nor a finite grade with a tau above 0.

    >>> expectation("3a")
    Expectation(grade=3.0, tau=0.75)
    """
    if isinstance(cell, str):
        if len(cell) != 2 or cell[0] not in "0123" or cell[1] not in TAU:
            raise ConfigError(f"found '{cell}'; expected a grade 0-3 and a tag of {', '.join(TAU)}, as in 3a")
        return Expectation(float(cell[0]), TAU[cell[1]])
    grade, tau = map(float, cell)
    if not np.isfinite([grade, tau]).all() or tau <= 0:
        raise ConfigError(
            f"found the grade {grade:g} with tau {tau:g}; expected finite numbers and a tau above 0"
        )
    return Expectation(grade, tau)


def model_of_profiles(
    profiles: Mapping[str, Mapping[str, CellLike]],
    *,
    findings: Sequence[str] | None = None,
    group_of: Mapping[str, str] | None = None,
    sigma: float | Mapping[str, float] = SIGMA,
    stage_counts: Mapping[str, float] | None = None,
    lapse: float = LAPSE,
    with_other: bool = True,
) -> ProfileModel:
    """Return the model of any profiles.

    Args:
        profiles: `diagnosis` or `diagnosis:stage` -> finding -> "3a" or (grade, tau). A profile without any cells
            ({}) is UNKNOWN throughout: a diagnosis that only its cases will describe.
        findings: the findings to use, in order; by default those of the first profile that has any.
        group_of: group of each diagnosis; by default each is its own.
        sigma: one spread for all findings or one for each; above 0.
        stage_counts: Dirichlet counts by profile key; 1 each by default, which makes stages equally likely.
        lapse: share of slips, above 0 and below 1.
        with_other: whether `other` competes.

    Raises:
        ConfigError: with every missing or odd cell and number.
    """
    keys = tuple(findings if findings is not None else next((p for p in profiles.values() if p), {}))
    components = tuple(Component(*(key.split(":", 1) if ":" in key else (key, ""))) for key in profiles)
    groups = dict(group_of) if group_of else {c.diagnosis: c.diagnosis for c in components}
    problems = Problems()
    cells = [[_cell(key, of, finding, problems) for finding in keys] for key, of in profiles.items()]
    spread = [_number(sigma, key, "sigma", problems) for key in keys]
    counts = [_number(stage_counts or 1.0, key, "stage_counts", problems) for key in profiles]
    _check(profiles, keys, components, groups, lapse, problems)
    problems.raise_if_any(ConfigError, "profiles")
    table = np.array(cells, dtype=np.float64)
    return ProfileModel(
        findings=keys,
        components=components,
        group_of={c.diagnosis: groups[c.diagnosis] for c in components} | {OTHER: OTHER},
        means=table[..., 0],
        taus=table[..., 1],
        sigma=np.array(spread),
        stage_counts=np.array(counts),
        cases=np.zeros(table.shape[:2]),
        lapse=lapse,
        with_other=with_other,
    )


def model_of_knowledge(
    knowledge: Knowledge,
    modality: Modality,
    *,
    findings: Collection[str] | None = None,
    diagnoses: Collection[str] | None = None,
    sigma: float | Mapping[str, float] = SIGMA,
    lapse: float = LAPSE,
    with_other: bool = True,
) -> ProfileModel:
    """Return the model of the knowledge's profiles of a modality, or of some findings and diagnoses of it.

    Raises ConfigError where no profile is left.
    """
    keys = [f.key for f in knowledge.findings_of(modality) if findings is None or f.key in findings]
    chosen = [p for p in knowledge.profiles_of(modality) if diagnoses is None or p.diagnosis in diagnoses]
    return model_of_profiles(
        {p.key: {key: str(cell) for key, cell in p.cells.items()} for p in chosen},
        findings=keys,
        group_of=knowledge.group_of,
        sigma=sigma,
        lapse=lapse,
        with_other=with_other,
    )


def _cell(profile: str, cells: Mapping[str, CellLike], finding: str, problems: Problems) -> Expectation:
    """Return one cell; note it where it is missing from a profile that has others, or is odd."""
    if cells and finding not in cells:
        problems.add(f"profile '{profile}': '{finding}' is missing{did_you_mean(finding, cells)}")
    try:
        return expectation(cells.get(finding, UNKNOWN))
    except ConfigError as odd:
        problems.add(f"profile '{profile}', '{finding}': {odd}")
        return UNKNOWN


def _number(given: float | Mapping[str, float], key: str, what: str, problems: Problems) -> float:
    """Return a number for `key`, given once for all or in a mapping; note it where it is not above 0."""
    if isinstance(given, Mapping) and key not in given:
        problems.add(f"{what}: '{key}' is missing; give a number above 0 for each")
        return 1.0
    value = float(given[key] if isinstance(given, Mapping) else given)
    if not (np.isfinite(value) and value > 0):
        problems.add(f"{what} of '{key}': found {value:g}; expected a number above 0")
    return value


def _check(
    profiles: Mapping[str, Mapping[str, CellLike]],
    keys: Sequence[str],
    components: Sequence[Component],
    groups: Mapping[str, str],
    lapse: float,
    problems: Problems,
) -> None:
    """Note what makes no model: no profiles or findings, no group, a name that is taken, an odd lapse."""
    if not profiles or not keys:
        problems.add("no profile or no finding is left; give at least one of each")
    for diagnosis in dict.fromkeys(c.diagnosis for c in components):
        if diagnosis not in groups:
            problems.add(f"'{diagnosis}' has no group; name it in group_of")
        if diagnosis == OTHER:
            problems.add(f"'{diagnosis}': '{OTHER}' stands for what has no profile; use another name")
    if len(set(keys)) < len(keys):
        problems.add("a finding is listed twice")
    if not 0 < lapse < 1:
        problems.add(f"lapse: found {lapse:g}; expected a share above 0 and below 1")
