"""The leaderboard of a suite: its columns, and its four forms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nmevision.evaluation.report import EvaluationReport
from nmevision.files import write_csv, write_json, write_text
from nmevision.journeys.ranking import RULES, Row, conclusions
from nmevision.journeys.suite import Suite
from nmevision.reporting.markdown import cell, shown, table
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


def scored(report: EvaluationReport) -> Row:
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


def write_board(
    rows: list[Row], suite: Suite, absent: dict[str, str], suite_hash: str, out: Path
) -> Leaderboard:
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
        who = "answered by" if held_out.grades else "bundle"
        headings = [who, "positive", "rank", *METRICS.values(), "patients"]
        lines += table(headings, [_cells(row) for row in mine])
        notes: dict[str, list[str]] = {}
        for row in mine:
            if row["note"]:
                notes.setdefault(cell(row["note"]), []).append(cell(row["bundle"]))
        lines += ["", *(f"- {', '.join(names)}: {note}" for note, names in notes.items())]
        lines += [] if held_out.outside else conclusions(mine, who)
    lines += ["", "Intervals are 95%, by patient; the report in each folder names their methods.", ""]
    lines += [f"- {rule}" for rule in RULES]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    """Return one row of a set's table."""
    scores = [row.get(f"{metric}_text", "-") for metric in METRICS]
    name = f"{cell(row['bundle'])} `{row['bundle_hash'][:8]}`"
    return [name, cell(row.get("positive") or "-"), row.get("rank_text", "-"), *scores, row.get("n", "-")]
