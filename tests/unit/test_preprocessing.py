"""Preprocessing against Pillow, torchvision and timm: nothing is cut, shifted, stretched or mis-scaled."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_bytes import picture
from PIL import Image
from pydantic import ValidationError

from nmevision.preprocessing import Preprocessing

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RED = (255, 0, 0)


def make(**changes: Any) -> Preprocessing:
    return Preprocessing.model_validate({"height": 64, "width": 64, "mean": MEAN, "std": STD, **changes})


def assert_rounded_alike(ours: np.ndarray, expected: np.ndarray) -> None:
    """The same filter in other fixed-point numbers: at most 2 grey levels, and hardly anywhere."""
    off = np.abs(ours.astype(float) - expected)
    assert off.max() <= 2
    assert (off > 0.5).mean() < 0.02


class TestPad:
    @pytest.mark.parametrize(
        ("height", "width"), [(100, 200), (200, 100), (97, 131), (30, 20), (64, 64), (63, 64)]
    )
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
    def test_it_is_pillows_resize_in_the_middle_of_the_fill(
        self, height: int, width: int, interpolation: str
    ) -> None:
        pixels = picture(height, width)
        scale = 64 / max(height, width)
        size = round(width * scale), round(height * scale)
        small = np.asarray(
            Image.fromarray(pixels).resize(size, getattr(Image.Resampling, interpolation.upper()))
        )
        expected = np.full((64, 64, 3), RED, np.uint8)
        top, left = (64 - size[1] + 1) // 2, (64 - size[0] + 1) // 2
        expected[top : top + size[1], left : left + size[0]] = small
        assert_rounded_alike(make(fill=RED, interpolation=interpolation).frame(pixels), expected)

    @pytest.mark.parametrize(("height", "width"), [(120, 300), (300, 120), (64, 64), (50, 10)])
    def test_every_corner_is_still_there(self, height: int, width: int) -> None:
        pixels = np.full((height, width, 3), 128, np.uint8)
        side = max(2, height // 6, width // 6)
        colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
        places = [(slice(0, side), slice(0, side)), (slice(0, side), slice(-side, None))]
        places += [(slice(-side, None), slice(0, side)), (slice(-side, None), slice(-side, None))]
        for place, colour in zip(places, colours, strict=True):
            pixels[place] = colour
        framed = make(fill=(0, 0, 0)).frame(pixels)
        inside = np.argwhere(framed.any(axis=2))
        (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0)
        for (y, x), colour in zip(
            [(top, left), (top, right), (bottom, left), (bottom, right)], colours, strict=True
        ):
            np.testing.assert_allclose(framed[y, x].astype(int), colour, atol=40)

    def test_an_image_of_the_right_size_is_not_touched(self) -> None:
        pixels = picture(64, 64)
        np.testing.assert_array_equal(make().frame(pixels), pixels)

    def test_a_frame_that_is_not_square(self) -> None:
        framed = make(height=40, width=90, fill=RED).frame(np.zeros((10, 10, 3), np.uint8))
        dark = (framed == 0).all(axis=2)
        assert framed.shape == (40, 90, 3)
        assert dark.sum() == 40 * 40
        assert dark[:, 25:65].all()


class TestCrop:
    @pytest.mark.parametrize(("height", "width"), [(300, 200), (200, 300), (256, 256), (101, 333), (70, 64)])
    @pytest.mark.parametrize(("crop_pct", "size"), [(0.875, 64), (0.95, 96), (1.0, 64)])
    def test_it_is_timms_evaluation(self, height: int, width: int, crop_pct: float, size: int) -> None:
        from timm.data import create_transform

        image = picture(height, width)
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        theirs = create_transform(
            (3, size, size), is_training=False, interpolation="bicubic", mean=mean, std=std, crop_pct=crop_pct
        )
        expected = theirs(Image.fromarray(image)).numpy().transpose(1, 2, 0) * 255
        ours = make(height=size, width=size, fit="crop", crop_pct=crop_pct).frame(image)
        assert_rounded_alike(ours, expected)

    @pytest.mark.parametrize(("height", "width"), [(300, 200), (101, 333)])
    def test_it_is_torchvisions_resize_and_centre_crop(self, height: int, width: int) -> None:
        from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

        image = Image.fromarray(picture(height, width))
        theirs = Compose([Resize(64, InterpolationMode.BICUBIC), CenterCrop(64)])
        ours = make(fit="crop").frame(np.asarray(image))
        assert_rounded_alike(ours, np.asarray(theirs(image)))


class TestNormalise:
    def test_values(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
        expected = (pixels / 255 - np.array(MEAN)) / np.array(STD)
        found = make().normalise(pixels)
        assert found.dtype == np.float32
        assert found.flags["C_CONTIGUOUS"]
        np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=1e-6)

    def test_call_is_frame_then_normalise(self) -> None:
        recipe, pixels = make(), picture()
        np.testing.assert_array_equal(recipe(pixels), recipe.normalise(recipe.frame(pixels)))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    fit=st.sampled_from(["pad", "crop"]),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_any_shape_fits_the_frame(height: int, width: int, fit: str, size: tuple[int, int]) -> None:
    grey = np.full((height, width, 3), 77, np.uint8)
    framed = make(height=size[0], width=size[1], fit=fit, fill=(77, 77, 77), crop_pct=0.9).frame(grey)
    assert framed.shape == (*size, 3)
    assert framed.dtype == np.uint8
    assert (framed == 77).all()  # no black edge, no rounding gap


@pytest.mark.parametrize("shape", [(1, 1), (5000, 3), (3, 5000), (1, 20_000)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_wild_shapes(shape: tuple[int, int], fit: Literal["pad", "crop"]) -> None:
    found = make(fit=fit)(np.zeros((*shape, 3), np.uint8))
    assert found.shape == (3, 64, 64)
    assert np.isfinite(found).all()


def test_read_only_pixels_are_fine_and_stay_as_they_are() -> None:
    pixels = picture(64, 64)
    before = pixels.copy()
    pixels.flags.writeable = False
    make()(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_it_travels_as_json() -> None:
    recipe = make(fit="crop", crop_pct=0.875, fill=RED)
    assert Preprocessing.model_validate(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize("change", [{"height": 0}, {"fit": "stretch"}, {"crop_pct": 0}, {"crop_pct": 1.1}, {"sise": 3}, {"mean": (1, 2)}, {"std": (0.0, 1.0, 1.0)}, {"fill": (300, 0, 0)}])  # fmt: skip
def test_what_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**change)
