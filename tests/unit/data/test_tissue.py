"""Tissue and tiles: drawn slides with known tissue, pen, glass edge and fat; phantoms and real pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from slide_files import GLASS, PINK, PURPLE

from nmevision.data.slide_plan import Want, plan_slide
from nmevision.data.slides import open_slide
from nmevision.data.tissue import Tile, choose_tiles, surface_weight, tissue_mask
from nmevision.phantom.slide import make_slide

UM = 6.0
"""Micrometres per pixel of the overviews drawn here: 600 x 400 pixels are 3.6 x 2.4 mm."""


def blank(width: int = 600, height: int = 400) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1.2, (height, width, 3))
    return np.clip(np.array(GLASS) + noise, 0, 255).astype(np.uint8)


def put_skin(pixels: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """Lay a strip of skin with its epidermis above; return its mask."""
    pixels[top : top + height, left : left + width] = PINK
    pixels[top : top + 20, left : left + width] = PURPLE
    mask = np.zeros(pixels.shape[:2], bool)
    mask[top : top + height, left : left + width] = True
    return mask


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    return float((found & true).sum() / (found | true).sum())


def test_strips_and_nothing_else() -> None:
    pixels = blank()
    true = put_skin(pixels, 60, 40, 480, 90) | put_skin(pixels, 100, 220, 400, 120)
    pixels[5:9, 5:9] = PURPLE  # 24 micrometres: dust
    assert overlap(tissue_mask(pixels, UM), true) > 0.95


@pytest.mark.parametrize(
    "ink", [(30, 130, 90), (30, 40, 140), (25, 25, 28), (180, 25, 36)], ids=["green", "blue", "black", "red"]
)
def test_pen_is_no_tissue(ink: tuple[int, int, int]) -> None:
    pixels = blank()
    true = put_skin(pixels, 60, 40, 480, 90)
    cv2.line(pixels, (80, 330), (520, 250), ink, 14)
    found = tissue_mask(pixels, UM)
    assert overlap(found, true) > 0.95
    assert not found[200:].any()


def test_the_edge_of_the_glass_is_no_tissue() -> None:
    pixels = blank()
    true = put_skin(pixels, 60, 40, 480, 90)
    pixels[:, 585:] = (120, 121, 124)
    pixels[380:385] = (90, 92, 92)
    assert overlap(tissue_mask(pixels, UM), true) > 0.95


def test_pale_fat_is_tissue() -> None:
    pixels = blank()
    true = put_skin(pixels, 60, 40, 480, 90)
    fat = np.zeros_like(true)
    fat[130:230, 60:540] = True
    pixels[fat] = (238, 222, 232)
    assert overlap(tissue_mask(pixels, UM), true | fat) > 0.93


def test_blank_glass_has_no_tissue_and_one_tile() -> None:
    tiles, mask = choose_tiles(blank(), (6000, 4000), 640, UM, 100)
    assert not mask.any()
    assert len(tiles) == 1
    assert 0 <= tiles[0].x <= 6000 - 640


def covered(tiles: list[Tile], size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Return which overview pixels lie in a tile."""
    out = np.zeros(shape, bool)
    scale = shape[1] / size[0]
    for tile in tiles:
        a, b, c, d = (round(v * scale) for v in (tile.x, tile.y, tile.x + tile.side, tile.y + tile.side))
        out[max(b, 0) : d, max(a, 0) : c] = True
    return out


def test_the_epidermis_comes_first() -> None:
    pixels = blank()
    put_skin(pixels, 60, 60, 480, 230)
    epidermis = np.zeros(pixels.shape[:2], bool)
    epidermis[60:80, 60:540] = True
    size = 6000, 4000  # 0.6 micrometres per pixel
    tiles, mask = choose_tiles(pixels, size, 640, UM, 300)
    first = tiles[: -(-480 * 10 // 640)]  # as many as the epidermis is long
    assert covered(first, size, mask.shape)[epidermis].mean() > 0.9
    assert all(tile.first and tile.surface > 0.6 for tile in first)
    assert covered(tiles, size, mask.shape)[mask].mean() > 0.9
    assert len(tiles) < 1.6 * mask.sum() * 100 / 640**2
    few, _ = choose_tiles(pixels, size, 640, UM, 5)
    assert few == tiles[:5]


def test_tissue_that_leaves_the_picture_has_no_surface_there() -> None:
    pixels = blank()
    pixels[:, :] = PINK
    pixels[:100] = GLASS
    mask = tissue_mask(pixels, UM)
    weight = surface_weight(pixels, mask, UM)
    assert weight[102:110].mean() > 4 * weight[-10:].mean()
    assert weight[150:, :5].mean() == pytest.approx(weight[150:, 300:305].mean(), rel=0.2)


@pytest.mark.parametrize("size", [(300, 200), (640, 640), (641, 90), (50, 50)])
def test_a_small_field_has_at_least_one_tile(size: tuple[int, int]) -> None:
    field = np.full((max(1, size[1] // 2), max(1, size[0] // 2), 3), PINK, np.uint8)
    tiles, _ = choose_tiles(field, size, 640, 1.2, 300)
    assert len(tiles) == 1 or size[0] > 640
    tile = tiles[0]
    assert tile.x <= 0 <= tile.x + 640 - size[0] + 1 or size[0] > 640
    assert tile.tissue > 0


@pytest.mark.slow
def test_a_phantom_slide_against_its_label_map(tmp_path: Path) -> None:
    path = make_slide(tmp_path / "slide.tif", "psoriasis", 2, 4096, 3072, mpp=0.75)
    label = np.asarray(Image.open(tmp_path / "slide-label.png"))
    plan = plan_slide(open_slide(path), Want(384, 256, 300))
    shape = plan.mask.shape
    true = cv2.resize((label > 0).astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert overlap(plan.mask, true) > 0.9
    epidermis = np.isin(label, (2, 3, 4)).astype(np.uint8)
    epidermis = cv2.resize(epidermis, shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    length = plan.tiles[0].side
    across = int(np.ptp(np.flatnonzero(epidermis.any(axis=0))) * plan.size[0] / shape[1])
    first = list(plan.tiles[: -(-across // length) + 1])
    assert covered(first, plan.size, shape)[epidermis].mean() > 0.85


@pytest.mark.real
def test_real_pen_and_glass(shared_data: Path) -> None:
    folder = shared_data / "slides" / "tiles"

    def share(name: str) -> float:
        with Image.open(folder / f"{name}.png") as image:
            return float(tissue_mask(np.asarray(image.convert("RGB")), 1.0).mean())

    for name in ("no-tissue", "almost-white-1", "no-tissue-green-pen", "no-tissue-red-pen"):
        assert share(name) < 0.25, name
    assert share("high-nuclei-score-red-pen-level1") > 0.4
    assert share("medium-nuclei-score-green-pen-level1") > 0.25


@pytest.mark.real
def test_the_real_biopsy(shared_data: Path) -> None:
    plan = plan_slide(open_slide(shared_data / "slides" / "cmu-1-small-region.svs"), Want(384, 256))
    assert 0.3 < plan.mask.mean() < 0.55  # a third to a half of the field, judged by eye
    assert 6 <= len(plan.tiles) <= 12
    assert plan.tiles[0].tissue > 0.5
