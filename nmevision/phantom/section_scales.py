"""What each grade of a histologic finding means on a phantom: a quantity that can be measured again.

The bounds are this project's choices for drawing and testing, not published cut-offs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """The quantity behind one finding.

    quantity: what is measured, in words. unit: "" for a share from 0 to 1.
    bounds: where grades 1, 2 and 3 begin; falling where a higher grade means less.
    ranges: from which values a phantom of grade 0, 1, 2, 3 is drawn, clear of the bounds.
    """

    quantity: str
    unit: str
    bounds: tuple[float, float, float]
    ranges: tuple[Range, Range, Range, Range]

    def grade(self, value: float) -> int:
        """Return the grade 0 to 3 of a measured value.

        >>> SCALES["parakeratosis"].grade(0.5), SCALES["suprapapillary_thinning"].grade(10)
        (2, 3)
        """
        falling = self.bounds[0] > self.bounds[2]
        return sum(value < bound if falling else value >= bound for bound in self.bounds)

    def draw(self, grade: int, rng: np.random.Generator) -> float:
        """Return a value of the given grade."""
        return float(rng.uniform(*self.ranges[grade]))


NONE: Range = (0.0, 0.0)

SCALES: dict[str, Scale] = {
    "upper_epidermal_pallor": Scale(
        "share of the upper half of the epidermis that is pale (granular and dead parts left out)", "",
        (0.08, 0.30, 0.60), (NONE, (0.14, 0.24), (0.38, 0.52), (0.70, 0.92)),
    ),
    "upper_epidermal_necrosis": Scale(
        "share of the upper half of the epidermis that is dead (granular and wholly dead parts left out)", "",
        (0.05, 0.20, 0.45), (NONE, (0.09, 0.15), (0.26, 0.38), (0.52, 0.68)),
    ),
    "vacuolated_ballooned_keratinocytes": Scale(
        "share of the nucleated cells of the upper half of the epidermis with a vacuole", "",
        (0.05, 0.20, 0.45), (NONE, (0.09, 0.15), (0.27, 0.37), (0.54, 0.72)),
    ),
    "intracellular_oedema": Scale(
        "share of the nucleated cells above the basal row that are swollen and pale", "",
        (0.06, 0.25, 0.55), (NONE, (0.11, 0.19), (0.33, 0.46), (0.65, 0.82)),
    ),
    "granular_layer_loss": Scale(
        "share of the surface without granular cells", "",
        (0.10, 0.35, 0.70), ((0.0, 0.03), (0.17, 0.27), (0.44, 0.60), (0.82, 1.0)),
    ),
    "parakeratosis": Scale(
        "share of the horn's length with nuclei in it", "",
        (0.06, 0.35, 0.75), (NONE, (0.13, 0.27), (0.44, 0.65), (0.86, 1.0)),
    ),
    "hyperkeratosis_ortho": Scale(
        "mean thickness of the horn without nuclei", "um",
        (28.0, 48.0, 75.0), ((12.0, 20.0), (33.0, 42.0), (54.0, 67.0), (84.0, 110.0)),
    ),
    "psoriasiform_acanthosis": Scale(
        "mean thickness of the living epidermis", "um",
        (85.0, 125.0, 170.0), ((54.0, 72.0), (95.0, 114.0), (137.0, 157.0), (186.0, 225.0)),
    ),
    "spongiosis": Scale(
        "share of the epidermis that is widened space between cells", "",
        (0.015, 0.06, 0.12), (NONE, (0.027, 0.045), (0.078, 0.10), (0.15, 0.24)),
    ),
    "dyskeratosis_single_cell": Scale(
        "share of the nucleated cells of the epidermis that died singly", "",
        (0.002, 0.015, 0.04), (NONE, (0.006, 0.010), (0.021, 0.032), (0.055, 0.09)),
    ),
    "cleft_or_vesicle_upper": Scale(
        "share of the surface with a cleft in the upper epidermis", "",
        (0.03, 0.20, 0.50), (NONE, (0.08, 0.14), (0.28, 0.42), (0.60, 0.80)),
    ),
    "neutrophils_corneum_or_subcorneal_pustule": Scale(
        "neutrophils in or just below the horn per length of surface", "/mm",
        (5.0, 30.0, 90.0), (NONE, (11.0, 22.0), (42.0, 70.0), (120.0, 220.0)),
    ),
    "perivascular_lymphocytes": Scale(
        "lymphocytes in cuffs per area of the upper dermis", "/mm2",
        (150.0, 550.0, 1300.0), ((15.0, 80.0), (230.0, 430.0), (700.0, 1050.0), (1700.0, 2600.0)),
    ),
    "interstitial_inflammation": Scale(
        "inflammatory cells between the collagen per area of the upper dermis", "/mm2",
        (60.0, 200.0, 500.0), ((0.0, 20.0), (95.0, 150.0), (270.0, 400.0), (620.0, 1000.0)),
    ),
    "papillary_dermal_oedema": Scale(
        "share of the papillary dermis that is pale and loosened", "",
        (0.10, 0.40, 0.75), (NONE, (0.18, 0.30), (0.50, 0.65), (0.84, 1.0)),
    ),
    "vessel_dilatation_papillary": Scale(
        "share of the papillary dermis inside vessels", "",
        (0.035, 0.08, 0.14), ((0.006, 0.02), (0.05, 0.065), (0.10, 0.12), (0.17, 0.23)),
    ),
    "vacuolar_interface_basal": Scale(
        "share of the basal cells with a vacuole", "",
        (0.08, 0.30, 0.60), (NONE, (0.14, 0.23), (0.39, 0.51), (0.70, 0.90)),
    ),
    "full_thickness_necrosis_subepidermal_split": Scale(
        "share of the surface over wholly dead epidermis", "",
        (0.05, 0.30, 0.65), (NONE, (0.11, 0.22), (0.40, 0.54), (0.78, 1.0)),
    ),
    "acantholysis": Scale(
        "share of the nucleated cells of the epidermis that are rounded and detached", "",
        (0.003, 0.03, 0.08), (NONE, (0.009, 0.020), (0.042, 0.065), (0.11, 0.17)),
    ),
    "hypergranulosis": Scale(
        "mean thickness of the granular layer where there is one", "um",
        (19.0, 29.0, 41.0), ((7.0, 13.0), (22.5, 25.5), (33.0, 37.0), (46.0, 56.0)),
    ),
    "suprapapillary_thinning": Scale(
        "thickness of the epidermis above the papillae (10th percentile along the surface)", "um",
        (31.0, 23.0, 15.5), ((37.0, 47.0), (25.5, 28.5), (17.5, 20.5), (8.5, 12.5)),
    ),
    "fungal_elements_corneum": Scale(
        "hyphae in the horn per length of surface", "/mm",
        (2.0, 11.0, 30.0), (NONE, (4.5, 8.0), (15.0, 24.0), (38.0, 70.0)),
    ),
    "band_like_infiltrate": Scale(
        "share of the surface over a band of lymphocytes that touches the epidermis", "",
        (0.08, 0.35, 0.70), (NONE, (0.15, 0.27), (0.44, 0.60), (0.82, 1.0)),
    ),
    "follicular_plug_perifollicular_parakeratosis": Scale(
        "width of the horny plug at the mouth of the follicle", "um",
        (45.0, 85.0, 130.0), ((20.0, 34.0), (55.0, 73.0), (97.0, 117.0), (146.0, 180.0)),
    ),
    "eosinophils": Scale(
        "eosinophils per area of the upper dermis", "/mm2",
        (8.0, 42.0, 120.0), (NONE, (17.0, 32.0), (60.0, 95.0), (160.0, 260.0)),
    ),
    "papillary_dermal_fibrosis": Scale(
        "share of the papillary dermis that is thick streaks of collagen", "",
        (0.10, 0.40, 0.75), (NONE, (0.18, 0.30), (0.50, 0.65), (0.84, 1.0)),
    ),
    "epidermal_atrophy": Scale(
        "mean thickness of the living epidermis", "um",
        (44.0, 32.0, 22.0), ((54.0, 72.0), (35.0, 41.0), (25.0, 29.5), (14.0, 19.5)),
    ),
    "pigment_basal_or_incontinence": Scale(
        "share of the basal cells that are laden with melanin", "",
        (0.15, 0.45, 0.75), (NONE, (0.22, 0.36), (0.53, 0.68), (0.83, 1.0)),
    ),
    "dermal_mucin": Scale(
        "share of the upper dermis below the papillae that is parted by mucin", "",
        (0.08, 0.25, 0.50), (NONE, (0.13, 0.20), (0.32, 0.43), (0.58, 0.75)),
    ),
}  # fmt: skip
"""The scale of every finding that is drawn, by the finding's key in the knowledge."""

Grades = dict[str, int]


@dataclass(frozen=True)
class Look:
    """How one piece of skin is drawn: the value behind every finding, and what no finding says.

    spacing: distance of the rete ridges, um. wild: 0 ridges all alike .. 1 of any length and distance.
    club: how much wider a ridge is at its foot, 0 to 0.3. compact: share of horn without nuclei that is
    compact rather than a basket weave. melanin: pigment that is usual for this skin, 0 to 1.
    horn: False where it came off. follicle: place of a follicle along the skin as a share of the picture, 0 its middle; or None.
    """

    values: dict[str, float]
    spacing: float = 80.0
    wild: float = 0.6
    club: float = 0.1
    compact: float = 0.15
    melanin: float = 0.1
    horn: bool = True
    follicle: float | None = None

    def __getitem__(self, finding: str) -> float:
        return self.values[finding]


def draw_look(grades: Grades, rng: np.random.Generator, horn: bool = True) -> Look:
    """Return how skin with the given grades (0 where a finding is not named) is drawn, with or without horn.

    What excludes another finding is settled: atrophic epidermis is not acanthotic, and a granular layer
    needs room above the papillae.
    """
    graded = {key: grades.get(key, 0) for key in SCALES}
    values = {key: SCALES[key].draw(grade, rng) for key, grade in graded.items()}
    acanthosis, thinning = graded["psoriasiform_acanthosis"], graded["suprapapillary_thinning"]
    plate, mean = values["suprapapillary_thinning"], values["psoriasiform_acanthosis"]
    if graded["epidermal_atrophy"] and not acanthosis:
        mean = values["epidermal_atrophy"]
        plate = mean - rng.uniform(2, 4)
    elif graded["hypergranulosis"] and not thinning:
        plate = max(plate, values["hypergranulosis"] + 14)
    if graded["upper_epidermal_pallor"] > 1 and not (thinning or graded["epidermal_atrophy"]):
        plate = max(plate, rng.uniform(54, 68))  # pale cells are swollen
    if graded["hypergranulosis"] and (graded["upper_epidermal_pallor"] or graded["upper_epidermal_necrosis"]):
        plate = max(plate, 2 * values["hypergranulosis"] + 16)  # the band lies in the upper half, below it
    values |= {"suprapapillary_thinning": plate, "psoriasiform_acanthosis": max(mean, plate + 2)}
    regular = 0.25 * thinning + 0.05 * acanthosis
    plug = graded["follicular_plug_perifollicular_parakeratosis"]
    return Look(
        values,
        spacing=float(rng.uniform(62, 84)) if acanthosis else float(rng.uniform(70, 115)),
        wild=float(np.clip(rng.uniform(0.55, 1.0) - regular, 0.08, 1)),
        club=float(rng.uniform(0, 0.12) + 0.06 * thinning),
        compact=float(np.clip(rng.normal(0.1 + 0.22 * graded["hyperkeratosis_ortho"], 0.1), 0, 1)),
        melanin=float(rng.beta(1.2, 4)),
        horn=horn,
        follicle=float(rng.uniform(-0.22, 0.22)) if plug or rng.random() < 0.12 else None,
    )
