"""The rare-class protocol as a page to read: the band over the surrogates first, then every class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.evaluation.few_shot import COLOUR_LDA, KNOWLEDGE, SOURCE_ONLY
from nmevision.evaluation.rare_class import WANTED_PATIENTS, WANTED_SURROGATES, Against, Band, Outcome
from nmevision.evaluation.rare_class_design import Observed
from nmevision.reporting.markdown import cell

SHOWN = {
    "auroc": "AUROC",
    "auroc_seen": "against seen",
    "auroc_unseen": "against unseen",
    "sensitivity": "sensitivity at 95 % specificity",
    "kept_unseen": "specificity left on unseen",
    "brier_skill": "Brier skill",
    "oscr": "OSCR",
    "coverage": "90 % sets cover known",
    "coverage_unseen": "and unseen",
}


def page(
    outcomes: Sequence[Outcome],
    bands: Sequence[Band],
    against: Sequence[Against],
    fixed: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> str:
    """Return rare-class.md. fixed: constants and methods; facts: features, phantom, left_out, science, observed."""
    names = list(dict.fromkeys(o.surrogate for o in outcomes))
    lines = ["# Rare-class protocol", ""]
    if facts["phantom"]:
        lines += [f"**{PHANTOM_NOTICE}**", ""]
    lines += [
        *_opening(outcomes, names, facts),
        "",
        *_band_table(bands),
        "",
        *_observed(bands, facts["observed"]),
    ]
    lines += [*_sign_table(against), *_compared(outcomes)]
    lines += [
        "",
        "## Every surrogate",
        "",
        "| surrogate | k | method | AUROC (95 %) | seen | unseen | n+ / seen / unseen |",
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for o in outcomes:
        area = f"{_number(o.auroc)} ({o.low:.2f} to {o.high:.2f})"
        n = f"{o.n_positive} / {o.n_seen} / {o.n_unseen}"
        lines.append(
            f"| {cell(o.surrogate)} | {o.shots} | {o.method} | {area} | {_number(o.auroc_seen)} | {_number(o.auroc_unseen)} | {n} |"
        )
    lines += ["", "## Fixed beforehand", ""]
    lines += [f"- {name}: {cell(words)}." for name, words in fixed["methods"].items()]
    lines += [
        f"- {fixed['calibrating_share']:.0%} of the known patients that are not tested set thresholds and z-scores only.",
        f"- Brier: log odds = {fixed['separation']:g} z - {fixed['separation'] ** 2 / 2:g} + logit of the test's prevalence.",
        "- Nothing is tuned: every constant was chosen before any set was seen, so no surrogates are kept for tuning and "
        "all may be reported.",
        "- OSCR: a test patient is answered by the more probable of the hidden class and the nearest known class (by LDA); "
        "right answers to known patients against answers to unseen ones, over all limits.",
        f"- Sets: conformal, {fixed['missed']:.0%} of the known may be missed, calibrated on those set aside; covered means "
        "that the set says 'none of the hidden class'. The hidden class itself stands in every set: the method has learned "
        "from all its revealed patients, none is left to calibrate it. Unseen patients are promised nothing.",
        "- What more images of each revealed patient buy: run again with `images: all`.",
        "- The interval of one class is HM-score on its patients; it does not know the choice of the revealed ones.",
    ]
    return "\n".join(lines) + "\n"


def _opening(outcomes: Sequence[Outcome], names: Sequence[str], facts: Mapping[str, Any]) -> list[str]:
    fewest = min(o.n_positive for o in outcomes)
    lines = [
        f"{len(names)} surrogate classes, hidden in turn, on {cell(facts['features'])}. {RESEARCH_ONLY}",
        "",
        "None of these classes is NME: the band says what k patients of a rare disease were worth on this set. The claim "
        "for NME is whether its own figure lies inside the band, never its point alone.",
    ]
    few = []
    if len(names) < WANTED_SURROGATES:
        few.append(f"{len(names)} surrogates where {WANTED_SURROGATES} are wanted")
    if fewest < WANTED_PATIENTS:
        few.append(f"the smallest has {fewest} patients where {WANTED_PATIENTS} are wanted")
    if few:
        lines += [
            "",
            f"Weak: {'; '.join(few)}." + ("" if facts["science"] else " Read it as a check of the software."),
        ]
    if facts.get("note"):
        lines += ["", facts["note"]]
    if facts["left_out"]:
        lines += ["", f"{facts['left_out']} rows without a label or features are left out."]
    divisions = sorted({o.division for o in outcomes})
    return [*lines, "", f"Test patients: {'; '.join(divisions)}."]


def _band_table(bands: Sequence[Band]) -> list[str]:
    """Return median and 10-90 % over the classes, one row per k and method."""
    found = {(b.shots, b.method, b.measure): b for b in bands}
    lines = ["## Band over the surrogates: median (10th to 90th percentile)", ""]
    lines += [
        "| k | method | classes | " + " | ".join(SHOWN.values()) + " |",
        "|" + "---|" * (len(SHOWN) + 3),
    ]
    for k, method in dict.fromkeys((b.shots, b.method) for b in bands):
        own = [found.get((k, method, measure)) for measure in SHOWN]
        n = max(b.n_classes for b in own if b is not None)
        cells = [_band(b, n) for b in own]
        lines.append(f"| {k} | {method} | {n} | " + " | ".join(cells) + " |")
    return lines


def _observed(bands: Sequence[Band], observed: Sequence[Observed]) -> list[str]:
    """Return, for every figure of the disease itself, whether it lies inside the band of the surrogates."""
    found = {(b.shots, b.method): b for b in bands if b.measure == "auroc"}
    lines = []
    for one in observed:
        told = f"{cell(one.name)} (n+ = {one.n_positive}), {one.method} at k = {one.shots}: AUROC {one.auroc:.2f}"
        band = found.get((one.shots, one.method))
        if band is None:
            lines.append(f"- {told}; no surrogate has this method at this k, so nothing can be said.")
        else:
            where = "inside" if band.low <= one.auroc <= band.high else "outside"
            lines.append(
                f"- {told}, {where} the band {band.low:.2f} to {band.high:.2f} (median {band.median:.2f})."
            )
    return ["## The disease itself", "", *lines, ""] if lines else []


def _compared(outcomes: Sequence[Outcome]) -> list[str]:
    """Return which comparisons of the specification are here and which are not, and why."""
    there = {o.method for o in outcomes}
    source = "in the tables" if SOURCE_ONLY in there else "not here: all patients are of one source"
    colour = (
        "in the tables"
        if COLOUR_LDA in there
        else "not here: give --colours, from `nmevision features colours`"
    )
    known = (
        "in the tables"
        if KNOWLEDGE in there
        else "not here: give --predictions of a model that grades findings"
    )
    return [
        "",
        "## What it is compared with",
        "",
        "- chance: AUROC 0.5 in every row.",
        f"- the source of a patient alone: {source}.",
        f"- a histogram of colours alone: {colour}.",
        f"- findings and cited profiles: {known}.",
        "- words alone (zero-shot text, Tip-Adapter): **not built**. They need a network that was taught images and words "
        "together; nmevision has none, so whether one would do better is not known here.",
    ]


def _band(band: Band | None, n: int) -> str:
    """Return a band; where fewer than `n` classes have one, of how many it is."""
    if band is None:
        return "-"
    text = (
        f"{band.median:.2f} ({band.low:.2f} to {band.high:.2f})"
        if band.n_classes > 1
        else f"{band.median:.2f}"
    )
    return text if band.n_classes == n else f"{text}, {band.n_classes} of {n} classes"


def _sign_table(against: Sequence[Against]) -> list[str]:
    if not against:
        return []
    lines = ["## Against the prototype, on the same revealed patients", ""]
    lines += ["| k | method | better in | sign test p | promoted |", "|---|---|---|---|---|"]
    for a in against:
        lines.append(
            f"| {a.shots} | {a.method} | {a.wins} of {a.n_classes} | {a.p:.3f} | {'yes' if a.promoted else 'no'} |"
        )
    return [*lines, "", "With fewer than 6 classes no sign test can reach p < 0.05."]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
