"""Colour changes against straightforward per-pixel references and published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nmevision.data.colour import LUMINANCE, STAINS, jitter_light, jitter_stain

# Typed from Ruifrok & Johnston 2001 (PMID 11531144), apart from the product's own table.
RUIFROK = [[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]]
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))


def stains_of(rgb: np.ndarray) -> np.ndarray:
    """Amounts of H, E, DAB of one colour, solved from sum(amount * stain) = optical density."""
    density = [-math.log10((int(level) + 1) / 256) for level in rgb]
    return np.linalg.solve(np.array(RUIFROK).T, density)


def restained(rgb: np.ndarray, gains: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """One colour after gain and offset of its stains, in plain numpy and 64 bits."""
    density = np.zeros(3)
    for amount, gain, offset, vector in zip(stains_of(rgb), gains, offsets, RUIFROK, strict=True):
        density += (amount * gain + offset) * np.array(vector)
    return np.clip(256 * 10**-density - 1, 0, 255)


def linear(rgb: np.ndarray) -> np.ndarray:
    value = np.asarray(rgb) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(rgb: np.ndarray) -> np.ndarray:
    return linear(rgb) @ [0.2126, 0.7152, 0.0722]


def constant(*rgb: int) -> np.ndarray:
    return np.full((4, 5, 3), rgb, np.uint8)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def test_the_stain_table_is_the_published_one() -> None:
    assert STAINS.tolist() == RUIFROK
    np.testing.assert_allclose(np.linalg.norm(STAINS, axis=1), 1, atol=0.002)  # unit vectors, as printed
    assert LUMINANCE.sum() == pytest.approx(1)


def test_stain_jitter_equals_the_per_pixel_reference(noise: np.ndarray) -> None:
    generator = np.random.default_rng(1)
    for _ in range(5):
        gains, offsets = np.exp(generator.uniform(-0.4, 0.4, 3)), generator.uniform(-0.1, 0.1, 3)
        got = jitter_stain(noise, gains, offsets)
        truth = np.array([[restained(rgb, gains, offsets) for rgb in row] for row in noise])
        assert np.abs(got - truth).max() <= 0.51  # rounding only
        assert got.dtype == np.uint8


@pytest.mark.parametrize("stain", [0, 1, 2])
def test_one_gain_changes_one_stain_only(stain: int) -> None:
    before = stains_of(np.array([120, 80, 160]))
    gains = np.ones(3)
    gains[stain] = 1.2
    after = stains_of(jitter_stain(constant(120, 80, 160), gains)[0, 0])
    np.testing.assert_allclose(after, before * gains, atol=0.01)


@given(IMAGES)
def test_unit_gains_and_no_offsets_are_the_identity(pixels: np.ndarray) -> None:
    assert np.abs(jitter_stain(pixels, (1, 1, 1)).astype(int) - pixels).max() <= 1


@given(st.lists(st.floats(0.3, 3), min_size=3, max_size=3))
def test_white_stays_white_without_offsets(gains: list[float]) -> None:
    np.testing.assert_array_equal(jitter_stain(constant(255, 255, 255), gains), 255)


def test_offsets_tint_white_by_the_density_of_the_stain() -> None:
    got = jitter_stain(constant(255, 255, 255), (1, 1, 1), (0.1, 0, 0))[0, 0]
    np.testing.assert_allclose(got, 256 * 10 ** (-0.1 * np.array(RUIFROK[0])) - 1, atol=0.51)


def test_more_haematoxylin_darkens_nuclei_more_than_collagen() -> None:
    nucleus, collagen = constant(80, 50, 130), constant(235, 170, 200)
    darker = [
        luminance(tissue[0, 0]) / luminance(jitter_stain(tissue, (1.3, 1, 1))[0, 0])
        for tissue in (nucleus, collagen)
    ]
    assert darker[0] > 1.2
    assert darker[0] > darker[1]


def test_black_stays_within_range() -> None:
    got = jitter_stain(constant(0, 0, 0), (1.5, 1.5, 1.5), (0.1, 0.1, 0.1))
    np.testing.assert_array_equal(got, 0)  # saturates, does not wrap


@given(IMAGES)
def test_no_change_of_light_is_the_identity(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(jitter_light(pixels), pixels)


def test_light_gains_equal_von_kries_on_linear_light() -> None:
    pixels = np.random.default_rng(2).integers(60, 160, (40, 40, 3), dtype=np.uint8)
    got = linear(jitter_light(pixels, warmth=0.15, tint=-0.05)) / linear(pixels)
    channel = np.median(got, axis=(0, 1))
    assert math.log(channel[0] / channel[2]) == pytest.approx(0.30, abs=0.01)
    assert math.log(channel[1] ** 2 / (channel[0] * channel[2])) == pytest.approx(-0.10, abs=0.01)
    assert got.std(axis=(0, 1)).max() < 0.02  # one gain for all levels of a channel


@pytest.mark.parametrize("warmth", [-0.2, 0.2])
@pytest.mark.parametrize("tint", [-0.05, 0.05])
def test_another_lamp_keeps_the_mean_luminance(warmth: float, tint: float) -> None:
    pixels = np.random.default_rng(3).integers(40, 170, (64, 64, 3), dtype=np.uint8)
    pixels[..., 0] += 40  # skin is no grey world
    got = jitter_light(pixels, warmth=warmth, tint=tint)
    assert luminance(got).mean() == pytest.approx(luminance(pixels).mean(), rel=0.005)


def test_exposure_multiplies_linear_light() -> None:
    pixels = constant(120, 90, 80)
    ratio = linear(jitter_light(pixels, exposure=math.log(1.5))) / linear(pixels)
    np.testing.assert_allclose(ratio, 1.5, rtol=0.02)


def test_contrast_spreads_levels_about_the_mean_luminance() -> None:
    grey = np.repeat(np.array([60, 100, 140, 180], np.uint8)[None, :, None], 3, axis=2)
    got = jitter_light(grey, contrast=math.log(1.2))[0, :, 0].astype(float)
    np.testing.assert_allclose(np.diff(got), 48, atol=1)  # 40 levels apart, times 1.2
    pivot = 255 * (1.055 * luminance(grey).mean() ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(got - pivot, 1.2 * (grey[0, :, 0] - pivot), atol=0.51)


def test_black_and_clipped_photos_survive() -> None:
    np.testing.assert_array_equal(jitter_light(constant(0, 0, 0), warmth=0.2, exposure=0.2), 0)
    np.testing.assert_array_equal(jitter_light(constant(255, 255, 255), exposure=0.5), 255)


def test_the_argument_is_not_altered(noise: np.ndarray) -> None:
    before = noise.copy()
    jitter_stain(noise, (1.2, 0.9, 1), (0.01, 0, 0))
    jitter_light(noise, 0.1, 0.1, 0.1, 0.1)
    np.testing.assert_array_equal(noise, before)
