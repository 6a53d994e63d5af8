"""Strict, frozen records read from YAML or JSON, with every mistake reported at once in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from nmevision.errors import NmevisionError, Problems, did_you_mean


class Record(BaseModel):
    """A record that refuses unknown keys and never changes; numbers may be written as text (1e-4 in YAML)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


R = TypeVar("R", bound=Record)


_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same in C, where PyYAML was built with it: ten times as fast."""


class _Loader(_SafeLoader):  # type: ignore[misc, valid-type]
    """The safe loader, which refuses a key given twice instead of losing the first value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            problem = f"the key '{twice[0]}' is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, error: type[NmevisionError]) -> dict[str, Any]:
    """Return the mapping in a YAML file (safe loader), or raise `error` saying what is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = yaml.load(text, _Loader)
    except FileNotFoundError:
        siblings = [p.name for p in Path(path).parent.glob("*.y*ml")] if Path(path).parent.is_dir() else []
        raise error(f"{path}: no such file{did_you_mean(Path(path).name, siblings)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise error(f"{path}: cannot be read as YAML: {problem}") from None
    if not isinstance(content, dict):
        raise error(f"{path}: expected a mapping of keys to values, found {type(content).__name__}")
    return content


def validate(kind: type[R], content: Any, where: str, error: type[NmevisionError]) -> R:
    """Return `content` as a record of `kind`, or raise `error` with one line per mistake."""
    try:
        return kind.model_validate(content)
    except ValidationError as invalid:
        problems = Problems()
        mistakes = invalid.errors()
        deeper = {mistake["loc"][:-2] for mistake in mistakes if len(mistake["loc"]) > 2}
        for mistake in mistakes:
            if mistake["type"] != "too_short" or mistake["loc"] not in deeper:  # wrong items, not too few
                problems.add(_in_words(kind, mistake))
        problems.raise_if_any(error, where)
        raise


def _in_words(kind: type[BaseModel], mistake: Any) -> str:
    """Return one pydantic mistake as `key: what was found, what was expected`."""
    location = ".".join(str(part) for part in mistake["loc"]) or "(whole)"
    if mistake["type"] == "extra_forbidden":
        *parents, last = mistake["loc"]
        siblings = _keys_at(kind, parents)
        known = ", ".join(siblings)
        return f"{location}: unknown key{did_you_mean(str(last), siblings)}; known here: {known}"
    if mistake["type"] == "missing":
        return f"{location}: missing; it must be given"
    message = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "value_error" and not mistake["loc"]:
        return message
    found = mistake.get("input")
    hint = ""
    if mistake["type"] == "literal_error" and isinstance(found, str):
        hint = did_you_mean(found, _quoted(mistake["ctx"]["expected"]))
    return f"{location}: found {found!r}; {message[0].lower()}{message[1:]}{hint}"


def _quoted(expected: str) -> list[str]:
    """Return the words between single quotes in pydantic's list of literals."""
    return expected.split("'")[1::2]


def _keys_at(kind: type[BaseModel], parents: list[Any]) -> list[str]:
    """Return the field names of the record found by walking `parents` down from `kind`."""
    here: Any = kind
    for part in parents:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part) if _is_record(here) else None
        if field is None:
            return []
        here = next((k for k in (field.annotation, *_leaves(field.annotation)) if _is_record(k)), None)
    return list(here.model_fields) if _is_record(here) else []


def _leaves(annotation: Any) -> list[Any]:
    """Return every type named inside an annotation such as `tuple[Diagnosis, ...] | None`."""
    found: list[Any] = []
    for argument in get_args(annotation):
        found += [argument, *_leaves(argument)]
    return found


def _is_record(kind: Any) -> bool:
    """Tell whether `kind` is a pydantic model class."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)
