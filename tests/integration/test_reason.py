"""`nmevision reason`: a table of hand-made grades to a differential, JSON and pages, over the real command line."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from small_world import Answer, run_here

from nmevision.knowledge.loading import load_knowledge

HOSTILE = '<script>alert("1")</script>|*x*'
ACTIVE = {p.key: p for p in load_knowledge().profiles_of("histology")}["nme:active"]


def write(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "grades.csv"
    pd.DataFrame(list(rows)).to_csv(path, index=False)
    return path


def reason(folder: Path, table: Path, *more: object, code: int = 0) -> Answer:
    found = run_here("reason", table, "--out", folder / "out", *more, cwd=folder)
    assert found.code == code, found.err
    return found


def active(name: str, **more: object) -> dict[str, object]:
    return {"id": name, **{key: cell.grade for key, cell in ACTIVE.cells.items()}, **more}


def groups(folder: Path, name: str) -> dict[str, float]:
    table = pd.read_csv(folder / "out" / "differential.csv")
    own = table[(table["id"] == name) & (table["level"] == "group")]
    return dict(zip(own["key"], own["probability"], strict=True))


class Tags(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_one_broken_row_never_stops_the_rest(tmp_path: Path) -> None:
    rows = (
        active("good", glucagon="217 pg/mL", diabetes="yes"),
        active("bad", parakeratosis=4, spongiosis="many", glucagon=217, diabetes="perhaps"),
        active("good"),
        {"id": "empty"},
        active(HOSTILE, site_acral_lower_leg=3),
    )
    found = reason(tmp_path, write(tmp_path, *rows), code=1)
    assert "5 cases: 2 answered, 1 abstained, 2 error" in found.out
    content = json.loads((tmp_path / "out" / "answers.json").read_text(encoding="utf-8"))
    status = [a["status"] for a in content["answers"]]
    assert status == ["answered", "error", "error", "abstained", "answered"]
    message = content["answers"][1]["message"]
    for part in (
        "line 3",
        "parakeratosis is '4.0', expected 0, 1, 2, 3 or empty",
        "spongiosis is 'many'",
        "no unit",
        "diabetes is 'perhaps'",
    ):
        assert part in message
    assert "line 2 already" in content["answers"][2]["message"]
    assert groups(tmp_path, "good")["necrolytic"] > 0.99
    assert len(list((tmp_path / "out" / "pages").iterdir())) == 10


def test_members_have_no_number_on_h_and_e_anywhere_in_the_results(tmp_path: Path) -> None:
    reason(tmp_path, write(tmp_path, active("case")))
    table = pd.read_csv(tmp_path / "out" / "differential.csv")
    members = table[(table["level"] == "diagnosis") & (table["group"] == "necrolytic")]
    assert len(members) == 5
    assert members[["probability", "within_group", "low", "high"]].isna().all(axis=None)
    assert members["statement"].str.startswith("cannot be separated here").all()
    for page in (tmp_path / "out" / "pages").iterdir():
        text = page.read_text(encoding="utf-8")
        assert "H&E cannot separate" in text.replace("&amp;", "&")
        assert text.count("not a medical device") == 1


def test_hostile_ids_cannot_inject(tmp_path: Path) -> None:
    reason(tmp_path, write(tmp_path, active(HOSTILE, note="x")))
    pages = [*(tmp_path / "out" / "pages").glob("*.html"), tmp_path / "out" / "index.html"]
    assert len(pages) == 2
    for page in pages:
        parser = Tags()
        parser.feed(page.read_text(encoding="utf-8"))
        assert "script" not in parser.tags
        assert HOSTILE in "".join(parser.text)
    (markdown,) = (tmp_path / "out" / "pages").glob("*.md")
    assert "<script>" not in markdown.read_text(encoding="utf-8")
    assert markdown.name == "1-script-alert-1-script-x.md"


def test_columns_are_judged_all_at_once(tmp_path: Path) -> None:
    table = write(tmp_path, {"parakeratosi": 1, "spongiosis": 2, "finding_spongiosis": 2, "glucagon_mg": 3})
    found = reason(tmp_path, table, code=2)
    for part in (
        "unknown column 'parakeratosi' (did you mean 'parakeratosis'?)",
        "'spongiosis' and 'finding_spongiosis' mean the same",
        "unknown column 'glucagon_mg'",
        "the column 'id' is missing",
    ):
        assert part in found.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prefix", ["", "finding_"])
def test_a_grade_can_be_set_for_all(tmp_path: Path, prefix: str) -> None:
    keys = ("parakeratosis", "spongiosis", "acantholysis")
    table = write(tmp_path, {"id": "a", **{prefix + key: 1 for key in keys}})
    reason(tmp_path, table)
    before = groups(tmp_path, "a")
    (tmp_path / "out").rename(tmp_path / "first")
    reason(tmp_path, table, "--set", "acantholysis=3")
    assert groups(tmp_path, "a")["acantholytic"] > before["acantholytic"]
    found = reason(tmp_path, table, "--set", "acantholisis=3", "--set", "spongiosis=9", code=2)
    assert "did you mean 'acantholysis'" in found.err
    assert "'spongiosis=9': expected finding=grade" in found.err


def test_results_of_other_inputs_are_not_overwritten(tmp_path: Path) -> None:
    table = write(tmp_path, active("a"))
    reason(tmp_path, table)
    first = (tmp_path / "out" / "answers.json").read_bytes()
    reason(tmp_path, table)
    assert (tmp_path / "out" / "answers.json").read_bytes() == first  # seeded: the same to the byte
    found = reason(tmp_path, table, "--set", "spongiosis=0", code=2)
    assert "never overwritten" in found.err


def test_own_prior_and_profiles_are_used(tmp_path: Path) -> None:
    table = write(tmp_path, {"id": "a", "spongiosis": 1, "parakeratosis": 1})
    reason(tmp_path, table)
    before = groups(tmp_path, "a")
    (tmp_path / "out").rename(tmp_path / "first")
    names = dict.fromkeys(before, 1) | {"necrolytic": 50}
    (tmp_path / "prior.yaml").write_text(json.dumps({"groups": names}), encoding="utf-8")
    reason(tmp_path, table, "--prior", "prior.yaml")
    after = groups(tmp_path, "a")
    odds = [p["necrolytic"] / p["spongiotic"] for p in (before, after)]
    assert odds[1] == pytest.approx(50 * odds[0], rel=1e-4)
    (tmp_path / "out").rename(tmp_path / "second")
    own = "finding,eczema:acute,eczema:subacute,eczema:chronic\nsources,carrigg,carrigg,carrigg\nspongiosis,0a,0a,0a\n"
    (tmp_path / "own.csv").write_text(own, encoding="utf-8")
    reason(tmp_path, table, "--profiles", "own.csv")
    assert groups(tmp_path, "a")["spongiotic"] != pytest.approx(before["spongiotic"], rel=1e-3)


def test_clinical_grades_and_a_wrong_modality(tmp_path: Path) -> None:
    table = write(tmp_path, {"id": "a", "erythema": 3, "erosion": 3, "site_perineal_genital_buttock": 3})
    assert "did you mean 'clinical'" in reason(tmp_path, table, "--modality", "clinica", code=2).err
    assert "unknown column 'erythema'" in reason(tmp_path, table, code=2).err
    reason(tmp_path, table, "--modality", "clinical")
    assert max(groups(tmp_path, "a").items(), key=lambda item: item[1])[0] == "necrolytic"


def test_a_spreadsheet_with_semicolons_bom_and_ragged_rows(tmp_path: Path) -> None:
    table = tmp_path / "grades.csv"
    text = "\ufeffid;parakeratosis;field_horn\nx;2.0;yes\ny;2\n\nz;1;no\n"
    table.write_text(text, encoding="utf-8")
    reason(tmp_path, table, code=1)
    content = json.loads((tmp_path / "out" / "answers.json").read_text(encoding="utf-8"))["answers"]
    assert [a["status"] for a in content] == ["answered", "error", "error"]
    assert "has 2 cells where the header has 3" in content[1]["message"]
    assert "parakeratosis is graded, yet field_horn says no" in content[2]["message"]
