"""A report's first figure as one line: never without its n and its interval."""

from __future__ import annotations

from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.scores import ALL, Score
from nmevision.reporting.markdown import TITLES, shown


def counted(score: Score) -> str:
    """Return the patients a score rests on."""
    if score.n_positive is None:
        return f"{score.n_patients} patients"
    return f"{score.n_positive} positive and {score.n_negative} negative patients"


def headline(report: EvaluationReport) -> str:
    """Return the report's first figure as a line."""
    score = report.headline
    target = "" if score.target == ALL else f" of {score.target}"
    notice = "PHANTOM (synthetic images, nothing about disease): " if report.phantom else ""
    return f"{notice}{TITLES[score.metric]}{target} {shown(score)}, 95% interval; {counted(score)}"
