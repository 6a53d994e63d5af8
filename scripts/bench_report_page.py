"""How fast the page of many predictions opens in a real browser, and how large it is.

python scripts/bench_report_page.py [--n 2000] [--runs 5] [--size 448] [--keep FOLDER]

Draws some phantoms, repeats them under random answers until there are n, writes the report as `nmevision report` does and
opens it from disk in headless Chromium. Goal: under 2 s and 30 MB for 2,000 on an idle machine. Needs Chromium with its
driver and selenium (`pip install 'nmevision[dev]'`). The answers are drawn by chance; they say nothing of any image.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nmevision.files import write_csv, write_json
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import FIELDS
from nmevision.manifest import read_manifest
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.networks.sets import PredictionSets, SetLimit, with_sets
from nmevision.phantom.dataset import make
from nmevision.predictions import (
    DECIMALS,
    FIT,
    KNOWLEDGE_PREFIX,
    LEARNED_PREFIX,
    NOVELTY,
    PROBABILITY_PREFIX,
    SPREAD_PREFIX,
    by_case,
    table_of,
)
from nmevision.reader.page import write_reader_page
from nmevision.taxonomy import Taxonomy, load_taxonomy

ROOT = Path(__file__).resolve().parents[1]
DRAWN = 48
"""Different phantoms."""
GOAL_MS, GOAL_BYTES = 2000, 30_000_000
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--window-size=1280,900",
)
SHOWN = """
const done = arguments[0];
requestAnimationFrame(() => setTimeout(() => done([
  performance.now(), document.querySelectorAll('.rows li').length, document.querySelector('#count').textContent])));
"""


def main() -> None:
    """Write the page, open it some times and print the median and the size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="predictions")
    parser.add_argument(
        "--runs", type=int, default=5, help="times that the page is opened; the median counts"
    )
    parser.add_argument("--size", type=int, default=448, help="pixels of each image's side")
    parser.add_argument("--keep", type=Path, help="leave everything in this new folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name) / "answers"
        write_predictions(folder, options.n, options.size)
        started = time.perf_counter()
        page = write_reader_page(folder)
        written = time.perf_counter() - started
        times = [opened(page, Path(name) / f"profile-{run}") for run in range(options.runs)]
        size, median = page.stat().st_size, statistics.median(times)
        print(
            f"{options.n} predictions: page written in {written:.1f} s, {size / 1e6:.1f} MB (goal {GOAL_BYTES / 1e6:.0f})"
        )
        each = ", ".join(f"{one:.0f}" for one in times)
        print(f"opened in {median:.0f} ms (median of {options.runs}: {each}; goal {GOAL_MS})")


def write_predictions(folder: Path, n: int, size: int) -> None:
    """Write n predictions by chance over phantoms, as `nmevision predict` leaves them."""
    drawn = list(read_manifest(make(folder / "phantoms", "histology", DRAWN, size=size, mpp=1.0)).samples())
    (folder / "images").mkdir()
    names = [f"case {i:05d}{drawn[i % DRAWN].path.suffix}" for i in range(n)]
    for i, name in enumerate(names):
        shutil.copy(drawn[i % DRAWN].path, folder / "images" / name)
    taxonomy = load_taxonomy(ROOT / "configs" / "taxonomies" / "phantom-histology.yaml")
    frame = pd.DataFrame({"id": names, "path": names, "status": "ok", "message": ""})
    frame["patient_id"] = [f"patient {i // 2}" for i in range(n)]
    frame["source"] = "phantom"
    findings = [finding.key for finding in load_knowledge().findings_of("histology")]
    fields = list(FIELDS["histology"])
    numbers = _answers(n, taxonomy, findings, fields)
    sets = _sets(taxonomy)
    table = with_sets(table_of(frame, numbers, taxonomy.keys, taxonomy.group_of), sets)
    table.write(folder / "predictions.csv")
    write_csv(folder / "cases.csv", by_case(table, taxonomy.group_of), DECIMALS)
    write_json(folder / "run.json", _facts(taxonomy, findings, fields, sets))


def _answers(n: int, taxonomy: Taxonomy, findings: list[str], fields: list[str]) -> list[dict[str, float]]:
    """Return the numbers of n answers, drawn by chance."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {NOVELTY: rng.random(n), FIT: rng.random(n)}
    for prefix in (PROBABILITY_PREFIX, LEARNED_PREFIX, KNOWLEDGE_PREFIX):
        shares = rng.dirichlet(np.full(len(taxonomy.keys), 0.2), n)
        columns |= {prefix + key: shares[:, k] for k, key in enumerate(taxonomy.keys)}
    columns |= {FINDING_PREFIX + key: rng.uniform(0, 3, n) for key in findings}
    columns |= {SPREAD_PREFIX + key: rng.uniform(0, 1, n) for key in findings}
    columns |= {FIELD_PREFIX + key: rng.random(n) for key in fields}
    frame = pd.DataFrame(columns).round(DECIMALS)
    return [{str(key): float(value) for key, value in row.items()} for row in frame.to_dict("records")]


def _sets(taxonomy: Taxonomy) -> PredictionSets:
    """Return limits for prediction sets, as from 20 validation patients of each class."""
    groups = tuple(dict.fromkeys(taxonomy.group_of.values()))
    limits = {
        kind: tuple(SetLimit(key=k, patients=20, least=0.05) for k in kind)
        for kind in (taxonomy.keys, groups)
    }
    return PredictionSets(level=0.9, needed=9, diagnoses=limits[taxonomy.keys], groups=limits[groups])


def _facts(
    taxonomy: Taxonomy, findings: list[str], fields: list[str], sets: PredictionSets
) -> dict[str, Any]:
    """Return run.json of a model that was never trained."""
    confusion = (20 * np.eye(4, dtype=int) + 3).tolist()
    graders = [
        {"key": key, "temperature": 1.0, "confusion": confusion, "train_counts": [9] * 4} for key in findings
    ]
    return {
        "nmevision": "bench",
        "finished": "2026-01-01T00:00:00+00:00",
        "bundle": {"name": "by chance", "hash": "0" * 64, "modality": "histology", "phantom": True},
        "model": {
            "temperature": 1.0,
            "unlearned": [],
            "findings": graders,
            "fields": fields,
            "fusion": {"learned": 0.6, "knowledge": 0.5, "images": 100},
            "validation": {"images": 100},
            "sets": sets.model_dump(mode="json"),
        },
        "taxonomy": taxonomy.model_dump(mode="json"),
        "positive": "nme",
        "input": {"name": "phantoms"},
    }


def opened(page: Path, profile: Path) -> float:
    """Return milliseconds from asking a new Chromium for the page until its list is drawn."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in (*CHROMIUM, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as browser:
        browser.get("about:blank")
        browser.get(page.resolve().as_uri())
        milliseconds, rows, count = browser.execute_async_script(SHOWN)
    if not rows or not count.startswith("all "):
        raise SystemExit(f"the page shows {rows} rows and says {count!r}: it did not open as it should")
    return float(milliseconds)


if __name__ == "__main__":
    main()
