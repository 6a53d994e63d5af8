"""The figures of an evaluation: ROC, precision-recall, confusion, reliability. Each says its n."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from nmevision.evaluation.claims import CALIBRATION_FROM, PHANTOM_NOTICE
from nmevision.evaluation.report import Curves, EvaluationReport
from nmevision.evaluation.scores import Score
from nmevision.files import atomic_path

BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
)
"""Okabe and Ito's colours, told apart with any colour vision (jfly.uni-koeln.de/color)."""
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
GREY = "#666666"
DPI = 150
SHARES_UP_TO = 12
"""Classes up to which a cell of the confusion matrix carries its row share; beyond, zeros stay blank too."""
NAMES = {"roc": "ROC", "pr": "precision-recall", "confusion": "confusion", "reliability": "reliability"}


def draw_all(report: EvaluationReport, folder: Path) -> dict[str, str]:
    """Write every figure as NAME.png and NAME.svg into `folder`; return name -> why one is missing.

    Each file is written whole or not at all; the same report gives the same bytes.
    """
    makers: dict[str, Callable[[EvaluationReport], Figure | str]] = {
        "roc": roc,
        "pr": precision_recall,
        "confusion": confusion,
        "reliability": reliability,
    }
    missing = {}
    with ThreadPoolExecutor(1) as pool:  # packs one picture while the next is drawn
        packed = []
        for name, make in makers.items():
            figure = make(report)
            if isinstance(figure, str):
                missing[name] = figure
            else:
                packed.append(pool.submit(_write_png, folder / f"{name}.png", _pixels(figure)))
                _write_svg(folder / f"{name}.svg", figure)
        for one in packed:
            one.result()
    return missing


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return the figure drawn, its parts in their places: uint8 H x W x 3.

    Its canvases are asked themselves, here and for SVG: `Figure.savefig` draws everything twice for each file.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # its parts have their places now
    return np.array(canvas.buffer_rgba())[..., :3]


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, "PNG", dpi=(DPI, DPI))


def _write_svg(path: Path, figure: Figure) -> None:
    with matplotlib.rc_context({"svg.hashsalt": path.stem}), atomic_path(path) as temporary:
        FigureCanvasSVG(figure).print_svg(temporary, metadata={"Date": None})


def _figure(report: EvaluationReport, width: float = 6.0, height: float = 5.6) -> Figure:
    """Return an empty figure, with the phantom notice on top where it is due."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(h_pad=0.1, w_pad=0.1)  # type: ignore[call-arg]
    if report.phantom:
        notice = "\n".join(textwrap.wrap(PHANTOM_NOTICE, int(width * 11)))
        figure.suptitle(notice, color=VERMILLION, fontsize=10, fontweight="bold")
    return figure


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=12, fontweight="bold")


def _plain(axes: Axes) -> None:
    """Remove the frame's upper and right line."""
    axes.spines[["top", "right"]].set_visible(False)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, aspect="equal")
    _plain(axes)


def interval(score: Score) -> str:
    """Return a score as text: the value with its interval, or that it is not estimable.

    The reason of a missing value stands in the report's tables.
    """
    if np.isnan(score.value):
        return "not estimable"
    limits = "no interval" if np.isnan(score.low) else f"{score.low:.3f}–{score.high:.3f}"
    return f"{score.value:.3f} ({limits})"


def _n(score: Score) -> str:
    return f"n+ = {score.n_positive}, n− = {score.n_negative}"


def _drawn(report: EvaluationReport) -> tuple[list[Curves], str]:
    """Return the curves a figure can hold, and why there is none or not all."""
    good = [curve for curve in report.curves if not curve.reason]
    if not good:
        return [], "; ".join(sorted({f"{curve.target}: {curve.reason}" for curve in report.curves}))
    counts = {curve.target: report.score("auroc", curve.target).n_positive or 0 for curve in good}
    shown = sorted(good, key=lambda curve: -counts[curve.target])[: len(COLOURS)]
    return [curve for curve in good if curve in shown], ""


def roc(report: EvaluationReport) -> Figure | str:
    """Return the ROC curve of the positive, or of each class against the rest; a reason where none is."""
    curves, reason = _drawn(report)
    if not curves:
        return reason
    figure = _figure(report, height=5.4 + 0.22 * len(curves))
    axes = figure.add_subplot()
    _title(axes, f"ROC curve: {_question(report)}")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    axes.text(0.74, 0.71, "chance", color=GREY, rotation=45, ha="center", va="center", fontsize=9)
    for curve, colour in zip(curves, COLOURS, strict=False):
        axes.plot(*curve.roc.values(), color=colour, linewidth=2, solid_joinstyle="miter")
    _unit_square(axes, "1 − specificity (false positive rate)", "sensitivity (true positive rate)")
    _key(axes, report, curves, "auroc", "AUROC")
    return figure


def precision_recall(report: EvaluationReport) -> Figure | str:
    """Return the precision-recall curve with its chance level; a reason where there is none."""
    curves, reason = _drawn(report)
    if not curves:
        return reason
    figure = _figure(report, height=5.4 + 0.22 * len(curves))
    axes = figure.add_subplot()
    _title(axes, f"Precision and recall: {_question(report)}")
    for curve, colour in zip(curves, COLOURS, strict=False):
        recall, precision = curve.precision_recall.values()
        axes.step(recall, precision, where="pre", color=colour, linewidth=2)
    _unit_square(axes, "recall (sensitivity)", "precision (positive predictive value in this set)")
    if len(curves) == 1:
        chance = report.score("auprc", curves[0].target).reference
        axes.axhline(chance, color=GREY, linewidth=1, linestyle=":")
        axes.text(0.01, chance + 0.012, f"chance = prevalence {chance:.3f}", color=GREY, fontsize=9)
    _key(axes, report, curves, "auprc", "AUPRC")
    return figure


def _question(report: EvaluationReport) -> str:
    return f"{report.positive} versus all others" if report.positive else "each class versus the rest"


def _key(axes: Axes, report: EvaluationReport, curves: list[Curves], metric: str, name: str) -> None:
    """Write each curve's name, value, interval and n below the axes, in the curve's colour."""
    scores = [report.score(metric, curve.target) for curve in curves]
    lines = []
    for score, colour in zip(scores, COLOURS, strict=False):
        lines.append((f"{score.target}: {name} {interval(score)}, {_n(score)}", colour))
    methods = "; ".join(dict.fromkeys(score.method for score in scores if not np.isnan(score.low)))
    lines.append((f"n: patients; 95 % interval: {methods or 'none'}", GREY))
    if len(curves) < len(report.curves):
        lines.append((f"{len(report.curves) - len(curves)} more classes stand in report.md", GREY))
    drop = 42
    for line, colour in lines:
        wrapped = textwrap.wrap(line, 70, break_on_hyphens=False)
        axes.annotate(
            "\n".join(wrapped),
            (0, 0),
            xytext=(0, -drop),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colour,
            fontsize=9,
            va="top",
        )
        drop += 4 + 12 * len(wrapped)


def confusion(report: EvaluationReport) -> Figure:
    """Return the confusion matrix of patients: counts and row shares, rows = truth."""
    counts = np.array(report.confusion_patients)
    totals = counts.sum(axis=1)
    k = len(report.classes)
    shares = counts / np.maximum(totals, 1)[:, None]
    side = max(5.0, 1.8 + 0.75 * min(k, SHARES_UP_TO) + 0.3 * max(0, k - SHARES_UP_TO))
    figure = _figure(report, side + 0.6, side + 0.3)
    axes = figure.add_subplot()
    _title(axes, f"Confusion of {counts.sum()} patients")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(k, k):
        if not totals[row] or (k > SHARES_UP_TO and not counts[row, column]):
            continue
        text = str(counts[row, column])
        if k <= SHARES_UP_TO:
            text += f"\n{100 * shares[row, column]:.0f} %"
        colour = "white" if shares[row, column] > 0.7 else BLACK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    rows = [f"{key} (n = {n})" for key, n in zip(report.classes, totals, strict=True)]
    axes.set_xticks(range(k), report.classes, rotation=45 if k > 3 else 0, ha="right" if k > 3 else "center")
    axes.set_yticks(range(k), rows)
    axes.set_xticks(np.arange(k - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(k - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    score = report.score("balanced_accuracy")
    axes.set(
        xlabel=f"most probable diagnosis\n\nbalanced accuracy {interval(score)}", ylabel="true diagnosis"
    )
    return figure


def reliability(report: EvaluationReport) -> Figure | str:
    """Return the reliability diagram of the positive's probability over its histogram."""
    if report.positive is None:
        return "no positive class is declared"
    curve = report.curves[0]
    brier, error = report.score("brier", curve.target), report.score("ece_mass10", curve.target)
    figure = _figure(report, 6.0, 6.8)
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    _title(upper, f"Reliability of the probability of {curve.target}")
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    x, y, low, high = (
        [one[key] for one in curve.reliability] for key in ("probability", "share", "low", "high")
    )
    below, above = np.subtract(y, low).clip(0), np.subtract(high, y).clip(0)
    upper.errorbar(x, y, yerr=[below, above], color=BLUE, marker="o", markersize=5, linewidth=1.2, capsize=2)
    upper.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), ylabel=f"share that is {curve.target} (Wilson bars)")
    _plain(upper)
    edges = np.linspace(0, 1, len(curve.histogram["negatives"]) + 1)
    for name, colour, sign in (("positives", VERMILLION, 1), ("negatives", BLUE, -1)):
        counts = np.array(curve.histogram[name])
        heights = sign * counts / max(1, counts.max())
        lower.bar(edges[:-1], heights, np.diff(edges), align="edge", color=colour)
        lower.text(1.02, sign * 0.5, name, color=colour, ha="left", va="center", fontsize=9)
    lower.axhline(0, color=BLACK, linewidth=0.8)
    most = {name: str(max(counts)) for name, counts in curve.histogram.items()}
    lower.set_yticks([-1, 0, 1], [most["negatives"], "0", most["positives"]])
    lower.set(ylabel="patients, each\nto its own scale", ylim=(-1.2, 1.2))
    _plain(lower)
    told = [
        f"Brier {interval(brier)}, base rate alone {brier.reference:.3f}",
        f"ECE {interval(error)}, perfect calibration would show {error.reference:.3f}",
        _n(brier) + f" patients; {len(x)} bins of equal mass; dotted: perfect calibration",
    ]
    if (brier.n_positive or 0) < CALIBRATION_FROM:
        told.append(f"fewer than {CALIBRATION_FROM} positives: no calibration claim")
    lower.set_xlabel(f"probability of {curve.target}\n\n" + "\n".join(told))
    return figure
