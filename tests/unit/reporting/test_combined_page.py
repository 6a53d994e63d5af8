"""The page of combined answers: what stands on it, and what must never."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from nmevision.evaluation.claims import PHANTOM_NOTICE
from nmevision.knowledge.answer import FOCUS
from nmevision.knowledge.combination_records import Patient, Side
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import MODALITIES, Modality
from nmevision.reporting.combined_page import page
from nmevision.reporting.plain_page import page_of

KNOWLEDGE = load_knowledge()
PROFILED = {p.diagnosis for p in KNOWLEDGE.profiles_of("histology")}
GROUP_OF = {key: group for key, group in KNOWLEDGE.group_of.items() if key in PROFILED} | {"other": "other"}
MEMBERS = [key for key, group in GROUP_OF.items() if group == FOCUS]


def shares(leader: str) -> dict[str, float]:
    keys = list(dict.fromkeys(GROUP_OF.values()))
    return {key: 0.9 if key == leader else 0.1 / (len(keys) - 1) for key in keys}


def side(leader: str, answered: int = 2) -> Side:
    return Side(2, answered, leader, 0.8, "nme", 0.7, shares(leader) if answered else {})


def patient(
    name: str, together: str, sides: Mapping[Modality, Side], conflict: float = -2.0, members: bool = False
) -> Patient:
    groups = shares(together)
    sizes = {group: list(GROUP_OF.values()).count(group) for group in groups}
    diagnoses = {
        key: groups[group] / sizes[group] for key, group in GROUP_OF.items() if members or group != FOCUS
    }
    return Patient(name, sides, groups, diagnoses, conflict, GROUP_OF)


def both(first: str, second: str) -> dict[Modality, Side]:
    return dict(zip(MODALITIES, (side(first), side(second)), strict=True))


def text_of(*patients: Patient, phantom: bool = False) -> str:
    return page(patients, KNOWLEDGE, "Prior: even.", ["counts stand here"], phantom)


@pytest.mark.parametrize(
    ("first", "second", "conflict", "said"),
    [
        (FOCUS, FOCUS, -2.0, "agree"),
        (FOCUS, "psoriasiform", 3.0, "disagree"),
        (FOCUS, "psoriasiform", -0.1, "agree"),
        (FOCUS, FOCUS, 0.1, "agree"),
    ],
)
def test_two_disagree_where_they_lead_apart_and_do_not_expect_one_another(
    first: str, second: str, conflict: float, said: str
) -> None:
    found = patient("a", FOCUS, both(first, second), conflict)
    assert (found.agreement, found.modalities) == (said, "both")
    assert ("The two disagree" in text_of(found)) == (said == "disagree")


def test_one_modality_alone_is_said_and_agrees_with_nothing() -> None:
    found = patient(
        "a", "psoriasiform", {"clinical": side("psoriasiform"), "histology": side("", answered=0)}
    )
    assert (found.agreement, found.modalities, found.answered) == ("", "only clinical", ("clinical",))
    text = text_of(found)
    assert "Only clinical images: this is their answer alone." in text
    assert "histology: none of 2 images answered" in text


def test_no_answer_is_no_number() -> None:
    found = dataclasses.replace(
        patient("a", FOCUS, {"histology": side("", answered=0)}), groups={}, diagnoses={}
    )
    assert (found.modalities, found.group, found.diagnosis) == ("none", "", "")
    assert "**No answer.**" in text_of(found)


def test_members_that_nothing_tells_apart_have_no_number_but_what_would_tell() -> None:
    found = patient("a", FOCUS, both(FOCUS, FOCUS))
    text = text_of(found)
    assert found.diagnosis == ""
    assert "Which member it is, these images cannot tell." in text
    assert "No body site or history is graded" in text
    assert "within the group" not in text
    told = text.split("## What tells the members apart: necrolytic")[1].split("## What this")[0]
    assert all(KNOWLEDGE.diagnoses[key].name in told for key in MEMBERS)
    cited = KNOWLEDGE.sources[KNOWLEDGE.diagnoses["nme"].sources[0]].citation
    assert cited.split(".")[0] in text.split("## Sources")[1].replace("\\", "")
    only = text_of(patient("a", FOCUS, {"histology": side(FOCUS)}))
    assert "H&E cannot separate the members" in only


def test_members_that_place_and_history_tell_apart_have_numbers() -> None:
    text = text_of(patient("a", FOCUS, both(FOCUS, FOCUS), members=True))
    assert "By clinical findings of place and history alone" in text
    assert f"| {KNOWLEDGE.diagnoses['pellagra'].name} | 0.20 |" in text


def test_a_negative_is_not_an_exclusion() -> None:
    text = text_of(patient("a", "psoriasiform", both("psoriasiform", "psoriasiform")))
    assert "not excluded" in text
    assert "One biopsy does not exclude NME" in text


def test_notices_stand_once_and_hostile_names_cannot_inject() -> None:
    text = text_of(patient("<script>|*x*", FOCUS, both(FOCUS, FOCUS)), phantom=True)
    html = page_of(text)
    for one in (text, html):
        assert one.count("not a medical device") == 1
        assert one.count(PHANTOM_NOTICE) == 1
        assert "<script>" not in one
    assert "&lt;script&gt;|*x*" in html
    assert PHANTOM_NOTICE not in text_of(patient("a", FOCUS, both(FOCUS, FOCUS)))
