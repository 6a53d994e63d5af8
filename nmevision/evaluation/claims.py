"""What may be said at this n, and what a reader must know: the sentences that stand in every report."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nmevision.evaluation.drafts import Target
from nmevision.evaluation.intervals import BOOTSTRAP_HOLDS_FROM
from nmevision.evaluation.scores import ALL, Score
from nmevision.evaluation.truth import UNKNOWN_SOURCE, Cases, counted
from nmevision.taxonomy import Taxonomy

PHANTOM_NOTICE = "PHANTOM: synthetic images, says that the software works, nothing about disease"
PHANTOM_CLAIM = "No claim about disease: phantoms only show that the software works."
RESEARCH_ONLY = "For research use only: not a medical device, not for the diagnosis of any patient."
FEASIBILITY_UP_TO = 10
PRELIMINARY_UP_TO = 30
CALIBRATION_FROM = 100
"""Positive patients; below 100 no calibration claim (Collins et al. 2016, doi:10.1002/sim.6787)."""


def claim(n_positive: int, n_negative: int, n_found: int | None) -> str:
    """Return the strongest sentence that `n_positive` patients allow about telling them apart.

    n_found: positives ranked above 95 % of the negatives, None where that cannot be told.

    >>> claim(5, 100, 4)
    'Feasibility only (5 positive patients): ranked 4 of 5 positives above 95 % of the negatives.'
    """
    if n_positive == 0 or n_negative == 0:
        return (
            f"No discrimination claim: {counted(n_positive, 'positive patient')}, "
            f"{counted(n_negative, 'negative patient')}."
        )
    if n_positive <= FEASIBILITY_UP_TO:
        ranked = (
            f"too few negatives to rank against ({n_negative})"
            if n_found is None
            else f"ranked {n_found} of {n_positive} positives above 95 % of the negatives"
        )
        return f"Feasibility only ({counted(n_positive, 'positive patient')}): {ranked}."
    if n_positive <= PRELIMINARY_UP_TO:
        return f"Preliminary discrimination ({counted(n_positive, 'positive patient')}): quote the AUROC with its interval only."
    if n_positive < CALIBRATION_FROM:
        return f"Discrimination may be quoted with its interval ({counted(n_positive, 'positive patient')})."
    return f"Discrimination and calibration may be quoted with their intervals ({counted(n_positive, 'positive patient')})."


def claims(cases: Cases, positive: Target | None, scores: Iterable[Score]) -> list[str]:
    """Return what may be claimed of the positive, or of the rarest class where none is declared."""
    if positive is None:
        counts = np.bincount(cases.labels, minlength=len(cases.classes))
        smallest = int(counts[counts > 0].min())
        sentences = [
            f"No positive class is declared; the rarest class present has {counted(smallest, 'patient')}, which "
            "limits every score over all classes."
        ]
        return sentences if smallest >= CALIBRATION_FROM else [*sentences, _no_calibration(smallest)]
    n = int(positive.truth(cases).sum())
    ranked = next(
        s for s in scores if (s.metric, s.target) == ("sensitivity_at_specificity_0.95", positive.name)
    )
    found = None if np.isnan(ranked.value) else round(ranked.value * n)
    sentences = [claim(n, len(cases) - n, found)]
    return sentences if n >= CALIBRATION_FROM else [*sentences, _no_calibration(n)]


def _no_calibration(n: int) -> str:
    return (
        f"No calibration claim ({counted(n, 'positive patient')}, fewer than {CALIBRATION_FROM}): Brier score, ECE "
        "and the reliability diagram are descriptive."
    )


def caveats(
    cases: Cases,
    positive: Target | None,
    targets: list[Target],
    taxonomy: Taxonomy,
    counts: dict[str, int],
    scores: list[Score],
) -> list[str]:
    """Return what limits the scores, each as one sentence."""
    found = []
    if counts["images_unanswered"]:
        found.append(_unanswered(cases, counts))
    if counts["images_without_prediction"]:
        found.append(
            f"{counted(counts['images_without_prediction'], 'labelled image')} without a prediction, in no "
            "score: predict them, or say why they are missing."
        )
    if counts["patients_with_two_diagnoses"]:
        found.append(
            f"{counted(counts['patients_with_two_diagnoses'], 'patient')} with two different diagnoses, in no "
            "score: mend the manifest."
        )
    absent = [key for k, key in enumerate(cases.classes) if not (cases.labels == k).any()]
    if absent:
        found.append(f"No patient of: {', '.join(absent)}. Nothing is known about these classes here.")
    if positive is not None:
        found += _about_positive(cases, positive, targets, taxonomy)
    if any("under-covers" in score.method for score in scores):
        found.append(
            f"Bootstrap intervals with fewer than {BOOTSTRAP_HOLDS_FROM} patients in the smallest class are "
            "too narrow (marked 'under-covers')."
        )
    found += [
        "Sensitivity at a fixed specificity uses a threshold found on the very negatives it is scored with: "
        "descriptive, no operating point frozen beforehand.",
        "A calibration error and its bootstrap interval are biased upwards at small n: compare it with what "
        "perfect calibration would show, not with 0.",
        "AUPRC and every predictive value depend on the share of positives in this set, which is not the "
        "prevalence in any clinic; do not compare AUPRC between sets.",
        "Scores are per patient: the mean log-probability over a patient's images. Image counts are "
        "descriptive.",
    ]
    return found


def _unanswered(cases: Cases, counts: dict[str, int]) -> str:
    """Return how many got no answer, and what accuracy would be if all of them counted as wrong."""
    images, patients = counts["images_unanswered"], counts["patients_unanswered"]
    text = f"{counted(images, 'image')} got no answer (status error)"
    if not patients:
        return text + "; every patient has at least one answered image."
    right = int((cases.labels == cases.predicted).sum())
    return (
        f"{text}; {counted(patients, 'patient')} without any answered image, in no score. Counting these as "
        f"wrong makes the accuracy {right}/{len(cases) + patients} = {right / (len(cases) + patients):.3f}."
    )


def _about_positive(cases: Cases, positive: Target, targets: list[Target], taxonomy: Taxonomy) -> list[str]:
    """Return what limits the comparison of the positive with the rest."""
    found = []
    if len(positive.members) == 1:
        own = cases.classes[positive.members[0]]
        kin = [k for k in taxonomy.keys if taxonomy.group_of[k] == taxonomy.group_of[own] and k != own]
        group = taxonomy.group_of[own]
        if kin and group in [target.name for target in targets]:
            found.append(
                f"'{own}' shares group '{group}' with {', '.join(kin)}: one pattern, which images alone may "
                f"not separate; read the scores of '{group}' beside it."
            )
    truth, sources = positive.truth(cases), cases.sources
    known = [s for s in np.unique(sources) if s != UNKNOWN_SOURCE]
    mixed = [s for s in known if 0 < truth[sources == s].sum() < (sources == s).sum()]
    if len(known) > 1 and truth.any() and not mixed:
        found.append(
            "Confounded: no source holds both positives and negatives, so the source alone could give these "
            f"scores; no discrimination claim for '{positive.name}' is possible."
        )
    return found


def notice_of(sources: Iterable[str], targets: Iterable[str]) -> str:
    """Return what is wrong where a source or class carries the reserved name "all", or ""."""
    for kind, names in (("source", sources), ("class or group", targets)):
        if ALL in names:
            return f"a {kind} is called '{ALL}', which means all of them in a report; rename it"
    return ""
