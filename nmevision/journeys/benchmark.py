"""Several bundles over several held-out image sets: predict, evaluate, one leaderboard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import Field, model_validator

from nmevision.errors import BundleError, ConfigError, DataError, EvaluationError, NmevisionError, Problems
from nmevision.evaluation.report import EvaluationReport
from nmevision.files import sha256_of, write_csv, write_json, write_text
from nmevision.journeys.predict_and_evaluate import predict_and_evaluate
from nmevision.manifest import Manifest, Split, read_manifest
from nmevision.networks.bundle import SEEN_DIGITS, Bundle, open_bundle
from nmevision.reporting.markdown import cell, shown
from nmevision.reporting.sentence import counted
from nmevision.schema import Record, read_yaml, validate

METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "brier": "Brier",
    "ece_width15": "ECE",
}
"""The board's scores and their headings; the first two are of the positive, the rest over all classes."""


class HeldOutSet(Record):
    """One image set of a suite.

    manifest: table of images, from the suite's folder. split: only these rows.
    positive: diagnosis or group that the leaderboard ranks by; each bundle's own by default.
    fingerprint: of the manifest, where the suite pins it.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    manifest: str
    root: str | None = None
    split: Split | None = None
    positive: str | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    fingerprint: str | None = None


class Suite(Record):
    """Held-out sets that models are compared on."""

    name: str
    description: str = ""
    sets: tuple[HeldOutSet, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tells_sets_apart(self) -> Self:
        names = [held_out.name for held_out in self.sets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"set '{twice[0]}' is listed twice; each has its own name")
        return self


@dataclass(frozen=True)
class Leaderboard:
    """The rows, one per set and bundle, and the Markdown page with its path."""

    rows: list[dict[str, Any]]
    text: str
    path: Path


def load_suite(path: Path) -> Suite:
    """Return the suite in a YAML file; raise ConfigError with every mistake."""
    return validate(Suite, read_yaml(path, ConfigError), str(path), ConfigError)


def run_suite(path: Path, folders: list[Path], out: Path) -> Leaderboard:
    """Predict and evaluate every bundle on every set; write leaderboard.csv, .md and .json to `out`.

    Interrupted, it continues: finished predictions of the same bundle are used again. A bundle that was
    trained on images of a set, or cannot read its labels, gets a row that says so instead of a score.
    Raises ConfigError, DataError or BundleError where the suite, a manifest or a bundle is broken.
    """
    path, out = Path(path), Path(out)
    suite, bundles = load_suite(path), _open_all(folders)
    rows = []
    for held_out in suite.sets:
        manifest = _read_set(held_out, path.parent)
        digests = _digests(manifest)
        found = [_row(held_out, manifest, digests, bundle, out) for bundle in bundles]
        rows += sorted(found, key=_rank)
    return _write(rows, suite, sha256_of(path), out)


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


def _read_set(held_out: HeldOutSet, base: Path) -> Manifest:
    """Return one set's rows."""
    root = base / held_out.root if held_out.root else None
    manifest = read_manifest(base / held_out.manifest, purpose="predict", root=root)
    if held_out.fingerprint and manifest.fingerprint != held_out.fingerprint:
        raise DataError(
            f"{held_out.manifest}: not the table the suite was made for (fingerprint {manifest.fingerprint[:12]}, "
            f"expected {held_out.fingerprint[:12]}); restore it, or make a new suite"
        )
    if held_out.split is not None:
        manifest = manifest.select(manifest.frame["split"] == held_out.split)
    if not len(manifest):
        raise DataError(
            f"{held_out.manifest}: no row of split '{held_out.split}'; set '{held_out.name}' is empty"
        )
    return manifest


def _digests(manifest: Manifest) -> set[str]:
    """Return the shortened SHA-256 of every readable image of a set."""
    return {sha256_of(s.path)[:SEEN_DIGITS] for s in manifest.samples() if s.path.is_file()}


def _row(
    held_out: HeldOutSet, manifest: Manifest, digests: set[str], bundle: Bundle, out: Path
) -> dict[str, Any]:
    """Return one leaderboard row: scores with intervals and n, or the reason why there are none."""
    row: dict[str, Any] = {
        "set": held_out.name,
        "bundle": bundle.info.name,
        "bundle_hash": bundle.hash,
        "note": "",
    }
    seen = len(digests & bundle.seen)
    if seen:
        return row | {"note": f"not held out: {seen} of {len(digests)} images were trained or steered on"}
    folder = out / held_out.name / f"{bundle.info.name}-{bundle.hash[:8]}"
    try:
        report = predict_and_evaluate(bundle, manifest, folder, held_out.positive)
    except (DataError, EvaluationError, ConfigError) as problem:
        return row | {"note": _first_lines(problem)}
    return row | _scores(report)


def _first_lines(problem: NmevisionError) -> str:
    """Return an error as one table cell."""
    return " ".join(line.strip() for line in str(problem).splitlines()[:3])


def _scores(report: EvaluationReport) -> dict[str, Any]:
    """Return every metric of the board as value, low, high and readable text."""
    found: dict[str, Any] = {"phantom": report.phantom, "positive": report.positive}
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
    return found


def _rank(row: dict[str, Any]) -> tuple[float, float, str]:
    """Return the sort key within a set: best AUROC first, then balanced accuracy, unscored last."""
    return -(row.get("auroc") or -1.0), -(row.get("balanced_accuracy") or -1.0), row["bundle"]


def _write(rows: list[dict[str, Any]], suite: Suite, suite_hash: str, out: Path) -> Leaderboard:
    """Write the three forms of the leaderboard."""
    table = pd.DataFrame([{k: v for k, v in row.items() if not k.endswith("_text")} for row in rows])
    write_csv(out / "leaderboard.csv", table, decimals=6)
    content = {"suite": suite.model_dump(mode="json"), "suite_hash": suite_hash, "rows": rows}
    write_json(out / "leaderboard.json", content)
    text = _markdown(rows, suite, suite_hash)
    write_text(out / "leaderboard.md", text)
    return Leaderboard(rows, text, out / "leaderboard.md")


def _markdown(rows: list[dict[str, Any]], suite: Suite, suite_hash: str) -> str:
    """Return the leaderboard as Markdown, one table per set."""
    lines = [f"# {suite.name}", "", suite.description.strip(), "", f"Suite SHA-256 {suite_hash[:12]}."]
    for held_out in suite.sets:
        mine = [row for row in rows if row["set"] == held_out.name]
        terms = "; ".join(part for part in (held_out.title, held_out.licence, held_out.citation) if part)
        lines += ["", f"## {held_out.name}", "", *([terms, ""] if terms else [])]
        if any(row.get("phantom") for row in mine):
            lines += [
                "**PHANTOM: synthetic images; says that the software works, nothing about disease.**",
                "",
            ]
        lines += [
            f"| bundle | positive | {' | '.join(METRICS.values())} | patients | note |",
            "|" + "---|" * (len(METRICS) + 4),
        ]
        for row in mine:
            cells = [row.get(f"{metric}_text", "-") for metric in METRICS]
            name = f"{row['bundle']} `{row['bundle_hash'][:8]}`"
            rest = [row.get("n", "-"), cell(row["note"])]
            lines.append("| " + " | ".join([name, row.get("positive") or "-", *cells, *rest]) + " |")
    lines += ["", "Intervals are 95%, by patient; the report in each folder names their methods."]
    return "\n".join(lines) + "\n"
