"""What the terminal says when a prediction is done."""

from __future__ import annotations

from pathlib import Path

from nmevision.inference.outputs import CASES, FACTS, PREDICTIONS
from nmevision.networks.bundle import BundleInfo
from nmevision.networks.card import RESEARCH_USE, what_slides_cannot_tell
from nmevision.predictions import PredictionTable

SHOWN = 10
"""How many unreadable files are named; the table names all."""


def summarise(table: PredictionTable, info: BundleInfo, out: Path) -> str:
    """Return what went wrong, where everything lies and one line of counts, last."""
    failed = table.frame[table.frame["status"] == "error"]
    lines = [f"error: {row.id!r}: {row.message}" for row in failed.head(SHOWN).itertuples()]
    if len(failed) > SHOWN:
        lines.append(f"... and {len(failed) - SHOWN} more; {PREDICTIONS} names them all")
    if info.phantom:
        lines.append(
            "This model was trained on phantoms (synthetic images): its answers say nothing about disease."
        )
    limit = what_slides_cannot_tell(info)
    if limit:
        lines.append(limit)
    lines.append(RESEARCH_USE)
    lines += [str((out / name).resolve()) for name in (PREDICTIONS, CASES, FACTS)]
    counts = table.counts()
    answers = table.answered["diagnosis"].value_counts()
    named = ", ".join(f"{key} {n}" for key, n in answers.items()) or "none"
    lines.append(
        f"{len(table.frame)} files: {counts['ok']} ok, {counts['flagged']} flagged, {counts['error']} errors; "
        f"most probable: {named}"
    )
    return "\n".join(lines)
