"""report.html: it parses, loads nothing, cannot be written into, keeps its order, and says n, phantoms and gaps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from small_tables import KEYS, made

from nmevision.errors import ConfigError, EvaluationError
from nmevision.reporting.evaluate import evaluate_files
from nmevision.reporting.page import PARTS
from nmevision.reporting.report_charts import NOTICE

VOID = {"meta", "br", "img", "hr", "link", "input"}
HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(2)</script></style>{{ 7*7 }}"


@pytest.fixture(autouse=True, scope="module")
def no_pictures() -> Iterator[None]:
    """Leave the PNG and SVG files out: they take most of the time and are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmevision.reporting.evaluate.draw_all", lambda report, folder: {})
        yield


def page(folder: Path, tables: tuple[Path, Path], author: Path | None = None) -> str:
    evaluate_files(*tables, folder / "out", author=author)
    return (folder / "out" / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects tags and attributes, tables and figures as text; fails where tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: dict[str, str] = {}
        self.tables: list[tuple[str, str]] = []
        self.charts: list[str] = []
        self.words: list[str] = []
        self.part = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "h2":
            self.part = dict(attrs)["id"] or ""
        if tag in ("table", "svg"):
            self.words = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            self.tables.append((self.part, " ".join(self.words)))
        if tag == "svg":
            self.charts.append(" ".join(self.words))

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)
            self.parts[self.part] = self.parts.get(self.part, "") + data


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("plain")
    return Page(page(folder, made(folder, sex="f", reference_standard="biopsy", licence="CC-BY-4.0")))


def loads_nothing(found: Page) -> bool:
    """Tell whether no tag or attribute of the page fetches or runs anything."""
    forbidden = {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "base",
        "foreignobject",
        "image",
    }
    outside = [
        (tag, key)
        for tag, attributes in found.tags
        for key, value in attributes.items()
        if key.startswith("on")
        or (key in ("src", "href", "xlink:href") and not (value or "").startswith("#"))
    ]
    return not outside and not forbidden & {tag for tag, _ in found.tags}


def test_it_parses_loads_nothing_and_forbids_all(plain: Page) -> None:
    assert loads_nothing(plain)
    policy = next(a["content"] for t, a in plain.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def test_sections_stand_in_the_order_of_the_guidelines(plain: Page) -> None:
    order = [attributes["id"] for tag, attributes in plain.tags if tag == "h2"]
    assert order == list(PARTS)
    assert order[:6] == ["identity", "use", "data", "reference", "model", "evaluation"]
    targets = {a["href"] for t, a in plain.tags if t == "a"}
    assert targets == {f"#{key}" for key in PARTS}
    first = plain.parts["evaluation"].index("Primary endpoint: AUROC of nme")
    assert first < plain.parts["evaluation"].index("Scores over all classes")


def test_the_markdown_page_has_the_same_order(tmp_path: Path) -> None:
    page(tmp_path, made(tmp_path))
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    wanted = (
        "Identity",
        "Intended use",
        "What was evaluated",
        "Reference standard",
        "Model",
        "Evaluation",
        "Calibration",
    )
    wanted += (
        "Acting",
        "Leaving",
        "Subgroups",
        "Shortcuts",
        "Failures",
        "Limits",
        "Statements",
        "Reporting checklist",
    )
    places = [text.index(f"\n## {heading}") for heading in wanted]
    assert places == sorted(places)


def test_every_number_of_a_table_or_chart_carries_its_n(plain: Page) -> None:
    scored = ("evaluation", "calibration", "decisions", "abstention", "subgroups", "failures")
    tables = [text for part, text in plain.tables if part in scored and re.search(r"\d\.\d{3}", text)]
    assert len(tables) >= 10
    for text in tables:
        assert re.search(r"n\+ / n−|patients|\bpatient\b|prevalence", text), text
    assert "n+ / n− 20 / 40" in plain.parts["decisions"]
    assert len(plain.charts) == 7
    for text in plain.charts:
        assert re.search(r"n\+ \d+, n− \d+|n = \d+|\d+/\d+", text), text
        assert re.search(r"9\d %|each side", text), text


def test_the_numbers_are_those_of_the_report(tmp_path: Path) -> None:
    found = Page(page(tmp_path, made(tmp_path)))
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    failures = content["failures"]
    assert f"Every false negative: {failures['missed']} of 20 positive patients" in found.parts["failures"]
    for row in failures["false_negatives"]:
        assert row["patient"] in found.parts["failures"]
    area = next(
        s for s in content["scores"] if (s["metric"], s["target"], s["source"]) == ("auroc", "nme", "all")
    )
    assert (
        f"AUROC {area['value']:.3f} ({area['low']:.3f}–{area['high']:.3f}), n+ 20, n− 40" in found.charts[0]
    )
    assert "s0: 10 (10), s1: 10 (10)" in found.parts["data"]


def test_names_of_the_users_are_never_markup(tmp_path: Path) -> None:
    tables = made(tmp_path, patient_id=f"#{HOSTILE}", source=f"{HOSTILE}", licence=HOSTILE, sex=HOSTILE)
    table = pd.read_csv(tables[0], keep_default_na=False).assign(path=HOSTILE)
    table.loc[3, ["status", "message"]] = ["error", HOSTILE]
    table.loc[3, [f"p_{key}" for key in KEYS]] = float("nan")
    table.to_csv(tables[0], index=False)
    run = {"bundle": {"name": HOSTILE, "hash": HOSTILE}, "finished": HOSTILE}
    run |= {"model": {"network": {"backbone": HOSTILE}, "versions": {HOSTILE: HOSTILE}}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    checks = [{"test": HOSTILE, "name": HOSTILE, "verdict": HOSTILE, "words": HOSTILE}]
    (tmp_path / "shortcuts.json").write_text(json.dumps({"checks": checks}))
    (tmp_path / "author.yaml").write_text(f"funding: {json.dumps(HOSTILE)}")
    text = page(tmp_path, tables, tmp_path / "author.yaml")
    assert loads_nothing(Page(text))
    assert "49" not in re.findall(r"style&gt;(.{0,12})", text)
    assert "{{ 7*7 }}" in text
    assert "&lt;script&gt;alert(2)" in text
    assert "<script" not in text


def test_phantoms_are_a_software_check_everywhere(tmp_path: Path) -> None:
    found = Page(page(tmp_path, made(tmp_path, phantom="true")))
    for part in (
        "evaluation",
        "calibration",
        "decisions",
        "abstention",
        "subgroups",
        "shortcuts",
        "failures",
    ):
        assert "software check on phantoms" in found.parts[part]
    assert all(NOTICE in text for text in found.charts)
    assert "Software check: AUROC of nme" in found.parts[""]
    assert "No claim about disease" in found.parts["limits"]
    assert "Preliminary discrimination" not in "".join(found.parts.values())


def test_phantoms_never_share_a_table_with_patients(tmp_path: Path) -> None:
    tables = made(tmp_path)
    manifest = pd.read_csv(tables[1])
    manifest["phantom"] = ["true"] + [""] * (len(manifest) - 1)
    manifest.to_csv(tables[1], index=False)
    with pytest.raises(EvaluationError, match="never evidence about disease"):
        page(tmp_path, tables)


def test_what_is_missing_is_said(tmp_path: Path, plain: Page) -> None:
    assert "no record of the model in run.json" in plain.parts["model"]
    assert "Not tested." in plain.parts["shortcuts"]
    assert "intended use: what the model is for" in plain.parts["use"]
    assert "sex: female" in plain.parts["subgroups"]
    keys = ("lupus", "psoriasis", "eczema")
    found = Page(page(tmp_path, made(tmp_path, keys=keys)))
    for part in ("calibration", "decisions", "abstention", "subgroups"):
        assert "No positive class is declared" in found.parts[part]
    assert "none can be missed" in found.parts["failures"]
    assert "no column reference_standard" in found.parts["reference"]


def test_without_positives_the_page_says_so(tmp_path: Path) -> None:
    tables = made(tmp_path)
    manifest = pd.read_csv(tables[1])
    manifest[manifest["diagnosis"] != "nme"].to_csv(tables[1], index=False)
    found = Page(page(tmp_path, tables))
    assert "No curve of nme: no positives" in found.parts["evaluation"]
    assert "not estimable: no positives" in found.parts["evaluation"]
    assert "nan" not in " ".join(found.parts.values()).split()


def test_the_authors_words_fill_the_gaps(tmp_path: Path) -> None:
    tables = made(tmp_path)
    before = Page(page(tmp_path, tables)).parts["checklist"]
    (tmp_path / "author.yaml").write_text("clinicians: none\nsample_size: none was possible\nfunding: '  '\n")
    found = Page(page(tmp_path, tables, tmp_path / "author.yaml"))
    after = found.parts["checklist"]
    counts = [int(re.search(r"(\d+) of \d+ items filled", text)[1]) for text in (before, after)]  # type: ignore[index]
    assert counts[1] == counts[0] + 2
    assert "clinicians (authors)" in found.parts["evaluation"]
    assert "clinicians:" not in after
    assert "funding:" in after
    (tmp_path / "author.yaml").write_text("fundng: me\n")
    with pytest.raises(ConfigError, match="did you mean 'funding'"):
        page(tmp_path, tables, tmp_path / "author.yaml")


def test_shortcut_tests_become_part_of_the_report(tmp_path: Path) -> None:
    tables = made(tmp_path)
    check = {
        "test": "L4",
        "name": "label from the source",
        "verdict": "flag",
        "words": "The source tells.",
        "p": 0.01,
    }
    check |= {"value": 0.8, "low": 0.7, "high": 0.9, "n_positive": 20, "n_negative": 40, "chance": 0.5}
    content = {"checks": [check], "inputs": {"manifest": "another"}}
    (tmp_path / "shortcuts.json").write_text(json.dumps(content))
    told = Page(page(tmp_path, tables)).parts["shortcuts"]
    assert "flag" in told
    assert "0.800 (0.700–0.900)" in told
    assert "20 / 40" in told
    assert "made with another manifest" in told
    (tmp_path / "shortcuts.json").write_text('{"tests": []}')
    with pytest.raises(EvaluationError, match="checks: missing"):
        page(tmp_path, tables)


def test_sets_and_diseases_outside_the_list_are_on_both_pages(tmp_path: Path) -> None:
    text = page(tmp_path, made(tmp_path, 45))
    words = " ".join(table for part, table in Page(text).tables if part == "abstention")
    assert "promised 90 %" in words
    assert "needed: in every set" in words
    assert "Not estimable: the manifest has no column open_set" in text
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["alpha"] for one in content["sets"]] == [0.1, 0.2]
    assert content["unknowns"]["by_probability"] is None
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert "## Sets of diagnoses that hold the true one" in markdown
    rows = [
        line.count("|")
        for line in markdown.split("## Sets of")[1].split("## Diseases")[0].splitlines()
        if line
    ]
    assert {n for n in rows if n} == {5}


def test_near_and_far_are_told_apart_on_the_page(tmp_path: Path) -> None:
    predictions, manifest = made(tmp_path)
    answers, labels = pd.read_csv(predictions, dtype=str), pd.read_csv(manifest, dtype=str)
    few = answers.head(4).assign(id=[f"x{i}" for i in range(4)], path=[f"x{i}" for i in range(4)])
    pd.concat([answers, few]).to_csv(predictions, index=False)
    unknown = labels.head(4).assign(id=few["id"].to_numpy(), diagnosis="", patient_id=few["id"].to_numpy())
    both = pd.concat([labels.assign(open_set=""), unknown.assign(open_set=["near", "near", "far", "far"])])
    both.to_csv(manifest, index=False)
    text = page(tmp_path, (predictions, manifest))
    words = " ".join(table for part, table in Page(text).tables if part == "abstention")
    assert "all near unknowns" in words
    assert "all far unknowns" in words
    assert "OSCR" in (tmp_path / "out" / "report.md").read_text()
