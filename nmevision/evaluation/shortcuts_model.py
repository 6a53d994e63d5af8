"""What a model does when it should not be able to tell: altered images, pairs within a source, permuted labels (L6, L8 to L11)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from nmevision.evaluation.intervals import (
    LEVEL,
    Interval,
    auroc_interval,
    clopper_pearson,
    hm_variance,
    no_interval,
)
from nmevision.evaluation.metrics import auroc
from nmevision.evaluation.probe import fold_auroc, folds_of, pairs_won, read_label, table
from nmevision.evaluation.shortcuts import SUSPECT, Bools, Check, Texts, Verdict, not_tested
from nmevision.evaluation.weighted import Floats

AS_IT_IS = "the images as they are"


def as_it_is(positive: Bools, scores: Floats, shown: int, images: int) -> Check:
    """Return the model's AUROC on the images as they are, which the other tests are held against (L8)."""
    area, interval = auroc(positive, scores), auroc_interval(positive, scores)
    words = (
        f"The model reaches an AUROC of {area.value:.2f} on what it was shown: {shown} of {images} images."
    )
    return Check(
        "L8", AS_IT_IS, "report", words, "", area.value, interval.low, interval.high, 0.5,
        n_positive=int(positive.sum()), n_negative=int((~positive).sum()), n_patients=len(positive), method=interval.method,
    )  # fmt: skip


def stratified_auroc(positive: Bools, scores: Floats, strata: Texts) -> tuple[float, Interval]:
    """Return the AUROC over pairs of one stratum, sum of n+ n- A over sum of n+ n-, and its interval.

    The interval is the score interval of independent strata that share one AUROC: (A - t)^2 = z^2 sum w^2 V(t)
    with the HM variance of each (see intervals.hm_score, which it equals for one stratum).
    """
    codes = np.unique(np.asarray(strata, dtype=str), return_inverse=True)[1]
    won, pairs = (float(part[0]) for part in pairs_won(positive[None], np.asarray(scores)[None], codes))
    if pairs == 0:
        return float("nan"), no_interval("no positive and negative patient share a source")
    sizes = [
        (int((positive & (codes == k)).sum()), int((~positive & (codes == k)).sum()))
        for k in range(codes.max() + 1)
    ]
    sizes = [(n, m) for n, m in sizes if n and m]
    area, z = won / pairs, float(norm.isf((1 - LEVEL) / 2))

    def outside(t: float) -> float:
        return (area - t) ** 2 - z**2 * sum((n * m / pairs) ** 2 * hm_variance(t, n, m) for n, m in sizes)

    near = 1e-12
    low = float(brentq(outside, 0.0, area - near)) if area > near else 0.0
    high = float(brentq(outside, area + near, 1.0)) if area < 1 - near else 1.0
    return area, Interval(low, high, f"HM-score over {len(sizes)} sources with both")


def within_source(positive: Bools, scores: Floats, source: Texts) -> Check:
    """Return whether the model holds where both patients of a pair come from one source (L6)."""
    name, rule = (
        "model within sources",
        "the interval within sources must lie above 0.5, where that of all pairs does",
    )
    if len(set(source)) < 2:
        return not_tested("L6", name, "all patients come from one source")
    pooled, around = auroc(positive, scores).value, auroc_interval(positive, scores)
    area, interval = stratified_auroc(positive, scores, source)
    if np.isnan(area):
        return not_tested("L6", name, interval.reason)
    shared = sum(
        int((positive & (source == s)).sum()) for s in set(source) if (~positive & (source == s)).any()
    )
    worst = {
        s: auroc(positive[source == s], scores[source == s]).value
        for s in sorted(set(source))
        if len(set(positive[source == s])) == 2
    }
    least = min(worst, key=lambda s: worst[s])
    words = f"Over all pairs {pooled:.2f}, within sources {area:.2f} ({shared} positives); least in '{least}': {worst[least]:.2f}."
    fails = around.low > 0.5 >= interval.low
    words += " The discrimination does not hold within sources." if fails else ""
    return Check(
        "L6", name, "flag" if fails else "pass", words, rule, area, interval.low, interval.high, 0.5,
        n_positive=shared, n_negative=int((~positive).sum()), n_patients=len(positive), method=interval.method,
    )  # fmt: skip


def ablated(name: str, left: str, holds_disease: bool, positive: Bools, scores: Floats) -> Check:
    """Return how the model ranks images of which only `left` is left (L8)."""
    area, interval = auroc(positive, scores), auroc_interval(positive, scores)
    if not area.known:
        return not_tested("L8", name, area.reason)
    found = area.value >= SUSPECT and interval.low > 0.5
    words = f"Given only {left}, the model reaches an AUROC of {area.value:.2f}."
    verdict: Verdict = "pass"
    if holds_disease:
        verdict, words = (
            "report",
            words + " The disease is still in it: this tells what the model does without the rest.",
        )
    elif found:
        verdict, words = "explain", words + " It answers from what should not tell: say what it reads."
    rule = f"from {SUSPECT} with an interval above 0.5 it must be explained"
    return Check(
        "L8", name, verdict, words, rule, area.value, interval.low, interval.high, 0.5,
        n_positive=int(positive.sum()), n_negative=int((~positive).sum()), n_patients=len(positive), method=interval.method,
    )  # fmt: skip


def inserted(
    name: str, budget: float, before: Floats, after: Floats, called: Bools, called_after: Bools
) -> Check:
    """Return how often an artefact changes the model's call of an image (L9), and which way it pulls.

    before, after: probability of the positive per image; called: whether it was called positive.
    """
    n, flips = len(before), int((called != called_after).sum())
    if n == 0:
        return not_tested("L9", name, "no image")
    limits, change = clopper_pearson(flips, n), after - before
    share = float((change > 0).mean())
    words = (
        f"Changes the call of {flips} of {n} images; the probability moves by {change.mean():+.2f} on average, at most by "
        f"{np.abs(change).max():.2f}, and rises in {share:.0%}."
    )
    over = flips / n > budget
    words += " The model answers to it." if over else ""
    return Check(
        "L9", name, "flag" if over else "pass", words, f"at most {budget:.0%} of the images may change sides", flips / n,
        limits.low, limits.high, 0.0, method=f"{limits.method} over {n} images",
    )  # fmt: skip


def permuted_labels(
    features: Floats, positive: Bools, source: Texts, seed: int = 0, runs: int = 200
) -> Check:
    """Return whether a reader of the features finds nothing under permuted labels, and the truth beyond them (L10).

    Labels are permuted within sources and compared within sources, so that chance is exactly 0.5.
    """
    name = "permuted labels"
    rule = "the mean over permuted labels lies within 2 standard errors of 0.5; the true labels exceed their 95th percentile"
    strata = np.unique(np.asarray(source, dtype=str), return_inverse=True)[1]
    reading = read_label(features, positive, seed, strata, runs)
    if not reading.value.known:
        return not_tested("L10", name, reading.value.reason)
    error = reading.spread / np.sqrt(reading.runs)
    fair = abs(reading.chance - 0.5) <= 2 * error
    beyond = reading.value.value > reading.limit
    words = f"True labels {reading.value.value:.2f}; {reading.runs} permuted {reading.chance:.3f} (95th percentile {reading.limit:.2f})."
    words += "" if fair else " Permuted labels are not read at chance: something leaks, or 1 in 20 by chance."
    words += "" if beyond else " The features do not tell the label beyond chance."
    return Check(
        "L10", name, "pass" if fair and beyond else "flag", words, rule, reading.value.value, reading.interval.low,
        reading.interval.high, reading.chance, reading.p, int(positive.sum()), int((~positive).sum()), len(positive),
        f"ridge reader within sources; {reading.interval.method}",
    )  # fmt: skip


def leave_out(test: str, what: str, features: Floats, positive: Bools, group: Texts) -> Check:
    """Return the AUROC of a reader on groups that it has not seen, pairs within a group (L6: sources, L11: publications)."""
    name = f"leave one {what} out"
    both = [g for g in sorted(set(group)) if len(set(positive[group == g])) == 2]
    if len(both) < 2:
        return not_tested(test, name, f"fewer than two {what}s with positives and negatives")
    tests = [np.flatnonzero(group == g) for g in both]
    folds = [fold for fold in folds_of(table(features), tests) if len(set(positive[fold.train])) == 2]
    each = [float(fold_auroc([fold], positive[None])[0]) for fold in folds]
    if not each:
        return not_tested(test, name, f"no {what} can be left out and the rest still hold both labels")
    truth = np.concatenate([positive[fold.test] for fold in folds])
    strata = np.concatenate([group[fold.test] for fold in folds])
    scores = np.concatenate([positive[f.train].astype(float) @ f.reader.T for f in folds])
    area, interval = stratified_auroc(truth, scores, strata)
    least = int(np.argmin(each))
    words = f"Learned on the others, {len(each)} {what}s each left out: {area:.2f}; least {each[least]:.2f}."
    return Check(
        test, name, "pass" if interval.low > 0.5 else "flag", words, "the interval must lie above 0.5", area, interval.low,
        interval.high, 0.5, n_positive=int(truth.sum()), n_negative=int((~truth).sum()), n_patients=len(truth),
        method=f"ridge reader; {interval.method}",
    )  # fmt: skip
