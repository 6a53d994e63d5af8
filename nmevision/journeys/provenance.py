"""Labels compared with where the images come from, and the corrections a person accepted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nmevision.data.overlay import apply_overlay, overlay_of, read_overlay, write_overlay
from nmevision.data.provenance import Provenance, compare, summary
from nmevision.errors import DataError, did_you_mean
from nmevision.journeys.index import moved_to
from nmevision.manifest import read_manifest

ID_COLUMNS = ("id", "md5hash", "image_id", "path")
LABEL_COLUMNS = ("native_label", "diagnosis", "label")
PROSE_COLUMNS = ("caption", "truncated_caption")
EVIDENCE_COLUMNS = ("url", "url_folder", "path", "filename", *PROSE_COLUMNS)
"""Column names that are looked for where the user names none; the sets' own names among them."""


def review_provenance(
    table: Path,
    out: Path,
    id_column: str | None = None,
    label_column: str | None = None,
    says: Sequence[str] = (),
) -> str:
    """Write an overlay of every label that its image's URL, path or caption contradicts; return a summary.

    table: a manifest or a public set's own table (CSV); the images need not be there, and it is not changed.
    """
    cells = _read(table)
    identity = _column(cells, table, id_column, ID_COLUMNS, "id")
    label = _column(cells, table, label_column, LABEL_COLUMNS, "label")
    evidence = [_column(cells, table, name, (), "says") for name in says]
    evidence = evidence or [name for name in EVIDENCE_COLUMNS if name in cells]
    if not evidence:
        raise DataError(
            f"{table}: no column says where the images come from; expected one of "
            f"{', '.join(EVIDENCE_COLUMNS)}, or name it with --says; found: {', '.join(cells.columns)}"
        )
    found: dict[str, Provenance] = {}
    for name in evidence:
        found[name] = compare(cells[identity], cells[label], cells[name], prose=name in PROSE_COLUMNS)
    rows = pd.concat([result.rows for result in found.values()], ignore_index=True)
    write_overlay(out, overlay_of(rows))
    head = f"{len(cells):,} rows; {rows['id'].nunique():,} to review (labels from '{label}')"
    todo = "write accept or reject into its column 'decision', then: nmevision data apply-overlay"
    return "\n".join([head, *summary(found), str(out.resolve()), todo])


def write_corrected(manifest: Path, overlay: Path, out: Path) -> str:
    """Write a manifest with the accepted corrections of an overlay as a new file; return what was done."""
    if out.exists():
        raise DataError(f"{out} exists already; remove it or choose another --out")
    corrected, count = apply_overlay(read_manifest(manifest), read_overlay(overlay))
    moved_to(out, corrected).write(out)
    return f"{count:,} of {len(corrected):,} rows changed\n{out.resolve()}"


def _read(path: Path) -> pd.DataFrame:
    """Return a CSV's cells as text."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as CSV: {problem}") from None


def _column(cells: pd.DataFrame, path: Path, wanted: str | None, usual: Sequence[str], what: str) -> str:
    """Return the column asked for, or the first usual one that is there."""
    for name in [wanted] if wanted else usual:
        if name in cells:
            return name
    names = [str(name) for name in cells.columns]
    asked = f"no column '{wanted}'{did_you_mean(wanted, names)}" if wanted else f"none of {', '.join(usual)}"
    raise DataError(f"{path}: {asked} for the {what}; found: {', '.join(names)}; name it with --{what}")
