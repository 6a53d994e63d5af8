"""All trials of a sweep in one table, best first: what they were given and what validation said, with its n."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nmevision.files import write_csv, write_text
from nmevision.journeys.sweep.plan import LARGER_IS_BETTER, Sweep, Trial
from nmevision.journeys.sweep.trial import Result

CSV, MARKDOWN = "trials.csv", "trials.md"
FIGURES = ("loss", "auroc", "balanced_accuracy")
COUNTS = ("images", "patients", "epoch")
"""Of a trial's validation: how many images and patients its figures are of, and which epoch was kept."""


def table_of(sweep: Sweep, trials: Sequence[Trial], results: Sequence[Result | None]) -> pd.DataFrame:
    """Return one row per trial: trial, status, the values that differ, FIGURES, COUNTS, seconds, why; best first."""
    rows = []
    for trial, result in zip(trials, results, strict=True):
        found = result or {"status": "not run"}
        validation = found.get("validation") or {}
        row: dict[str, Any] = {"trial": trial.name, "status": found["status"]}
        row |= {key: trial.values[key] for key in sweep.swept if key in trial.values}
        row |= {name: validation.get(name) for name in (*FIGURES, *COUNTS)}
        rows.append(row | {"seconds": found.get("seconds"), "why": found.get("why", "")})
    table = pd.DataFrame(rows).astype(dict.fromkeys(FIGURES, float))
    table = table.astype(dict.fromkeys(COUNTS, "Int64"))
    ascending = sweep.objective not in LARGER_IS_BETTER
    return table.sort_values(sweep.objective, ascending=ascending, kind="stable", ignore_index=True)


def write_table(
    out: Path, sweep: Sweep, table: pd.DataFrame, tried: int, base: str, phantom: bool
) -> tuple[Path, Path]:
    """Write trials.csv and trials.md to `out`; return both paths.

    tried: configurations tried on this table of images so far, in this sweep and before. base: the configuration's name.
    """
    write_csv(out / CSV, table)
    done = int((table["status"] == "done").sum())
    lines = [
        f"# Sweep {sweep.name}",
        "",
        f"{len(table)} trials of {base} ({sweep.search}), {done} done; ordered by validation {_said(sweep.objective)}.",
        "",
        "Every figure is of the validation images, whose number stands beside it. They chose among the trials, so the best "
        "figure is too good; the test split was not opened. auroc: mean over the diagnoses, each against all others.",
        "",
        f"Configurations tried on these images so far: {tried}.",
        "",
    ]
    if phantom:
        lines += ["Trained on phantoms (synthetic images): this says nothing about disease.", ""]
    write_text(out / MARKDOWN, "\n".join([*lines, _markdown(table), ""]))
    return out / CSV, out / MARKDOWN


def _said(objective: str) -> str:
    return objective.replace("_", " ") + (
        ", largest first" if objective in LARGER_IS_BETTER else ", smallest first"
    )


def _markdown(table: pd.DataFrame) -> str:
    """Return the table with short numbers; the reason of a failure in its first line."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.to_dict("records"):
        cells = [_short(str(name), value) for name, value in row.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _short(column: str, value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    if column in FIGURES:
        return f"{value:.4f}"
    if column == "seconds":
        return f"{value:.0f}"
    lines = str(value).splitlines()
    return (lines[0] if lines else "").replace("|", "\\|")[:160]
