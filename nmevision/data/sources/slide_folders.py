"""A folder of whole slides, one folder per case or none: slides as patients, without labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nmevision.data.file_kinds import SLIDE_SUFFIXES
from nmevision.data.folder_scan import find_images
from nmevision.data.sources.index import say
from nmevision.data.sources.source import images_below, what_lies_in
from nmevision.errors import DataError
from nmevision.manifest import Manifest, manifest_of

_TIFF = frozenset({".tif", ".tiff"})


def index_slides(
    folder: Path, *, licence: str = "", source: str = "", note: Callable[[str], None] = say
) -> Manifest:
    """Return a manifest of every slide below `folder`; the first folder level is the patient, where there is one.

    A slide outside any folder is a patient of its own. Labels are not in folder names here: a folder sorted by
    class is read with `index_class_folders`.

    Args:
        licence: such as "own", for all slides.
        source: where they come from, for all slides.
        note: called with a sentence about other images and folders that could not be looked into.

    Raises:
        DataError: there is no slide.
    """
    folder = Path(folder)
    images = images_below(folder)
    slides = {text: path for text, path in images.items() if path.suffix.lower() in SLIDE_SUFFIXES | _TIFF}
    if not slides:
        kinds = ", ".join(sorted(SLIDE_SUFFIXES | _TIFF))
        raise DataError(
            f"{folder}: no slide below it; expected case_12/slide.svs or slide.svs ({kinds}); found: "
            f"{what_lies_in(folder)}"
        )
    if len(images) > len(slides):
        note(f"images that are no slides are left out: {len(images) - len(slides):,}")
    for problem in find_images(folder).problems:
        note(problem)
    rows = [
        {
            "id": text,
            "path": text,
            "diagnosis": "",
            "patient_id": path.parts[0] if len(path.parts) > 1 else path.stem,
            "modality": "histology",
            "licence": licence,
            "source": source,
        }
        for text, path in slides.items()
    ]
    return manifest_of(rows, folder)
