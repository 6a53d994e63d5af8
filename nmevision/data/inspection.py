"""Reading every file of a manifest once before it is trusted: what is broken, what is the same file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nmevision.cores import usable_cores
from nmevision.data.images import decoder_version, read_image
from nmevision.errors import DataError, ImageError, Problems
from nmevision.files import sha256_of, write_text
from nmevision.manifest import Manifest
from nmevision.taxonomy import Taxonomy

SETTLED = 5.0
"""Seconds since a file's last change before it is remembered: some disks count in steps of two seconds."""


class _Found(NamedTuple):
    """What is remembered of a readable file: its size and time of change then, its SHA-256 and the notes on it."""

    size: int
    changed: int  # nanoseconds
    sha256: str
    message: str


def inspect_files(
    manifest: Manifest,
    max_pixels: int,
    progress: Callable[[int], None] | None = None,
    memory: Path | None = None,
) -> pd.DataFrame:
    """Return one row per sample: id, sha256 ("" where the file cannot be opened), message, readable (bool).

    progress: called with the number of files done so far.
    memory: a file of what earlier inspections found; readable files that have kept their size and time of change
        are not read again. It may be removed at any time.
    """
    known = _recalled(memory, max_pixels)

    def look(path: Path) -> tuple[str, str, bool]:
        name, before = os.path.abspath(path), _state(path)  # noqa: PTH100 - a link keeps its own name
        found = known.get(name)
        if found is not None and (found.size, found.changed) == before:
            return found.sha256, found.message, True
        try:
            notes = read_image(path, max_pixels).notes
        except ImageError as problem:
            return "", str(problem), False
        sha256, message = sha256_of(path), "; ".join(notes)
        if before == _state(path) and time.time() - before[1] / 1e9 > SETTLED:
            known[name] = _Found(*before, sha256, message)
        return sha256, message, True

    rows = []
    try:
        with ThreadPoolExecutor(usable_cores()) as pool:
            for done, row in enumerate(pool.map(look, [sample.path for sample in manifest.samples()]), 1):
                rows.append(row)
                if progress is not None:
                    progress(done)
    finally:
        _remember(memory, max_pixels, known)
    found = pd.DataFrame(rows, columns=["sha256", "message", "readable"])
    found.insert(0, "id", manifest.frame["id"].to_numpy())
    return found


def _state(path: Path) -> tuple[int, int]:
    """Return a file's size in bytes and time of change in nanoseconds; (-1, -1) where there is none."""
    try:
        now = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return now.st_size, now.st_mtime_ns


def _recalled(memory: Path | None, max_pixels: int) -> dict[str, _Found]:
    """Return what was remembered under the same limit by the same decoder: absolute path -> what was found."""
    try:
        content = json.loads(memory.read_text(encoding="utf-8")) if memory else {}
        if content.get("by") == [max_pixels, decoder_version()]:
            return {str(name): _Found(*found) for name, found in content["files"].items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        pass  # missing or damaged: everything is read again
    return {}


def _remember(memory: Path | None, max_pixels: int, known: dict[str, _Found]) -> None:
    if memory is not None:
        content = {"by": [max_pixels, decoder_version()], "files": known}
        write_text(memory, json.dumps(content))


def join_identical(manifest: Manifest, inspection: pd.DataFrame, taxonomy: Taxonomy) -> Manifest:
    """Return the manifest with byte-identical files in one duplicate_group, so that no split parts them.

    Raises DataError where identical files carry different diagnoses.
    """
    digests = inspection["sha256"].reset_index(drop=True)
    repeated = (digests != "") & digests.duplicated(keep=False)
    labels = manifest.diagnoses(taxonomy)
    problems = Problems()
    for digest, rows in digests[repeated].groupby(digests[repeated]).groups.items():
        if labels[rows].nunique() > 1:
            names = ", ".join(f"'{manifest.frame['id'][i]}' = {labels[i]}" for i in list(rows)[:4])
            problems.add(f"the same file (SHA-256 {str(digest)[:12]}) under different diagnoses: {names}")
    problems.raise_if_any(DataError, "conflicting labels; correct or leave out these rows")
    groups = manifest.frame["duplicate_group"].copy()
    for digest, rows in digests[repeated].groupby(digests[repeated]).groups.items():
        stated = set(groups[rows]) - {""}
        joined = min(stated, default=f"identical:{str(digest)[:12]}")
        if len(stated) > 1:  # all of these groups are one
            groups[groups.isin(stated)] = joined
        groups[rows] = joined
    return Manifest(manifest.frame.assign(duplicate_group=groups), manifest.root)
