"""What to predict on: the images of a folder, or the rows of a manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nmevision.data.companions import slide_parts
from nmevision.data.images import find_images, text_of_path
from nmevision.errors import DataError
from nmevision.files import sha256_of_text
from nmevision.manifest import Manifest, Sample, read_manifest


@dataclass(frozen=True)
class Inputs:
    """Samples in a stable order.

    names: the path of each sample as it is written into the table: relative, or as the manifest has it.
    name: what the input is called in run.json: a folder's or a manifest's own name, never a whole path.
    left_aside: files of the folder that are no images, and folders that could not be looked into.
    """

    samples: list[Sample]
    names: list[str]
    name: str
    fingerprint: str
    has_patients: bool = False
    has_sources: bool = False
    left_aside: tuple[str, ...] = ()


def inputs_from(where: Path | str | Manifest, split: str | None = None) -> Inputs:
    """Return what lies in a folder (recursively), a manifest file, a manifest or one image file.

    split: only the manifest's rows of this split.
    Raises DataError where there is nothing to predict on.
    """
    if isinstance(where, Manifest):
        return _from_manifest(where, "manifest", split)
    where = Path(where)
    if where.suffix in (".csv", ".parquet") and where.is_file():
        return _from_manifest(read_manifest(where), where.name, split)
    if split is not None:
        raise DataError(f"--split {split} needs a manifest; {where.name} is a folder or an image")
    if where.is_file():
        sample = Sample(text_of_path(Path(where.name)), where)
        return Inputs([sample], [sample.id], sample.id, sha256_of_text(sample.id))
    return _from_folder(where)


def _from_folder(folder: Path) -> Inputs:
    """Return every file below `folder` that is named like an image, readable or not."""
    found = find_images(folder)
    names = [text_of_path(path.relative_to(folder)) for path in found.images]
    if not names:
        raise DataError(
            f"no image in {folder}; {len(found.ignored)} other files lie there; expected .jpg, .png, .tif, "
            ".webp or .bmp files, whole slides or DICOM, or give a manifest"
        )
    parts = slide_parts(found.images)
    samples = [
        Sample(name, path) for name, path in zip(names, found.images, strict=True) if path not in parts
    ]
    names = [sample.id for sample in samples]
    aside = [text_of_path(path.relative_to(folder)) for path in found.ignored] + found.problems
    aside += [
        f"{text_of_path(part.relative_to(folder))}: part of the slide {whole.name}"
        for part, whole in parts.items()
    ]
    name = text_of_path(Path(os.path.abspath(folder)))  # noqa: PTH100 - a link keeps its own name
    return Inputs(samples, names, Path(name).name, sha256_of_text("\n".join(names)), left_aside=tuple(aside))


def _from_manifest(manifest: Manifest, name: str, split: str | None) -> Inputs:
    """Return the manifest's rows in its order."""
    if split is not None:
        manifest = manifest.select(manifest.frame["split"] == split)
    if not len(manifest):
        raise DataError(f"{name}: no row" + (f" of split '{split}'" if split else ""))
    frame = manifest.frame
    return Inputs(
        list(manifest.samples()),
        [_unrooted(path) for path in frame["path"]],
        name,
        manifest.fingerprint,
        has_patients=bool((frame["patient_id"] != "").any()),
        has_sources=bool((frame["source"] != "").any()),
    )


def _unrooted(path: str) -> str:
    """Return a path for the table: a whole path of this machine is cut to the file's name."""
    return Path(path).name if Path(path).is_absolute() else path
