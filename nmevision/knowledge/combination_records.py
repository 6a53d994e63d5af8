"""One patient's answers by both modalities, as plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nmevision.knowledge.tables import MODALITIES, Modality


@dataclass(frozen=True)
class Side:
    """What one modality says of a patient."""

    samples: int
    answered: int
    group: str
    """The leading group of the model's own answer and its probability, then its leading diagnosis; "" for no answer."""
    p_group: float
    diagnosis: str
    p_diagnosis: float
    groups: Mapping[str, float]
    """The profiles' reading of its findings alone, by group; {} where no image was answered."""


@dataclass(frozen=True)
class Patient:
    """One patient's answers."""

    id: str
    sides: Mapping[Modality, Side]
    groups: Mapping[str, float]
    """By all findings together; {} where no image was answered."""
    diagnoses: Mapping[str, float]
    """The same by diagnosis; members of a group that nothing tells apart are left out."""
    conflict: float
    """Bits; above 0 each modality makes the other less expected."""
    group_of: Mapping[str, str]

    @property
    def answered(self) -> tuple[Modality, ...]:
        """Return the modalities that have an answer."""
        return tuple(key for key in MODALITIES if key in self.sides and self.sides[key].groups)

    @property
    def modalities(self) -> str:
        """Return `both`, `only histology`, `only clinical` or `none`: whose images were answered."""
        found = self.answered
        return "both" if len(found) == len(MODALITIES) else f"only {found[0]}" if found else "none"

    @property
    def group(self) -> str:
        """Return the leading group, "" without an answer."""
        return first(self.groups)

    @property
    def diagnosis(self) -> str:
        """Return the leading diagnosis of the leading group, "" where its members cannot be told apart."""
        return first({key: p for key, p in self.diagnoses.items() if self.group_of[key] == self.group})

    @property
    def agreement(self) -> str:
        """Return `disagree` where both lead to other groups and each makes the other less expected; "" for one alone."""
        if len(self.answered) < len(MODALITIES):
            return ""
        leaders = {first(side.groups) for side in self.sides.values()}
        return "disagree" if len(leaders) > 1 and self.conflict > 0 else "agree"


def first(shares: Mapping[str, float]) -> str:
    """Return the key of the largest share, "" where there is none."""
    return max(shares, key=lambda key: shares[key]) if shares else ""
