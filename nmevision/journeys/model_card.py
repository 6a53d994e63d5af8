"""Results of a test report onto the card of the model; those of phantoms never."""

from __future__ import annotations

import math

from nmevision.evaluation.report import EvaluationReport
from nmevision.evaluation.scores import Score
from nmevision.files import write_text
from nmevision.networks.bundle import CARD, Bundle
from nmevision.networks.card import card_of
from nmevision.networks.card_front import Result
from nmevision.reporting.markdown import title_of
from nmevision.reporting.sentence import counted

KEYS = {"auroc": "roc_auc", "auprc": "average_precision", "balanced_accuracy": "balanced_accuracy", "brier": "brier_score"}  # fmt: skip
"""Scores that a card shows, and what the Hub calls them."""


def results_of(report: EvaluationReport, dataset: str, revision: str) -> list[Result]:
    """Return the card's results of one evaluation: none of phantoms, and none that is not estimable.

    dataset, revision: what the evaluated set is called, and the SHA-256 of its manifest.
    """
    if report.phantom:
        return []
    wanted = [("balanced_accuracy", "all")]
    if report.positive:
        wanted = [(metric, report.positive) for metric in ("auroc", "auprc", "brier")] + wanted
    scores = [report.score(metric, target) for metric, target in wanted]
    return [_result(score, dataset, revision) for score in scores if not math.isnan(score.value)]


def _result(score: Score, dataset: str, revision: str) -> Result:
    known = not math.isnan(score.low)
    of = "" if score.n_positive is None else f" of {score.target}"
    return Result(
        metric=KEYS[score.metric],
        name=f"{title_of(score)}{of}, by patient",
        value=round(score.value, 6),
        low=round(score.low, 6) if known else None,
        high=round(score.high, 6) if known else None,
        method=score.method,
        n=counted(score),
        dataset=dataset,
        revision=revision,
    )


def write_results(bundle: Bundle, report: EvaluationReport, dataset: str, revision: str) -> None:
    """Write the bundle's card anew with the results of `report`, where it has any and nobody has edited the card."""
    results, path = results_of(report, dataset, revision), bundle.folder / CARD
    untouched = path.is_file() and path.read_text(encoding="utf-8") == card_of(bundle.info)
    if results and untouched and not bundle.info.phantom:
        write_text(path, card_of(bundle.info, results))
