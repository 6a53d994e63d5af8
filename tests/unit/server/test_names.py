from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmevision.server.names import LONGEST, shown_name, unique_name

HOSTILE = {
    "../../etc/passwd": "etc/passwd",
    "..\\..\\windows\\win.ini": "windows/win.ini",
    "/etc/passwd": "passwd",
    "C:\\Users\\jane\\left arm.png": "left arm.png",
    "\\\\server\\share\\1.png": "1.png",
    "~/slides/1.svs": "1.svs",
    "file:///home/jane/1.png": "home/jane/1.png",
    "a\x00b.png": "a\ufffdb.png",
    "a\nb\rc.png": "a\ufffdb\ufffdc.png",
    "photo\u202egnp.exe": "photo\ufffdgnp.exe",
    "a\u200bb.png": "a\ufffdb.png",
    "e\u0301.png": "\u00e9.png",
    "=HYPERLINK(1).png": "'=HYPERLINK(1).png",
    "@1.png": "'@1.png",
    "": "file 7",
    "..": "file 7",
    "   ": "file 7",
    "<img src=x onerror=alert(1)>.png": "<img src=x onerror=alert(1)>.png",  # text: the page shows it as such
    "a/b/c/d/e.png": "c/d/e.png",
}


@pytest.mark.parametrize("sent", HOSTILE, ids=ascii)
def test_a_hostile_name_becomes_plain_text(sent: str) -> None:
    assert shown_name(sent, 7) == HOSTILE[sent]


def test_a_name_of_ten_thousand_characters_keeps_its_ends() -> None:
    shown = shown_name("a" * 10_000 + ".png", 1)
    assert len(shown) <= LONGEST
    assert shown.endswith("aaa.png")
    assert "..." in shown


@given(st.text(max_size=400), st.integers(1, 99))
def test_whatever_is_sent_is_one_short_visible_line(sent: str, number: int) -> None:
    shown = shown_name(sent, number)
    assert 0 < len(shown) <= LONGEST + 1
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert shown[0] not in "=+-@/"
    assert not {"", ".", ".."} & set(shown.split("/"))


def test_equal_names_are_told_apart() -> None:
    taken: set[str] = set()
    assert [unique_name("a", taken) for _ in range(3)] == ["a", "a (2)", "a (3)"]
