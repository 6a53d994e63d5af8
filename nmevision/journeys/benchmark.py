"""Several bundles over several held-out image sets: predict, evaluate, one leaderboard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nmevision.errors import BundleError, ConfigError, DataError, EvaluationError, NmevisionError, Problems
from nmevision.evaluation.report import EvaluationReport
from nmevision.files import sha256_of, write_csv, write_json, write_text
from nmevision.journeys.outside import called_positive
from nmevision.journeys.predict_and_evaluate import predict_and_evaluate
from nmevision.journeys.ranking import (
    RULES,
    PatientScores,
    Row,
    concluded,
    conclusions,
    patient_scores,
    weakest_spots,
)
from nmevision.journeys.suite import HeldOutSet, Suite, load_suite, read_sets
from nmevision.manifest import Manifest
from nmevision.networks.bundle import SEEN_DIGITS, Bundle, open_bundle
from nmevision.reporting.markdown import cell, shown
from nmevision.reporting.plain_page import page_of
from nmevision.reporting.sentence import counted

METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "brier": "Brier",
    "ece_width15": "ECE",
}
"""The board's scores and their headings; the first two are of the positive, the rest over all classes."""


@dataclass(frozen=True)
class Leaderboard:
    """The rows, one per set and bundle, the Markdown page, and the path of the same as HTML."""

    rows: list[Row]
    text: str
    path: Path


def run_suite(path: Path, folders: list[Path], out: Path) -> Leaderboard:
    """Predict and evaluate every bundle on every set; write leaderboard.csv, .json, .md and .html to `out`.

    Interrupted, it continues: finished predictions of the same bundle are used again. A bundle that was
    trained on images of a set, or cannot read its labels, gets a row that says so instead of a score.
    The first bundle named is the one that the others are compared with. A set that is not there is named with
    the reason on the board.
    Raises ConfigError, DataError or BundleError where the suite, a manifest or a bundle is broken.
    """
    path, out = Path(path), Path(out)
    suite, bundles = load_suite(path), _open_all(folders)
    manifests, absent = read_sets(suite, path.parent)
    rows = []
    for held_out in (one for one in suite.sets if one.name in manifests):
        manifest = manifests[held_out.name]
        digests = _digests(manifest)
        rows += concluded([_row(held_out, manifest, digests, bundle, out) for bundle in bundles])
    return _write(rows, suite, absent, sha256_of(path), out)


def _open_all(folders: list[Path]) -> list[Bundle]:
    """Return every bundle, or raise BundleError about all that cannot be opened."""
    problems, bundles = Problems(), []
    for folder in folders:
        try:
            bundles.append(open_bundle(folder))
        except BundleError as problem:
            problems.add(str(problem))
    problems.raise_if_any(BundleError, "bundles")
    names = [bundle.info.name for bundle in bundles]
    if len(set(names)) < len(names):
        raise BundleError(f"two bundles share a name: {', '.join(names)}; train one under another name")
    return bundles


def _digests(manifest: Manifest) -> set[str]:
    """Return the shortened SHA-256 of every readable image of a set."""
    return {sha256_of(s.path)[:SEEN_DIGITS] for s in manifest.samples() if s.path.is_file()}


def _row(
    held_out: HeldOutSet, manifest: Manifest, digests: set[str], bundle: Bundle, out: Path
) -> tuple[Row, PatientScores | None]:
    """Return one leaderboard row and its patients: scores with intervals and n, or why there are none."""
    row: Row = {
        "set": held_out.name,
        "bundle": bundle.info.name,
        "bundle_hash": bundle.hash,
        "note": "",
    }
    seen = len(digests & bundle.seen)
    if seen:
        why = f"not held out: {seen} of {len(digests)} images were trained or steered on"
        return row | {"note": why}, None
    folder = out / held_out.name / f"{bundle.info.name}-{bundle.hash[:8]}"
    try:
        if held_out.outside:
            return row | called_positive(bundle, manifest, folder, held_out.positive), None
        report = predict_and_evaluate(bundle, manifest, folder, held_out.positive)
    except (DataError, EvaluationError, ConfigError) as problem:
        return row | {"note": _first_lines(problem)}, None
    patients = patient_scores(folder, bundle.info.taxonomy, report.positive)
    return row | _scores(report) | weakest_spots(report), patients


def _first_lines(problem: NmevisionError) -> str:
    """Return an error as one table cell."""
    return " ".join(line.strip() for line in str(problem).splitlines()[:3])


def _scores(report: EvaluationReport) -> Row:
    """Return every metric of the board as value, low, high and readable text."""
    found: Row = {"phantom": report.phantom, "positive": report.positive}
    for metric in METRICS:
        target = report.positive if metric in ("auroc", "auprc") else "all"
        if target is None:
            continue
        score = report.score(metric, target)
        found[metric] = None if math.isnan(score.value) else score.value
        found[f"{metric}_low"] = None if math.isnan(score.low) else score.low
        found[f"{metric}_high"] = None if math.isnan(score.high) else score.high
        found[f"{metric}_text"] = shown(score)
    found["n"] = counted(report.headline)
    found["n_positive"], found["n_negative"] = report.headline.n_positive, report.headline.n_negative
    return found


def _write(rows: list[Row], suite: Suite, absent: dict[str, str], suite_hash: str, out: Path) -> Leaderboard:
    """Write the three forms of the leaderboard."""
    table = pd.DataFrame([{k: v for k, v in row.items() if not k.endswith("_text")} for row in rows])
    write_csv(out / "leaderboard.csv", table, decimals=6)
    content = {
        "suite": suite.model_dump(mode="json"),
        "suite_hash": suite_hash,
        "absent": absent,
        "rows": rows,
    }
    write_json(out / "leaderboard.json", content)
    text = _markdown(rows, suite, absent, suite_hash)
    write_text(out / "leaderboard.md", text)
    write_text(out / "leaderboard.html", page_of(text))
    return Leaderboard(rows, text, out / "leaderboard.html")


def _markdown(rows: list[Row], suite: Suite, absent: dict[str, str], suite_hash: str) -> str:
    """Return the leaderboard as Markdown, one table per set."""
    lines = [f"# {suite.name}", "", *suite.preamble(), "", f"Suite SHA-256 {suite_hash[:12]}."]
    for held_out in suite.sets:
        mine = [row for row in rows if row["set"] == held_out.name]
        terms = held_out.terms
        lines += ["", f"## {held_out.name}", "", *([terms, ""] if terms else [])]
        if held_out.name in absent:
            lines.append(f"**Left out**: {absent[held_out.name]}")
            continue
        if any(row.get("phantom") for row in mine):
            lines += [
                "**PHANTOM: synthetic images; says that the software works, nothing about disease.**",
                "",
            ]
        lines += [
            f"| bundle | positive | rank | {' | '.join(METRICS.values())} | patients | note |",
            "|" + "---|" * (len(METRICS) + 5),
        ]
        for row in mine:
            cells = [row.get(f"{metric}_text", "-") for metric in METRICS]
            name = f"{row['bundle']} `{row['bundle_hash'][:8]}`"
            rest = [row.get("n", "-"), cell(row["note"])]
            asked = [row.get("positive") or "-", row.get("rank_text", "-")]
            lines.append("| " + " | ".join([name, *asked, *cells, *rest]) + " |")
        lines += [] if held_out.outside else conclusions(mine)
    lines += ["", "Intervals are 95%, by patient; the report in each folder names their methods.", ""]
    lines += [f"- {rule}" for rule in RULES]
    return "\n".join(lines) + "\n"
