"""Any folder of images sorted by class: the first folder level is the label."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from nmevision.data.folder_scan import find_images
from nmevision.data.sources.index import say
from nmevision.data.sources.source import Row, images_below, what_lies_in
from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.licences import known_licences, licence_of
from nmevision.manifest import MODALITIES, Manifest, manifest_of


def index_class_folders(
    folder: Path,
    *,
    modality: str = "",
    patient: str = "",
    licence: str = "",
    source: str = "",
    note: Callable[[str], None] = say,
) -> Manifest:
    r"""Return a manifest of every image below `folder`; an image outside any class folder has no label.

    Args:
        modality: "clinical", "histology" or "" (unknown).
        patient: a regular expression searched in each path (with "/"), whose group `patient` is the
            patient's id, such as `(?P<patient>case\d+)`. Two images of one patient must give one text,
            and two patients two. "" where patients are unknown: each image is then its own.
        licence: such as "own" or "CC-BY-4.0", for all images.
        source: where they come from, for all images.
        note: called with a sentence per sub-folder that could not be looked into.

    Raises:
        DataError: with every mistake at once.
    """
    folder = Path(folder)
    pattern = _check(modality, patient, licence)
    rows = list(_rows(folder, pattern))
    if not rows:
        raise DataError(
            f"{folder}: no image below it; expected one folder per class, such as psoriasis/1.jpg; "
            f"found: {what_lies_in(folder)}"
        )
    for problem in find_images(folder).problems:
        note(problem)
    common = {"modality": modality, "source": source, "licence": licence}
    return manifest_of([row | common for row in rows], folder)


def _check(modality: str, patient: str, licence: str) -> re.Pattern[str] | None:
    """Return the compiled patient pattern, or raise DataError about all three options."""
    problems = Problems()
    if modality not in ("", *MODALITIES):
        hint = did_you_mean(modality, MODALITIES)
        problems.add(f"unknown modality '{modality}'{hint}; expected {' or '.join(MODALITIES)}")
    if licence and licence_of(licence) is None:
        hint = did_you_mean(licence, known_licences())
        problems.add(f"unknown licence '{licence}'{hint}; write an SPDX name such as CC-BY-4.0, or 'own'")
    pattern = None
    try:
        pattern = re.compile(patient) if patient else None
    except re.error as mistake:
        problems.add(f"the patient pattern '{patient}' is no regular expression: {mistake}")
    if pattern is not None and "patient" not in pattern.groupindex:
        problems.add(f"the patient pattern '{patient}' has no group (?P<patient>...)")
    problems.raise_if_any(DataError, "index of class folders")
    return pattern


def _rows(folder: Path, pattern: re.Pattern[str] | None) -> Iterator[Row]:
    """Yield a row per image; raise DataError naming every path the patient pattern does not fit."""
    problems = Problems()
    for text, path in images_below(folder).items():
        row = {"id": text, "path": text, "diagnosis": path.parts[0] if len(path.parts) > 1 else ""}
        if pattern is not None:
            found = pattern.search(text)
            row["patient_id"] = (found["patient"] or "") if found else ""
            if not row["patient_id"]:
                problems.add(f"'{text}' does not fit the patient pattern '{pattern.pattern}'")
        yield row
    problems.raise_if_any(DataError, str(folder))
