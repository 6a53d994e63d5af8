"""What a TIFF says of its pages, read from its directories alone: sizes, tiles, pyramid, maker."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MOST_PAGES = 64
"""Pages that are looked at; a slide has about a dozen."""
_MOST_TAGS = 512  # of one page; baseline and scanner tags together are below 100
_MOST_TEXT = 64  # characters of the description, enough for its maker
_SUBFILE, _WIDTH, _LENGTH, _DESCRIPTION, _TILE_WIDTH, _SUB_IFDS = 254, 256, 257, 270, 322, 330  # TIFF 6.0
_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # of a tag's type
_SMALLER = 0.75  # of the first page's width: what a level of a pyramid is below
_SAME_SHAPE = 0.05  # relative: levels keep the aspect but for rounding


@dataclass(frozen=True)
class Page:
    """One picture of a TIFF. pixels: width, height. levels: smaller versions that hang on it (SubIFDs)."""

    width: int
    height: int
    tiled: bool
    description: str
    levels: bool

    @property
    def area(self) -> int:
        """Return its number of pixels."""
        return self.width * self.height


def pages_of(path: Path) -> list[Page]:
    """Return the pages that a TIFF's directories describe; [] where it is no TIFF or cannot be followed.

    Nothing is decoded, and no number in a damaged file makes it read more than a few hundred kilobytes.
    """
    try:
        with Path(path).open("rb") as stream:
            return list(_walk(stream))
    except (OSError, ValueError, struct.error):
        return []


def is_pyramid(pages: list[Page]) -> bool:
    """Tell whether a TIFF is laid out as slides are: tiled, with smaller copies, or by a slide scanner."""
    if not pages:
        return False
    first, rest = pages[0], pages[1:]
    if first.description.startswith("Aperio"):
        return True
    if not first.tiled:
        return False
    return first.levels or any(page.tiled and _is_level(page, first) for page in rest)


def _is_level(page: Page, first: Page) -> bool:
    """Tell whether a page shows the first one smaller."""
    scale = page.width / first.width
    return (
        scale < _SMALLER and abs(page.height / first.height - scale) <= _SAME_SHAPE * scale + 1 / first.height
    )


def _walk(stream: IO[bytes]) -> list[Page]:
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return []
    version = struct.unpack(order + "H", head[2:4])[0]
    if version not in (42, 43):
        return []
    big = version == 43
    place = struct.unpack(order + ("Q" if big else "I"), head[8:16] if big else head[4:8])[0]
    pages: list[Page] = []
    seen: set[int] = set()
    while place and place not in seen and len(pages) < MOST_PAGES:
        seen.add(place)
        page, place = _page(stream, place, order, big)
        if page is None:
            break
        pages.append(page)
    return pages


def _page(stream: IO[bytes], place: int, order: str, big: bool) -> tuple[Page | None, int]:
    """Return the page whose directory lies at `place`, and where the next one does (0: nowhere)."""
    stream.seek(place)
    count_code, size, offset_code = ("Q", 20, "Q") if big else ("H", 12, "I")
    count = _unpack(stream, order + count_code)
    if count > _MOST_TAGS:
        return None, 0
    entries = stream.read(size * count)
    following = _unpack(stream, order + offset_code)
    tags: dict[int, tuple[int, int, bytes]] = {}
    for start in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        number = struct.unpack_from(order + offset_code, entries, start + 4)[0]
        tags[tag] = kind, number, entries[start + size - (8 if big else 4) : start + size]
    width, height = (_number(tags.get(tag), order) for tag in (_WIDTH, _LENGTH))
    if not width or not height:
        return None, 0
    text = _text(stream, tags.get(_DESCRIPTION), order, offset_code)
    return Page(width, height, _TILE_WIDTH in tags, text, _SUB_IFDS in tags), following


def _unpack(stream: IO[bytes], code: str) -> int:
    return int(struct.unpack(code, stream.read(struct.calcsize(code)))[0])


def _number(entry: tuple[int, int, bytes] | None, order: str) -> int:
    """Return a tag's single number, 0 where there is none."""
    if entry is None or entry[0] not in _FORMATS:
        return 0
    return int(struct.unpack_from(order + _FORMATS[entry[0]], entry[2])[0])


def _text(stream: IO[bytes], entry: tuple[int, int, bytes] | None, order: str, offset_code: str) -> str:
    """Return the beginning of a tag's text."""
    if entry is None:
        return ""
    _, number, value = entry
    if number > len(value):
        stream.seek(struct.unpack(order + offset_code, value)[0])
        value = stream.read(min(number, _MOST_TEXT))
    return value.split(b"\0")[0].decode("latin-1")
