"""The shortcut tests as a page to read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.evaluation.shortcuts import Check, tally
from nmevision.reporting.markdown import cell

MEANING = {
    "flag": "no disease explains it: a shortcut, a leak or a fragile model",
    "explain": "the disease could explain it; a person must look and say so",
    "report": "no rule: for the reader's judgement",
    "pass": "the rule is kept",
    "not tested": "what is missing is said",
}


def page(checks: Sequence[Check], facts: Mapping[str, Any]) -> str:
    """Return shortcuts.md. facts: what the journey wrote into shortcuts.json beside the checks."""
    model = f"model {cell(facts['model'])}" if facts["model"] else "no model: the set alone"
    lines = ["# Shortcuts", ""]
    if facts["phantom"]:
        lines += [f"**{PHANTOM_NOTICE}**", ""]
    lines += [
        f"Positive: {cell(facts['inputs']['positive'])}. {facts['n_positive']} positive and {facts['n_negative']} negative "
        f"patients, {facts['n_images']} images; {model}. {RESEARCH_ONLY}",
        "",
        *section(checks),
    ]
    return "\n".join(lines) + "\n"


def section(checks: Sequence[Check]) -> list[str]:
    """Return the lines of the tests for any report: what was found first, then a table of all, then the rules."""
    counts = tally(checks)
    lines = [f"- {n} **{verdict}**: {MEANING[verdict]}" for verdict, n in counts.items() if n]
    worst = [check for check in checks if check.verdict in ("flag", "explain")]
    lines += ["", "## Found", ""] if worst else ["", "Nothing was found that a rule forbids.", ""]
    lines += [
        f"- **{check.verdict}** ({check.test}, {cell(check.name)}): {cell(check.words)}" for check in worst
    ]
    lines += [
        "",
        "## All tests",
        "",
        "| test | what | value (95 %) | chance | p | n+ / n- | verdict | in words |",
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    lines += [_row(check) for check in checks]
    lines += ["", "## Rules", ""]
    rules = dict.fromkeys((check.test, check.rule) for check in checks if check.rule)
    lines += [f"- {test}: {cell(rule)}." for test, rule in rules]
    methods = dict.fromkeys(check.method for check in checks if check.method)
    return [*lines, "", f"Methods: {cell('; '.join(methods))}."]


def _row(check: Check) -> str:
    value = "-" if math.isnan(check.value) else f"{check.value:.2f}"
    if not math.isnan(check.low):
        value += f" ({check.low:.2f} to {check.high:.2f})"
    chance = "-" if math.isnan(check.chance) else f"{check.chance:.2f}"
    p = "-" if math.isnan(check.p) else f"{check.p:.3f}"
    if check.n_positive is not None:
        n = f"{check.n_positive} / {check.n_negative}"
    else:
        n = "-" if check.n_patients is None else str(check.n_patients)
    words = [check.test, cell(check.name), value, chance, p, n, check.verdict, cell(check.words)]
    return "| " + " | ".join(words) + " |"
