"""One score as one line: never without its n and its interval."""

from __future__ import annotations

import math

from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.scores import ALL, Score

NAMES = {
    "auroc": "AUROC",
    "average_precision": "AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "brier": "Brier score",
    "ece": "ECE",
}


def figure(score: Score, digits: int = 3) -> str:
    """Return the value and its interval, or why there is none."""
    if math.isnan(score.value):
        return f"not estimable ({score.reason})"
    interval = "" if math.isnan(score.low) else f" ({score.low:.{digits}f} to {score.high:.{digits}f})"
    return f"{score.value:.{digits}f}{interval}"


def counted(score: Score) -> str:
    """Return the patients a score rests on."""
    if score.n_positive is None:
        return f"{score.n_patients} patients"
    return f"{score.n_positive} positive and {score.n_negative} negative patients"


def headline(report: EvaluationReport) -> str:
    """Return the report's first figure as a line, with the phantom notice where it belongs."""
    score = report.headline
    target = "" if score.target == ALL else f" of {score.target}"
    notice = "PHANTOM (synthetic images, nothing about disease): " if report.phantom else ""
    return f"{notice}{NAMES.get(score.metric, score.metric)}{target} {figure(score)}, 95% interval; {counted(score)}"
