"""From predictions.csv and a manifest to report.json, two pages and figures; no images, no torch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmevision.errors import EvaluationError
from nmevision.evaluation.report import EvaluationReport, evaluate, positive_target
from nmevision.files import sha256_of, sha256_of_text, write_json, write_text
from nmevision.manifest import read_manifest
from nmevision.predictions import PredictionTable, read_predictions
from nmevision.reporting.artefacts import RUN_FILE, SHORTCUTS, Artefacts, artefacts_of, read_json
from nmevision.reporting.author import Author, read_author
from nmevision.reporting.figures import NAMES, draw_all
from nmevision.reporting.markdown import render
from nmevision.reporting.page import page_html
from nmevision.reporting.report_file import report_content
from nmevision.taxonomy import Taxonomy, taxonomy_from

REPORT = "report.json"
PAGE, HTML = "report.md", "report.html"


def evaluate_files(
    predictions_csv: Path,
    manifest_path: Path,
    out: Path,
    taxonomy: Taxonomy | None = None,
    positive: str | None = None,
    seed: int = 0,
    author: Path | None = None,
) -> EvaluationReport:
    """Score predictions.csv against a manifest; write report.json, report.html, report.md and figures to `out`.

    taxonomy: how the manifest's labels are read; by default that of run.json beside the predictions
        (the model's own), else the predicted diagnoses themselves.
    positive: a diagnosis or group; by default that of run.json, else 'nme' where it is a diagnosis.
    author: YAML of what only the authors can tell (see author.py); what is missing stands as a gap.
    shortcuts.json in `out`, else beside the predictions, becomes part of the report.
    Raises EvaluationError where `out` holds a report of something else; one of the same inputs is
    written anew. DataError, ConfigError where a file does not say what it should.
    """
    predictions_csv, manifest_path, out = Path(predictions_csv), Path(manifest_path), Path(out)
    table = read_predictions(predictions_csv)
    statements = read_author(author) if author else Author()
    run_file = predictions_csv.with_name(RUN_FILE)
    run = read_json(run_file) if run_file.exists() else {}
    taxonomy = taxonomy or _taxonomy(run, table, predictions_csv)
    positive = positive if positive is not None else run.get("positive")
    target = positive_target(taxonomy, positive)
    inputs = {
        "predictions": sha256_of(predictions_csv),
        "manifest": sha256_of(manifest_path) if manifest_path.is_file() else None,
        "taxonomy": sha256_of_text(taxonomy.model_dump_json()),
        "positive": target.name if target else None,
    }
    _refuse_other_report(out, inputs)
    manifest = read_manifest(manifest_path, purpose="evaluate", taxonomy=taxonomy)
    tests = [one / SHORTCUTS for one in (out, predictions_csv.parent) if (one / SHORTCUTS).exists()]
    artefacts = artefacts_of(run, inputs, tests[0] if tests else None, statements)
    report = evaluate(table, manifest, taxonomy, positive, seed)
    if artefacts.bundle.get("phantom") and not report.phantom:
        warning = "The model was made from phantoms (synthetic images): it was never meant for real ones."
        report = dataclasses.replace(report, caveats=(warning, *report.caveats))
    write_report(report, out, artefacts)
    return report


def write_report(report: EvaluationReport, out: Path, artefacts: Artefacts) -> None:
    """Write report.json first (its inputs allow a broken-off writing to be repeated), then the rest."""
    write_json(out / REPORT, report_content(report, artefacts))
    missing = draw_all(report, out)
    for name in missing:
        for suffix in (".png", ".svg"):
            (out / name).with_suffix(suffix).unlink(missing_ok=True)
    write_text(out / PAGE, render(report, artefacts, missing))
    write_text(out / HTML, page_html(report, artefacts))


def _taxonomy(run: Mapping[str, Any], table: PredictionTable, where: Path) -> Taxonomy:
    """Return the model's own taxonomy, else one whose groups are the predicted diagnoses themselves."""
    if run.get("taxonomy"):
        return taxonomy_from(run["taxonomy"], str(where.with_name(RUN_FILE)))
    return taxonomy_from(
        {
            "name": "the predicted diagnoses",
            "groups": tuple({"key": key, "name": key} for key in table.diagnoses),
            "diagnoses": tuple({"key": key, "name": key, "group": key} for key in table.diagnoses),
        },
        f"{where}: the columns p_<diagnosis>",
    )


def _refuse_other_report(out: Path, inputs: Mapping[str, Any]) -> None:
    """Raise EvaluationError where `out` holds a report made from other inputs."""
    figures = [f"{name}{suffix}" for name in NAMES for suffix in (".png", ".svg")]
    present = [name for name in (REPORT, PAGE, HTML, *figures) if (out / name).exists()]
    if not present:
        return
    try:
        found = json.loads((out / REPORT).read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != dict(inputs):
        raise EvaluationError(
            f"{out}: holds {present[0]} of another evaluation already, which is never overwritten; "
            "choose another folder with --out, or remove this one"
        )
