"""What is taken away is gone, what is left is unchanged; artefacts and descriptors do what they are named after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmevision.data.ablations import (
    ABLATIONS,
    FILL,
    background_only,
    colours_only,
    frame_only,
    glass_mask,
    grey,
    thumbnail,
)
from nmevision.data.artefacts import INSERTIONS, jpeg
from nmevision.data.fingerprint import FILE, GLASS, MARGIN, colours, container, frame, glass, margin, small

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (80, 120, 3), dtype=np.uint8)
SIZES = [(80, 120), (33, 65), (1, 1), (3, 200)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*ABLATIONS, *INSERTIONS])
def test_every_change_keeps_size_and_type_and_the_original(name: str, size: tuple[int, int]) -> None:
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    before = pixels.copy()
    change = (
        ABLATIONS[name].of
        if name in ABLATIONS
        else lambda x: INSERTIONS[name].of(x, np.random.default_rng(0))
    )
    found = change(pixels)
    assert (found.shape, found.dtype) == (pixels.shape, np.uint8)
    np.testing.assert_array_equal(pixels, before)


def test_the_frame_is_kept_and_the_middle_is_gone() -> None:
    found = frame_only(NOISE)
    assert (found[8:72, 12:108] == FILL).all()
    np.testing.assert_array_equal(found[:8], NOISE[:8])
    np.testing.assert_array_equal(found[:, 108:], NOISE[:, 108:])


def test_a_thumbnail_has_256_colours_at_most_and_the_mean_stays() -> None:
    pixels = NOISE[:80, :96]
    found = thumbnail(pixels)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 256
    np.testing.assert_allclose(found.mean(axis=(0, 1)), pixels.mean(axis=(0, 1)), atol=0.6)


def test_colours_only_keeps_every_pixel_somewhere() -> None:
    found = colours_only(NOISE)
    np.testing.assert_array_equal(
        np.unique(found.reshape(-1, 3), axis=0, return_counts=True)[1],
        np.unique(NOISE.reshape(-1, 3), axis=0, return_counts=True)[1],
    )
    assert (found != NOISE).any()
    np.testing.assert_array_equal(colours(found), colours(NOISE))


def test_grey_has_one_value_per_pixel() -> None:
    assert (np.ptp(grey(NOISE), axis=2) == 0).all()


def test_glass_is_found_beside_tissue_and_its_colour_measured() -> None:
    slide = np.full((60, 60, 3), (240, 238, 242), np.uint8)
    slide[:30] = (190, 120, 170)
    mask = glass_mask(slide)
    assert mask[35:].all()
    assert not mask[:30].any()
    assert (background_only(slide)[:30] == FILL).all()
    measured = dict(zip(GLASS, glass(slide), strict=True))
    assert measured["glass_red_to_green"] == pytest.approx(np.log(241 / 239))
    assert measured["glass_noise"] == 0


def test_container_sees_size_jpeg_and_black_corners(tmp_path: Path) -> None:
    smooth = np.repeat(np.linspace(60, 200, 128)[:, None], 128, 1)[..., None] + RNG.normal(
        0, 4, (128, 128, 3)
    )
    pixels = smooth.clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "fine.png")
    Image.fromarray(pixels).save(tmp_path / "poor.jpg", quality=15)
    fine = dict(zip(FILE, container(tmp_path / "fine.png", pixels), strict=True))
    decoded = np.asarray(Image.open(tmp_path / "poor.jpg"))
    poor = dict(zip(FILE, container(tmp_path / "poor.jpg", decoded), strict=True))
    assert np.isnan(fine["jpeg_step"])
    assert poor["jpeg_step"] > np.log(20)
    assert poor["jpeg_blocks"] > fine["jpeg_blocks"] + 0.3
    assert fine["aspect"] == 0
    black = pixels.copy()
    black[:10, :10] = 0
    assert container(tmp_path / "fine.png", black)[FILE.index("black_corners")] == pytest.approx(0.25)


def test_margin_sees_blur_and_light_and_not_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).save(path)
    one = dict(zip(MARGIN, margin(path, NOISE), strict=True))
    middle = NOISE.copy()
    middle[25:55, 40:80] = 255
    np.testing.assert_allclose(margin(path, middle), list(one.values()), rtol=0.02)
    soft = INSERTIONS["blur"].of(NOISE, RNG)
    assert dict(zip(MARGIN, margin(path, soft), strict=True))["finest_detail"] < one["finest_detail"] - 0.5
    warm = INSERTIONS["warmer light"].of((NOISE // 2).astype(np.uint8), RNG)
    assert (
        dict(zip(MARGIN, margin(path, warm), strict=True))["white_red_to_green"]
        > one["white_red_to_green"] + 0.05
    )


def test_frame_descriptor_is_blind_to_the_middle_and_sees_a_corner() -> None:
    quiet = np.full((80, 120, 3), 120, np.uint8)
    inside = quiet.copy()
    inside[12:68, 16:104] = 250
    assert np.abs(frame(inside) - frame(quiet)).max() < 0.5
    corner = quiet.copy()
    corner[74:, 110:] = 255
    changed = frame(corner) != frame(quiet)
    assert 0 < changed.sum() < 24
    assert len(frame(quiet)) == 216
    assert small(quiet).tolist() == [120.0] * 768


def test_a_poorer_jpeg_changes_more() -> None:
    change = [np.abs(jpeg(NOISE, RNG, q).astype(int) - NOISE).mean() for q in (90, 60, 30)]
    assert change == sorted(change)
