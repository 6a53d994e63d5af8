"""Draws the contact sheets of nmevision/docs/phantoms.md: what the synthetic images look like.

    python scripts/phantom_sheets.py [--out nmevision/docs/pictures] [--seed 0]

Every picture says that it is synthetic. They show what the drawing knows, and are never evidence about disease.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nmevision.files import atomic_path
from nmevision.phantom import photo_grades
from nmevision.phantom.clinical import draw_photo
from nmevision.phantom.histology import draw_field
from nmevision.phantom.profiles import drawn_diagnoses
from nmevision.phantom.views import View

Tile = tuple[str, np.ndarray]
SIDE, TITLE, GAP = 256, 24, 8  # pixels
NOTICE = "Synthetic images (phantoms): no evidence about disease"
TONES = {"I": 62.0, "III": 33.0, "VI": -42.0}
"""Fitzpatrick type and typology angle of the healthy skin, degrees."""
VIEWS = {
    "cut": View("cut"),
    "tangential": View("tangential"),
    "dermis": View("dermis"),
    "follicle and glands": View("adnexa", adnexa=True),
    "fat": View("fat"),
    "edge of the tissue": View("glass", edge=True),
}


def main() -> None:
    """Draw and write the three sheets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("nmevision/docs/pictures"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    write_sheet(given.out / "phantom-fields.jpg", fields(given.seed), 5)
    write_sheet(given.out / "phantom-views.jpg", views(given.seed), 3)
    write_sheet(given.out / "phantom-photos.jpg", photos(given.seed), len(photo_grades.DIAGNOSES))


def fields(seed: int) -> list[Tile]:
    """Return an H&E field of every diagnosis, 1.5 micrometres per pixel, from laboratories 1 to 4 in turn."""
    tiles = []
    for i, key in enumerate(drawn_diagnoses()):
        field = draw_field(key, np.random.default_rng([seed, i]), SIDE, 1 + i % 4, mpp=1.5)
        tiles.append((key.replace("_", " "), field.pixels))
    return tiles


def views(seed: int) -> list[Tile]:
    """Return normal skin off the surface, one field of each kind."""
    return [
        (
            name,
            draw_field(
                "normal", np.random.default_rng([seed, i]), SIDE, 1 + i % 4, mpp=1.5, view=view
            ).pixels,
        )
        for i, (name, view) in enumerate(VIEWS.items())
    ]


def photos(seed: int) -> list[Tile]:
    """Return a photo of every diagnosis on three skin tones, a row for each tone."""
    return [
        (
            f"{key.replace('_', ' ')} {tone}",
            draw_photo(key, np.random.default_rng([seed, i]), SIDE, 1 + i % 4, ita=ita).pixels,
        )
        for tone, ita in TONES.items()
        for i, key in enumerate(photo_grades.DIAGNOSES)
    ]


def write_sheet(path: Path, tiles: Sequence[Tile], columns: int) -> None:
    """Write named tiles, SIDE x SIDE uint8 RGB, as one JPEG."""
    rows = -(-len(tiles) // columns)
    size = columns * (SIDE + GAP) + GAP, TITLE + rows * (SIDE + TITLE + GAP) + GAP
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    pen.text((GAP, 4), NOTICE, "#a00000", font)
    for i, (name, pixels) in enumerate(tiles):
        left = GAP + i % columns * (SIDE + GAP)
        top = TITLE + GAP + i // columns * (SIDE + TITLE + GAP)
        pen.text((left, top + 2), name, "black", font)
        sheet.paste(Image.fromarray(pixels), (left, top + TITLE))
    with atomic_path(path) as partial:
        sheet.save(partial, "JPEG", quality=82)


if __name__ == "__main__":
    main()
