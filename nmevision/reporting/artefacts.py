"""What lies beside predictions and says where they come from: the model's record, shortcut tests, the authors' words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from nmevision.errors import EvaluationError
from nmevision.reporting.author import Author
from nmevision.schema import Record, validate

RUN_FILE = "run.json"
SHORTCUTS = "shortcuts.json"


class ShortcutTest(Record):
    """One shortcut test as shortcuts.json holds it; further keys there are not of this page."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    test: str
    name: str
    verdict: str
    words: str
    rule: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_positive: int | None = None
    n_negative: int | None = None
    n_patients: int | None = None
    method: str = ""


class Shortcuts(Record):
    """The shortcut tests of the evaluated images."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    checks: tuple[ShortcutTest, ...]
    inputs: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Artefacts:
    """What a report is made from, besides the scores; empty where a file does not say it.

    inputs: SHA-256 of what was read. bundle: the model's name, hash and kind. model: what its record says of
    network, training and versions. run: when, where and on what the predictions were made. shortcuts: None where not
    tested; shortcuts_note: where they were tested on something else.
    """

    inputs: Mapping[str, Any] = field(default_factory=dict)
    bundle: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    shortcuts: tuple[ShortcutTest, ...] | None = None
    shortcuts_note: str = ""
    author: Author = field(default_factory=Author)


def artefacts_of(
    run: Mapping[str, Any], inputs: Mapping[str, Any], shortcuts: Path | None, author: Author
) -> Artefacts:
    """Return the artefacts. run: the content of run.json; shortcuts: the file, None where there is none."""
    bundle = run.get("bundle") or {}
    tests = read_shortcuts(shortcuts) if shortcuts else None
    return Artefacts(
        inputs=inputs,
        bundle=bundle,
        model=run.get("model") or {},
        run={key: run[key] for key in ("finished", "input", "timing", "versions", "corrected") if key in run},
        shortcuts=tests.checks if tests else None,
        shortcuts_note=_made_on_others(tests.inputs, inputs, bundle) if tests else "",
        author=author,
    )


def read_shortcuts(path: Path) -> Shortcuts:
    """Return the tests in shortcuts.json; raise EvaluationError where it is not such a file."""
    return validate(Shortcuts, read_json(path), str(path), EvaluationError)


def _made_on_others(tested: Mapping[str, Any], inputs: Mapping[str, Any], bundle: Mapping[str, Any]) -> str:
    """Return what the tests saw that this evaluation did not, "" where it is the same."""
    ours = {
        "manifest": inputs.get("manifest"),
        "bundle": bundle.get("hash"),
        "positive": inputs.get("positive"),
    }
    other = [key for key, mine in ours.items() if tested.get(key) and mine and tested[key] != mine]
    return f"These tests were made with another {' and '.join(other)} than this evaluation." if other else ""


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file; raise EvaluationError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise EvaluationError(
            f"{path}: cannot be read as JSON: {problem}; make it again or remove it"
        ) from None
    if not isinstance(content, dict):
        raise EvaluationError(f"{path}: expected a mapping, found {type(content).__name__}")
    return content
