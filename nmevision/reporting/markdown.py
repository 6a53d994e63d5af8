"""report.md: the evaluation as a page to read."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.scores import ALL, Score
from nmevision.evaluation.truth import counted
from nmevision.reporting.figures import NAMES, interval

LISTED = 20
"""Left-out images or patients named on the page; report.json names all."""
TITLES = {
    "auroc": "AUROC",
    "auprc": "AUPRC (average precision)",
    "sensitivity": "sensitivity of the most probable diagnosis",
    "specificity": "specificity of the most probable diagnosis",
    "sensitivity_at_specificity_0.95": "sensitivity at specificity 0.95 (descriptive)",
    "sensitivity_at_specificity_0.90": "sensitivity at specificity 0.90 (descriptive)",
    "mann_whitney_p": "p that it ranks no better than chance",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "macro_auroc": "AUROC, mean over classes",
    "brier": "Brier score",
    "ece_width15": "ECE, most probable diagnosis, 15 equal-width bins",
    "ece_mass10": "ECE, 10 equal-mass bins",
}


def render(
    report: EvaluationReport, inputs: Mapping[str, Any], bundle: Mapping[str, Any], missing: Mapping[str, str]
) -> str:
    """Return the page. inputs: hashes of what was read; missing: figure name -> why it is not there."""
    positive = report.positive
    by_source: dict[str, list[Score]] = {}
    for score in report.scores:
        if score.source != ALL:
            by_source.setdefault(score.source, []).append(score)
    return _template().render(
        report=report,
        inputs=inputs,
        bundle=bundle,
        notice=PHANTOM_NOTICE if report.phantom else "",
        research_only=RESEARCH_ONLY,
        headline=report.headline,
        of_positive=_of(report, positive) if positive else [],
        over_all=_of(report, ALL),
        targets=[t for t in dict.fromkeys(s.target for s in report.scores) if t != ALL],
        by_source=by_source,
        composition=_by_class(report),
        left_out=Counter((entry.unit, entry.kind) for entry in report.left_out),
        listed=LISTED,
        images_differ=report.confusion_images != report.confusion_patients,
        figures=[(name, title, missing.get(name, "")) for name, title in NAMES.items()],
    )


def _of(report: EvaluationReport, target: str) -> list[Score]:
    """Return the scores of one target over all sources."""
    return [score for score in report.scores if score.target == target and score.source == ALL]


def _by_class(report: EvaluationReport) -> list[dict[str, Any]]:
    """Return the composition with one row per class, its sources and a last row of sums."""
    numbers = ("patients", "images", "patients_unanswered", "images_unanswered")
    rows = []
    for key in report.classes:
        own = [row for row in report.composition if row["diagnosis"] == key]
        sources = ", ".join(f"{row['source']} {row['patients']}" for row in own)
        rows.append(
            {"diagnosis": key, "sources": sources} | {name: sum(row[name] for row in own) for name in numbers}
        )
    total = {name: sum(row[name] for row in rows) for name in numbers}
    return [*rows, {"diagnosis": "all", "sources": "", **total}]


@functools.cache
def _template() -> Any:
    """Return the compiled page (read once, on first use)."""
    environment = Environment(
        loader=PackageLoader("nmevision.reporting"),
        autoescape=False,  # Markdown: `cell` escapes what comes from tables
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "cell": cell,
        "counted": counted,
        "shown": shown,
        "n": _n,
        "title": _title,
        "number": _number,
    }
    return environment.get_template("report.md.j2")


def cell(text: object) -> str:
    """Return a text that stays in its table cell and is shown as it is.

    >>> print(cell("a|b <i>"))
    a\\|b \\<i\\>
    """
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(str(text).split()))


def shown(score: Score) -> str:
    """Return a score's value and interval, or why there is none."""
    if score.value != score.value:
        return f"not estimable: {cell(score.reason)}"
    if score.metric == "mann_whitney_p":
        return _number(score.value)
    return interval(score)


def _number(value: float) -> str:
    """Return three decimals, or a power of ten below a thousandth; a dash for none."""
    if value != value:
        return "–"
    return f"{value:.3f}" if value >= 0.001 or value == 0 else f"{value:.1e}"


def _n(score: Score) -> str:
    """Return the patients behind a score: positives / negatives, or all."""
    return str(score.n_patients) if score.n_positive is None else f"{score.n_positive} / {score.n_negative}"


def _title(score: Score) -> str:
    return TITLES.get(score.metric, score.metric)
