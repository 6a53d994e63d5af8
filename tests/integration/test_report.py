"""From a model to a corrected answer: predict --report, a grade changed on the page, its CSV into `correct`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reader_browser import browser, until  # noqa: F401 - browser is a fixture
from tiny_bundle import SIZE, tiny_bundle

from nmevision.journeys.correct import correct
from nmevision.predictions import GROUP_PREFIX, PredictionTable, read_predictions


def make_model(folder: Path) -> None:
    """Save a bundle that grades two findings with errors, looks for the horn and pools both routes."""
    confusion = (9 * np.eye(4, dtype=int) + 1).tolist()
    findings = [
        {"key": key, "temperature": 1.0, "confusion": confusion, "train_counts": [5] * 4}
        for key in ("parakeratosis", "spongiosis")
    ]
    tiny_bundle(
        folder,
        network={
            "backbone": "test_resnet",
            "tasks": {"diagnosis": 3, "findings": 6, "fields": 1},
            "image_size": SIZE,
            "weights_from": "none",
        },
        findings=findings,
        fields=["horn"],
        fusion={"learned": 0.6, "knowledge": 0.5, "images": 30},
        phantom=True,
    )


def images(folder: Path) -> Path:
    """Write three images of noise, each of its own colour."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for i, name in enumerate(("a, b.png", "c.png", "d.png")):
        pixels = rng.integers(0, 100 + 70 * i, (90, 110, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def shown(page: Any) -> dict[str, str]:
    """Return the pooled probability of every group as the page shows it."""
    rows = page.find_elements("css selector", "#answer .group[data-key]")
    found = {row.get_attribute("data-key"): row.find_element("css selector", ".main").text for row in rows}
    return {key: text.split()[0] for key, text in found.items() if text != "–"}


def expected(table: PredictionTable, identity: str) -> dict[str, str]:
    """Return the same as a corrected table has it."""
    row = table.frame.set_index("id").loc[identity]
    names = [str(name) for name in table.frame if str(name).startswith(GROUP_PREFIX)]
    return {name.removeprefix(GROUP_PREFIX): f"{float(row[name]):.2f}" for name in names}


@pytest.mark.slow
def test_a_grade_given_on_the_page_corrects_as_the_command_does(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    make_model(tmp_path / "model")
    out = tmp_path / "answers"
    command = [
        sys.executable,
        "-m",
        "nmevision.cli",
        "predict",
        str(tmp_path / "model"),
        str(images(tmp_path / "in")),
    ]
    done = subprocess.run(
        [*command, "--out", str(out), "--report", "--engine", "torch"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(out / "report.html")

    page = browser
    page.get((out / "report.html").as_uri())
    assert "trained on phantoms" in page.find_element("css selector", ".phantom").text
    page.execute_script("location.hash = '#case/0'")
    until(lambda: page.find_elements("css selector", ".reading"))
    before = shown(page)
    assert before == expected(read_predictions(out / "predictions.csv"), "a, b.png")
    for finding, grade in (("parakeratosis", 3), ("spongiosis", 0)):
        css = f'input[name="grade-{finding}"][value="{grade}"]'
        page.execute_script("arguments[0].click()", page.find_element("css selector", css))
    page.execute_script("arguments[0].click()", page.find_element("css selector", ".reading button"))
    grades = page.downloads / "corrections.csv"
    until(grades.is_file)
    after = correct(tmp_path / "model", out / "predictions.csv", tmp_path / "corrected", [], grades)
    grades.unlink()
    assert shown(page) == expected(after, "a, b.png")
    assert shown(page) != before
