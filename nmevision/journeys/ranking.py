"""What a leaderboard may conclude: shared ranks, comparisons with the first bundle, each one's weakest spots."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation.comparison import Comparison, compare_auroc, compare_balanced_accuracy
from nmevision.evaluation.multiplicity import best_of_chance_models, holm
from nmevision.evaluation.report import EvaluationReport, positive_target
from nmevision.evaluation.scores import ALL, Score
from nmevision.evaluation.truth import join
from nmevision.manifest import read_manifest
from nmevision.predictions import read_predictions
from nmevision.reporting.markdown import cell, shown, table
from nmevision.taxonomy import Taxonomy

Row = dict[str, Any]

RULES = (
    "Rank: a new rank begins only where the intervals (of the AUROC; of the balanced accuracy where no positive is "
    "declared) of this bundle and all below it lie wholly below those of all above it; bundles whose intervals "
    "overlap, directly or through others, share one (1=). The order within a shared rank means nothing.",
    "Difference: AUROC (balanced accuracy where no positive is declared) of the bundle minus that of the first one "
    "named, on the patients that both answered; 95 % interval by a paired bootstrap of patients, p by exchanging the "
    "two within patients, Holm over the comparisons of a set. Only these tell two apart; overlapping intervals do not.",
    "Lowest source and worst class: the source, and the class against the rest, with the lowest AUROC among "
    "those where it can be estimated; a few patients make a low one by chance, which their interval shows.",
)


@dataclass(frozen=True)
class PatientScores:
    """One bundle's answers on a set: names sorted, whether positive, and the probability of it (all (n,))."""

    names: NDArray[np.object_]
    truth: NDArray[np.bool_]
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class PatientCalls:
    """One bundle's calls on a set without a declared positive: names sorted, true and called class (all (n,))."""

    names: NDArray[np.object_]
    truth: NDArray[np.str_]
    called: NDArray[np.str_]


Answers = PatientScores | PatientCalls


def patient_answers(folder: Path, taxonomy: Taxonomy, positive: str | None) -> Answers:
    """Return the answers in a folder of predict_and_evaluate: calls where no positive is declared."""
    manifest = read_manifest(folder / "manifest.csv", purpose="evaluate", taxonomy=taxonomy)
    cases = join(read_predictions(folder / "predictions.csv"), manifest, taxonomy).cases
    target = positive_target(taxonomy, positive)
    if target is None:
        keys = np.array(cases.classes)
        return PatientCalls(cases.names, keys[cases.labels], keys[cases.predicted])
    return PatientScores(cases.names, target.truth(cases), target.probability(cases))


def weakest_spots(report: EvaluationReport) -> Row:
    """Return the lowest AUROC among the sources (of the positive) and among the classes (over all sources)."""
    areas = [score for score in report.scores if score.metric == "auroc" and score.value == score.value]
    by_source = [s for s in areas if s.source != ALL and s.target == report.positive]
    by_class = [s for s in areas if s.source == ALL and s.target in report.classes]
    found: Row = {}
    for name, scores, label in (
        ("lowest_source", by_source, lambda s: s.source),
        ("worst_class", by_class, lambda s: s.target),
    ):
        if scores:
            lowest = min(scores, key=lambda s: (s.value, label(s)))
            found |= {
                name: label(lowest),
                f"{name}_auroc": lowest.value,
                f"{name}_text": _spot(lowest, label(lowest)),
            }
    return found


def _spot(score: Score, name: str) -> str:
    return f"{cell(name)} {shown(score)}, {score.n_positive} / {score.n_negative}"


def concluded(answers: list[tuple[Row, Answers | None]]) -> list[Row]:
    """Return one set's rows, best first, with ranks and with comparisons to the first bundle named."""
    (first, reference), others = answers[0], answers[1:]
    compared = [row | _comparison(scores, reference) for row, scores in others]
    known = [row["p"] if row.get("p") is not None else math.nan for row in compared]
    for row, adjusted in zip(compared, holm(known), strict=True):
        if not math.isnan(adjusted):
            row["p_holm"] = float(adjusted)
    rows = sorted([first | {"first": True}, *(row | {"first": False} for row in compared)], key=_order)
    _share_ranks(rows)
    return rows


def _comparison(answers: Answers | None, first: Answers | None) -> Row:
    """Return the difference to the first bundle, its interval and p, or why there is none."""
    if answers is None or first is None:
        which = "this one" if answers is None else "the first one"
        return {"comparison_note": f"{which} was not scored here"}
    found = _compared(answers, first)
    if found is None:
        return {
            "comparison_note": "the first one answers another question (its positive or its classes differ)"
        }
    if not found.difference.known:
        return {"comparison_note": found.difference.reason}
    known = not math.isnan(found.interval.low)
    return {
        "difference": found.difference.value,
        "difference_low": found.interval.low if known else None,
        "difference_high": found.interval.high if known else None,
        "difference_method": f"{found.method}; {found.interval.method}",
        "compared_patients": len(np.intersect1d(answers.names, first.names)),
        "p": found.p.value,
    }


def _compared(answers: Answers, first: Answers) -> Comparison | None:
    """Return the comparison on the patients that both answered; None where they were asked something else."""
    _, own, other = np.intersect1d(answers.names, first.names, return_indices=True)
    if (answers.truth[own] != first.truth[other]).any():
        return None
    if isinstance(answers, PatientScores) and isinstance(first, PatientScores):
        return compare_auroc(answers.truth[own], answers.probability[own], first.probability[other])
    if isinstance(answers, PatientCalls) and isinstance(first, PatientCalls):
        called = answers.truth[own], answers.called[own], first.called[other]
        codes = np.unique(np.concatenate(called), return_inverse=True)[1].reshape(3, -1)
        return compare_balanced_accuracy(*codes)
    return None


def _order(row: Row) -> tuple[float, float, str]:
    """Return the sort key within a set: best AUROC first, then balanced accuracy, unscored last."""
    return -(row.get("auroc") or -1.0), -(row.get("balanced_accuracy") or -1.0), row["bundle"]


def _share_ranks(rows: list[Row]) -> None:
    """Write `rank` and `rank_text` into ordered rows; the same question must have been put to all."""
    scored = [row for row in rows if row.get("balanced_accuracy") is not None or row.get("auroc") is not None]
    if len({row["positive"] for row in scored}) != 1:
        return
    metric = "auroc" if scored[0]["positive"] else "balanced_accuracy"
    ranked = [row for row in scored if row.get(f"{metric}_low") is not None]
    rank, lowest = 1, math.inf
    for place, row in enumerate(ranked, 1):
        if place > 1 and max(one[f"{metric}_high"] for one in ranked[place - 1 :]) < lowest:
            rank = place
        lowest = min(lowest, row[f"{metric}_low"])
        row["rank"] = rank
    shared = Counter(row["rank"] for row in ranked)
    for row in ranked:
        row["rank_text"] = f"{row['rank']}=" if shared[row["rank"]] > 1 else str(row["rank"])


def conclusions(rows: list[Row], who: str = "bundle") -> list[str]:
    """Return the Markdown lines beneath one set's table: comparisons, weakest spots, the winner's curse."""
    scored = [row for row in rows if "n" in row]
    if not scored:
        return []
    first = next((row["bundle"] for row in rows if row["first"]), "")
    metric = "AUROC" if any(row["positive"] for row in scored) else "balanced accuracy"
    headings = [
        who, f"{metric} minus that of {cell(first)}", "p", "p (Holm)", "lowest source (n+ / n−)", "worst class (n+ / n−)"
    ]  # fmt: skip
    told: list[list[str]] = []
    for row in scored:
        weak = [row.get(f"{name}_text", "-") for name in ("lowest_source", "worst_class")]
        p = [_p(row.get(name)) for name in ("p", "p_holm")]
        told.append([cell(row["bundle"]), _difference(row), *p, *weak])
    lines = ["", *table(headings, told)]
    return [*lines, *_winners_curse(scored)]


def _winners_curse(scored: list[Row]) -> list[str]:
    """Return what the best of as many models would reach by chance, where all answer the same question."""
    n_positive, n_negative = scored[0]["n_positive"], scored[0]["n_negative"]
    alike = all((row["n_positive"], row["n_negative"]) == (n_positive, n_negative) for row in scored)
    if len(scored) < 2 or not alike or not n_positive or not n_negative:
        return []
    chance = best_of_chance_models(n_positive, n_negative, len(scored)).value
    return [
        "",
        f"The best of {len(scored)} models that know nothing would be expected to reach AUROC {chance:.3f} on "
        f"{n_positive} positive and {n_negative} negative patients.",
    ]


def _difference(row: Row) -> str:
    if row["first"]:
        return "the first"
    if row.get("difference") is None:
        return cell(row.get("comparison_note", "-"))
    if row["difference_low"] is None:
        return f"{row['difference']:+.3f} (no interval)"
    return f"{row['difference']:+.3f} ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else "<\u00a00.001"
