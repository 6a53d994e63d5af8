"""From a copy of a public set on disk to a manifest, with a sentence about everything left out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from nmevision.data.sources.source import LEFT_OUT, SOURCES, Row, Source, images_below, what_lies_in
from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.licences import licence_of
from nmevision.manifest import Manifest, manifest_of
from nmevision.taxonomy import Taxonomy, normalise_label

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
    allow_nc: bool = False,
) -> Manifest:
    """Return the manifest of a copy of a public set; its root is `folder`.

    Args:
        name: the set's name in SOURCES.
        folder: where the copy lies; nothing is downloaded.
        taxonomy: leave out, and count, the rows whose label it does not know. A public set holds diseases
            outside the question; they are neither mistakes nor worth listing in every taxonomy.
        note: called with every sentence about what was left out.
        allow_nc: whether the user accepts terms that forbid commercial use or derivatives.

    Raises:
        ConfigError: no set has this name.
        DataError: the folder does not look like the set, holds none of its images or labels it does not
            have; or the set's terms need `allow_nc`.
    """
    source = SOURCES.get(name)
    folder = Path(folder)
    images = images_below(folder)
    listed = list(source.rows(folder))
    rows = [row for row in listed if LEFT_OUT not in row]
    present = [_with_terms(row, source) for row in rows if row["path"]]
    if not present:
        raise DataError(_not_there(source, folder, len(rows)))
    problems = Problems()
    _find_repeated(present, problems)
    _find_unknown_labels(present, source, problems)
    if not allow_nc:
        _find_restricted(present, problems)
    problems.raise_if_any(DataError, f"{name} in {folder}")
    _tell_what_is_missing(listed, rows, present, source, images, note)
    return kept(manifest_of(present, folder), taxonomy, note, source)


def _with_terms(row: Row, source: Source) -> Row:
    """Return the row with what all rows of the set have: modality, source and terms."""
    terms = row.get("licence") or source.licence
    licence = licence_of(terms)
    return row | {
        "modality": source.modality,
        "source": source.name,
        "licence": terms,
        "train_allowed": str(licence is not None and licence.training).lower(),
        "redistribute_allowed": str(
            licence is not None and licence.redistribution and source.passing_on
        ).lower(),
    }


def _tell_what_is_missing(
    listed: list[Row],
    rows: list[Row],
    present: list[Row],
    source: Source,
    images: Iterable[str],
    note: Callable[[str], None],
) -> None:
    """Say how many rows and files are left out and why, and whether the copy is whole."""
    name = source.name
    for reason, count in Counter(row[LEFT_OUT] for row in listed if LEFT_OUT in row).items():
        note(f"{name}: rows left out: {count:,} ({reason})")
    if len(present) < len(rows):
        missing = len(rows) - len(present)
        note(f"{name}: rows left out because their images are not there: {missing:,} of {len(rows):,}")
    strangers = sorted(set(images) - {row.get("path", "") for row in listed})
    if strangers:
        note(f"{name}: files left out because the set has no such: {len(strangers):,} ({_some(strangers)})")
    if len(present) != source.n_images:
        note(f"{name}: {len(present):,} images here, {source.n_images:,} were published")


def kept(
    manifest: Manifest,
    taxonomy: Taxonomy | None,
    note: Callable[[str], None],
    source: Source | None = None,
) -> Manifest:
    """Return the rows whose label `taxonomy` knows, excludes with a reason, or that have none.

    Every label left out is counted in a note, and so is every excluded one with its reason.
    Raises DataError where no row has a label the taxonomy knows.
    """
    if taxonomy is None:
        return manifest
    reasons = _reasons(source)
    labels = manifest.frame["diagnosis"]
    outside: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    for label, count in Counter(labels).items():
        reason = taxonomy.exclusion_of(label)
        if reason is not None:
            note(f"rows that will not be trained on or scored: {count:,} '{label}' ({reason})")
        elif label and taxonomy.diagnosis_of(label) is None:
            outside[label] = count
            why = reasons.get(normalise_label(label))
            if why:
                note(f"rows left out: {count:,} '{label}' ({why})")
            else:
                strange[label] = count
    if strange:
        counted = [f"{label} {count:,}" for label, count in strange.most_common()]
        note(
            f"rows left out because taxonomy '{taxonomy.name}' has no word for their label: "
            f"{strange.total():,}, different labels: {len(strange):,} ({_some(counted)})"
        )
    inside = manifest.select(~labels.isin(list(outside)))
    if not len(inside):
        raise DataError(taxonomy.unknown_label(next(iter(outside))))
    return inside


def _reasons(source: Source | None) -> Mapping[str, str]:
    """Return why a set's labels are left out, by the label without case and punctuation."""
    excluded = source.excluded if source else {}
    return {normalise_label(label): reason for label, reason in excluded.items()}


def _not_there(source: Source, folder: Path, n_rows: int) -> str:
    """Return what was expected of the folder, what was found in it and where to get the set."""
    found = f"{n_rows:,} rows in its table but none of their images" if n_rows else what_lies_in(folder)
    return (
        f"{folder}: does not hold the images of {source.name}; expected {source.layout}; found: {found}; "
        f"ask for the set at {source.where}"
    )


def _find_repeated(rows: list[Row], problems: Problems) -> None:
    """Report every id that stands twice."""
    first: dict[str, str] = {}
    for row in rows:
        if row["id"] in first:
            problems.add(
                f"'{row['id']}' stands for {first[row['id']]} and for {row['path']}; keep one of them"
            )
        first.setdefault(row["id"], row["path"])


def _find_unknown_labels(rows: list[Row], source: Source, problems: Problems) -> None:
    """Report every label that a set with a known list of labels does not have."""
    if source.others:
        return
    known = [*source.labels, *source.excluded]
    plain = {normalise_label(label) for label in known}
    found = Counter(row.get("native_label", row["diagnosis"]) for row in rows)
    for label, count in sorted(found.items()):
        if label and normalise_label(label) not in plain:
            problems.add(
                f"unknown label '{label}' in {count:,} rows{did_you_mean(label, known)}; {source.name} has: "
                f"{', '.join(known)}"
            )


def _find_restricted(rows: list[Row], problems: Problems) -> None:
    """Report every licence that needs the user's word."""
    for text, count in sorted(Counter(row["licence"] for row in rows).items()):
        licence = licence_of(text)
        if licence is not None and licence.restricted:
            problems.add(
                f"{count:,} rows are under '{text}' ({licence.condition}); where your use keeps to these "
                "terms, say so with --allow-nc"
            )


def _some(names: list[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
