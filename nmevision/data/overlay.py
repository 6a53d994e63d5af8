"""Corrections of a manifest as a file of their own, each decided by a person; the source is never edited.

One row per suggestion: id, kind, column, found, suggested, evidence, decision. A person writes `accept` or
`reject` into `decision` (and may change `suggested` first); only accepted rows change anything.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.files import write_csv
from nmevision.manifest import Manifest

COLUMNS = ("id", "kind", "column", "found", "suggested", "evidence", "decision")
DECISIONS = ("accept", "reject", "")
CHANGEABLE = "diagnosis"
NATIVE = "native_label"
"""Where a public set's loader keeps the set's own label when it writes something else as the diagnosis."""


def overlay_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return suggestions, all undecided, from a table of id, kind, label, suggested and evidence."""
    table = rows.rename(columns={"label": "found"}).assign(column=CHANGEABLE, decision="")
    return table[list(COLUMNS)]


def write_overlay(path: Path, table: pd.DataFrame) -> None:
    """Write suggestions to a new file; raise DataError where there is one, which may hold decisions."""
    if path.exists():
        raise DataError(f"{path} exists already and may hold decisions; choose another --out")
    write_csv(path, table)


def read_overlay(path: Path) -> pd.DataFrame:
    """Read suggestions with their decisions; raise DataError with every mistake in them."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as an overlay: {problem}") from None
    problems = Problems()
    for name in COLUMNS:
        if name not in table:
            problems.add(f"column '{name}' is missing; found: {', '.join(map(str, table.columns))}")
    problems.raise_if_any(DataError, str(path))
    table = table.apply(lambda column: column.str.strip())
    accepted: dict[str, str] = {}
    for number, row in enumerate(table[list(COLUMNS)].itertuples(index=False), 2):
        where = f"row {number} ('{row.id}')"
        if row.decision not in DECISIONS:
            hint = did_you_mean(row.decision, DECISIONS[:2])
            problems.add(f"{where}: decision '{row.decision}'{hint}; expected accept, reject or nothing")
        if row.column != CHANGEABLE:
            problems.add(f"{where}: column '{row.column}'; only '{CHANGEABLE}' may be changed")
        if row.decision != "accept":
            continue
        if not row.suggested:
            problems.add(f"{where}: accepted without a suggestion; write the right label into 'suggested'")
        elif accepted.setdefault(row.id, row.suggested) != row.suggested:
            problems.add(f"{where}: accepted as '{accepted[row.id]}' already; reject one of the two")
    problems.raise_if_any(DataError, str(path))
    return table


def apply_overlay(manifest: Manifest, overlay: pd.DataFrame) -> tuple[Manifest, int]:
    """Return the manifest with the accepted suggestions of an overlay, and how many rows they changed.

    Raises DataError where an accepted row's id is unknown or its label is no longer the one that was found.
    """
    accepted = overlay[overlay["decision"] == "accept"].drop_duplicates("id")
    row_of = {identity: row for row, identity in enumerate(manifest.frame["id"])}
    native = manifest.frame.get(NATIVE, manifest.frame[CHANGEABLE])
    changed = manifest.frame[CHANGEABLE].copy()
    problems = Problems()
    for identity, found, suggested in accepted[["id", "found", "suggested"]].itertuples(
        index=False, name=None
    ):
        row = row_of.get(identity)
        if row is None:
            problems.add(f"id '{identity}' is not in the manifest{did_you_mean(identity, row_of)}")
        elif found not in (changed[row], native[row]):
            problems.add(f"'{identity}' is labelled '{changed[row]}' here; the overlay found '{found}'")
        else:
            changed[row] = suggested
    problems.raise_if_any(DataError, "the overlay does not fit this manifest")
    count = int((changed != manifest.frame[CHANGEABLE]).sum())
    return Manifest(manifest.frame.assign(**{CHANGEABLE: changed}), manifest.root), count
