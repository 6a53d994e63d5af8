"""Which files of a folder are parts of a slide that another file stands for: they are no images of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nmevision.data import dicom

_INDEX = (".vms", ".vmu")  # Hamamatsu: a text file that names its pictures
_MOST_BYTES = 1_000_000


def slide_parts(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return part -> the file that stands for the slide: levels of a DICOM slide, pictures of a Hamamatsu VMS."""
    paths = list(paths)
    parts = dicom.slide_parts(paths)
    there = set(paths)
    for index in paths:
        if index.suffix.lower() in _INDEX:
            parts |= {part: index for name in _named_in(index) if (part := index.parent / name) in there}
    return parts


def _named_in(index: Path) -> list[str]:
    """Return the file names after the equals signs of an index, without any folder."""
    try:
        with index.open("rb") as stream:
            lines = stream.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    values = (line.partition("=")[2].strip() for line in lines if "=" in line)
    return [value for value in values if value and "/" not in value and "\\" not in value]
