"""What a grade 0 to 3 of a clinical finding means on a synthetic photo, so that it can be measured again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.knowledge.loading import load_knowledge

Kind = Literal["share", "count", "other"]


@dataclass(frozen=True)
class Measure:
    """How a finding is measured: grade 1, 2 and 3 begin at `limits`; nothing is drawn above `most`."""

    kind: Kind
    what: str
    limits: tuple[float, float, float]
    most: float

    def grade(self, value: float) -> int:
        """Return the grade of a measured value.

        >>> MEASURES["erosion"].grade(0.10)
        2
        """
        return sum(value >= limit for limit in self.limits)

    def target(self, grade: int, rng: np.random.Generator) -> float:
        """Return a value to draw for a grade, well inside its limits (0 for grade 0)."""
        if grade == 0:
            return 0.0
        edges = (*self.limits, self.most)
        low, high = edges[grade - 1], edges[grade]
        if self.kind == "count":
            return float(rng.integers(int(low), int(high)))
        return low + (high - low) * float(rng.uniform(0.2, 0.8))


def _share(what: str, one: float, two: float, three: float, most: float) -> Measure:
    return Measure("share", f"share of the lesion's area {what}", (one, two, three), most)


def _count(what: str, one: int, two: int, three: int, most: int) -> Measure:
    return Measure("count", f"number of {what}", (one, two, three), most)


MEASURES: dict[str, Measure] = {
    "erythema": Measure("other", "mean blood added to the active lesion (% of dermis)", (0.4, 1.5, 3.5), 8.0),
    "plaque": Measure("other", "mean height of the lesion (mm)", (0.10, 0.25, 0.50), 1.0),
    "papule": _count("papules", 1, 8, 25, 46),
    "annular_or_polycyclic": _share("that has cleared inside a ring", 0.05, 0.20, 0.35, 0.60),
    "sharp_margin": Measure(
        "other", "steepness of the margin (1 / its width in mm)", (0.14, 0.30, 0.70), 2.0
    ),
    "vesicle": _count("vesicles", 1, 6, 20, 36),
    "flaccid_bulla": _count("bullae", 1, 2, 4, 6),
    "pustule": _count("pustules", 1, 4, 12, 22),
    "erosion": _share("eroded", 0.005, 0.05, 0.14, 0.30),
    "ulcer_or_necrotic_dusky_centre": _share("dusky", 0.01, 0.08, 0.20, 0.40),
    "crust": _share("under crust", 0.005, 0.04, 0.12, 0.25),
    "exudate": _share("weeping", 0.005, 0.04, 0.10, 0.20),
    "scale_any": _share("under scale of any kind", 0.02, 0.12, 0.40, 0.75),
    "scale_silvery_psoriasiform": _share("under thick silvery scale", 0.02, 0.15, 0.40, 0.75),
    "scale_greasy_yellow": _share("under greasy yellow scale", 0.02, 0.12, 0.30, 0.60),
    "collarette_or_peripheral_scale": Measure(
        "other", "scale along the outline (mm2 per mm of it)", (0.06, 0.25, 0.50), 0.90
    ),
    "brown_hyperpigmentation": _share("browned", 0.03, 0.15, 0.35, 0.60),
    "hypopigmentation": _share("paler than the skin around", 0.03, 0.15, 0.35, 0.60),
    "fissure": _count("fissures", 1, 3, 6, 10),
    "xerosis": _share("under fine dry flakes", 0.01, 0.05, 0.12, 0.22),
    "lichenification": _share("with coarsened skin lines", 0.05, 0.25, 0.55, 0.85),
    "excoriation": _count("scratch marks", 1, 4, 8, 14),
    "satellite_lesions": _count("satellites outside the main lesion", 1, 4, 10, 17),
}
"""The findings that are drawn; none of these limits is a clinical standard."""

DIAGNOSES = (
    "nme",
    "psoriasis",
    "eczema",
    "normal",
    "seborrheic_dermatitis",
    "tinea",
    "candidiasis_intertrigo",
)
"""Diagnoses that photos are drawn of, as configs/taxonomies/necrolytic-and-mimics.yaml spells them."""

_CHANCES = {
    0: (1.0, 1.0, 1.0),
    1: (0.62, 0.90, 1.0),
    2: (0.15, 0.45, 0.83),
    3: (0.04, 0.14, 0.44),
}
"""Chance of drawing grade <= 0, 1, 2 where the profile's grade, which says how typical a finding is, is the
key. By hand: the profiles hold no frequencies."""
_TOGETHER = 0.5
"""Correlation root: how much the findings of one photo are marked or faint together."""
_LEAST: dict[str, dict[str, int]] = {
    "nme": {"erythema": 2, "annular_or_polycyclic": 1},
    "psoriasis": {"erythema": 1, "sharp_margin": 2, "scale_silvery_psoriasiform": 1, "plaque": 1},
    "eczema": {"erythema": 1},
    "seborrheic_dermatitis": {"erythema": 1, "scale_greasy_yellow": 1},
    "tinea": {"erythema": 1, "annular_or_polycyclic": 2},
    "candidiasis_intertrigo": {"erythema": 2, "sharp_margin": 1, "satellite_lesions": 2},
}
_ONE_OF: dict[str, tuple[str, ...]] = {
    "nme": ("erosion", "crust"),
    "eczema": ("papule", "vesicle", "crust", "lichenification", "excoriation", "xerosis"),
    "tinea": ("scale_any", "collarette_or_peripheral_scale"),
}
"""What a lesion has at least, and of what it has one at grade 2 or more: less than that, no one could see
it in a photo, and a label that cannot be seen is noise."""


def draw_grades(diagnosis: str, rng: np.random.Generator) -> dict[str, int]:
    """Return grades 0 to 3 of `MEASURES` for one photo: the diagnosis's profile, with spread.

    Raises:
        DataError: no photo is drawn for this diagnosis.
    """
    check_diagnosis(diagnosis)
    profile = _profile(diagnosis)
    common = rng.normal()
    grades = {}
    for finding in MEASURES:
        own = rng.normal()
        sign = -1 if finding == "brown_hyperpigmentation" else 1  # brown is what fading leaves behind
        z = sign * _TOGETHER * common + math.sqrt(1 - _TOGETHER**2) * own
        grades[finding] = sum(_phi(z) > chance for chance in _CHANCES[profile.get(finding, 0)])
    for finding, least in _LEAST.get(diagnosis, {}).items():
        grades[finding] = max(grades[finding], least)
    choice = _ONE_OF.get(diagnosis, ())
    lucky = choice[int(rng.integers(len(choice)))] if choice else ""
    if choice and all(grades[finding] < 2 for finding in choice):
        grades[lucky] = 2
    return grades


def target(rng: np.random.Generator, finding: str, grades: dict[str, int]) -> float:
    """Return the value to draw for a finding's grade, well inside the limits of that grade."""
    return MEASURES[finding].target(grades[finding], rng)


def check_diagnosis(diagnosis: str) -> None:
    """Raise DataError unless photos are drawn of this diagnosis."""
    if diagnosis not in DIAGNOSES:
        hint = did_you_mean(diagnosis, DIAGNOSES)
        raise DataError(
            f"no photo is drawn for diagnosis '{diagnosis}'{hint}; there are: {', '.join(DIAGNOSES)}"
        )


def check_grades(grades: dict[str, int]) -> None:
    """Raise DataError unless every key is a finding that is drawn and every value a grade 0 to 3."""
    problems = Problems()
    for finding, grade in grades.items():
        if finding not in MEASURES:
            problems.add(f"finding '{finding}' is not drawn on photos{did_you_mean(finding, MEASURES)}")
        elif grade not in (0, 1, 2, 3):
            problems.add(f"grade {grade!r} of {finding}; expected 0, 1, 2 or 3")
    problems.raise_if_any(DataError, "grades of a phantom photo")


def typical_grade(diagnosis: str, finding: str) -> int:
    """Return how typical a finding is of a diagnosis, 0 to 3, in the knowledge's clinical profile."""
    return _profile(diagnosis).get(finding, 0)


@cache
def _profile(diagnosis: str) -> dict[str, int]:
    (profile,) = load_knowledge().profiles_of("clinical", diagnosis)
    return {finding: cell.grade for finding, cell in profile.cells.items()}


def _phi(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))
