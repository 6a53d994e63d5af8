"""Quality flags against phantoms whose artefacts are known to the pixel, and against real H&E."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from slide_files import GLASS, PINK

from nmevision.data.tile_quality import FLAGS, quality_flags
from nmevision.phantom.artefacts import spoil
from nmevision.phantom.histology import draw_field
from nmevision.phantom.profiles import drawn_diagnoses

MPP = 1.5
FIELDS = 12


@pytest.fixture(scope="module")
def clean() -> list[np.ndarray]:
    names = sorted(drawn_diagnoses())
    return [
        draw_field(names[3 * i % len(names)], np.random.default_rng([7, i]), 256, i % 5, mpp=MPP).pixels
        for i in range(FIELDS)
    ]


def share(pictures: list[np.ndarray], flag: str, um: float = MPP) -> float:
    assert flag in FLAGS
    return sum(flag in quality_flags(pixels, um) for pixels in pictures) / len(pictures)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "flag", "found", "by_mistake"),
    [
        ("out_of_focus", "blur", 0.7, 0.1),
        ("pen", "pen", 0.6, 0.05),
        ("bubble", "bubble", 0.85, 0.0),
        (
            "fold",
            "fold",
            0.2,
            0.2,
        ),  # narrow folds, and those over epidermis, are missed; dense horn looks alike
    ],
)
def test_planted_artefacts(
    clean: list[np.ndarray], kind: str, flag: str, found: float, by_mistake: float
) -> None:
    spoilt = []
    for i, pixels in enumerate(clean):
        changed, mask = spoil(kind, pixels, MPP, np.random.default_rng([9, i]))
        if mask.mean() > 0.05:  # the flag is of tiles that are spoilt, not touched
            spoilt.append(changed)
    assert len(spoilt) >= FIELDS // 2
    assert share(spoilt, flag) >= found
    assert share(clean, flag) <= by_mistake
    assert share(spoilt, flag) > share(clean, flag)


def test_glass_is_blank() -> None:
    noise = np.random.default_rng(0).normal(0, 1.2, (256, 256, 3))
    assert quality_flags(np.clip(np.array(GLASS) + noise, 0, 255).astype(np.uint8), MPP) == ["blank"]


@pytest.mark.parametrize(
    "ink", [(30, 130, 90), (30, 40, 140), (25, 25, 28), (180, 25, 36)], ids=["green", "blue", "black", "red"]
)
def test_every_ink_on_plain_tissue_and_glass(ink: tuple[int, int, int]) -> None:
    for ground in (GLASS, PINK):
        pixels = np.empty((256, 256, 3), np.uint8)
        pixels[:] = ground
        pixels[:20] = GLASS
        assert "pen" not in quality_flags(pixels, MPP)
        cv2.line(pixels, (0, 90), (255, 160), ink, 40)
        assert "pen" in quality_flags(pixels, MPP)


@pytest.mark.real
def test_real_tissue_is_left_alone_and_real_pen_is_found(shared_data: Path) -> None:
    fields = []
    for path in sorted(shared_data.glob("oral_histology/*/*.jpg"))[::25]:
        with Image.open(path) as image:
            fields.append(np.asarray(image.convert("RGB")))
    for flag in ("blur", "pen", "bubble", "fold", "blank"):
        assert share(fields, flag, 1.0) <= 0.08, flag
    said = {}
    for path in (shared_data / "slides" / "tiles").glob("*.png"):
        with Image.open(path) as image:
            said[path.stem] = quality_flags(np.asarray(image.convert("RGB").resize((256, 256))), 1.0)
    assert {name for name, flags in said.items() if "pen" in flags} == {
        name for name in said if "pen" in name
    }
    assert said["no-tissue"] == said["almost-white-1"] == ["blank"]
