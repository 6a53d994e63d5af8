"""What the knowledge says on the screen: readable, cited, and plain about what H&E cannot tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nmevision.cli.app import app
from nmevision.errors import ConfigError
from nmevision.knowledge.comparison import compare
from nmevision.knowledge.display import find_diagnosis, show
from nmevision.knowledge.loading import load_knowledge

KNOWN = load_knowledge()
NOTHING = "Nothing on H&E separates A from B"


def row_of(page: str, key: str) -> list[str]:
    return next(line.split() for line in page.splitlines() if line.split()[:1] == [key])


@pytest.mark.parametrize("word", [*KNOWN.diagnoses, *KNOWN.findings, *KNOWN.groups, *KNOWN.sources])
def test_every_word_has_a_page_that_fits(word: str) -> None:
    page = show(KNOWN, word)
    assert word in page
    assert max(map(len, page.splitlines())) <= 110
    assert "\x1b" not in page
    assert "…" not in page


def test_the_page_of_nme() -> None:
    page = show(KNOWN, "NME")
    assert row_of(page, "parakeratosis")[1:4] == ["1t", "2a", "3a"]
    assert "pujol2004" in row_of(page, "parakeratosis")
    assert "cannot be separated from the other members of its group" in page
    assert "5/7 (71 %)" in page
    assert "does not exclude glucagonoma" in page
    assert "doi:10.1111/j.1365-4632.2004.01844.x" in page


def test_pages_are_found_by_name_synonym_and_code() -> None:
    assert show(KNOWN, "Parakeratosis").startswith("parakeratosis [parakeratosis]")
    assert find_diagnosis(KNOWN, "Zinc-deficiency dermatitis").key == "acrodermatitis_enteropathica"
    assert show(KNOWN, "w15").count("American Society of Dermatopathology") == 2
    assert "weakly" in row_of(show(KNOWN, "necrolytic"), "pellagra")


def test_unknown_words_get_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown word 'psoriassis' \(did you mean 'psoriasis'\?\)"):
        show(KNOWN, "psoriassis")
    with pytest.raises(ConfigError, match=r"unknown diagnosis 'pelagra' \(did you mean 'pellagra'\?\)"):
        compare(KNOWN, "nme", "pelagra")
    with pytest.raises(ConfigError, match="both mean 'nme'"):
        compare(KNOWN, "nme", "erythema necrolyticum migrans")


def test_comparison_puts_the_largest_difference_first() -> None:
    page = compare(KNOWN, "nme", "psoriasis")
    assert NOTHING not in page
    histology = page[page.index("Histology") : page.index("Clinical photos")]
    lines = [line.split() for line in histology.splitlines()]
    rows = [line for line in lines if line and line[0] in KNOWN.findings]
    assert rows[0][:6] == ["suprapapillary_thinning", "-2.7", "0t", "0t", "1t", "3c"]
    assert {"W16", "W17", "W20"} <= set(rows[0])
    sizes = [abs(float(row[1])) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert "nme:active to psoriasis 29" in " ".join(histology.split())
    ortho = next(row for row in rows if row[0] == "hyperkeratosis_ortho")
    assert ortho[1] == "+0.0"  # the stages differ, their mean does not: not called equal
    assert "dermal_mucin" in histology[histology.index("equal:") :]


@pytest.mark.parametrize("other", ["acrodermatitis_enteropathica", "biotin_efa_deficiency"])
def test_comparison_says_plainly_that_nothing_separates(other: str) -> None:
    assert NOTHING in compare(KNOWN, "nme", other)
    assert NOTHING in compare(KNOWN, other, "nme")


@pytest.mark.parametrize("other", ["pellagra", "necrolytic_acral_erythema"])
def test_comparison_says_where_h_and_e_separates_weakly(other: str) -> None:
    page = compare(KNOWN, "nme", other)
    assert NOTHING not in page
    assert "only weakly" in page


def test_comparison_without_profile_says_so() -> None:
    assert compare(KNOWN, "nme", "impetigo").count("no profile of impetigo") == 2


def test_every_comparison_fits() -> None:
    for other in ("eczema", "necrolytic_acral_erythema", "sjs_ten"):
        assert max(map(len, compare(KNOWN, "nme", other).splitlines())) <= 110


def test_the_verbs(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("finding,psoriasis\nspongiosis,2a [own-file]\nparakeratosis,3c\n", encoding="utf-8")

    def said(*words: str) -> str:
        done = CliRunner().invoke(app, ["knowledge", *words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    assert said("show", "nme") == show(KNOWN, "nme") + "\n"
    assert said("compare", "nme", "psoriasis") == compare(KNOWN, "nme", "psoriasis") + "\n"
    assert row_of(said("show", "psoriasis", "--profiles", str(mine)), "spongiosis")[1:] == ["2a", "own-file"]
    checked = said("check", str(mine))
    assert "histology: 2 grades in 1 columns; no mistake found" in checked
    assert "1 replace ours" in checked
    assert row_of(checked, "spongiosis") == ["spongiosis", "psoriasis", "1c", "2a", "own-file"]
    mine.write_text("finding,psoriasis\nspongiosis,2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no evidence tag"):
        said("check", str(mine))
