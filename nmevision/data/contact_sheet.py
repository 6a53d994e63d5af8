"""Pairs of images side by side on a sheet, for an eye to judge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nmevision.data.duplicates import oriented
from nmevision.data.images import read_image
from nmevision.errors import ImageError
from nmevision.files import atomic_path

_SIDE, _GAP, _LINE, _FONT = 224, 12, 17, 13  # pixels
_COLUMNS, _ROWS = 3, 4
_PAPER, _INK, _RED = "white", "#222222", "#B00020"
_MOST_LETTERS = 66  # of a caption's line


@dataclass(frozen=True)
class Pair:
    """Two image files and what to write below them.

    orientation: how the second is turned to lie like the first (`duplicates.oriented`).
    lines: up to three lines of text.
    alarming: whether the lines are red.
    """

    first: Path
    second: Path
    orientation: int
    lines: tuple[str, ...]
    alarming: bool = False


def draw_sheets(pairs: Iterable[Pair], stem: Path) -> list[Path]:
    """Write the pairs as STEM-1.png, STEM-2.png ..., twelve a sheet; return the files."""
    listed, a_sheet, paths = list(pairs), _COLUMNS * _ROWS, []
    for number, start in enumerate(range(0, len(listed), a_sheet), 1):
        path = stem.with_name(f"{stem.name}-{number}.png")
        with atomic_path(path) as temporary:
            _sheet(listed[start : start + a_sheet]).save(temporary)
        paths.append(path)
    return paths


def _sheet(pairs: list[Pair]) -> Image.Image:
    """Return one sheet."""
    width, height = 2 * _SIDE + 2 * _GAP, _SIDE + 3 * _LINE + 2 * _GAP
    columns, rows = min(_COLUMNS, len(pairs)), -(-len(pairs) // _COLUMNS)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    for place, pair in enumerate(pairs):
        left, top = _GAP + place % _COLUMNS * width, _GAP + place // _COLUMNS * height
        sheet.paste(_picture(pair.first, 0), (left, top))
        sheet.paste(_picture(pair.second, pair.orientation), (left + _SIDE + 2, top))
        for line, text in enumerate(pair.lines[:3]):
            short = text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "..."
            where = (left, top + _SIDE + 4 + line * _LINE)
            draw.text(where, short, fill=_RED if pair.alarming else _INK, font=font)
    return sheet


def _picture(path: Path, orientation: int) -> Image.Image:
    """Return an image in a grey square, turned; an empty square where it can no longer be read."""
    square = Image.new("RGB", (_SIDE, _SIDE), "#DDDDDD")
    try:
        pixels = read_image(path).pixels
    except ImageError:
        return square
    turned = np.moveaxis(oriented(np.moveaxis(pixels, 2, 0), orientation), 0, 2)
    image = Image.fromarray(np.ascontiguousarray(turned))
    image.thumbnail((_SIDE, _SIDE))
    square.paste(image, ((_SIDE - image.width) // 2, (_SIDE - image.height) // 2))
    return square
