"""Making and checking manifests from the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nmevision.data.images import DEFAULT_MAX_PIXELS
from nmevision.data.inspection import inspect_files
from nmevision.data.sources import index_class_folders, index_csv, index_slides, index_source
from nmevision.errors import ConfigError, DataError
from nmevision.manifest import Manifest, read_manifest
from nmevision.manifest_checks import Purpose
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
    *,
    allow_nc: bool = False,
    columns: Sequence[str] = (),
    slides: bool = False,
) -> str:
    """Write the manifest of class folders, a table, slides or a public set; return where and what it is.

    allow_nc: accept terms that forbid commercial use. columns: `ours=theirs` for a CSV as `folder`.
    slides: every slide below `folder`, by case folder, without labels.
    Raises DataError where the manifest exists already or the folder is not as expected.
    """
    base = folder if folder.is_dir() else folder.parent
    target = out or base / "manifest.csv"
    if target.exists():
        raise DataError(f"{target} exists already; remove it or choose another --out")
    known = load_taxonomy(taxonomy) if taxonomy else None
    if folder.is_file() or columns:
        terms = {"modality": modality, "licence": licence, "source": source or ""}
        manifest = index_csv(folder, _pairs(columns), **terms, taxonomy=known, note=print)
    elif slides:
        manifest = index_slides(folder, licence=licence, source=source or "", note=print)
    elif source is not None:
        manifest = index_source(source, folder, taxonomy=known, note=print, allow_nc=allow_nc)
    else:
        manifest = index_class_folders(
            folder, modality=modality, patient=patient, licence=licence, note=print
        )
    moved_to(target, manifest).write(target)
    labels = manifest.frame["diagnosis"].value_counts(sort=False)
    found = ", ".join(f"{label or 'no label'} {n}" for label, n in labels.items())
    return f"{len(manifest)} images ({found})\n{target.resolve()}"


def check_manifest(path: Path, taxonomy: Path | None) -> int:
    """Print what is wrong with a manifest and its images; return 0, or 1 where an image is unreadable."""
    known = load_taxonomy(taxonomy) if taxonomy else None
    purpose: Purpose = "train" if known else "predict"
    manifest = read_manifest(path, purpose=purpose, taxonomy=known, allow_nc=True)
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


def _pairs(columns: Sequence[str]) -> dict[str, str]:
    """Return `ours=theirs` texts as a mapping; raise ConfigError about every other text."""
    wrong = [text for text in columns if not all(text.partition("="))]
    if wrong:
        raise ConfigError(f"columns are written diagnosis=label; found: {', '.join(wrong)}")
    return {text.partition("=")[0]: text.partition("=")[2] for text in columns}


def moved_to(target: Path, manifest: Manifest) -> Manifest:
    """Return the manifest with its paths starting from the folder of `target`."""
    if target.parent.resolve() == manifest.root.resolve():
        return manifest
    frame = manifest.frame.copy()
    start = target.parent.resolve()
    base = Path(os.path.relpath(manifest.root.resolve(), start)).as_posix()
    frame["path"] = [path if Path(path).is_absolute() else f"{base}/{path}" for path in frame["path"]]
    return Manifest(frame, target.parent)
