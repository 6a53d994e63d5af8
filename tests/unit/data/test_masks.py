"""Masks beside images: what is inside is covered, or alone is left, at the image's own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmevision.data.ablations import FILL
from nmevision.data.masks import lesion_masks, only_text, text_masks, without_lesion
from nmevision.errors import ImageError
from nmevision.manifest import manifest_of

PIXELS = np.random.default_rng(0).integers(0, 100, (60, 100, 3), dtype=np.uint8)


def written(path: Path, rows: slice, columns: slice, size: tuple[int, int] = (60, 100)) -> Path:
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


def test_the_lesion_and_its_rim_are_covered_and_nothing_else(tmp_path: Path) -> None:
    found = without_lesion(PIXELS, written(tmp_path / "m.png", slice(20, 40), slice(30, 50)))
    covered = (found == FILL).all(axis=2)
    assert covered[18:42, 28:52].all()  # a rim of 2 pixels: 2 % of 100
    assert covered.sum() == 24 * 24
    assert (found[~covered] == PIXELS[~covered]).all()


def test_a_mask_of_another_size_is_laid_over_the_whole_image(tmp_path: Path) -> None:
    mask = written(tmp_path / "m.png", slice(10, 20), slice(15, 25), (30, 50))
    assert (without_lesion(PIXELS, mask)[22:38, 32:48] == FILL).all()
    assert (only_text(PIXELS, mask)[22:38, 32:48] == PIXELS[22:38, 32:48]).all()


def test_letters_alone_are_left_and_an_image_without_any_is_empty(tmp_path: Path) -> None:
    found = only_text(PIXELS, written(tmp_path / "t.png", slice(0, 10), slice(0, 100)))
    assert (found[:10] == PIXELS[:10]).all()
    assert (found[10:] == FILL).all()
    assert (only_text(PIXELS, None) == FILL).all()
    with pytest.raises(ImageError):
        only_text(PIXELS, tmp_path / "gone.png")


def test_masks_are_found_by_column_or_beside_phantoms(tmp_path: Path) -> None:
    rows = [{"id": str(i), "path": f"images/{i}.jpg"} for i in range(2)]
    assert lesion_masks(manifest_of(rows, tmp_path)) == [None, None]
    assert text_masks(manifest_of(rows, tmp_path)) is None
    beside = written(tmp_path / "truth" / "0-lesion.png", slice(0, 5), slice(0, 5))
    assert lesion_masks(manifest_of(rows, tmp_path)) == [beside, None]
    named = [
        row | {"lesion_mask": name, "text_mask": ""} for row, name in zip(rows, ("m/0.png", ""), strict=True)
    ]
    assert lesion_masks(manifest_of(named, tmp_path)) == [tmp_path / "m" / "0.png", None]
    assert text_masks(manifest_of(named, tmp_path)) == [None, None]
    planted = [row | {"shortcut": kind} for row, kind in zip(rows, ("watermark", ""), strict=True)]
    assert text_masks(manifest_of(planted, tmp_path)) == [tmp_path / "truth" / "0-shortcut.png", None]
    rulers = [row | {"shortcut": kind} for row, kind in zip(rows, ("ruler", ""), strict=True)]
    assert text_masks(manifest_of(rulers, tmp_path)) is None
