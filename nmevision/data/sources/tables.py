"""Images of one's own, listed in any CSV with other column names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from nmevision.data.sources.index import kept, say
from nmevision.data.sources.source import Row, read_table
from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.licences import known_licences, licence_of
from nmevision.manifest import MODALITIES, Manifest, manifest_of
from nmevision.manifest_checks import COLUMNS, FINDING_PREFIX
from nmevision.taxonomy import Taxonomy


def index_csv(
    table: Path,
    columns: Mapping[str, str],
    *,
    modality: str = "",
    licence: str = "",
    source: str = "",
    taxonomy: Taxonomy | None = None,
    note: Callable[[str], None] = say,
) -> Manifest:
    """Return a manifest of the images that a CSV lists; columns that are not named keep their own names.

    Args:
        table: the CSV; its paths start from its folder.
        columns: manifest column -> column of the table, such as {"path": "file", "diagnosis": "label"}.
        modality, licence, source: for all rows, where the table has no such column.
        taxonomy: leave out, and count, the rows whose label it does not know.
        note: called with a sentence per kind of row left out.

    Raises:
        DataError: with every mistake at once.
    """
    table = Path(table)
    _check(columns, modality, licence)
    renamed = {theirs: ours for ours, theirs in columns.items()}
    raw = read_table(table, ())
    found = list(raw[0]) if raw else []
    problems = Problems()
    for ours, theirs in columns.items():
        if theirs not in found:
            problems.add(
                f"no column '{theirs}' for {ours}{did_you_mean(theirs, found)}; found: {', '.join(found)}"
            )
        elif ours in found and theirs != ours:
            problems.add(f"'{theirs}' is to be {ours}, but the table has a column '{ours}' already")
    if "path" not in columns and "path" not in found:
        problems.add("no column 'path'; name it with path=COLUMN")
    problems.raise_if_any(DataError, str(table))
    common = {"modality": modality, "licence": licence, "source": source}
    rows = [
        common | {renamed.get(name, name): cell or "" for name, cell in row.items() if name} for row in raw
    ]
    present = [_with_id(row) for row in rows if row["path"] and os.path.lexists(table.parent / row["path"])]
    if not present:
        raise DataError(
            f"{table}: none of its {len(rows):,} images is there; paths start from {table.parent}"
        )
    if len(present) < len(rows):
        note(
            f"rows left out because their images are not there: {len(rows) - len(present):,} of {len(rows):,}"
        )
    return kept(manifest_of(present, table.parent), taxonomy, note)


def _with_id(row: Row) -> Row:
    """Return the row with an id: its path, where it has none."""
    return row | {"id": row.get("id") or row["path"], "diagnosis": row.get("diagnosis", "")}


def _check(columns: Mapping[str, str], modality: str, licence: str) -> None:
    """Raise DataError about every option that means nothing."""
    problems = Problems()
    for ours in columns:
        if ours not in COLUMNS and not ours.startswith(FINDING_PREFIX):
            hint = did_you_mean(ours, COLUMNS)
            problems.add(f"'{ours}' is no column of a manifest{hint}; known: {', '.join(COLUMNS)}")
    if modality not in ("", *MODALITIES):
        problems.add(f"unknown modality '{modality}'{did_you_mean(modality, MODALITIES)}")
    if licence and licence_of(licence) is None:
        hint = did_you_mean(licence, known_licences())
        problems.add(f"unknown licence '{licence}'{hint}; write an SPDX name such as CC-BY-4.0, or 'own'")
    problems.raise_if_any(DataError, "index of a table")
