"""The fast resize against Pillow's: the same filter, the same order, rounding apart."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nmevision import resize
from nmevision.data.images import read_image
from nmevision.resize import Interpolation, resized

FILTERS = get_args(Interpolation)


def pillows(pixels: np.ndarray, width: int, height: int, interpolation: str) -> np.ndarray:
    method = getattr(Image.Resampling, interpolation.upper())
    return np.asarray(Image.fromarray(pixels).resize((width, height), method)).astype(int)


def pillows_rows_first(pixels: np.ndarray, width: int, height: int, interpolation: str) -> np.ndarray:
    rows = pillows(pixels, width, pixels.shape[0], interpolation)
    return pillows(rows.astype(np.uint8), width, height, interpolation)


@pytest.mark.parametrize("interpolation", FILTERS)
@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(40, 300), st.integers(40, 300)),
    size=st.tuples(st.integers(20, 400), st.integers(20, 400)),
    seed=st.integers(0, 99),
)
def test_noise_differs_from_pillows_by_rounding_alone(
    interpolation: Interpolation, shape: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    expected = pillows_rows_first(pixels, *size, interpolation)
    off = np.abs(resized(pixels, *size, interpolation).astype(int) - expected)
    assert off.max() <= 3
    assert off.mean() < 0.05


@pytest.mark.real
@pytest.mark.parametrize("interpolation", FILTERS)
def test_real_fields_are_pillows_to_one_grey_level(shared_data: Path, interpolation: Interpolation) -> None:
    for path in sorted((shared_data / "oral_histology" / "OSCC").glob("*.jpg"))[:4]:
        pixels = read_image(path).pixels
        off = np.abs(resized(pixels, 224, 224, interpolation) - pillows(pixels, 224, 224, interpolation))
        assert off.max() <= 1
        assert off.mean() < 0.01


@pytest.mark.parametrize("interpolation", FILTERS)
def test_without_the_library_it_is_pillow_itself(
    monkeypatch: pytest.MonkeyPatch, interpolation: Interpolation
) -> None:
    monkeypatch.setattr(resize, "_fast", lambda interpolation: None)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    np.testing.assert_array_equal(
        resized(pixels, 31, 44, interpolation), pillows(pixels, 31, 44, interpolation)
    )
    assert resize.resizer_version().startswith("pillow ")


@pytest.mark.parametrize(("wide", "tall"), [(1, 1), (1, 400), (400, 1), (3, 2)])
def test_one_grey_stays_that_grey(wide: int, tall: int) -> None:
    for shape in ((1, 1), (7, 300), (300, 7), (64, 64)):
        assert (resized(np.full((*shape, 3), 77, np.uint8), wide, tall, "bicubic") == 77).all()


def test_slices_of_other_arrays_are_read_as_they_look() -> None:
    whole = np.random.default_rng(1).integers(0, 256, (100, 100, 3), np.uint8)
    part = whole[10:90:2, 5:95, ::-1]
    np.testing.assert_array_equal(
        resized(part, 20, 20, "bicubic"), resized(np.ascontiguousarray(part), 20, 20, "bicubic")
    )
