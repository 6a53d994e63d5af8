"""What lies in a folder: the images to read, the files left aside, and what could not be looked into."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from nmevision.data.file_kinds import IMAGE_SUFFIXES, SLIDE_SUFFIXES
from nmevision.errors import DataError


@dataclass(frozen=True)
class FoundFiles:
    """What `find_images` saw; the paths begin with the folder as it was given.

    Attributes:
        images: everything that is named like an image or a slide, readable or not.
        ignored: all other files, and whatever is hidden (hidden folders are not looked into).
        problems: one sentence per sub-folder that could not be looked into.
    """

    images: list[Path] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def text_of_path(path: Path) -> str:
    r"""Return a path as text with "/" that can always be written as UTF-8.

    Bytes of a file name that are no UTF-8 (Python's lone surrogates) become backslash escapes.

    >>> text_of_path(Path("biopsies") / "caf\udce9.png")
    'biopsies/caf\\udce9.png'
    """
    return path.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def find_images(folder: Path) -> FoundFiles:
    """Find everything below `folder` that is named like an image or a whole slide.

    A folder, link or pipe that is named like an image is found too: reading it says what is wrong,
    and nothing is dropped in silence. Links to folders are followed, and every real folder is looked
    into once, so loops end. The lists are sorted by their path below `folder`, character by character.

    Raises:
        DataError: `folder` is not there, is not a folder or may not be read.
    """
    folder = Path(folder)
    found = FoundFiles()
    try:
        root = folder.stat()
        os.scandir(folder).close()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot look into the folder {text_of_path(folder)!r}: {_reason(error)}") from error
    seen = {(root.st_dev, root.st_ino)}
    folders, links = [folder], deque[Path]()
    while folders or links:
        # real folders first, so that a file is found by its own path rather than through a link
        if not folders and _is_new(link := links.popleft(), seen):
            folders.append(link)
        if folders:
            _look_into(folders.pop(), folder, found, folders, links, seen)
    found.images.sort(key=lambda path: text_of_path(path.relative_to(folder)))
    found.ignored.sort(key=lambda path: text_of_path(path.relative_to(folder)))
    found.problems.sort()
    return found


def _look_into(
    current: Path,
    root: Path,
    found: FoundFiles,
    folders: list[Path],
    links: deque[Path],
    seen: set[tuple[int, int]],
) -> None:
    """Sort the entries of one folder into `found`, `folders` and `links` (to folders)."""
    try:
        with os.scandir(current) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        where = text_of_path(current.relative_to(root))
        found.problems.append(f"sub-folder {where!r} was not looked into: {_reason(error)}")
        return
    for entry in listed:
        path = current / entry.name
        if entry.name.startswith("."):
            found.ignored.append(path)
            continue
        is_folder = _is_folder(entry)
        if path.suffix.lower() in IMAGE_SUFFIXES | SLIDE_SUFFIXES:
            found.images.append(path)
        elif not is_folder:
            found.ignored.append(path)
        if is_folder and entry.is_symlink():
            links.append(path)
        elif is_folder and _is_new(path, seen):
            folders.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle, or into a folder that may not be read
        return False


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Tell whether the real folder behind `path` is seen for the first time, and remember it."""
    try:
        status = path.stat()
    except OSError:
        return True  # looking into it will say why not
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _reason(error: OSError | ValueError) -> str:
    """Return an error's reason without the path that Python adds to it."""
    match error:
        case FileNotFoundError():
            return "it does not exist"
        case NotADirectoryError():
            return "it is a file, and a folder was expected"
        case PermissionError():
            return "this user may not read it; ask for read permission"
        case OSError(strerror=str(words)):
            return words
    return "its name cannot be used (it holds a zero byte?)"
