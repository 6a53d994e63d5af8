"""From a table of hand-graded findings to a differential, JSON and a page per case. No image, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nmevision import __version__
from nmevision.errors import ConfigError, RunError, did_you_mean
from nmevision.files import sha256_of, write_csv, write_json, write_text
from nmevision.journeys.grades_table import Row, read_grades, read_settings
from nmevision.knowledge.answer import Reasoner
from nmevision.knowledge.answer_records import Answer
from nmevision.knowledge.answer_words import ABSTAINED
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.prior import Prior, load_prior
from nmevision.knowledge.tables import MODALITIES, Modality
from nmevision.reporting.reasoning_page import index_page, page_html, page_markdown

DIFFERENTIAL = "differential.csv"
ANSWERS = "answers.json"
PAGES = "pages"
DECIMALS = 8
COLUMNS = (
    "id",
    "status",
    "level",
    "group",
    "key",
    "name",
    "probability",
    "within_group",
    "low",
    "high",
    "statement",
    "message",
)


@dataclass(frozen=True)
class Outcome:
    """What was done: how many cases have each status, and where the results lie."""

    counts: Mapping[str, int]
    out: Path

    @property
    def text(self) -> str:
        """Return it as lines for the terminal."""
        found = ", ".join(f"{n} {status}" for status, n in self.counts.items() if n)
        files = [self.out / name for name in (DIFFERENTIAL, ANSWERS, "index.html")]
        return "\n".join(
            [f"{sum(self.counts.values())} cases: {found}", *(str(path.resolve()) for path in files)]
        )


def reason_about(
    grades: Path,
    out: Path,
    modality: Modality = "histology",
    profiles: Path | None = None,
    prior: Path | None = None,
    settings: Sequence[str] = (),
) -> Outcome:
    """Answer every case of a table of grades and write differential.csv, answers.json and the pages.

    Args:
        grades: see `grades_table`.
        out: folder for the results; it may hold those of the same inputs only.
        modality: of the findings.
        profiles: the user's own profile file, laid over the knowledge.
        prior: the user's own prior file.
        settings: `finding=grade`, replacing that of every case.

    Raises:
        DataError, ConfigError: the inputs, with every mistake of each.
        RunError: the folder holds other results.
    """
    knowledge = load_knowledge(profiles)
    chosen = load_prior(prior) if prior else Prior()
    rows = read_grades(grades, knowledge, modality, read_settings(settings, knowledge, modality))
    reasoner = Reasoner(knowledge, modality, chosen)
    inputs = {
        "grades": sha256_of(grades),
        "knowledge": knowledge.fingerprint,
        "prior": chosen.model_dump(mode="json"),
        "set": sorted(settings),
        "modality": modality,
        "nmevision": __version__,
    }
    _refuse_other_results(out, inputs)
    answers = [_answer(row, reasoner) for row in rows]
    sources = {key: source.citation for key, source in knowledge.sources.items()}
    write_json(
        out / ANSWERS, {"inputs": inputs, "sources": sources, "answers": [a.to_dict() for a in answers]}
    )
    write_csv(out / DIFFERENTIAL, differential(answers), DECIMALS)
    names = [_page_name(i, answer.id, len(answers)) for i, answer in enumerate(answers, 1)]
    for name, answer in zip(names, answers, strict=True):
        write_text(out / PAGES / f"{name}.md", page_markdown(answer, sources, knowledge.fingerprint))
        write_text(out / PAGES / f"{name}.html", page_html(answer, sources, knowledge.fingerprint))
    links = [(f"{PAGES}/{name}.html", answer) for name, answer in zip(names, answers, strict=True)]
    write_text(out / "index.html", index_page(links))
    counts = {
        status: sum(a.status == status for a in answers) for status in ("answered", "abstained", "error")
    }
    return Outcome(counts, out)


def modality_of(text: str) -> Modality:
    """Return a modality by its name, or raise ConfigError."""
    for modality in MODALITIES:
        if text == modality:
            return modality
    hint = did_you_mean(text, MODALITIES)
    raise ConfigError(f"--modality: found '{text}'{hint}; expected one of: {', '.join(MODALITIES)}")


def differential(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return one row per case and group, then per diagnosis; one row with a message where nothing is answered."""
    rows: list[dict[str, Any]] = []
    for answer in answers:
        common = {"id": answer.id, "status": answer.status, "message": answer.message}
        if not answer.groups:
            rows.append(common)
        for group in answer.groups:
            own = {
                "level": "group",
                "group": group.key,
                "key": group.key,
                "name": group.name,
                "statement": group.note,
            }
            rows.append(
                common | own | {"probability": group.probability, "low": group.low, "high": group.high}
            )
        for member in answer.members:
            own = {"level": "diagnosis", "group": member.group, "key": member.key, "name": member.name}
            numbers = {"within_group": member.within_group, "low": member.low, "high": member.high}
            statement = "; ".join(text for text in (member.no_number, member.statement) if text)
            rows.append(common | own | numbers | {"statement": statement})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answer(row: Row, reasoner: Reasoner) -> Answer:
    """Return the answer to a row; a broken row is answered with what is wrong with it."""
    if row.observed is None:
        return Answer(row.id, reasoner.modality, "error", ABSTAINED, row.message)
    return reasoner.answer(row.observed)


def _page_name(number: int, name: str, total: int) -> str:
    """Return a file name that any system takes: the case's number, then what is harmless of its id.

    >>> _page_name(7, "../A b<c>", 10)
    '07-A-b-c'
    """
    harmless = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    return f"{number:0{len(str(total))}d}" + (f"-{harmless}" if harmless else "")


def _refuse_other_results(out: Path, inputs: Mapping[str, Any]) -> None:
    """Raise RunError where `out` holds results of other inputs."""
    if not (out / ANSWERS).exists():
        return
    try:
        found = json.loads((out / ANSWERS).read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != dict(inputs):
        raise RunError(
            f"{out}: holds {ANSWERS} of other grades or settings already, which is never overwritten; "
            "choose another folder with --out, or remove this one"
        )
