"""From grades to what the profiles say, with the taxonomy's own diagnoses and the grader's own errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmevision.errors import ConfigError
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.route import KnowledgeRoute
from nmevision.taxonomy import load_taxonomy

CONFIGS = Path(__file__).resolve().parents[3] / "configs/taxonomies"
KNOWLEDGE = load_knowledge()
FINDINGS = [finding.key for finding in KNOWLEDGE.findings_of("histology")]
SURE = [np.diag([1000] * 4)] * len(FINDINGS)


def route(taxonomy: str = "necrolytic-and-mimics", confusions: object = SURE) -> KnowledgeRoute:
    return KnowledgeRoute(
        KNOWLEDGE, "histology", load_taxonomy(CONFIGS / f"{taxonomy}.yaml"), FINDINGS, confusions
    )


def grades_of(profile: str) -> np.ndarray:
    cells = next(p for p in KNOWLEDGE.profiles_of("histology") if p.key == profile).cells
    return np.array([[float(cells[key].grade) for key in FINDINGS]])


def test_typical_grades_are_read_as_what_they_are_typical_of() -> None:
    keys = load_taxonomy(CONFIGS / "necrolytic-and-mimics.yaml").keys
    reader = route()
    for profile in ("nme:active", "psoriasis", "lichen_planus", "pemphigus_foliaceus", "normal"):
        means = grades_of(profile)
        found = reader.read(means, np.full_like(means, 0.2))
        assert found.diagnoses.sum() == pytest.approx(1)
        assert found.groups.sum() == pytest.approx(1)
        group = KNOWLEDGE.diagnoses[profile.split(":")[0]].group
        assert reader.groups[int(found.groups.argmax())] == group
        if group != "necrolytic":  # whose members H&E cannot tell apart
            assert keys[int(found.diagnoses.argmax())] == profile
        assert found.fit[0] > 0.05


def test_a_smaller_taxonomy_gets_the_sum_of_what_it_takes() -> None:
    means = grades_of("psoriasis")
    reader = route("necrolytic-vs-mimic")
    assert reader.described == (True, True)
    found = reader.read(means, np.full_like(means, 0.2)).diagnoses
    assert found.shape == (1, 2)
    assert found[0, 1] > 0.9


def test_a_grader_that_errs_moves_the_answer_less() -> None:
    means = grades_of("nme:active")
    spreads = np.full_like(means, 0.2)
    careless = [np.full((4, 4), 10)] * len(FINDINGS)
    sure, unsure = (route(confusions=c).read(means, spreads).groups for c in (SURE, careless))
    necrolytic = route().groups.index("necrolytic")
    assert sure[0, necrolytic] > 0.9
    # a confusion that is alike for all true grades says nothing: the prior remains
    np.testing.assert_allclose(unsure[0], 1 / len(route().groups), rtol=0.05)


def test_without_its_field_a_finding_says_nothing() -> None:
    means, spreads = grades_of("nme:active"), np.full((1, len(FINDINGS)), 0.2)
    reader = route()
    absent = {"horn": np.array([0.1])}
    found = reader.read(means, spreads, absent)
    without = means.copy()
    for j, key in enumerate(FINDINGS):
        if "horn" in KNOWLEDGE.findings[key].needs:
            without[0, j] = np.nan
    expected = reader.read(without, spreads)
    np.testing.assert_allclose(found.groups, expected.groups)
    present = reader.read(means, spreads, {"horn": np.array([0.9])})
    np.testing.assert_allclose(present.groups, reader.read(means, spreads).groups)


def test_a_given_grade_replaces_the_networks_row_by_row() -> None:
    means = np.vstack([grades_of("psoriasis")] * 2)
    spreads = np.full_like(means, 0.4)
    reader = route()
    given = {"upper_epidermal_necrosis": np.array([3.0, np.nan]), "acantholysis": np.array([np.nan, np.nan])}
    before, after = reader.read(means, spreads), reader.read(means, spreads, None, given)
    necrolytic = reader.groups.index("necrolytic")
    assert after.groups[0, necrolytic] > before.groups[0, necrolytic]
    np.testing.assert_array_equal(after.groups[1], before.groups[1])
    with pytest.raises(ConfigError, match=r"'parakeratose' is no finding.*parakeratosis"):
        reader.read(means, spreads, None, {"parakeratose": np.array([1.0, 1.0])})
