from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nmevision.knowledge.loading import load_knowledge
from nmevision.phantom.profiles import DIAGNOSES, draw_case, drawn_diagnoses, stages_of
from nmevision.phantom.section_scales import SCALES, draw_look


def test_every_diagnosis_with_a_histology_profile_is_drawn() -> None:
    assert set(drawn_diagnoses()) == {p.diagnosis for p in load_knowledge().profiles_of("histology")}
    assert set(DIAGNOSES) <= set(drawn_diagnoses())


def test_nme_is_a_mixture_of_its_stages() -> None:
    stages = Counter(draw_case("nme", np.random.default_rng(seed)).stage for seed in range(300))
    assert set(stages) == {"early", "active", "chronic"}
    assert min(stages.values()) > 60


def test_zinc_deficiency_takes_the_stages_of_nme_with_its_own_profile_as_active() -> None:
    zinc, nme = stages_of("acrodermatitis_enteropathica"), stages_of("nme")
    assert zinc["early"] == nme["early"]
    assert zinc["chronic"] == nme["chronic"]
    assert zinc["active"].diagnosis == "acrodermatitis_enteropathica"
    assert list(stages_of("psoriasis")) == [""]


@pytest.mark.parametrize("diagnosis", ["psoriasis", "normal", "lichen_planus"])
def test_drawn_grades_lie_around_the_profile(diagnosis: str) -> None:
    profile = stages_of(diagnosis)[""]
    drawn = [draw_case(diagnosis, np.random.default_rng(seed)).grades for seed in range(200)]
    for finding in SCALES:
        grades, typical = np.array([grades[finding] for grades in drawn]), profile.cells[finding].grade
        assert np.abs(grades - typical).max() <= 1
        assert abs(grades.mean() - typical) < 0.35
        assert (grades == typical).mean() > 0.5


def test_grades_spread_most_where_the_evidence_is_weakest() -> None:
    profile = stages_of("psoriasis")[""]
    drawn = [draw_case("psoriasis", np.random.default_rng(seed)).grades for seed in range(400)]

    def changed(tag: str) -> float:
        keys = [k for k, c in profile.cells.items() if c.tag == tag and c.grade in (1, 2)]
        return float(np.mean([[g[k] != profile.cells[k].grade for k in keys] for g in drawn]))

    assert changed("c") > changed("u") + 0.05 or changed("t") > changed("a") + 0.05


def test_epidermis_is_never_both_atrophic_and_acanthotic() -> None:
    for seed in range(200):
        grades = draw_case("pellagra", np.random.default_rng(seed)).grades
        assert not (grades["psoriasiform_acanthosis"] and grades["epidermal_atrophy"])


def test_a_thick_granular_layer_has_room_above_the_papillae() -> None:
    look = draw_look({"hypergranulosis": 3}, np.random.default_rng(0))
    assert look["suprapapillary_thinning"] > look["hypergranulosis"] + 10
