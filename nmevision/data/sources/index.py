"""From a copy of a public set on disk to a manifest, with a sentence about everything left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from nmevision.data.sources.source import SOURCES, Row, Source, images_below, what_lies_in
from nmevision.errors import DataError, Problems
from nmevision.manifest import Manifest, manifest_of
from nmevision.taxonomy import Taxonomy

_SHOWN = 5
"""How many labels or files a sentence names before it counts the rest."""


def say(sentence: str) -> None:
    """Log a sentence about what was left out: what happens to it unless a caller wants it elsewhere."""
    logging.getLogger(__name__).warning("%s", sentence)


def index_source(
    name: str,
    folder: Path,
    *,
    taxonomy: Taxonomy | None = None,
    note: Callable[[str], None] = say,
) -> Manifest:
    """Return the manifest of a copy of a public set; its root is `folder`.

    Args:
        name: the set's name in SOURCES.
        folder: where the copy lies; nothing is downloaded.
        taxonomy: leave out, and count, the rows whose label it does not know. A public set holds diseases
            outside the question; they are neither mistakes nor worth listing in every taxonomy.
        note: called with every sentence about what was left out.

    Raises:
        ConfigError: no set has this name.
        DataError: the folder does not look like the set, or holds none of its images.
    """
    source = SOURCES.get(name)
    folder = Path(folder)
    rows = list(source.rows(folder))
    present = [row for row in rows if row["path"]]
    if not present:
        raise DataError(_not_there(source, folder, len(rows)))
    _refuse_repeated(present, folder)
    if len(present) < len(rows):
        missing = len(rows) - len(present)
        note(f"{name}: rows left out because their images are not there: {missing:,} of {len(rows):,}")
    strangers = sorted(set(images_below(folder)) - {row["path"] for row in present})
    if strangers:
        note(f"{name}: files left out because the set has no such: {len(strangers):,} ({_some(strangers)})")
    if len(present) != source.n_images:
        note(f"{name}: {len(present):,} images here, {source.n_images:,} were published")
    common = {"modality": source.modality, "source": name, "licence": source.licence}
    return kept(manifest_of([row | common for row in present], folder), taxonomy, note)


def kept(manifest: Manifest, taxonomy: Taxonomy | None, note: Callable[[str], None]) -> Manifest:
    """Return the rows whose label `taxonomy` knows, excludes with a reason, or that have none.

    Every label left out is counted in a note, and so is every excluded one with its reason.
    Raises DataError where no row has a label the taxonomy knows.
    """
    if taxonomy is None:
        return manifest
    labels = manifest.frame["diagnosis"]
    outside: Counter[str] = Counter()
    for label, count in Counter(labels).items():
        reason = taxonomy.exclusion_of(label)
        if reason is not None:
            note(f"rows that will not be trained on or scored: {count:,} '{label}' ({reason})")
        elif label and taxonomy.diagnosis_of(label) is None:
            outside[label] = count
    if outside:
        counted = [f"{label} {count:,}" for label, count in outside.most_common()]
        note(
            f"rows left out because taxonomy '{taxonomy.name}' has no word for their label: "
            f"{outside.total():,}, different labels: {len(outside):,} ({_some(counted)})"
        )
    inside = manifest.select(~labels.isin(list(outside)))
    if not len(inside):
        raise DataError(taxonomy.unknown_label(next(iter(outside))))
    return inside


def _not_there(source: Source, folder: Path, n_rows: int) -> str:
    """Return what was expected of the folder and what was found in it."""
    found = f"{n_rows:,} rows in its table but none of their images" if n_rows else what_lies_in(folder)
    return f"{folder}: does not hold the images of {source.name}; expected {source.layout}; found: {found}"


def _refuse_repeated(rows: list[Row], folder: Path) -> None:
    """Raise DataError where one id stands twice."""
    problems = Problems()
    first: dict[str, str] = {}
    for row in rows:
        if row["id"] in first:
            problems.add(
                f"'{row['id']}' stands for {first[row['id']]} and for {row['path']}; keep one of them"
            )
        first.setdefault(row["id"], row["path"])
    problems.raise_if_any(DataError, str(folder))


def _some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
