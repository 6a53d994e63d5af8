"""Looking through a table of images before it is trusted: broken ones, duplicates, leaks, wrong labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nmevision import __version__
from nmevision.data import duplicates
from nmevision.data.audit import (
    BREACHES,
    comparable,
    find_faults,
    find_leaks,
    overlaps,
    pairs_of,
    with_groups,
)
from nmevision.data.contact_sheet import Pair, draw_sheets
from nmevision.data.thumbnails import look_at
from nmevision.errors import DataError
from nmevision.files import write_csv, write_json
from nmevision.journeys.index import moved_to
from nmevision.manifest import Manifest, read_manifest
from nmevision.progress import progress_bar
from nmevision.taxonomy import Taxonomy, load_taxonomy

MOST_DRAWN = 60
"""Pairs on the contact sheets: five sheets of twelve, the alarming ones first, then the least alike."""
MEMORY = "seen"
"""Folder inside --out where what was seen of each file is kept for the next audit; may be deleted."""


@dataclass(frozen=True)
class Audit:
    """What an audit found: its exit code, and the text to print."""

    code: int
    text: str


def audit_manifest(path: Path, out: Path, taxonomy: Path | None = None) -> Audit:
    """Audit a manifest into the folder `out`; code 1 where something stands in two splits, else 0.

    Written are audit.json (counts, limits, overlap of the sources), findings.csv (kind, ids, detail),
    pairs.csv, pairs-1.png ... and manifest.csv (with `duplicate_group`). Running it again goes on where it
    stopped; a manifest that was audited is never changed.
    """
    known = load_taxonomy(taxonomy) if taxonomy else None
    manifest = read_manifest(path, purpose="audit", taxonomy=known)
    target = out / "manifest.csv"
    if target.resolve() == path.resolve():
        raise DataError(f"{target} is the manifest to audit and would be overwritten; choose another --out")
    with progress_bar("looking", len(manifest)) as step:
        looks = look_at(manifest, out / MEMORY, progress=step)
    usable = comparable(looks)
    with progress_bar("comparing", int(usable.sum())) as step:
        near = duplicates.near_duplicates(looks.thumbnails, usable, step)
    pairs = pairs_of(looks, near)
    grouped = with_groups(manifest, looks, pairs)
    findings = pd.concat([find_leaks(grouped, known), find_faults(looks)], ignore_index=True)
    listed = _with_names(pairs, grouped)
    write_csv(out / "findings.csv", findings)
    write_csv(out / "pairs.csv", listed, decimals=3)
    moved_to(target, grouped).write(target)
    _draw(listed, grouped, known, out)
    report = _summary(grouped, findings, pairs)
    write_json(out / "audit.json", report)
    names = ["findings.csv", "pairs.csv", "manifest.csv", "audit.json"]
    sheets = sorted(sheet.name for sheet in out.glob("pairs-*.png"))
    files = [str((out / name).resolve()) for name in names + sheets]
    return Audit(
        int(any(report["findings"].get(kind) for kind in BREACHES)), "\n".join([*_told(report), *files])
    )


def _with_names(pairs: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """Return the pairs with ids, labels, splits, sources and words instead of numbers."""
    columns = {
        "id": "id",
        "diagnosis": "label",
        "patient_id": "patient",
        "split": "split",
        "source": "source",
    }
    parts = [pairs[["kind"]]]
    for end in ("first", "second"):
        rows = manifest.frame.loc[pairs[end], list(columns)].reset_index(drop=True)
        parts.append(rows.rename(columns={name: f"{end}_{short}" for name, short in columns.items()}))
    words = pairs["orientation"].map(dict(enumerate(duplicates.ORIENTATIONS)))
    return pd.concat([*parts, words, pairs[["distance", "likeness"]]], axis=1)


def _draw(listed: pd.DataFrame, manifest: Manifest, taxonomy: Taxonomy | None, out: Path) -> None:
    """Draw the contact sheets anew."""
    for old in out.glob("pairs-*.png"):
        old.unlink()
    path_of = {sample.id: sample.path for sample in manifest.samples()}
    meaning = dict(
        zip(
            manifest.frame["id"],
            manifest.diagnoses(taxonomy) if taxonomy else manifest.frame["diagnosis"],
            strict=True,
        )
    )
    drawn = []
    for row in listed.to_dict("records"):
        labels = meaning[row["first_id"]] != meaning[row["second_id"]]
        splits = row["first_split"] != row["second_split"]
        lines = (
            f"{row['kind']}, likeness {row['likeness']:.2f}, second {row['orientation']}",
            *(
                " ".join(filter(None, (row[f"{end}_id"], row[f"{end}_label"], row[f"{end}_split"])))
                for end in ("first", "second")
            ),
        )
        orientation = duplicates.ORIENTATIONS.index(row["orientation"])
        pair = Pair(path_of[row["first_id"]], path_of[row["second_id"]], orientation, lines, labels or splits)
        drawn.append((not pair.alarming, row["likeness"], pair))
    drawn.sort(key=lambda entry: entry[:2])
    draw_sheets([pair for *_, pair in drawn[:MOST_DRAWN]], out / "pairs")


def _summary(grouped: Manifest, findings: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any]:
    """Return what audit.json holds."""
    groups = grouped.frame["duplicate_group"]
    return {
        "version": __version__,
        "images": len(grouped),
        "patients": int(grouped.cases.nunique()),
        "pairs": {kind: int((pairs["kind"] == kind).sum()) for kind in ("exact", "near")},
        "duplicate_groups": int(groups[groups != ""].nunique()),
        "images_in_groups": int((groups != "").sum()),
        "findings": {
            str(kind): int(count) for kind, count in findings["kind"].value_counts(sort=False).items()
        },
        "overlap_of_sources": overlaps(grouped),
        "limits": {
            "hash_bits_of_128": duplicates.HASH_LIMIT,
            "likeness": duplicates.SAME_DETAIL,
        },
        "not_found": list(duplicates.BLIND_SPOTS),
    }


def _told(report: Mapping[str, Any]) -> list[str]:
    """Return the report in a few lines."""
    lines = [
        f"{report['images']:,} images of {report['patients']:,} patients; "
        f"{report['pairs']['exact']:,} exact and {report['pairs']['near']:,} near duplicates, "
        f"{report['images_in_groups']:,} images in {report['duplicate_groups']:,} groups"
    ]
    lines += [f"  {kind}: {count:,}" for kind, count in report["findings"].items()]
    if not report["findings"]:
        lines.append("  nothing else to report")
    return [
        *lines,
        "Near duplicates that this search misses:",
        *(f"  {spot}" for spot in report["not_found"]),
    ]
