"""Nearest reference cases in the page's data: terms, pictures only where they may be passed on, nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from reader_folder import HOSTILE, SECRET, data_of, make_folder, make_references, pictures_in

from nmevision.data.sources import SOURCES
from nmevision.reader import references as module
from nmevision.reader.page import write_reader_page
from nmevision.reader.references import may_be_shown

CASE = "sub/case 0004.jpg"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("answers")
    make_folder(folder, 8)
    references = make_references(tmp_path_factory.mktemp("of_jane_doe"), [CASE, "sub/case 0000.jpg"])
    return write_reader_page(folder, references=references).read_text(encoding="utf-8")


def test_each_reference_says_what_and_from_where_and_on_which_terms(page: str) -> None:
    data = data_of(page)
    first, phantom, hostile, *_ = data["references"]["list"]
    assert (first["diagnosis"], first["source"], first["licence"]) == (
        "psoriasis",
        "of the test",
        "CC-BY-4.0",
    )
    assert first["terms"] == "credit the authors"
    assert (first["phantom"], phantom["phantom"]) == (False, True)
    assert hostile["source"] == HOSTILE
    assert data["references"]["patients"] == 5
    row = next(row for row in data["rows"] if row["id"] == CASE)
    assert row["nearest"] == [[i, round(0.9 - 0.2 * i, 3)] for i in range(5)]
    assert not any("nearest" in row for row in data["rows"] if row["id"] != CASE)  # the first is unreadable


def test_only_what_may_be_passed_on_is_drawn_and_without_metadata(page: str) -> None:
    data, stored = data_of(page), pictures_in(page)
    assert ["picture" in one for one in data["references"]["list"]] == [True, True, False, False, False]
    for one in data["references"]["list"][:2]:
        content = base64.b64decode(stored[one["picture"]].partition(",")[2])
        assert SECRET.encode() not in content
        assert len(content) < 20_000
    assert "of_jane_doe" not in page  # no path of this machine
    assert not any("path" in one for one in data["references"]["list"])


def test_pictures_that_find_no_room_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0)
    make_folder(tmp_path / "a", 6, hostile=False)
    references = make_references(tmp_path / "r", [CASE])
    html = write_reader_page(tmp_path / "a", references=references).read_text(encoding="utf-8")
    assert not any("picture" in one for one in data_of(html)["references"]["list"])


def test_without_a_reference_set_nothing_is_said_of_one(tmp_path: Path) -> None:
    make_folder(tmp_path, 5, hostile=False)
    assert "references" not in data_of(write_reader_page(tmp_path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("licence", "allowed", "source", "shown"),
    [
        ("CC0-1.0", "", "", True),
        ("CC-BY-NC-ND-4.0", "", "", True),
        ("CC-BY-4.0", "no", "", False),
        ("research-only", "true", "", False),
        ("all rights reserved", "true", "", False),
        ("own", "", "", False),
        ("own", "true", "", True),
        ("terms of the clinic", "", "", False),
        ("terms of the clinic", "true", "", True),
    ],
)
def test_what_may_be_shown(licence: str, allowed: str, source: str, shown: bool) -> None:
    assert may_be_shown(licence, allowed, source) is shown


def test_a_set_whose_images_are_others_is_never_shown() -> None:
    of_others = [source for source in map(SOURCES.get, SOURCES.names()) if not source.passing_on]
    assert of_others
    assert not any(may_be_shown("CC0-1.0", "true", source.name) for source in of_others)
