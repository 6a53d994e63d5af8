"""Does a set of images, or a model, tell the classes apart by something else than the disease? The tests' statistics.

Every test is a Check: what was tested, on how many patients, the value with its interval, the rule, the verdict and
one sentence for a reader. L4 to L11 as in the project's evaluation specification; one entry is one patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nmevision.evaluation.intervals import (
    clopper_pearson,
    no_interval,
)
from nmevision.evaluation.metrics import auroc
from nmevision.evaluation.multiplicity import holm
from nmevision.evaluation.probe import (
    Reading,
    one_hot,
    read_class,
    read_label,
    table,
)
from nmevision.evaluation.weighted import Floats

Bools = NDArray[np.bool_]
Texts = NDArray[np.object_]
Verdict = Literal["pass", "flag", "explain", "report", "not tested"]
"""flag: no disease explains it. explain: the disease could; a person must say so. report: no rule applies."""

SUSPECT = 0.65
"""An AUROC from where a shortcut is suspected, if its interval also lies above 0.5."""
ALPHA = 0.05
NEAR_MODEL = 0.05
"""A shortcut within this of the model's AUROC voids the model's result."""
FAMILY_RULE = (
    f"flagged from {SUSPECT}, with an interval above 0.5 and a permutation p below {ALPHA} after Holm"
)


@dataclass(frozen=True)
class Check:
    """The outcome of one test; NaN where a number does not apply. p is corrected where the rule says so."""

    test: str
    name: str
    verdict: Verdict
    words: str
    rule: str = ""
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    chance: float = float("nan")
    p: float = float("nan")
    n_positive: int | None = None
    n_negative: int | None = None
    n_patients: int | None = None
    method: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """One table to read the label from: which test it is, its name, what it holds, whether a disease may show."""

    test: str
    name: str
    holds: str
    features: Floats
    disease_may_show: bool = False
    columns: tuple[str, ...] = ()


def not_tested(test: str, name: str, why: str) -> Check:
    """Return the record of a test that could not be done."""
    return Check(test, name, "not tested", f"Not tested: {why}.")


def read_all(
    questions: Sequence[Question], positive: Bools, seed: int = 0, model: float = float("nan")
) -> list[Check]:
    """Return a check per question (L4, L8): can the label be read from what holds no disease?

    The p values are corrected together. model: the model's own AUROC on these patients, NaN where there is none.
    """
    readings = [read_label(question.features, positive, seed) for question in questions]
    corrected = holm([reading.p for reading in readings])
    return [
        _asked(question, reading, float(p), positive, model)
        for question, reading, p in zip(questions, readings, corrected, strict=True)
    ]


def _asked(question: Question, reading: Reading, p: float, positive: Bools, model: float) -> Check:
    if not reading.value.known:
        return not_tested(question.test, question.name, reading.value.reason)
    value, interval = reading.value.value, reading.interval
    found = value >= SUSPECT and interval.low > 0.5 and p < ALPHA
    words = f"A plain reader that sees only {question.holds} reaches an AUROC of {value:.2f}."
    if found:
        words += _best_column(question, positive)
        words += (
            " The disease may show there as well: look at the images and say what is read."
            if question.disease_may_show
            else " No disease explains that."
        )
    rule = FAMILY_RULE
    if question.test == "L4":
        rule += f"; a model within {NEAR_MODEL} of it is void"
        if found and value >= model - NEAR_MODEL:
            words += f" The model's {model:.2f} is not better by more than {NEAR_MODEL}: its result is void."
    verdict: Verdict = ("explain" if question.disease_may_show else "flag") if found else "pass"
    method = f"ridge reader, cross-validated on patients; {interval.method}; p of {reading.runs} permutations, Holm"
    return Check(
        question.test, question.name, verdict, words, rule, value, interval.low, interval.high, reading.chance, p,
        int(positive.sum()), int((~positive).sum()), len(positive), method,
    )  # fmt: skip


def _best_column(question: Question, positive: Bools) -> str:
    """Return which named column alone tells most, as a sentence, or ""."""
    if not question.columns:
        return ""
    values = table(question.features)[:, : len(question.columns)]
    areas = np.array([auroc(positive, column).value for column in values.T])
    best = int(np.argmax(np.abs(areas - 0.5)))
    area = max(areas[best], 1 - areas[best])
    return f" Most is told by '{question.columns[best]}' (AUROC {area:.2f} alone, either way round)."


def source_question(source: Texts) -> Question | None:
    """Return the question whether the source alone tells the label (L4); None where there is one source."""
    if len(set(source)) < 2:
        return None
    return Question("L4", "label from the source", "where an image comes from", one_hot(source))


def source_from(name: str, features: Floats, source: Texts, seed: int = 0) -> Check:
    """Return how well the source is read from features (L5): balanced accuracy beside chance."""
    if len(set(source)) < 2:
        return not_tested("L5", name, "all patients come from one source")
    kept = np.isin(source, [s for s in set(source) if (source == s).sum() >= 2])
    reading = read_class(features[kept], source[kept], seed)
    if not reading.value.known:
        return not_tested("L5", name, reading.value.reason)
    n_sources, interval = len(set(source[kept])), reading.interval
    readable = reading.value.value > reading.limit
    words = f"Which of {n_sources} sources a patient comes from is read in {reading.value.value:.0%} (chance {1 / n_sources:.0%})."
    if readable:
        words += " The source shows, as in most networks; what counts is the comparison within sources (L6)."
    rule = "no rule: beyond the 95th percentile of permuted sources the source is readable"
    return Check(
        "L5", name, "report", words, rule, reading.value.value, interval.low, interval.high, 1 / n_sources, reading.p,
        n_patients=int(kept.sum()), method=f"ridge reader, balanced accuracy; {interval.method}",
    )  # fmt: skip


def matched_negatives(positive: Bools, source: Texts) -> Check:
    """Return whether every source with positives has negatives too (L7)."""
    name, rule = "negatives beside positives", "every source with positives must contribute negatives"
    alone = [s for s in sorted(set(source[positive])) if not (~positive & (source == s)).any()]
    n = int(positive.sum())
    lonely = int((positive & np.isin(source, alone)).sum())
    verdict: Verdict = "flag" if alone else "pass"
    words = f"{n - lonely} of {n} positive patients have negatives from their own source."
    if lonely == n and n:
        words += " Confounded: no discrimination claim."
    elif alone:
        words += f" Confounded with their source: {', '.join(repr(s) for s in alone[:5])}."
    share = (n - lonely) / n if n else float("nan")
    limits = clopper_pearson(n - lonely, n) if n else no_interval("no positives")
    return Check(
        "L7", name, verdict, words, rule, share, limits.low, limits.high,
        n_positive=n, n_negative=len(positive) - n, n_patients=len(positive), method=limits.method,
    )  # fmt: skip


def assertion(test: str, name: str, rule: str, breaches: Sequence[str], fine: str) -> Check:
    """Return a check that is a plain rule (L1, L13): `breaches` are what breaks it, `fine` is said where nothing does."""
    if not breaches:
        return Check(test, name, "pass", fine, rule)
    more = f" and {len(breaches) - 3} more" if len(breaches) > 3 else ""
    return Check(test, name, "flag", f"{len(breaches)} found: {'; '.join(breaches[:3])}{more}.", rule)


def tally(checks: Sequence[Check]) -> Mapping[str, int]:
    """Return how many checks have each verdict, the worst first."""
    order: tuple[Verdict, ...] = ("flag", "explain", "report", "pass", "not tested")
    return {verdict: sum(check.verdict == verdict for check in checks) for verdict in order}
