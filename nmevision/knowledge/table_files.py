"""Reads the YAML and CSV tables of the knowledge into records, and notes every mistake with its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from nmevision.errors import ConfigError, Problems
from nmevision.schema import Record, read_yaml, validate

R = TypeVar("R", bound=Record)


def read_mapping(path: Path, problems: Problems) -> dict[str, Any]:
    """Return the mapping in a YAML file; {} with a note where it cannot be read."""
    try:
        return read_yaml(path, ConfigError)
    except ConfigError as error:
        problems.add(str(error))
        return {}


def read_records(
    kind: type[R], content: Any, where: str, problems: Problems, extra: Mapping[str, Any] | None = None
) -> dict[str, R]:
    """Return a mapping of key -> fields as records of `kind` by their key; note entries that are none.

    where: file and section, for the messages. extra: fields that all entries share.
    """
    if not isinstance(content, dict):
        problems.add(f"{where}: found {content!r}; expected a mapping of keys to entries")
        return {}
    records = {}
    for key, fields in content.items():
        if not isinstance(fields, dict):
            problems.add(f"{where}: {key}: found {fields!r}; expected the fields of an entry")
            continue
        record = _record(kind, {"key": str(key), **(extra or {}), **fields}, f"{where}: {key}", problems)
        if record is not None:
            records[str(key)] = record
    return records


def read_lines(path: Path, problems: Problems) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield `file:line` and the cells that are not blank, row by row, of a CSV file with a header."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        problems.add(f"{path}: cannot be read as UTF-8 text: {problem}")
        return
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    for row in reader:
        where = f"{path.name}:{reader.line_num}"
        if len(row) != len(header):
            problems.add(f"{where}: {len(row)} cells where the first row has {len(header)}")
            continue
        yield where, {name: cell.strip() for name, cell in zip(header, row, strict=True) if cell.strip()}


def read_rows(kind: type[R], path: Path, problems: Problems) -> tuple[tuple[str, R], ...]:
    """Return `file:line` and record for every row of a CSV file whose columns are fields of `kind`."""
    rows = ((where, _record(kind, cells, where, problems)) for where, cells in read_lines(path, problems))
    return tuple((where, record) for where, record in rows if record is not None)


def _record(kind: type[R], fields: Mapping[str, Any], where: str, problems: Problems) -> R | None:
    """Return one record, or None with a note for each of its mistakes."""
    try:
        return validate(kind, fields, where, ConfigError)
    except ConfigError as error:
        for line in str(error).splitlines()[1:]:
            problems.add(f"{where}: {line.removeprefix('  - ')}")
        return None
