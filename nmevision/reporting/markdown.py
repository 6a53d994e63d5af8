"""report.md: the evaluation as a page to read."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmevision.evaluation.intervals import Interval
from nmevision.evaluation.metrics import Value
from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.scores import Score
from nmevision.evaluation.truth import counted
from nmevision.reporting.artefacts import Artefacts
from nmevision.reporting.contents import contents
from nmevision.reporting.figures import NAMES, interval

TITLES = {
    "auroc": "AUROC",
    "auprc": "AUPRC (average precision)",
    "sensitivity": "sensitivity of the most probable diagnosis",
    "specificity": "specificity of the most probable diagnosis",
    "sensitivity_at_specificity_0.95": "sensitivity at specificity 0.95 (descriptive)",
    "sensitivity_at_specificity_0.90": "sensitivity at specificity 0.90 (descriptive)",
    "mann_whitney_p": "p that it ranks no better than chance",
    "partial_auroc_0.10": "AUROC at specificities above 0.9 only (McClish)",
    "auprc_at_prevalence_0.01": "AUPRC if 1 % were positive",
    "auprc_at_prevalence_0.001": "AUPRC if 0.1 % were positive",
    "likelihood_ratio_positive": "likelihood ratio of a positive call (LR+)",
    "likelihood_ratio_negative": "likelihood ratio of a negative call (LR−)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "mcc": "Matthews' correlation (R_K)",
    "macro_auroc": "AUROC, mean over classes",
    "brier": "Brier score",
    "brier_skill": "Brier skill over the base rates",
    "nll": "negative log-likelihood",
    "ece_width15": "ECE, most probable diagnosis, 15 equal-width bins",
    "ece_mass10": "ECE, 10 equal-mass bins",
}


def render(report: EvaluationReport, artefacts: Artefacts, missing: Mapping[str, str]) -> str:
    """Return the page. missing: figure name -> why it is not there."""
    return _template().render(
        **contents(report, artefacts),
        images_differ=report.confusion_images != report.confusion_patients,
        figures=[(name, title, missing.get(name, "")) for name, title in NAMES.items()],
    )


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
        "n": patients_of,
        "title": title_of,
        "number": number,
        "note": note,
        "measured": measured,
        "needed": needed,
    }
    return environment.get_template("report.md.j2")


def cell(text: object) -> str:
    """Return a text that stays in its table cell and is shown as it is.

    >>> print(cell("a|b <i>"))
    a\\|b \\<i\\>
    """
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(str(text).split()))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, without columns that say nothing ("-") in any row; the first is always kept.

    >>> table(["model", "AUROC", "AUPRC"], [["a", "0.8", "-"], ["b", "-", "-"]])
    ['| model | AUROC |', '|---|---|', '| a | 0.8 |', '| b | - |']
    """
    kept = [i for i in range(len(headings)) if i == 0 or any(row[i] != "-" for row in rows)]
    lines = [[headings[i] for i in kept], *([row[i] for i in kept] for row in rows)]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return [written[0], "|" + "---|" * len(kept), *written[1:]]


def shown(score: Score, escaped: Callable[[object], str] = cell) -> str:
    """Return a score's value and interval, or why there is none. escaped: makes text safe for the page."""
    if score.value != score.value:
        return f"not estimable: {escaped(score.reason)}"
    if score.metric == "mann_whitney_p":
        return number(score.value)
    return interval(score)


def note(score: Score) -> str:
    """Return what qualifies a value, and its intervals by other methods."""
    if score.value != score.value:
        return ""
    others = [f"{one.method} {one.low:.3f}–{one.high:.3f}" for one in score.secondary]
    return "; ".join(part for part in (score.reason, *others) if part)


def measured(value: Value, interval: Interval, escaped: Callable[[object], str] = cell) -> str:
    """Return a number with its interval, or why there is none. escaped: as for `shown`."""
    if not value.known:
        return escaped(value.reason)
    limits = f"{number(interval.low)} to {number(interval.high)}"
    return f"{number(value.value)} ({limits if interval.low == interval.low else 'no interval'})"


def needed(value: float) -> str:
    """Return a number of patients in full, to three digits: 55,600, 6.5."""
    if not math.isfinite(value):
        return "no limit" if value == math.inf else "–"
    return f"{value:.1f}" if value < 10 else f"{float(f'{value:.3g}'):,.0f}"


def number(value: float) -> str:
    """Return three decimals, or a power of ten below a thousandth; a dash for none."""
    if value != value:
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def patients_of(score: Score) -> str:
    """Return the patients behind a score: positives / negatives, or all."""
    return str(score.n_patients) if score.n_positive is None else f"{score.n_positive} / {score.n_negative}"


def title_of(score: Score) -> str:
    """Return what a score is called."""
    return TITLES.get(score.metric, score.metric)
