"""What a public image set is to this project, and the little that all their modules share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmevision.data.folder_scan import find_images, text_of_path
from nmevision.errors import DataError
from nmevision.registry import Registry

Row = dict[str, str]
"""One row of a manifest: column -> text."""


@dataclass(frozen=True)
class Source:
    """A public image set: where it comes from, on what terms, and how a copy of it becomes rows.

    Attributes:
        name: the word for it on the command line and in the column `source`.
        title: what it is, in one line.
        url: where to ask for it; nothing is ever fetched from there.
        licence: the terms on its images, as written into every row.
        citation: the paper to cite, with its DOI.
        modality: "clinical" or "histology".
        n_images: how many images were published.
        n_classes: how many labels were published.
        layout: what a copy's folder holds, as told to a user whose folder does not.
        checked: what was confirmed and how, and what could not be.
        rows: yields one row per image of a copy's folder: id, path below the folder with "/" ("" where
            the image is not there), diagnosis (the set's own label), patient_id, mpp and whatever else
            is known; modality, source and licence are added by `index_source`.
    """

    name: str
    title: str
    url: str
    licence: str
    citation: str
    modality: str
    n_images: int
    n_classes: int
    layout: str
    checked: str
    rows: Callable[[Path], Iterator[Row]]


SOURCES = Registry[Source]("public set")
"""Every public set that can be indexed, by name."""


def declare(source: Source) -> Source:
    """Register a public set under its name and return it."""
    return SOURCES.register(source.name)(source)


def images_below(folder: Path) -> dict[str, Path]:
    """Return every image below `folder`: its path from there as text with "/" -> the same as a path."""
    relative = (path.relative_to(folder) for path in find_images(folder).images)
    return {text_of_path(path): path for path in relative}


def images_by_stem(folder: Path) -> dict[str, str]:
    """Return every image below `folder`: file name without suffix -> path from there; the first one wins."""
    found: dict[str, str] = {}
    for text, path in images_below(folder).items():
        found.setdefault(path.stem, text)
    return found


def read_table(path: Path, needed: Sequence[str]) -> list[Row]:
    """Return the rows of a set's CSV file, each cell as text.

    Raises:
        DataError: the file cannot be read or lacks one of the `needed` columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise DataError(f"{path}: cannot be read as CSV: {problem}") from None
    found = list(reader.fieldnames or [])
    missing = [name for name in needed if name not in found]
    if missing:
        raise DataError(
            f"{path}: the columns {', '.join(missing)} are missing; found: {', '.join(found) or 'none'}; "
            "is it the set's own table, unchanged?"
        )
    return rows


def what_lies_in(folder: Path, shown: int = 6) -> str:
    """Return the first few names in a folder, for a message that says what was found."""
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (", ".join(names[:shown]) + more) or "nothing"
