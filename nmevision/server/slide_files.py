"""Slides of several files: what was sent together is put beside one another again, and away from all else.

MIRAX (.mrxs and a folder), Hamamatsu (.vms or .vmu and the files it names) and DICOM (a file for each level) are read
by what lies beside them. So each such slide gets a folder of its own, with nothing in it but its own parts; an index
that names a file elsewhere is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from nmevision.data.companions import slide_parts
from nmevision.server.jobs import JobFile

COMPANIONS = frozenset({".dat", ".ini", ".opt", ".ngr"})
"""Suffixes of files that are no images and may be parts of a slide, where they lie in a folder."""
_INSIDE = "slide"
_PLAIN = re.compile(r"[\w(),+ -][\w(),+ .-]*", re.ASCII)
_NAMES = re.compile(
    rb"^\s*(?:FILE_\d+|INDEXFILE|ImageFile|MapFile|OptimisationFile|MacroImage)[^=\n]*=(.*)$", re.M
)
_MOST_INDEX = 4_000_000
_TOGETHER = "drop the folder that holds all its files, or save the slide as one file (SVS, TIFF, DICOM)"


def may_be_part(sent: tuple[str, ...]) -> bool:
    """Tell whether a file that is no image is kept until the upload is whole: it may belong to a slide.

    sent: its folders and its name.
    """
    return len(sent) > 1 and PurePosixPath(sent[-1]).suffix.lower() in COMPANIONS


def put_together(files: Sequence[JobFile], folder: Path) -> None:
    """Give each slide of several files a folder of its own; refuse in words what cannot be put together safely.

    files: of one whole upload; their `stored` and `state` change. folder: where they lie.
    """
    for slide in files:
        kind = PurePosixPath(slide.stored).suffix
        if kind == ".mrxs":
            inside = (*slide.sent[:-1], PurePosixPath(slide.sent[-1]).stem)
            _gather(slide, [one for one in files if one.stored and one.sent[:-1] == inside], folder, _INSIDE)
        elif kind in (".vms", ".vmu"):
            _gather(slide, _named_by(slide, files, folder), folder)
    _put_levels_together(files, folder)
    for one in files:
        if one.state == "part" and not one.message:
            _refuse(one, folder, "is no image and belongs to no slide that was sent with it: leave it out")


def _named_by(index: JobFile, files: Sequence[JobFile], folder: Path) -> list[JobFile]:
    """Return the files beside a Hamamatsu index whose names stand in it."""
    named = {value.decode("utf-8", "replace") for value in _values(folder / index.stored)}
    beside = [one for one in files if one.stored and one is not index and one.sent[:-1] == index.sent[:-1]]
    return [one for one in beside if one.sent[-1] in named]


def _put_levels_together(files: Sequence[JobFile], folder: Path) -> None:
    """Gather the levels of each DICOM slide, of files that were sent from one folder."""
    by_folder = defaultdict(list)
    for one in files:
        if one.stored.endswith(".dcm"):
            by_folder[one.sent[:-1]].append(one)
    for beside in by_folder.values():
        by_path = {folder / one.stored: one for one in beside}
        parts = defaultdict(list)
        for path, whole in slide_parts(by_path).items():
            parts[whole].append(by_path[path])
        for whole, levels in parts.items():
            _gather(by_path[whole], levels, folder, names=[one.stored for one in levels])


def _gather(
    slide: JobFile, parts: list[JobFile], folder: Path, inside: str = "", names: Sequence[str] | None = None
) -> None:
    """Move a slide and its parts into a folder of their own, or refuse them.

    inside: the parts lie in a folder of this name beside the slide. names: of the parts; as they were sent by default.
    """
    names = [one.sent[-1] for one in parts] if names is None else names
    if words := _why_not(parts, names, slide, folder):
        for one in (slide, *parts):
            _refuse(one, folder, words)
        return
    home = folder / f"{slide.number:06d}"
    (home / inside).mkdir(parents=True)
    for one, name in zip(parts, names, strict=True):
        place = home / inside / name
        (folder / one.stored).rename(place)
        one.stored, one.state = place.relative_to(folder).as_posix(), "part"
        one.message = f"is part of the slide {slide.name}"
    place = home / f"{_INSIDE}{PurePosixPath(slide.stored).suffix}"
    (folder / slide.stored).rename(place)
    slide.stored = place.relative_to(folder).as_posix()


def _why_not(parts: list[JobFile], names: Sequence[str], slide: JobFile, folder: Path) -> str:
    """Return why a slide cannot be put together safely, "" where it can."""
    if not parts:
        return f"is one file of a slide that has several, and the others were not sent: {_TOGETHER}"
    taken = [name.casefold() for name in (*names, f"{_INSIDE}{PurePosixPath(slide.stored).suffix}")]
    if len(set(taken)) < len(taken) or not all(_PLAIN.fullmatch(name) for name in names):
        return "is of a slide whose files have names that are not used here: save the slide as one file (SVS, TIFF)"
    indices = [
        one
        for one in (slide, *parts)
        if PurePosixPath(one.sent[-1]).suffix.lower() in (".vms", ".vmu", ".ini")
    ]
    for index in indices:
        if any(mark in value for value in _values(folder / index.stored) for mark in (b"/", b"\\", b"..")):
            return "is of a slide whose index names a file elsewhere: such a slide is not read here"
    return ""


def _values(index: Path) -> list[bytes]:
    """Return the file names that an index gives; one that is too long is read as naming a file elsewhere."""
    if index.stat().st_size > _MOST_INDEX:
        return [b"/"]
    return [found.strip() for found in _NAMES.findall(index.read_bytes().replace(b"\r", b"\n"))]


def _refuse(file: JobFile, folder: Path, words: str) -> None:
    (folder / file.stored).unlink()
    file.stored, file.state, file.message = "", "refused", words
