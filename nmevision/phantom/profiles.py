"""How marked each finding is drawn in each diagnosis: the truth behind a synthetic field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nmevision.errors import DataError, did_you_mean

PROFILES: dict[str, dict[str, tuple[float, float]]] = {
    "nme": {
        "parakeratosis": (0.45, 1.0),
        "granular_loss": (0.6, 1.0),
        "pallor": (0.3, 1.0),
        "necrosis": (0.1, 1.0),
        "vacuoles": (0.3, 1.0),
        "acanthosis": (0.2, 0.55),
        "regularity": (0.3, 0.6),
        "spongiosis": (0.3, 0.1),
        "dyskeratosis": (0.9, 0.4),
        "lymphocytes": (0.3, 0.4),
        "vessels": (0.3, 0.6),
        "neutrophils": (0.0, 0.2),
    },
    "psoriasis": {
        "parakeratosis": (0.55, 1.0),
        "granular_loss": (0.6, 1.0),
        "pallor": (0.0, 0.15),
        "acanthosis": (0.5, 0.9),
        "regularity": (0.7, 1.0),
        "lymphocytes": (0.4, 0.7),
        "vessels": (0.6, 1.0),
        "neutrophils": (0.2, 1.0),
    },
    "eczema": {
        "parakeratosis": (0.0, 0.55),
        "granular_loss": (0.0, 0.3),
        "vacuoles": (0.0, 0.1),
        "acanthosis": (0.15, 0.45),
        "regularity": (0.1, 0.4),
        "spongiosis": (0.45, 1.0),
        "lymphocytes": (0.5, 1.0),
        "vessels": (0.3, 0.5),
    },
    "normal": {"acanthosis": (0.0, 0.08), "lymphocytes": (0.0, 0.15), "regularity": (0.2, 0.5)},
}
"""Grade 0-1 of each finding in a mild and in a marked field of each diagnosis; 0 where not named.

A reading of the project's table of findings by hand, for drawing only: no grade is a measured frequency."""
DIAGNOSES = tuple(PROFILES)


@dataclass(frozen=True)
class Grades:
    """How marked each finding is in one field, 0 absent to 1 marked."""

    parakeratosis: float = 0
    granular_loss: float = 0
    pallor: float = 0
    necrosis: float = 0
    vacuoles: float = 0
    acanthosis: float = 0
    regularity: float = 0
    spongiosis: float = 0
    dyskeratosis: float = 0
    lymphocytes: float = 0
    vessels: float = 0
    neutrophils: float = 0


def draw_grades(diagnosis: str, rng: np.random.Generator) -> Grades:
    """Return the grades of one field: its severity by chance, and each finding a little by its own."""
    if diagnosis not in PROFILES:
        hint = did_you_mean(diagnosis, PROFILES)
        raise DataError(
            f"no phantom is drawn for diagnosis '{diagnosis}'{hint}; there are: {', '.join(PROFILES)}"
        )
    severity = rng.uniform()
    grades = {}
    for finding, (mild, marked) in PROFILES[diagnosis].items():
        own = np.clip(severity + rng.normal(0, 0.15), 0, 1)
        grades[finding] = float(mild + (marked - mild) * own)
    return Grades(**grades)
