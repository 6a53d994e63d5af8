"""Which grades a synthetic H&E field of a diagnosis is drawn with: the knowledge's profiles, with spread.

The profiles are a compilation of texts, most of it unverified; what is drawn from them is for software
tests and teaching, never a measured frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from nmevision.errors import DataError, did_you_mean
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import HIGHEST_GRADE, Profile
from nmevision.phantom.section_scales import SCALES, Grades

DIAGNOSES = ("nme", "psoriasis", "eczema", "normal")
"""What is drawn unless other diagnoses are asked for."""
NME = "nme"
CHANGED = {"a": 0.22, "u": 0.20, "c": 0.40, "t": 0.34}
"""Chance that a grade of 1 to 3 is drawn one higher or lower, by how well the profile's cell is evidenced."""
ALIKE = 1
"""Grades of NME and another deficiency dermatosis that differ by no more are drawn alike."""
STRAY = 0.03
"""Chance that a finding the profile says is absent is drawn at grade 1."""
NEVER_STRAY = (
    "full_thickness_necrosis_subepidermal_split",
    "acantholysis",
    "band_like_infiltrate",
    "vacuolar_interface_basal",
    "fungal_elements_corneum",
    "dermal_mucin",
)
"""Findings that define other diseases: drawn only where the profile has them."""
TOGETHER = 0.5
"""Correlation root: how much the findings of one field are marked or faint together."""
HORN_LOST = (0.04, 0.06, 0.12, 0.22)
"""Chance that the horn came off, by the grade of the cleft below it."""


@dataclass(frozen=True)
class Case:
    """What one field shows: its diagnosis and stage ("" where there is one profile), grades, and its horn."""

    diagnosis: str
    stage: str
    grades: Grades
    horn: bool = True


def drawn_diagnoses() -> tuple[str, ...]:
    """Return every diagnosis that H&E fields can be drawn of, in the order of the knowledge."""
    return tuple(dict.fromkeys(p.diagnosis for p in load_knowledge().profiles_of("histology")))


def stages_of(diagnosis: str) -> dict[str, Profile]:
    """Return the profile of every stage of a diagnosis.

    The deficiency dermatoses take the early and chronic profiles of NME, and their own as active: the same
    stages are described for zinc deficiency (source medscape-ae-workup of the knowledge). Where their own grade
    is within ALIKE of NME's, NME's is drawn: no source read tells zinc deficiency from NME on H&E, and one grade is
    less than the profiles are sure of.

    Raises:
        DataError: no H&E field is drawn for this diagnosis.
    """
    knowledge = load_knowledge()
    own = {p.stage: p for p in knowledge.profiles_of("histology", diagnosis)}
    if not own:
        known = drawn_diagnoses()
        hint = did_you_mean(diagnosis, known)
        raise DataError(
            f"no phantom is drawn for diagnosis '{diagnosis}'{hint}; there are: {', '.join(known)}"
        )
    groups = knowledge.group_of
    if diagnosis != NME and groups[diagnosis] == groups[NME]:
        staged = {p.stage: p for p in knowledge.profiles_of("histology", NME)}
        return {stage: _like(p, own[""]) if stage == "active" else p for stage, p in staged.items()}
    return own


def _like(nme: Profile, own: Profile) -> Profile:
    """Return a deficiency dermatosis' own profile with NME's cells where they do not differ for certain."""
    cells = {
        key: nme.cells[key] if abs(cell.grade - nme.cells[key].grade) <= ALIKE else cell
        for key, cell in own.cells.items()
    }
    return own.model_copy(update={"cells": cells})


def draw_case(diagnosis: str, rng: np.random.Generator) -> Case:
    """Return one field's stage and grades, by chance."""
    stages = stages_of(diagnosis)
    stage = list(stages)[int(rng.integers(len(stages)))]
    common = rng.normal()
    grades = {}
    for finding in SCALES:
        z = TOGETHER * common + (1 - TOGETHER**2) ** 0.5 * rng.normal()
        cell = stages[stage].cells[finding]
        if cell.grade == 0:
            grades[finding] = int(finding not in NEVER_STRAY and z > NormalDist().inv_cdf(1 - STRAY))
            continue
        limit = NormalDist().inv_cdf(1 - CHANGED[cell.tag] / 2)
        grades[finding] = int(np.clip(cell.grade + (z > limit) - (z < -limit), 0, HIGHEST_GRADE))
    thick, thin = "psoriasiform_acanthosis", "epidermal_atrophy"
    if grades[thick] and grades[thin]:  # it cannot be both
        odds = 0.5 + 0.5 * (grades[thick] - grades[thin])
        grades[thin if rng.random() < odds else thick] = 0
    lost = rng.random() < HORN_LOST[grades["cleft_or_vesicle_upper"]]
    return Case(diagnosis, stage, grades, horn=not lost)
