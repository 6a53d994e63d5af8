"""The charts of an evaluation's page: each says its n, its interval and, where it is due, that it shows phantoms."""

from __future__ import annotations

import math
import textwrap
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from nmevision.evaluation.report import Curves, EvaluationReport
from nmevision.evaluation.scores import ALL, Score
from nmevision.evaluation.sections import Sections
from nmevision.reporting.charts import DASHES, Axis, ForestRow, Plot, forest, unit_axis
from nmevision.reporting.figures import interval

NOTICE = "PHANTOM: synthetic images, a software check"
"""What stands in every chart of phantoms, for charts are cut out of pages."""
MOST_CURVES = len(DASHES)
DIAGONAL = [(0.0, 0.0), (1.0, 1.0)]
SIDES = (("positives", 1, "c1"), ("negatives", -1, "c0"))
STRONGEST_FIRST = 15
"""Rows of a forest chart; the table beside it has all."""


def notice(report: EvaluationReport) -> str:
    """Return the phantom's notice, "" for real images."""
    return NOTICE if report.phantom else ""


def patients(score: Score) -> str:
    """Return the patients behind a score in words."""
    if score.n_positive is None:
        return f"n = {score.n_patients} patients"
    return f"n+ {score.n_positive}, n− {score.n_negative}"


def _drawn(report: EvaluationReport) -> list[Curves]:
    """Return the curves of a chart, those with the most positives first."""
    known = [curve for curve in report.curves if not curve.reason]
    counts = {curve.target: report.score("auroc", curve.target).n_positive or 0 for curve in known}
    return sorted(known, key=lambda curve: -counts[curve.target])[:MOST_CURVES]


def _question(report: EvaluationReport) -> str:
    return f"{report.positive} against all others" if report.positive else "each class against the rest"


def roc(report: EvaluationReport) -> Markup | None:
    """Return the ROC curve of the positive, or of each class against the rest; None where there is none."""
    return _curves(report, "auroc", "AUROC", "ROC curve")


def precision_recall(report: EvaluationReport) -> Markup | None:
    """Return the precision-recall curve with its chance level; None where there is none."""
    return _curves(report, "auprc", "AUPRC", "Precision and recall")


def _curves(report: EvaluationReport, metric: str, name: str, title: str) -> Markup | None:
    curves = _drawn(report)
    if not curves:
        return None
    scores = [report.score(metric, curve.target) for curve in curves]
    methods = "; ".join(dict.fromkeys(s.method for s in scores if s.method))
    counts = "n" if report.positive else f"{name}, n+/n−"
    notes = [f"{counts}: patients; 95 % interval: {methods or 'none'}"]
    if len(curves) < len(report.curves):
        notes.append(f"{len(report.curves) - len(curves)} more classes stand in the tables")
    of_roc = metric == "auroc"
    words = ("1 − specificity", "sensitivity") if of_roc else ("recall (sensitivity)", "precision (PPV here)")
    x, y = (unit_axis(label) for label in words)
    key = [(_words(report, score, name), f"c{k}", DASHES[k]) for k, score in enumerate(scores)]
    plot = Plot(metric, f"{title}: {_question(report)}", x, y, key, notes, notice(report))
    if of_roc:
        plot.line(DIAGONAL, "chance")
        plot.text(0.84, 0.86, "chance", "soft halo", "end")
    elif len(curves) == 1:
        chance = scores[0].reference
        plot.line([(0, chance), (1, chance)], "chance")
        plot.text(0.01, chance + 0.02, f"chance = prevalence here {chance:.3f}", "soft halo")
    for k, curve in enumerate(curves):
        points = curve.roc if of_roc else curve.precision_recall
        steps = list(zip(*points.values(), strict=True))
        plot.line(steps if of_roc else _stairs(steps), f"c{k}", DASHES[k])
    return plot.svg()


def _words(report: EvaluationReport, score: Score, name: str) -> str:
    """Return what the key says of a curve; among several it is short, and the notes say what the numbers are."""
    if report.positive:
        return f"{name} {interval(score)}, {patients(score)}"
    target = textwrap.shorten(score.target, 24, placeholder=" …")
    return f"{target} {interval(score)}, {score.n_positive}/{score.n_negative}"


def _stairs(steps: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of stairs whose tread before each recall has that recall's precision."""
    corners = steps[:1]
    for (before, _), (recall, precision) in pairwise(steps):
        corners += [(before, precision), (recall, precision)]
    return corners


def against_each(report: EvaluationReport, rows: list[tuple[str, Score]]) -> Markup | None:
    """Return the positive's AUROC against each class alone, hardest first."""
    return _forest(f"AUROC of {report.positive} against each class alone", rows, report)


def by_source(report: EvaluationReport) -> Markup | None:
    """Return the positive's AUROC in each source."""
    rows = [
        (s.source, s)
        for s in report.scores
        if s.metric == "auroc" and s.target == report.positive and s.source != ALL
    ]
    return _forest(f"AUROC of {report.positive} within each source", rows, report)


def by_class(report: EvaluationReport) -> Markup | None:
    """Return the AUROC of every class against the rest."""
    rows = [
        (s.target, s)
        for s in report.scores
        if s.metric == "auroc" and s.source == ALL and s.target in report.classes
    ]
    return _forest("AUROC of each class against the rest", rows, report)


def _forest(title: str, rows: list[tuple[str, Score]], report: EvaluationReport) -> Markup | None:
    shown = [
        ForestRow(name, s.value, s.low, s.high, f"{interval(s)}, {s.n_positive}/{s.n_negative}")
        for name, s in rows
        if not math.isnan(s.value)
    ]
    if not shown:
        return None
    few = min(min(s.n_positive or 0, s.n_negative or 0) for _, s in rows if not math.isnan(s.value))
    notes = [f"95 % intervals; n+/n− patients, at least {few} of each; dotted: chance"]
    left = len(rows) - len(shown[:STRONGEST_FIRST])
    if left:
        notes.append(f"{left} more in the table, or not estimable")
    return forest(title, shown[:STRONGEST_FIRST], notes, notice(report), 0.5)


def reliability(report: EvaluationReport) -> Markup | None:
    """Return how often the positive came true at each probability; None without a positive."""
    if report.sections is None or report.positive is None:
        return None
    part, score = report.sections.calibration, report.score("brier", report.positive)
    banded = bool(part.band)
    shade = "95 % band: bootstrap of patients" if banded else "grey: 95 % of calibrated models lie here"
    key: list[tuple[str, str, str | None]] = [("isotonic (PAV)", "c0", "")]
    key += [] if banded else [("share in 10 bins of equal mass", "c1", None)]
    notes = [f"{patients(score)} patients; Brier {interval(score)}", f"{shade}; dotted: perfect calibration"]
    notes += ["no calibration claim at this n"] if part.no_claim else []
    plot = Plot(
        "reliability",
        f"Did the probability of {report.positive} come true?",
        unit_axis(f"probability of {report.positive}"),
        unit_axis("share that came true"),
        key,
        notes,
        notice(report),
    )
    plot.line(DIAGONAL, "chance")
    if banded:
        plot.band([(p, low) for p, low, _ in part.band], [(p, high) for p, _, high in part.band], "c0")
    plot.line([(p, share) for p, share in part.decomposition.curve], "c0")
    for one in () if banded else part.bins:
        plot.bar(
            one.probability - 0.006,
            one.probability + 0.006,
            one.consistent_low,
            one.consistent_high,
            "shade",
        )
        plot.dot(one.probability, one.share, "c1")
    return plot.svg()


def distribution(report: EvaluationReport) -> Markup | None:
    """Return where the probabilities of positives and negatives lie; None without a positive."""
    if report.positive is None:
        return None
    counts = report.curves[0].histogram
    most = {name: max([1, *values]) for name, values in counts.items()}
    edges = np.linspace(0, 1, len(counts["positives"]) + 1)
    ticks = ((-1.0, str(most["negatives"])), (0.0, "0"), (1.0, str(most["positives"])))
    key = [(f"{name}, n = {sum(counts[name])} patients", style, None) for name, _, style in SIDES]
    plot = Plot(
        "distribution",
        f"Probability of {report.positive}, patients",
        unit_axis(f"probability of {report.positive}"),
        Axis("patients", -1.1, 1.1, ticks),
        key,
        ["each side has its own scale"],
        notice(report),
        170,
    )
    for name, sign, style in SIDES:
        for left, right, n in zip(edges[:-1], edges[1:], counts[name], strict=True):
            height = sign * n / most[name]
            plot.bar(left, right, min(0.0, height), max(0.0, height), style)
    return plot.svg()


def net_benefit(report: EvaluationReport) -> Markup | None:
    """Return the decision curve; None where the net benefit is not known."""
    if report.sections is None:
        return None
    part = report.sections.decisions
    known = [row for row in part.curve if row.model.known]
    if len(known) < 2:
        return None
    limits = [row.interval.high for row in known if not math.isnan(row.interval.high)]
    most = max([part.prevalence, *limits, *(row.model.value for row in known)])
    values = [0.0, part.prevalence / 2, part.prevalence]
    x = Axis(
        "act above a risk of",
        known[0].threshold,
        known[-1].threshold,
        tuple((t, f"{100 * t:g} %") for t in (0.001, 0.01, 0.1) if known[0].threshold <= t),
        logarithmic=True,
    )
    y = Axis("net benefit", -0.6 * most, 1.1 * most, tuple((v, f"{v:.3g}") for v in values))
    plot = Plot(
        "benefit",
        f"Net benefit at prevalence {100 * part.prevalence:g} %",
        x,
        y,
        [("model", "c0", ""), ("act on everybody", "c1", DASHES[1])],
        [f"{patients(report.headline)} patients; band: 95 %, joint exact limits of both rates"],
        notice(report),
    )
    _benefits(plot, report.sections, x, most)
    return plot.svg()


def _benefits(plot: Plot, found: Sections, x: Axis, most: float) -> None:
    """Draw the model's line with its band, and what acting on all and on nobody gives."""
    known = [row for row in found.decisions.curve if row.model.known]
    banded = [row for row in known if not math.isnan(row.interval.low)]
    if banded:
        plot.band(
            [(row.threshold, row.interval.low) for row in banded],
            [(row.threshold, row.interval.high) for row in banded],
            "c0",
        )
    plot.line([(x.low, 0.0), (x.high, 0.0)], "chance")
    plot.line([(row.threshold, row.everyone) for row in known], "c1", DASHES[1])
    plot.line([(row.threshold, row.model.value) for row in known], "c0")
    plot.text(x.low * 1.1, -0.1 * most, "nobody (0)", "soft halo")
