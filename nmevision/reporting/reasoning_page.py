"""One case's answer as a page to read or print: Markdown, and the same as self-contained HTML."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nmevision.evaluation.claims import RESEARCH_ONLY
from nmevision.grades import STEPS
from nmevision.knowledge.answer import FOCUS
from nmevision.knowledge.answer_records import Answer, GroupAnswer, MemberAnswer
from nmevision.knowledge.answer_words import KEPT_IN_MIND, NO_SITES, NOT_SEPARABLE, number
from nmevision.reporting.markdown import cell

SHOWN_GROUP = 0.10
"""P(group) from which its members stand on the page, the necrolytic ones earlier; differential.csv has all."""
MOST_REASONS = 12
MOST_NEXT = 5
LEAST_BITS = 0.01
"""Expected information below which a finding is not worth looking for."""


def page_markdown(answer: Answer, sources: Mapping[str, str], knowledge: str) -> str:
    """Return the page as Markdown; every text of the user's is escaped.

    Args:
        answer: of one case.
        sources: citations by the keys that the answer cites.
        knowledge: fingerprint of the knowledge that answered.
    """
    return _environment(False).get_template("reasoning.md.j2").render(**_view(answer, sources, knowledge))


def page_html(answer: Answer, sources: Mapping[str, str], knowledge: str) -> str:
    """Return the page as one HTML file that loads nothing; arguments as for `page_markdown`."""
    return _environment(True).get_template("reasoning.html.j2").render(**_view(answer, sources, knowledge))


def index_page(links: Sequence[tuple[str, Answer]]) -> str:
    """Return the list of all cases as HTML. links: where each page lies, relative to the list."""
    return (
        _environment(True)
        .get_template("reasoning_index.html.j2")
        .render(links=links, research_only=RESEARCH_ONLY)
    )


def _view(answer: Answer, sources: Mapping[str, str], knowledge: str) -> dict[str, Any]:
    """Return what both templates show."""
    by_part = [datum.sources for datum in answer.clinical] + [step.sources for step in answer.workup]
    cited = [key for keys in by_part for key in keys]
    references = {key: i for i, key in enumerate(dict.fromkeys(cited), 1)}
    strongest = max((abs(reason.decibans) for reason in answer.reasons), default=0.0)
    return {
        "answer": answer,
        "blocks": [block for group in answer.groups if (block := _block(answer, group))],
        "reasons": answer.reasons[:MOST_REASONS],
        "weaker": answer.reasons[MOST_REASONS:],
        "scale": max(strongest, 1.0),
        "look_next": [item for item in answer.look_next if item.bits >= LEAST_BITS][:MOST_NEXT],
        "references": {i: sources.get(key, key) for key, i in references.items()},
        "numbers": lambda keys: ", ".join(str(references[key]) for key in keys),
        "steps": STEPS,
        "research_only": RESEARCH_ONLY,
        "knowledge": knowledge[:12],
    }


def _block(answer: Answer, group: GroupAnswer) -> dict[str, Any]:
    """Return a group with its members, and the words that stand for numbers; {} where it is not shown."""
    members: list[MemberAnswer] = [member for member in answer.members if member.group == group.key]
    if not members or group.probability < (KEPT_IN_MIND if group.key == FOCUS else SHOWN_GROUP):
        return {}
    unnumbered = group.key == FOCUS and all(member.within_group is None for member in members)
    words = NOT_SEPARABLE if answer.modality == "histology" else NO_SITES
    return {
        "group": group,
        "members": members,
        "words": words if unnumbered else "",
        "of_focus": group.key == FOCUS,
    }


@functools.cache
def _environment(html: bool) -> Environment:
    """Return the templates, made on first use; HTML escapes everything, Markdown what passes `cell`."""
    environment = Environment(
        loader=PackageLoader("nmevision.reporting"),
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"cell": cell, "number": number, "words": lambda key: key.replace("_", " ")}
    return environment
