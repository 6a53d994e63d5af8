"""The parts of an answer to one case, as plain frozen records that become JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nmevision.knowledge.clinical_data import ClinicalData, Statement
from nmevision.knowledge.observations import Floats
from nmevision.knowledge.tables import Modality

Status = Literal["answered", "abstained", "error"]


@dataclass(frozen=True)
class Observed:
    """One case: what was seen (1 x J x 4 of `observations`), what was in the field, and the clinical data."""

    id: str
    evidence: Floats
    fields: Mapping[str, bool] = field(default_factory=dict)
    """Keys of FIELDS that are known to be in the field (True) or not (False)."""
    clinical: ClinicalData = field(default_factory=ClinicalData)


@dataclass(frozen=True)
class GroupAnswer:
    """P(group | findings) and its range over the profiles that the sources allow."""

    key: str
    name: str
    note: str
    probability: float
    low: float
    high: float


@dataclass(frozen=True)
class MemberAnswer:
    """P(member | its group); None, with words instead, where nothing tells it from the other members."""

    key: str
    name: str
    group: str
    within_group: float | None
    low: float | None
    high: float | None
    no_number: str
    """Why it has no number, "" where it has one."""
    statement: str
    """What tells it from the other members."""
    next_tests: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """One graded finding: what was seen, what was expected, and what it weighs in decibans."""

    finding: str
    name: str
    grade: float
    leader_expects: float
    rival_expects: float
    decibans: float
    """For the leading group against the runner-up."""
    focus_decibans: float
    """For the necrolytic group against all others."""


@dataclass(frozen=True)
class LookNext:
    """A finding that is not graded yet, and how many bits it is expected to tell about the group."""

    finding: str
    name: str
    bits: float


@dataclass(frozen=True)
class Step:
    """A next step to consider, for a clinician."""

    text: str
    when: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """All that is said of one case; `to_dict` makes JSON of it."""

    id: str
    modality: Modality
    status: Status
    headline: str
    message: str = ""
    n_graded: int = 0
    n_findings: int = 0
    groups: tuple[GroupAnswer, ...] = ()
    members: tuple[MemberAnswer, ...] = ()
    leader: str = ""
    rival: str = ""
    reasons: tuple[Reason, ...] = ()
    look_next: tuple[LookNext, ...] = ()
    clinical: tuple[Statement, ...] = ()
    fit: float | None = None
    """Tail probability of the best profile's surprise (see `novelty`)."""
    caveats: tuple[str, ...] = ()
    workup: tuple[Step, ...] = ()
    prior: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return asdict(self)
