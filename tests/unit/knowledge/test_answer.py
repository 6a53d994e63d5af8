"""The answer in levels: what it says, and what it must never say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nmevision.knowledge.answer import FOCUS, Reasoner
from nmevision.knowledge.answer_records import Answer, Observed
from nmevision.knowledge.clinical_data import ClinicalData, read_glucagon
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import from_grades

KNOWLEDGE = load_knowledge()
HISTOLOGY, CLINICAL = Reasoner(KNOWLEDGE, "histology"), Reasoner(KNOWLEDGE, "clinical")


def profile(key: str, reasoner: Reasoner = HISTOLOGY) -> dict[str, float]:
    found = next(p for p in KNOWLEDGE.profiles_of(reasoner.modality) if p.key == key)
    return {name: float(cell.grade) for name, cell in found.cells.items()}


def answer(grades: dict[str, float], reasoner: Reasoner = HISTOLOGY, **more: Any) -> Answer:
    row = [grades.get(key, float("nan")) for key in reasoner.model.findings]
    return reasoner.answer(Observed("case", from_grades([row]), **more))


def test_active_nme_is_the_necrolytic_pattern_and_its_members_have_no_number() -> None:
    found = answer(profile("nme:active"))
    assert (found.leader, found.status) == (FOCUS, "answered")
    assert found.groups[0].probability > 0.99
    assert sum(group.probability for group in found.groups) == pytest.approx(1)
    assert all(g.low <= g.probability <= g.high for g in found.groups)
    assert found.headline.endswith("Which member it is, H&E cannot tell.")
    members = [m for m in found.members if m.group == FOCUS]
    assert len(members) == 5
    assert all((m.within_group, m.low, m.high) == (None, None, None) for m in members)
    assert all(m.no_number and m.statement for m in members)
    assert {r.finding for r in found.reasons[:6]} >= {"upper_epidermal_pallor", "granular_layer_loss"}


@pytest.mark.parametrize("key", [p.key for p in KNOWLEDGE.profiles_of("histology")])
def test_h_and_e_never_gives_a_necrolytic_member_a_number(key: str) -> None:
    """Nor do clinical data that count for nothing: features without rates, a glucagon value."""
    data = ClinicalData({}, {"diabetes": True, "low_zinc": False}, read_glucagon("720 pg/mL"))
    found = answer(profile(key), clinical=data)
    members = [m for m in found.members if m.group == FOCUS]
    assert all(m.within_group is None for m in members)
    assert len(found.clinical) == 3


def test_sites_give_the_members_numbers_and_leave_the_groups_alone() -> None:
    sites = {"site_acral_lower_leg": from_grades([[3]])[0, 0]}
    plain, with_site = (
        answer(profile("nme:active")),
        answer(profile("nme:active"), clinical=ClinicalData(sites)),
    )
    assert plain.groups == with_site.groups
    numbers = [m.within_group for m in with_site.members if m.group == FOCUS]
    assert None not in numbers
    assert sum(n for n in numbers if n) == pytest.approx(1)
    assert "within each group" in with_site.prior


def test_a_negative_says_not_seen_in_this_sample_and_does_not_exclude() -> None:
    found = answer(profile("psoriasis"))
    assert found.leader == "psoriasiform"
    assert "Necrolytic pattern not seen in this sample" in found.headline
    assert "not excluded" in found.headline
    assert any("One biopsy does not exclude NME" in caveat for caveat in found.caveats)
    assert [step.text.startswith("Take several skin biopsies") for step in found.workup] == [True]
    assert all(step.sources for step in found.workup)


def test_early_nme_is_undecided_and_keeps_its_workup() -> None:
    found = answer(profile("nme:early"))
    shares = {group.key: group.probability for group in found.groups}
    assert shares["spongiotic"] > shares[FOCUS] > 0.05
    assert "undecided" in found.headline
    assert any("Early NME" in caveat for caveat in found.caveats)
    assert any("plasma glucagon" in step.text for step in found.workup)


def test_it_abstains_without_horn_and_papillary_dermis() -> None:
    upper_only = {"upper_epidermal_pallor": 3.0, "upper_epidermal_necrosis": 3.0}
    found = answer(upper_only)
    assert (found.status, found.groups) == ("abstained", ())
    assert "Missing is not absent" in found.message
    assert answer(upper_only, fields={"horn": True}).status == "answered"
    assert answer(upper_only, fields={"papillary_dermis": True}).status == "answered"
    assert answer({}, fields={"horn": True}).status == "abstained"
    assert answer({}, CLINICAL).status == "abstained"


def test_a_field_that_is_absent_makes_its_findings_missing_not_zero() -> None:
    grades = profile("nme:active")
    needing = {f.key for f in KNOWLEDGE.findings_of("histology") if "horn" in f.needs}
    masked = answer(grades, fields={"horn": False})
    left = answer({key: grade for key, grade in grades.items() if key not in needing})
    assert masked.groups == left.groups
    assert masked.n_graded == left.n_graded == len(grades) - len(needing)


def test_what_fits_no_profile_is_said() -> None:
    odd = {key: float(3 * (i % 2)) for i, key in enumerate(HISTOLOGY.model.findings)}
    found = answer(odd)
    assert found.fit is not None
    assert found.fit < 0.05
    assert "No profile fits well" in found.message
    assert answer(profile("nme:active")).message == ""


def test_a_photo_of_a_site_gives_members_numbers_and_a_bare_lesion_does_not() -> None:
    lesion = {"erythema": 3.0, "plaque": 3.0, "annular_or_polycyclic": 3.0, "erosion": 3.0, "crust": 3.0}
    bare = answer(lesion, CLINICAL)
    assert bare.leader == FOCUS
    assert all(m.within_group is None for m in bare.members if m.group == FOCUS)
    with_site = answer({**lesion, "site_photoexposed": 3.0}, CLINICAL)
    assert all(m.within_group is not None for m in with_site.members if m.group == FOCUS)


def test_an_answer_is_json() -> None:
    found = answer(profile("eczema:acute"), clinical=ClinicalData(glucagon=read_glucagon(">800 pg/mL")))
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["groups"][0]["key"] == "spongiotic"
    assert np.isfinite(again["fit"])


def test_unverified_cells_and_unprofiled_diagnoses_are_told() -> None:
    caveats = " ".join(answer(profile("nme:active")).caveats)
    assert "456 of 667 cells" in caveats
    assert "drug eruption" in caveats
