"""report.html: the evaluation as one page that loads nothing, to read on a screen, on a telephone or on paper."""

from __future__ import annotations

import functools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.truth import counted
from nmevision.reporting import report_charts as charts
from nmevision.reporting.artefacts import Artefacts
from nmevision.reporting.contents import contents
from nmevision.reporting.markdown import measured, needed, note, number, patients_of, shown, title_of

PARTS = {
    "identity": "Identity",
    "use": "Intended use and limits",
    "data": "Patients and images",
    "reference": "Reference standard",
    "model": "Model",
    "evaluation": "Evaluation",
    "calibration": "Calibration",
    "decisions": "Prevalence and decisions",
    "abstention": "Leaving the least sure to a human",
    "subgroups": "Subgroups",
    "shortcuts": "Shortcuts",
    "failures": "Failures",
    "limits": "Limits",
    "statements": "Statements",
    "checklist": "Reporting checklist",
}
"""The sections by their anchors, in the order of the reporting guidelines."""


def page_html(report: EvaluationReport, artefacts: Artefacts) -> str:
    """Return the page; every text of the user's is escaped."""
    view = contents(report, artefacts)
    numbers = {key: i for i, key in enumerate(PARTS, 1)}
    return (
        environment()
        .get_template("report.html.j2")
        .render(**view, charts=_charts(report, view["against"]), parts=list(PARTS.items()), numbers=numbers)
    )


def _charts(report: EvaluationReport, against: list[Any]) -> dict[str, Markup]:
    """Return the charts that can be drawn, by name."""
    made = {
        "roc": charts.roc(report),
        "pr": charts.precision_recall(report),
        "against": charts.against_each(report, against),
        "by_class": None if report.positive else charts.by_class(report),
        "by_source": charts.by_source(report) if report.positive else None,
        "reliability": charts.reliability(report),
        "distribution": charts.distribution(report),
        "benefit": charts.net_benefit(report),
    }
    return {name: chart for name, chart in made.items() if chart is not None}


@functools.cache
def environment() -> Environment:
    """Return the templates of HTML pages, made on first use; they escape everything."""
    made = Environment(
        loader=PackageLoader("nmevision.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {
        "counted": counted,
        "shown": functools.partial(shown, escaped=str),
        "measured": functools.partial(measured, escaped=str),
        "n": patients_of,
        "title": title_of,
        "number": number,
        "note": note,
        "needed": needed,
    }
    return made
