"""What a public image set is to this project, and the little that all their modules share."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nmevision.data.folder_scan import find_images, text_of_path
from nmevision.errors import DataError, Problems
from nmevision.registry import Registry

Row = dict[str, str]
"""One row of a manifest: column -> text."""

LEFT_OUT = "left_out"
"""The key under which a row says why it is no sample; such rows are counted aloud and dropped."""


@dataclass(frozen=True)
class Source:
    """A public image set: where it comes from, on what terms, and how a copy of it becomes rows.

    Attributes:
        name: the word for it on the command line and in the column `source`.
        title: what it is, in one line.
        url: where to ask for it; nothing is ever fetched from there.
        licence: the terms on its images, as written into every row that does not carry its own.
        citation: the paper to cite, with its DOI.
        modality: "clinical" or "histology".
        n_images: how many images were published.
        n_classes: how many labels were published.
        layout: what a copy's folder holds, as told to a user whose folder does not.
        checked: what was confirmed and how, and what could not be.
        rows: yields one row per image of a copy's folder: id, path below the folder with "/" ("" where
            the image is not there), diagnosis (the set's own label), patient_id, mpp and whatever else
            is known; modality, source and licence are added by `index_source`. A row with LEFT_OUT is
            no sample; its text says why.
        shows: in one line, what it can and cannot show about NME.
        labels: native label -> diagnosis key of configs/taxonomies/necrolytic-and-mimics.yaml.
        excluded: native label -> why it means none of those diagnoses.
        others: why any further label is left out; "" = every label of the set stands in `labels` or
            `excluded`, and another one is a mistake.
        counts: diagnosis key -> published number of `unit` that can be used, where it is documented.
        unit: what `counts` counts.
        passing_on: False where the images are others' and may not be passed on, whatever the set's licence says.
        access: how to get it and on which terms, said after its URL; "" where the URL says it all.
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
    shows: str
    labels: Mapping[str, str] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)
    others: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    unit: str = "images"
    passing_on: bool = True
    access: str = ""

    @property
    def where(self) -> str:
        """Return where to get the set and on which terms."""
        return f"{self.url} ({self.access or self.licence})"


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


def find_table(folder: Path, *names: str) -> Path | None:
    """Return the first of `names` (paths below `folder`) that is a file, or None."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


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
    _require(path, needed, list(reader.fieldnames or []))
    return rows


def read_tables(tables: Mapping[Path, Sequence[str]]) -> list[list[Row]]:
    """Return the rows of several CSV files (path -> needed columns), or raise DataError about all of them."""
    problems, read = Problems(), []
    for path, needed in tables.items():
        try:
            read.append(read_table(path, needed))
        except DataError as problem:
            problems.add(str(problem))
    if len(problems.lines) == 1:
        raise DataError(problems.lines[0])
    problems.raise_if_any(DataError, "tables")
    return read


def read_records(path: Path, needed: Sequence[str]) -> list[dict[str, object]]:
    """Return a set's JSON list of records; raise DataError where it is none or a record lacks a key."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path}: cannot be read as JSON: {problem}") from None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path}: expected a list of records; is it the set's own file, unchanged?")
    shared = set(records[0]).intersection(*records) if records else set(needed)
    _require(path, needed, sorted(shared))
    return records


def _require(path: Path, needed: Sequence[str], found: list[str]) -> None:
    """Raise DataError where a needed column is not there."""
    missing = [name for name in needed if name not in found]
    if missing:
        raise DataError(
            f"{path}: the columns {', '.join(missing)} are missing; found: {', '.join(found) or 'none'}; "
            "is it the set's own table, unchanged?"
        )


def skin_tone_of(text: str) -> str:
    """Return a Fitzpatrick type as a manifest writes it: "1" to "6", a pair such as "1-2", or "" (unknown).

    >>> skin_tone_of("3.0"), skin_tone_of("FST6"), skin_tone_of("12"), skin_tone_of("-1")
    ('3', '6', '1-2', '')
    """
    found = re.fullmatch(r"(?:FST)?([1-6])(?:\.0)?", text.strip())
    pair = text.strip() in ("12", "34", "56")
    return found[1] if found else "-".join(text.strip()) if pair else ""


def what_lies_in(folder: Path, shown: int = 6) -> str:
    """Return the first few names in a folder, for a message that says what was found."""
    names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in folder.iterdir())
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (", ".join(names[:shown]) + more) or "nothing"
