"""Licences: what forbids training is never let in, in whatever spelling it comes."""

from __future__ import annotations

import pytest

from nmevision.data.sources import SOURCES
from nmevision.licences import known_licences, licence_of


@pytest.mark.parametrize(
    ("text", "training", "redistribution"),
    [
        ("CC0-1.0", True, True),
        ("CC0: Public Domain", True, True),  # as Kaggle writes it
        ("PDDL-1.0", True, True),
        ("CC BY 4.0", True, True),
        ("cc_by-sa 3.0", True, True),
        ("CC-BY-NC-4.0", True, True),
        ("CC BY-NC-SA 3.0", True, True),
        ("CC-BY-ND-4.0", False, True),
        ("CC BY-NC-ND 4.0", False, True),
        ("cc-by-nc-nd", False, True),
        ("own", True, False),
        ("research only", True, False),
        ("SCIN Data Use License", True, True),
        ("PASSION Data Public License", True, False),
        ("Stanford AIMI research use agreement", True, False),
        ("CC-0", True, True),  # as the ISIC Archive writes it
        ("All rights reserved", False, False),
        ("Copyright 2016 WebMD", False, False),
        ("(c) 2020 a publisher. All rights reserved", False, False),
        ("CC BY 4.0, no AI training", False, False),
        ("CC-BY-4.0 (no-AI)", False, False),
        ("noai", False, False),
        ("CC BY 4.0; no derivatives", False, True),
        ("Apache-2.0", True, True),
        ("MIT", True, True),
    ],
)
def test_what_a_licence_allows(text: str, training: bool, redistribution: bool) -> None:
    licence = licence_of(text)
    assert licence is not None
    assert (licence.training, licence.redistribution) == (training, redistribution)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("CC-BY-4.0", "credit"),
        ("CC-BY-SA-4.0", "share alike"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("CC-BY-NC-SA-3.0", "non-commercial"),
        ("CC-BY-NC-ND-4.0", "no derivatives"),
        ("research only", "own terms"),
    ],
)
def test_conditions_are_told(text: str, condition: str) -> None:
    licence = licence_of(text)
    assert licence is not None
    assert condition in licence.condition


@pytest.mark.parametrize("text", ["", "free", "MITRE", "ccby", "ask the author", "ownership unclear", "CC"])
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert licence_of(text) is None


def test_every_known_name_is_understood_in_any_case() -> None:
    for name in known_licences():
        assert licence_of(name) is not None
        assert licence_of(name.upper().replace(" ", "-")) == licence_of(name)


@pytest.mark.parametrize(
    ("text", "restricted"),
    [
        ("CC0-1.0", False), ("CC-BY-4.0", False), ("own", False), ("SCIN Data Use License", False),
        ("CC-BY-NC-4.0", True), ("CC BY-NC-SA 3.0", True), ("CC-BY-ND-4.0", True), ("research only", True),
        ("PASSION Data Public License", True), ("all rights reserved", True),
    ],
)  # fmt: skip
def test_which_terms_need_the_users_word(text: str, restricted: bool) -> None:
    licence = licence_of(text)
    assert licence is not None
    assert licence.restricted == restricted


def test_what_forbids_training_is_restricted_too() -> None:
    for name in known_licences():
        licence = licence_of(name)
        assert licence is not None
        assert licence.training or licence.restricted


def test_every_public_set_has_a_known_licence_and_only_the_copied_atlas_forbids_training() -> None:
    found = {name: licence_of(SOURCES.get(name).licence) for name in SOURCES.names()}
    assert [name for name, licence in found.items() if licence is None] == []
    assert [name for name, licence in found.items() if licence and not licence.training] == ["dermnet"]
