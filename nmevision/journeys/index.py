"""Making and checking manifests from the command line."""

from __future__ import annotations

import os
from pathlib import Path

from nmevision.data.images import DEFAULT_MAX_PIXELS
from nmevision.data.inspection import inspect_files
from nmevision.data.sources import index_class_folders, index_source
from nmevision.errors import DataError
from nmevision.manifest import Manifest, read_manifest
from nmevision.progress import progress_bar
from nmevision.taxonomy import load_taxonomy


def write_index(
    folder: Path,
    out: Path | None,
    source: str | None,
    modality: str,
    patient: str,
    licence: str,
    taxonomy: Path | None,
) -> str:
    """Write the manifest of class folders or of a public set; return where it lies and what is in it.

    Raises DataError where the manifest exists already or the folder is not as expected.
    """
    target = out or folder / "manifest.csv"
    if target.exists():
        raise DataError(f"{target} exists already; remove it or choose another --out")
    if source is not None:
        known = load_taxonomy(taxonomy) if taxonomy else None
        manifest = index_source(source, folder, taxonomy=known, note=print)
    else:
        manifest = index_class_folders(
            folder, modality=modality, patient=patient, licence=licence, note=print
        )
    _from_folder_of(target, manifest).write(target)
    labels = manifest.frame["diagnosis"].value_counts(sort=False)
    found = ", ".join(f"{label or 'no label'} {n}" for label, n in labels.items())
    return f"{len(manifest)} images ({found})\n{target.resolve()}"


def check_manifest(path: Path, taxonomy: Path | None) -> int:
    """Print what is wrong with a manifest and its images; return 0, or 1 where an image is unreadable."""
    known = load_taxonomy(taxonomy) if taxonomy else None
    manifest = read_manifest(path, purpose="train" if known else "predict", taxonomy=known)
    with progress_bar("reading", len(manifest)) as step:
        files = inspect_files(manifest, DEFAULT_MAX_PIXELS, step)
    for row in files[files["message"] != ""].itertuples():
        print(f"{'note ' if row.readable else 'ERROR'} {row.id}: {row.message}")
    same = files["sha256"][(files["sha256"] != "") & files["sha256"].duplicated(keep=False)]
    broken = int((~files["readable"]).sum())
    print(
        f"{len(files)} images: {broken} unreadable, {len(same)} byte-identical to another in "
        f"{same.nunique()} groups; {manifest.cases.nunique()} patients"
    )
    return 1 if broken else 0


def _from_folder_of(target: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with its paths starting from the folder of `target`."""
    if target.parent.resolve() == manifest.root.resolve():
        return manifest
    frame = manifest.frame.copy()
    start = target.parent.resolve()
    base = Path(os.path.relpath(manifest.root.resolve(), start)).as_posix()
    frame["path"] = base + "/" + frame["path"]
    return Manifest(frame, target.parent)
