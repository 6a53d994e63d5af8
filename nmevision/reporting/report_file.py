"""report.json: its content, its model and its JSON schema.

The model is made from the dataclasses of the evaluation, so that it cannot lag behind them: every key is known, every
number may be null (not estimable), nothing else may. `report.schema.json` beside this file is the same for other
programs; it is written anew by `python -m nmevision.reporting.report_file`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from nmevision.errors import EvaluationError
from nmevision.evaluation.report import EvaluationReport, json_safe
from nmevision.files import write_text
from nmevision.reporting.artefacts import Artefacts, ShortcutTest
from nmevision.reporting.author import Author
from nmevision.reporting.checklist import checklist
from nmevision.schema import validate

FORMAT = 1
"""Raised when a reader of the report before could misread it."""
SCHEMA = Path(__file__).with_name("report.schema.json")
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChecklistRow(BaseModel):
    """One reporting item: filled, or what is missing of the artefacts and of the authors."""

    model_config = _STRICT

    block: str
    text: str
    section: str
    guidelines: str
    filled: bool
    unknown: list[str]
    author: list[str]


def report_content(report: EvaluationReport, artefacts: Artefacts) -> dict[str, Any]:
    """Return what report.json holds, checked against its own model."""
    tests = artefacts.shortcuts
    content = json_safe(
        {
            "format": FORMAT,
            **report.to_dict(),
            "inputs": dict(artefacts.inputs),
            "bundle": dict(artefacts.bundle),
            "model": dict(artefacts.model),
            "run": dict(artefacts.run),
            "shortcuts": None if tests is None else [test.model_dump() for test in tests],
            "shortcuts_note": artefacts.shortcuts_note,
            "author": artefacts.author.model_dump(),
            "checklist": [
                {
                    "block": row.item.block,
                    "text": row.item.text,
                    "section": row.item.section,
                    "guidelines": row.guidelines,
                    "filled": row.filled,
                    "unknown": list(row.unknown),
                    "author": list(row.author),
                }
                for row in checklist(report, artefacts)
            ],
        }
    )
    check(content, "report.json")
    return dict(content)


def check(content: dict[str, Any], where: str) -> None:
    """Raise EvaluationError where `content` is no report of this format, with one line per mistake."""
    validate(report_model(), content, where, EvaluationError)
    problems = [
        f"{score['metric']} of {score['target']}"
        for score in content["scores"]
        if score["value"] is None and not score["reason"]
    ]
    if content["phantom"] != ("notice" in content):
        problems.append("a report of phantoms carries their notice, and no other does")
    if problems:
        raise EvaluationError(f"{where}: a missing number needs its reason: {'; '.join(problems)}")


@functools.cache
def report_model() -> Any:
    """Return the pydantic model of report.json."""
    fields: dict[str, Any] = _fields(EvaluationReport) | {
        "format": (int, ...),
        "research_use": (str, ...),
        "notice": (str, "PHANTOM"),
        "inputs": (dict[str, str | None], ...),
        "bundle": (dict[str, Any], ...),
        "model": (dict[str, Any], ...),
        "run": (dict[str, Any], ...),
        "shortcuts": (list[_dataless(ShortcutTest)] | None, ...),  # type: ignore[misc]
        "shortcuts_note": (str, ...),
        "author": (Author, ...),
        "checklist": (list[ChecklistRow], ...),
    }
    return create_model("Report", __config__=_STRICT, **fields)


def _fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: (_json_type(hints[field.name]), ...) for field in dataclasses.fields(kind)}


@functools.cache
def _record(kind: Any) -> type[BaseModel]:
    """Return the model of a dataclass."""
    return create_model(kind.__name__, __config__=_STRICT, __doc__=(kind.__doc__ or "").split("\n")[0], **_fields(kind))  # fmt: skip


def _dataless(kind: type[BaseModel]) -> Any:
    """Return a record's model that refuses further keys."""
    fields: dict[str, Any] = {name: (field.annotation, ...) for name, field in kind.model_fields.items()}
    return create_model(kind.__name__, __config__=_STRICT, **fields)


def _json_type(kind: Any) -> Any:
    """Return what a type becomes in JSON: records, lists, and numbers that may be null."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind)
    if kind is float:
        return float | None
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (tuple, list):
        return list[_json_type(inner[0])]  # type: ignore[misc]
    if origin is dict:
        return dict[str, _json_type(inner[1])]  # type: ignore[misc]
    if origin in (Union, types.UnionType):
        return Union[tuple(_json_type(one) for one in inner)]  # noqa: UP007
    return kind


def json_schema() -> str:
    """Return the JSON schema of report.json as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "report.json of nmevision"}
    return json.dumps(report_model().model_json_schema() | schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_text(SCHEMA, json_schema())
