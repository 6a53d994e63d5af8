"""Reading every file of a manifest once before it is trusted: what is broken, what is the same file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from nmevision.cores import usable_cores
from nmevision.data.images import read_image
from nmevision.errors import DataError, ImageError, Problems
from nmevision.files import sha256_of
from nmevision.manifest import Manifest
from nmevision.taxonomy import Taxonomy


def inspect_files(
    manifest: Manifest, max_pixels: int, progress: Callable[[int], None] | None = None
) -> pd.DataFrame:
    """Return one row per sample: id, sha256 ("" where the file cannot be opened), message, readable (bool).

    progress: called with the number of files done so far.
    """

    def look(path: Path) -> tuple[str, str, bool]:
        try:
            notes = read_image(path, max_pixels).notes
        except ImageError as problem:
            return "", str(problem), False
        return sha256_of(path), "; ".join(notes), True

    rows = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for done, row in enumerate(pool.map(look, [sample.path for sample in manifest.samples()]), 1):
            rows.append(row)
            if progress is not None:
                progress(done)
    found = pd.DataFrame(rows, columns=["sha256", "message", "readable"])
    found.insert(0, "id", manifest.frame["id"].to_numpy())
    return found


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
