"""The page in a real Chromium: opened from disk, filtered, a case read, zoomed, corrected, downloaded and printed."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reader_browser import browser, until  # noqa: F401 - browser is a fixture
from reader_cases import Bench, taxonomy
from reader_folder import (
    HOSTILE,
    add_overlays,
    corrected_answers,
    data_of,
    draw,
    make_folder,
    make_references,
)

from nmevision.files import write_csv
from nmevision.journeys.grades_table import read_grades
from nmevision.journeys.reason import reason_about
from nmevision.knowledge.loading import load_knowledge
from nmevision.manifest import read_manifest
from nmevision.predictions import read_predictions
from nmevision.reader.page import form_page, write_reader_page

CASE = "sub/case 0004.jpg"
GRADE = {"parakeratosis": 0, "upper_epidermal_pallor": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bench]:
    """Return a folder of 40 predictions, and the bench that made it."""
    made = tmp_path_factory.mktemp("answers")
    bench = make_folder(made, 40, side=320)
    add_overlays(made, CASE)
    references = make_references(tmp_path_factory.mktemp("references"), [CASE])
    write_reader_page(made, references=references)
    return made, bench


@pytest.fixture
def page(browser: Any, folder: tuple[Path, Bench]) -> Any:  # noqa: F811 - the fixture
    """Open the page afresh at desk width; whatever a test did, no message of the browser may be left."""
    emulate(browser, 1280, 900)
    browser.get("about:blank")
    browser.get((folder[0] / "report.html").as_uri())
    yield browser
    ours = ("beforeunload", "willReadFrequently")  # of the tests' own doing
    messages = [line["message"] for line in browser.get_log("browser")]
    assert [message for message in messages if not any(word in message for word in ours)] == []


def emulate(browser: Any, width: int, height: int, scheme: str = "light") -> None:  # noqa: F811
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})


def select(page: Any, css: str) -> list[Any]:
    return list(page.find_elements("css selector", css))


def text(page: Any, css: str) -> str:
    return str(select(page, css)[0].text)


def press(page: Any, css: str) -> None:
    page.execute_script("arguments[0].click()", select(page, css)[0])


def open_case(page: Any, identity: str) -> None:
    index = page.execute_script(
        "return JSON.parse(document.getElementById('data').textContent).rows.findIndex((row) => row.id === arguments[0])",
        identity,
    )
    page.execute_script(f"location.hash = '#case/{index}'")
    until(lambda: text(page, "#case-title") == identity)


def give(page: Any, grades: dict[str, int]) -> None:
    for finding, grade in grades.items():
        press(page, f'input[name="grade-{finding}"][value="{grade}"]')


def downloaded(page: Any, name: str) -> Path:
    path: Path = page.downloads / name
    until(path.is_file)
    kept = path.with_name(f"{time.monotonic_ns()}-{name}")
    path.rename(kept)
    return kept


def test_the_list_is_sorted_filtered_and_searched(page: Any) -> None:
    assert text(page, ".totals .headline") == "40 images of 20 patients: 38 answered, 1 flagged, 1 unreadable"
    scores = [float(e.text.strip("<>")) for e in select(page, ".rows .score .n")]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 8
    press(page, '[data-filter="error"]')
    assert text(page, "#count") == "1 of 40 shown"
    assert "'broken.jpg' <b>cut short</b>" in text(page, ".rows")
    press(page, '[data-filter="flagged"]')
    assert "case 0001" in text(page, ".rows")
    assert "out of scope" in text(page, ".rows")
    press(page, '[data-filter="all"]')
    select(page, "#search")[0].send_keys("0004 patient")
    assert text(page, "#count") == "1 of 40 shown"
    assert select(page, ".rows li")[0].get_attribute("aria-setsize") == "1"


def test_a_case_is_opened_by_keys_and_left_again(page: Any) -> None:
    body = select(page, "body")[0]
    body.send_keys("j")
    body.send_keys("j")
    row = page.switch_to.active_element
    name = row.text.splitlines()[0]
    row.send_keys("\ue007")  # Enter
    until(lambda: select(page, "#case-title") and text(page, "#case-title") == name)
    select(page, "body")[0].send_keys("n")
    until(lambda: text(page, "#case-title") != name)
    select(page, "body")[0].send_keys("\ue00c")  # Escape
    until(lambda: select(page, ".rows li"))


def test_the_image_zooms_and_overlays_switch(page: Any) -> None:
    open_case(page, CASE)
    canvas = until(lambda: select(page, "#image canvas"))[0]

    def colour() -> list[int]:
        found: list[int] = page.execute_script(
            "const c = arguments[0]; return [...c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data]",
            canvas,
        )
        return found

    before = until(lambda: sum(colour()) > 0 and colour())
    press(page, 'input[name="overlay"]')  # green, the first by name
    until(lambda: colour()[1] > before[1] + 10 or colour()[0] < before[0] - 10)
    press(page, 'input[name="overlay"]')
    until(lambda: np.abs(np.subtract(colour(), before)).max() <= 6)
    drawn = canvas.screenshot_as_base64
    press(page, '[aria-label="zoom in"]')
    press(page, '[aria-label="zoom in"]')
    until(lambda: canvas.screenshot_as_base64 != drawn)


def test_a_changed_grade_moves_the_answer_as_python_says(page: Any, folder: tuple[Path, Bench]) -> None:
    open_case(page, CASE)
    before = text(page, "#answer")
    give(page, GRADE)
    assert text(page, "#answer") != before
    assert "With 2 of your grades" in text(page, "#banner")
    p = corrected_answers(*folder, CASE, GRADE)
    groups = {
        key: sum(p[d] for d in p if taxonomy().group_of[d] == key)
        for key in set(taxonomy().group_of.values())
    }
    for key, value in groups.items():
        found = select(page, f'.group[data-key="{key}"] .main')
        shown = found[0].text.split()[0] if found else "<0.01"  # those below it by every route share a line
        assert found or key in text(page, ".rest")
        assert shown == (">0.99" if value > 0.99 else "<0.01" if value < 0.01 else f"{value:.2f}")
    press(page, "#banner button")
    assert text(page, "#answer") == before


def test_corrections_are_read_again_by_reason_and_train(page: Any) -> None:
    # into `correct`: tests/integration/test_report.py, which has a model
    hostile = HOSTILE.replace("/", "_")
    open_case(page, CASE)
    give(page, GRADE)
    page.execute_script(
        "const s = document.getElementById('own-diagnosis'); s.value = 'pellagra'; s.dispatchEvent(new Event('change'))"
    )
    open_case(page, hostile)
    give(page, {"psoriasiform_acanthosis": 2})
    press(page, ".reading button")
    grades = downloaded(page, "corrections.csv")
    press(page, ".reading button + button")
    manifest = read_manifest(downloaded(page, "training-rows.csv")).frame.set_index("id")
    assert manifest.loc[CASE, "diagnosis"] == "pellagra"
    assert manifest.loc[CASE, "finding_upper_epidermal_pallor"] == "3"
    assert manifest.loc[hostile, "finding_psoriasiform_acanthosis"] == "2"
    assert (manifest["phantom"] == "true").all()
    rows = {row.id: row for row in read_grades(grades, load_knowledge(), "histology")}
    assert set(rows) == {CASE, hostile}
    assert not [row.message for row in rows.values() if row.message]
    outcome = reason_about(grades, page.downloads / f"reasoned-{time.monotonic_ns()}")
    assert outcome.counts["answered"] == 2


def test_a_case_says_what_is_not_ruled_out_and_for_what_there_are_too_few(
    page: Any, folder: tuple[Path, Bench]
) -> None:
    frame = read_predictions(folder[0] / "predictions.csv").frame.set_index("id")
    told = str(frame.loc[CASE, "prediction_set_groups"]).split("; ")
    open_case(page, CASE)
    chips = [one.text for one in select(page, ".sets > .held .in-set")]
    assert chips == [key.replace("?", " n = 4") for key in told]
    held = [key for key in told if not key.endswith("?")]
    assert 0 < len(held) < len(told)
    assert [one.text for one in select(page, ".sets > .held .always")] == ["necrolytic n = 4"]
    assert "never ruled out: fewer than 9 validation patients" in text(page, ".sets")
    printed = page.execute_script("return document.getElementById('summary').textContent")
    assert f"Patterns: Not ruled out at 90 %: {', '.join(held)}." in printed
    assert "before your grades" not in text(page, ".sets")
    give(page, GRADE)
    assert "before your grades" in text(page, ".sets")
    open_case(page, "sub/case 0001.jpg")
    assert "for it the level promises nothing" in text(page, ".sets")
    open_case(page, "sub/case 0000.jpg")
    assert not select(page, ".sets")


def test_the_nearest_references_stand_with_source_and_terms(page: Any) -> None:
    open_case(page, CASE)
    cards = [card.text for card in select(page, ".refs li")]
    assert len(cards) == 5
    assert cards[0].splitlines()[:2] == ["psoriasis", "similarity 0.90"]
    assert "of the test; CC-BY-4.0: credit the authors" in cards[0]
    assert "phantom" in cards[1].splitlines()
    assert len(select(page, ".refs img")) == 2
    assert sum("may not be passed on" in card for card in cards) == 3
    assert HOSTILE in cards[2]
    assert "<b>odd</b>" in cards[3]
    assert "Likeness to an image is not a diagnosis." in text(page, "#near")
    printed = page.execute_script("return document.getElementById('summary').textContent")
    assert "Nearest reference cases: psoriasis 0.90 (of the test, CC-BY-4.0)" in printed
    open_case(page, "sub/case 0006.jpg")
    assert "features were not computed" in text(page, "#near")


def test_a_case_prints_as_one_page(page: Any) -> None:
    open_case(page, CASE)
    paper = {"paperWidth": 8.27, "paperHeight": 11.69}
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", paper)["data"])
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) == 1


def test_hostile_names_do_nothing(page: Any) -> None:
    open_case(page, HOSTILE.replace("/", "_"))
    assert page.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    open_case(page, "../../outside.jpg")
    assert "not told where the images lie" in text(page, ".no-image")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_stands_wider_than_the_screen(page: Any, width: int, scheme: str) -> None:
    emulate(page, width, 900, scheme)
    for view in ("list", "case"):
        if view == "case":
            open_case(page, CASE)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_form_answers_and_its_csv_is_read_again(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    emulate(browser, 1280, 900)
    (tmp_path / "form.html").write_text(form_page("histology"), encoding="utf-8")
    browser.get((tmp_path / "form.html").as_uri())
    assert "grade at least one" in text(browser, "#answer")
    give(browser, {"upper_epidermal_pallor": 3, "granular_layer_loss": 3, "parakeratosis": 2})
    assert text(browser, "#answer .headline").startswith("Most probable: necrolytic")
    press(browser, 'input[name="feature-diabetes"][value="yes"]')
    press(browser, 'input[name="field-follicle"][value="no"]')
    glucagon = select(browser, "#glucagon")[0]
    browser.execute_script(
        "arguments[0].value = '217 pg/mL'; arguments[0].dispatchEvent(new Event('change'))", glucagon
    )
    assert "does not make NME or glucagonoma unlikely" in text(browser, "#then")
    press(browser, ".formbar button")  # keep it
    give(browser, {"spongiosis": 2, "parakeratosis": 1})
    press(browser, ".formbar button + button")
    path = downloaded(browser, "grades.csv")
    out = tmp_path / "out"
    assert reason_about(path, out).counts["answered"] == 2
    answers = json.loads((out / "answers.json").read_text())["answers"]
    assert [answer["id"] for answer in answers] == ["case 1", "case 2"]
    assert {s["what"] for s in answers[0]["clinical"]} == {"diabetes: yes", "glucagon: 217 pg/mL"}
    assert text(browser, "#answer .headline") == answers[1]["headline"]


@pytest.mark.slow
def test_thousands_of_rows_stay_small_and_scroll_to_the_last(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    bench = make_folder(tmp_path, 40, side=256, hostile=False)
    frame = pd.read_csv(tmp_path / "predictions.csv", dtype=str, keep_default_na=False)
    many = pd.concat([frame] * 50, ignore_index=True)
    many["id"] = many["path"] = [f"case {i:04d}.jpg" for i in range(len(many))]
    write_csv(tmp_path / "predictions.csv", many)
    for i in range(len(many)):
        draw(tmp_path / "images" / f"case {i:04d}.jpg", 256, bench.rng)
    path = write_reader_page(tmp_path)
    assert path.stat().st_size < 30_000_000
    assert sum("thumbnail" in row for row in data_of(path.read_text(encoding="utf-8"))["rows"]) == 1950
    emulate(browser, 1280, 900)
    browser.get("about:blank")
    browser.get(path.as_uri())
    assert select(browser, ".rows li")
    assert len(select(browser, ".rows li")) < 60  # only what is on the screen stands in the document
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    assert until(lambda: select(browser, '.rows li[aria-posinset="2000"]'))


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the accessibility checker axe-core, fetched with npm, or skip: it is not part of the product."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    try:
        done = subprocess.run(
            ["npm", "install", "--no-save", "--ignore-scripts", "--prefix", str(folder), "axe-core@4"],
            capture_output=True,
            timeout=120,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("axe-core could not be fetched in time")
    path = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not path.is_file():
        pytest.skip("axe-core could not be fetched (no network?)")
    return path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["list", "case", "unreadable", "form", "clinical form"])
def test_axe_finds_nothing(
    browser: Any,  # noqa: F811 - the fixture
    folder: tuple[Path, Bench],
    tmp_path: Path,
    axe: str,
    view: str,
    scheme: str,
) -> None:
    emulate(browser, 1280, 900, scheme)
    browser.get("about:blank")
    if "form" in view:
        (tmp_path / "form.html").write_text(
            form_page("clinical" if "clinical" in view else "histology"), encoding="utf-8"
        )
        browser.get((tmp_path / "form.html").as_uri())
        give(browser, {"erosion": 2} if "clinical" in view else GRADE)
    else:
        browser.get((folder[0] / "report.html").as_uri())
        if view == "case":
            open_case(browser, CASE)
            give(browser, GRADE)
        elif view == "unreadable":
            open_case(browser, "sub/case 0000.jpg")
    browser.execute_script(axe)
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then((r) => done(r.violations.map((v) =>"
        " [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary)])))"
    )
    assert found == []
