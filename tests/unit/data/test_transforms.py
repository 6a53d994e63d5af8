"""Augmentation: what it may do to an image, what it must never do, and that a seed decides all of it."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nmevision.data.transforms import MAX_STRETCH, Augmentation, build_augmentation
from nmevision.errors import ConfigError, DataError
from nmevision.preprocessing import Preprocessing
from nmevision.resize import Interpolation

MODALITIES = ("histology", "clinical")
FILL = (12, 200, 90)
SIZE = 96


def build(modality: str = "histology", fill: tuple[int, int, int] = FILL, **changes: Any) -> Augmentation:
    """An augmentation that only looks (no colour, blur, compression) unless told otherwise."""
    settings = {
        "height": SIZE,
        "width": SIZE,
        "interpolation": "bicubic",
        "min_scale": 0.5,
        "rotation": 45.0 if modality == "histology" else 20.0,
        "colour": 0.0,
        "blur": 0.0,
        "compression": 0.0,
    }
    return build_augmentation(modality, fill=fill, **settings | changes)  # type: ignore[arg-type]


def busy(**changes: Any) -> Augmentation:
    return build(**{"colour": 1.0, "blur": 0.5, "compression": 0.5} | changes)


def noise(height: int = 120, width: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ramps(height: int, width: int) -> np.ndarray:
    """An image that tells where each pixel came from: red is x, green is y, blue marks the inside."""
    red = np.broadcast_to(np.linspace(20, 240, width)[None], (height, width))
    green = np.broadcast_to(np.linspace(20, 240, height)[:, None], (height, width))
    return np.rint(np.stack([red, green, np.full((height, width), 250)], axis=2)).astype(np.uint8)


def affine_of(view: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit source = matrix @ (x, y) + offset to a view of `ramps`; with the worst error in pixels.

    Only the disc that touches the view's edges is looked at: beyond it corners may be mirrored.
    """
    rows, columns = np.indices(view.shape[:2])
    middle = (np.array(view.shape[:2]) - 1) / 2
    disc = np.hypot(rows - middle[0], columns - middle[1]) < min(middle)
    y, x = np.nonzero((view[..., 2] == 250) & disc)
    source = (view[y, x, :2].astype(float) - 20) / 220 * [width - 1, height - 1]
    design = np.column_stack([x, y, np.ones(len(x))])
    solution, *_ = np.linalg.lstsq(design, source, rcond=None)
    return solution[:2].T, solution[2], float(np.abs(design @ solution - source).max())


# --- the seed decides ---------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_seed_decides_whatever_was_called_before(modality: str) -> None:
    one, other = busy(modality=modality), busy(modality=modality)
    images = [noise(seed=number) for number in range(4)]
    expected = [one(image, seed) for seed, image in enumerate(images)]
    other(noise(30, 200), 99)
    for seed in (3, 1, 0, 2, 2):
        np.testing.assert_array_equal(other(images[seed], seed), expected[seed])


def test_global_random_states_play_no_part() -> None:
    import random

    augment, image = busy(), noise()
    results = []
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002
        results.append(augment(image, 5))
    np.testing.assert_array_equal(results[0], results[1])


def test_seed_zero_is_a_seed_and_seeds_differ() -> None:
    augment, image = busy(), noise()
    np.testing.assert_array_equal(augment(image, 0), augment(image, 0))
    assert len({augment(image, seed).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize("modality", MODALITIES)
def test_it_survives_pickling(modality: str) -> None:
    augment = busy(modality=modality)
    copied = pickle.loads(pickle.dumps(augment))
    np.testing.assert_array_equal(copied(noise(), 7), augment(noise(), 7))


@pytest.mark.slow
def test_a_spawned_worker_gives_the_same_image() -> None:
    augment = busy()
    with get_context("spawn").Pool(1) as pool:
        got = pool.apply(augment, (noise(), 7))
    np.testing.assert_array_equal(got, augment(noise(), 7))


@pytest.mark.slow
def test_importing_is_quick_and_asks_nobody_for_a_newer_version() -> None:
    code = (
        "import os, sys, nmevision.data.transforms\n"
        "assert 'albumentations' not in sys.modules\n"
        "assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'\n"
    )
    without = {key: value for key, value in os.environ.items() if key != "NO_ALBUMENTATIONS_UPDATE"}
    subprocess.run([sys.executable, "-c", code], check=True, env=without)


# --- any image in, the network's size out -------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(MODALITIES),
    st.one_of(
        st.tuples(st.integers(1, 64), st.integers(1, 64)),
        st.tuples(st.integers(1, 3000), st.integers(1, 40)),
        st.tuples(st.integers(1, 40), st.integers(1, 3000)),
    ),
    st.tuples(st.integers(1, 100), st.integers(1, 100)),
    st.floats(0.05, 1),
    st.integers(0, 2**63),
)
@example("histology", (1, 1), (96, 96), 0.5, 0)
@example("clinical", (3000, 40), (96, 64), 0.5, 1)
@example("histology", (1, 3000), (1, 1), 1.0, 2)
def test_any_shape_becomes_the_networks_shape(
    modality: str, shape: tuple[int, int], size: tuple[int, int], min_scale: float, seed: int
) -> None:
    augment = busy(modality=modality, height=size[0], width=size[1], min_scale=min_scale)
    pixels = noise(*shape)
    before = pixels.copy()
    got = augment(pixels, seed)
    assert got.shape == (*size, 3)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


def test_views_and_read_only_arrays_are_welcome() -> None:
    pixels = noise()
    frozen = pixels.copy()
    frozen.flags.writeable = False
    strided = np.ascontiguousarray(pixels[::-1, :, ::-1])[::-1, :, ::-1]
    expected = busy()(pixels, 3)
    np.testing.assert_array_equal(busy()(frozen, 3), expected)
    np.testing.assert_array_equal(busy()(strided, 3), expected)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3)),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected a uint8 RGB image"):
        build()(pixels, 0)


# --- geometry -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_view_is_turned_cropped_and_stretched_within_bounds(modality: str) -> None:
    side, min_scale = 400, 0.4
    augment, image = build(modality, min_scale=min_scale), ramps(side, side)
    angles, shares = [], []
    for seed in range(120):
        matrix, _, error = affine_of(augment(image, seed), side, side)
        assert error < 4  # of 400 pixels: nothing but an affine view, within the ramps' rounding
        per_pixel = matrix * SIZE / side  # the identity where the whole image fills the frame
        stretch = np.linalg.svd(per_pixel)[1]
        assert stretch[0] / stretch[1] < MAX_STRETCH * 1.03
        shares.append(abs(np.linalg.det(per_pixel)))
        angles.append(math.degrees(math.atan2(per_pixel[0, 1], per_pixel[0, 0])))
    assert min_scale * 0.97 < min(shares) < 0.5
    assert 0.9 < max(shares) < 1.03
    tilts = np.abs((np.array(angles) + 90) % 180 - 90)  # from the horizontal, whatever the flips
    if modality == "clinical":
        assert 15 < tilts.max() < 23
    else:
        assert tilts.max() > 80
        assert np.histogram(angles, bins=4, range=(-180, 180))[0].min() > 15  # all quadrants


def centre_of(view: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where in the image (x, y pixels from its centre) the centre of a view of `ramps` lies."""
    matrix, offset, _ = affine_of(view, height, width)
    frame = np.array([view.shape[1] - 1, view.shape[0] - 1]) / 2
    return matrix @ frame + offset - np.array([width - 1, height - 1]) / 2


@pytest.mark.parametrize("modality", MODALITIES)
def test_without_a_crop_the_image_turns_about_its_centre(modality: str) -> None:
    augment, image = build(modality, min_scale=1.0), ramps(SIZE, SIZE)
    for seed in range(30):
        assert np.abs(centre_of(augment(image, seed), SIZE, SIZE)).max() < 0.15


def test_the_crop_and_the_padding_lie_anywhere() -> None:
    augment, long, square = build("clinical"), ramps(100, 300), ramps(300, 300)
    cropped = np.array([centre_of(augment(square, seed), 300, 300) for seed in range(60)])
    padded = np.array([centre_of(augment(long, seed), 100, 300) for seed in range(60)])
    assert (np.abs(cropped).max(axis=0) > 20).all()  # of 300
    assert (np.abs(padded).max(axis=0) > [20, 50]).all()  # 100 of 300 rows hold image
    assert (np.abs(cropped.mean(axis=0)) < 8).all()


def test_the_two_flips_are_independent() -> None:
    augment, image = build("clinical"), ramps(200, 200)
    flips = []
    for seed in range(200):
        matrix, *_ = affine_of(augment(image, seed), 200, 200)
        flips.append((matrix[0, 0] < 0, matrix[1, 1] < 0))
    counts = {kind: flips.count(kind) for kind in set(flips)}
    assert len(counts) == 4  # Compose.set_random_seed would always give both or none
    assert min(counts.values()) > 25


def test_blur_and_compression_are_independent_of_the_flips_and_each_other() -> None:
    looked, image = build("clinical"), noise(SIZE, SIZE)
    flips, blurred, compressed = [], [], []
    for seed in range(120):
        plain = looked(image, seed)
        blurred.append(not np.array_equal(build_cached("blur")(image, seed), plain))
        compressed.append(not np.array_equal(build_cached("compression")(image, seed), plain))
        flips.append(affine_of(looked(ramps(SIZE, SIZE), seed), SIZE, SIZE)[0][0, 0] < 0)
    for one, other in ((flips, blurred), (flips, compressed)):
        assert 40 < sum(one) < 80
        assert 40 < sum(other) < 80
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.3


_CACHE: dict[str, Augmentation] = {}


def build_cached(effect: str) -> Augmentation:
    changes: dict[str, Any] = {effect: 0.5}
    return _CACHE.setdefault(effect, build("clinical", **changes))


@pytest.mark.parametrize("shape", [(200, 200), (100, 300), (300, 100)])
def test_the_crop_keeps_min_scale_of_the_image(shape: tuple[int, int]) -> None:
    """Only a photo's small tilt may cut more, and with nothing to crop the whole image is in view."""
    for min_scale in (0.5, 1.0):
        augment, image = build("clinical", min_scale=min_scale), np.full((*shape, 3), 255, np.uint8)
        for seed in range(40):
            view = augment(image, seed)
            matrix, *_ = affine_of(augment(ramps(*shape), seed), *shape)
            seen = (view[..., 0] > 128).sum() * abs(np.linalg.det(matrix)) / (shape[0] * shape[1])
            assert seen > min_scale - 0.14


def test_padding_holds_exactly_the_fill() -> None:
    for modality in MODALITIES:
        augment = build(modality, colour=1.0)
        for seed in range(10):
            view = augment(np.full((20, 400, 3), 180, np.uint8), seed)
            share = (view == FILL).all(axis=2).mean()
            assert share > 0.8  # a strip of 1 : 20; colour changes must not touch its padding


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_image_that_fills_the_frame_shows_no_fill_in_its_corners(modality: str) -> None:
    """Inference never shows the network a plain corner of a full field, so training must not either."""
    augment = build(modality, fill=(255, 255, 255))
    for seed in range(20):
        view = augment(np.full((150, 150, 3), 90, np.uint8), seed)
        assert (view == 90).all()


def test_half_of_the_looks_are_turned_by_right_angles_and_stay_sharp() -> None:
    augment, image = build(min_scale=1.0), noise(SIZE, SIZE)
    turned = {np.rot90(image, k).tobytes() for k in range(4)}
    turned |= {np.ascontiguousarray(np.rot90(image[:, ::-1], k)).tobytes() for k in range(4)}
    exact = [augment(image, seed).tobytes() in turned for seed in range(200)]
    assert 70 < sum(exact) < 130
    assert len({augment(image, seed).tobytes() for seed in range(200)} & turned) == 8


@pytest.mark.parametrize("modality", MODALITIES)
def test_rotation_is_the_largest_turn(modality: str) -> None:
    image = ramps(300, 300)
    for rotation in (0.0, 10.0, 30.0):
        augment = build(modality, rotation=rotation, min_scale=1.0)
        tilts = []
        for seed in range(40):
            matrix, *_ = affine_of(augment(image, seed), 300, 300)
            angle = math.degrees(math.atan2(matrix[0, 1], matrix[0, 0]))
            period = 90 if modality == "histology" else 180  # quarter turns come on top
            tilts.append(abs((angle + period / 2) % period - period / 2))
        assert max(tilts) < rotation + 0.5
        assert max(tilts) > rotation * 0.8 - 0.01


def test_fine_patterns_are_averaged_not_aliased() -> None:
    board = (np.indices((1024, 1024)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, axis=2)
    for seed in range(10):
        view = build("clinical", fill=(128, 128, 128))(image, seed)
        assert np.abs(view.astype(int) - 128).max() <= 4


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("side", [SIZE // 2 + 3, 5 * SIZE // 2])
def test_a_look_that_varies_nothing_is_inferences_frame(interpolation: Interpolation, side: int) -> None:
    """What is trained on is what is served: the same resize, up to the flips."""
    image = noise(side, side, seed=5)
    recipe = Preprocessing(
        height=SIZE, width=SIZE, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1)
    )
    frame = recipe.frame(image)
    flips = [frame, frame[::-1], frame[:, ::-1], frame[::-1, ::-1]]
    augment = build("clinical", min_scale=1.0, rotation=0.0, interpolation=interpolation)
    for seed in range(6):
        view = augment(image, seed)
        assert any(np.array_equal(view, flipped) for flipped in flips)


def test_small_images_keep_sharp_edges_against_the_fill() -> None:
    view = build("clinical", fill=(0, 0, 0), min_scale=1.0)(np.full((1, 2, 3), 250, np.uint8), 3)
    assert ((view[..., 0] > 10) & (view[..., 0] < 240)).mean() < 0.1
    assert 0.4 < (view[..., 0] == 250).mean() < 0.6


@pytest.mark.parametrize("modality", MODALITIES)
def test_without_colour_blur_and_compression_colours_stay(modality: str) -> None:
    flat = np.full((77, 131, 3), FILL, np.uint8)
    for seed in range(20):
        np.testing.assert_array_equal(build(modality)(flat, seed), np.broadcast_to(FILL, (SIZE, SIZE, 3)))
    names = [type(step).__name__ for step in build(modality).effects.transforms]
    assert names == ["HorizontalFlip", "VerticalFlip"]
    assert build(modality).recolour is None


@pytest.mark.parametrize("modality", MODALITIES)
def test_colour_does_not_change_where_one_looks(modality: str) -> None:
    image = np.full((90, 140, 3), 60, np.uint8)
    image[20:60, 30:100] = 200
    for seed in range(10):
        plain, coloured = (build(modality, colour=share, fill=(0, 0, 0))(image, seed) for share in (0.0, 1.0))
        for level in (0, 60, 200):
            same = coloured[(plain == level).all(axis=2)]
            assert np.ptp(same, axis=0).max() <= 8  # one colour, but for the ringing beside edges


# --- blur and compression -----------------------------------------------------------------------------


def test_blur_smooths() -> None:
    image = noise(SIZE, SIZE)
    for seed in range(10):
        sharp, soft = build()(image, seed), build(blur=1.0)(image, seed)
        assert soft.std() < sharp.std()


def test_compression_is_a_real_jpeg_of_rgb() -> None:
    """JPEG keeps 30% of red but 11% of blue in its fine-grained luma; swapped channels would tell."""
    kept: list[list[float]] = []
    for channel in (0, 2):
        image = np.full((SIZE, SIZE, 3), 128, np.uint8)
        image[..., channel] += np.random.default_rng(0).integers(-60, 60, (SIZE, SIZE)).astype(np.uint8)
        kept.append([])
        for seed in range(10):
            plain, jpeg = (
                build("clinical", compression=share)(image, seed)[30:66, 30:66, channel].astype(float)
                for share in (0.0, 1.0)
            )
            kept[-1].append(np.corrcoef(plain.ravel(), jpeg.ravel())[0, 1])
    assert np.mean(kept[0]) > np.mean(kept[1]) + 0.1


# --- colours a clinician would believe ----------------------------------------------------------------


def lab(rgb: Any) -> np.ndarray:
    """CIELAB (D65) of one sRGB colour, from the definitions (CIE 15, IEC 61966-2-1)."""
    value = np.asarray(rgb, float) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    ratio = matrix @ light / matrix.sum(axis=1)
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def hue(rgb: Any) -> float:
    _, a, b = lab(rgb)
    return math.degrees(math.atan2(b, a))


ERYTHEMA_ON_SKIN = {
    "mid": ((190, 90, 80), (224, 172, 150)),
    "pale": ((230, 150, 140), (250, 220, 205)),
    "olive": ((150, 75, 60), (180, 125, 95)),
    "violet": ((140, 70, 85), (190, 140, 120)),
    "dark": ((95, 52, 45), (110, 72, 55)),
    "very dark": ((62, 36, 32), (70, 48, 38)),
}


@pytest.mark.parametrize("skin", ERYTHEMA_ON_SKIN)
def test_red_stays_red_and_redder_than_the_skin_around(skin: str) -> None:
    lesion, around = ERYTHEMA_ON_SKIN[skin]
    side = 64
    y, x = np.indices((side, side)) - (side - 1) / 2
    image = np.where((np.hypot(x, y) < 12)[..., None], lesion, around).astype(np.uint8)
    augment = build("clinical", height=side, width=side, min_scale=1.0, colour=1.0)
    turns = []
    for seed in range(300):
        view = augment(image, seed)
        red, beside = view[side // 2, side // 2], view[side // 2, side // 2 + 22]
        turns.append(hue(red) - hue(lesion))
        assert lab(red)[1] > max(0, lab(beside)[1]) + 1
        assert lab(red)[0] < lab(beside)[0]  # and it stays the darker
    limit = 8 if skin == "mid" else 15
    assert np.abs(turns).max() < limit
    assert np.std(turns) > 1  # and yet the light does change


def test_pallor_keeps_its_place_in_the_epidermis() -> None:
    """A pale upper epidermis stays paler than the lower under every other stain: it is a finding."""
    pale, usual = (225, 190, 220), (160, 110, 175)
    image = np.empty((64, 64, 3), np.uint8)
    image[:32], image[32:] = pale, usual
    augment = build(fill=(255, 255, 255), min_scale=1.0, colour=1.0, height=64, width=64)
    seen = set()
    for seed in range(100):
        view = augment(image, seed)[12:52, 12:52].reshape(-1, 3)
        levels = view.astype(int).sum(axis=1)
        low, high = np.percentile(levels, [20, 80])
        assert high - low > 100
        seen.add(int(low))
    assert len(seen) > 20


@pytest.mark.real
@pytest.mark.parametrize(
    ("modality", "files"), [("histology", "oral_histology/*/*.jpg"), ("clinical", "ham_dermoscopy/*.jpg")]
)
def test_real_images_keep_the_order_of_light_and_dark(shared_data: Path, modality: str, files: str) -> None:
    from PIL import Image

    paths = sorted(shared_data.glob(files))
    assert paths
    recolour = build(modality, colour=1.0).recolour
    assert recolour
    for path in paths[:: max(1, len(paths) // 6)]:
        pixels = np.asarray(Image.open(path).convert("RGB").resize((100, 100)))
        for seed in range(8):
            got = recolour(pixels, np.random.default_rng(seed))
            ranks = [image.sum(axis=2, dtype=int).ravel().argsort().argsort() for image in (pixels, got)]
            assert np.corrcoef(ranks)[0, 1] > 0.97
            assert (got == 255).mean() < (pixels == 255).mean() + 0.15  # no burnt-out photo


# --- mistakes are named all at once -------------------------------------------------------------------


def test_settings_that_cannot_be_are_all_named() -> None:
    with pytest.raises(ConfigError) as caught:
        build(
            "xray",
            fill=(0, 0, 256),
            height=0,
            min_scale=0.0,
            rotation=181.0,
            colour=-1.0,
            blur=2.0,
            compression=float("nan"),
        )
    message = str(caught.value)
    assert "8 problems" in message
    for word in (
        "'xray'",
        "0 x 96",
        "256",
        "min_scale is 0.0",
        "rotation is 181.0",
        "colour is -1.0",
        "blur is 2.0",
        "compression is nan",
    ):
        assert word in message
