"""JPEG decoded smaller: the same picture, and the same notes and errors as of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bad_files import write_bad_files
from image_bytes import encode, picture
from odd_files import write_odd_good_files
from PIL import Image

from nmevision.data.dataset import ImageDataset
from nmevision.data.images import read_image
from nmevision.data.transforms import build_augmentation
from nmevision.errors import ImageError
from nmevision.preprocessing import Preprocessing

# Pillow warns about the damaged tags in some of these files
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

RECIPE = Preprocessing(height=64, width=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
BIG = picture(600, 720)


def as_small_as_it_gets(height: int, width: int) -> float:
    return 8.0


def said_of(path: Path, shrink: bool) -> str:
    try:
        return str(read_image(path, shrink=as_small_as_it_gets if shrink else None).notes)
    except ImageError as problem:
        return str(problem)


def test_every_bad_and_odd_file_gets_the_same_words(tmp_path: Path) -> None:
    write_bad_files(tmp_path / "bad")
    write_odd_good_files(tmp_path / "odd")
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert len(files) > 80
    differing = {path.name for path in files if said_of(path, True) != said_of(path, False)}
    assert differing == set()


@pytest.mark.parametrize(
    ("frame", "shape", "expected"),
    [
        ((64, 64), (600, 720), (150, 180)),  # 720 / 4 >= 2 * 64 > 720 / 8
        ((64, 64), (1100, 720), (138, 90)),
        ((300, 300), (600, 720), (600, 720)),
        ((64, 128), (720, 300), (360, 150)),  # as if it were turned, too: the smaller step of the two
    ],
)
def test_it_keeps_twice_what_the_frame_needs(
    frame: tuple[int, int], shape: tuple[int, int], expected: tuple[int, int], tmp_path: Path
) -> None:
    recipe = Preprocessing(height=frame[0], width=frame[1], mean=(0, 0, 0), std=(1, 1, 1))
    (tmp_path / "a.jpg").write_bytes(encode(picture(*shape), "JPEG"))
    assert read_image(tmp_path / "a.jpg", shrink=recipe.shrink).pixels.shape[:2] == expected


def test_a_crop_needs_more_of_the_image_and_a_zoom_as_well() -> None:
    crop = RECIPE.model_copy(update={"fit": "crop", "crop_pct": 0.5})
    assert RECIPE.shrink(1024, 2048) == 16
    assert crop.shrink(1024, 2048) == 4
    assert [RECIPE.shrink(1024, 2048, zoom=zoom) for zoom in (1, 2, 4)] == [16, 16, 8]


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 60}])
def test_the_network_sees_the_same_picture(tmp_path: Path, fit: str, options: dict[str, object]) -> None:
    recipe = RECIPE.model_copy(update={"fit": fit})
    (tmp_path / "a.jpg").write_bytes(encode(BIG, "JPEG", **{"quality": 92, **options}))
    small = read_image(tmp_path / "a.jpg", shrink=recipe.shrink)
    assert small.pixels.shape[0] < BIG.shape[0]
    off = np.abs(recipe.frame(small.pixels).astype(int) - recipe.frame(read_image(tmp_path / "a.jpg").pixels))
    assert off.mean() < 0.6
    assert off.max() <= 6


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_and_other_colours_come_out_upright(tmp_path: Path, mode: str, orientation: int) -> None:
    image = Image.fromarray(BIG[:, :640]).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", quality=92, exif=exif)
    whole, small = (read_image(tmp_path / "a.jpg", shrink=s).pixels for s in (None, RECIPE.shrink))
    assert small.shape[:2] == tuple(side // 4 for side in whole.shape[:2])
    off = np.abs(RECIPE.frame(small).astype(int) - RECIPE.frame(whole))
    assert off.mean() < 0.6


@pytest.mark.parametrize(("noise", "blank"), [(1.0, True), (2.6, False), (3.2, False)])
def test_noise_is_not_averaged_away_into_a_blank(tmp_path: Path, noise: float, blank: bool) -> None:
    grey = np.random.default_rng(0).normal(200, noise, (800, 800, 1)).repeat(3, axis=2)
    (tmp_path / "a.jpg").write_bytes(encode(grey.clip(0, 255).astype(np.uint8), "JPEG", quality=98))
    found = read_image(tmp_path / "a.jpg", shrink=as_small_as_it_gets)
    assert found.notes == read_image(tmp_path / "a.jpg").notes
    assert bool(found.notes) == blank


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_other_formats_are_read_whole(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(encode(BIG, kind))
    np.testing.assert_array_equal(
        read_image(path, shrink=as_small_as_it_gets).pixels, read_image(path).pixels
    )


def test_a_long_strip_is_noted_with_its_true_size(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(picture(60, 2000), "JPEG"))
    assert read_image(tmp_path / "a.jpg", shrink=as_small_as_it_gets).notes == ("only 2000 x 60 pixels",)


def test_training_validation_and_prediction_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(BIG, "JPEG", quality=92))
    targets = np.zeros((1, 1), np.int64)
    served = RECIPE(read_image(tmp_path / "a.jpg", shrink=RECIPE.shrink).pixels)
    np.testing.assert_array_equal(ImageDataset([tmp_path / "a.jpg"], targets, RECIPE)[0][0].numpy(), served)
    seen: list[tuple[int, ...]] = []

    class Look:
        zoom = 4.0

        def __call__(self, pixels: np.ndarray, seed: int) -> np.ndarray:
            seen.append(pixels.shape[:2])
            return RECIPE.frame(pixels)

    ImageDataset([tmp_path / "a.jpg"], targets, RECIPE, augment=Look())[0, 1]
    look = Look()
    ImageDataset([tmp_path / "a.jpg"], targets, RECIPE, augment=lambda p, s: look(p, s))[0, 1]
    assert seen == [(300, 360), (600, 720)]  # what cannot say how close it looks gets everything


@pytest.mark.parametrize("min_scale", [1.0, 0.9, 0.5, 0.2])
def test_no_look_of_the_augmentation_comes_closer_than_its_zoom(min_scale: float) -> None:
    augmentation = build_augmentation(
        "clinical",
        64,
        64,
        (0, 0, 0),
        interpolation="bicubic",
        min_scale=min_scale,
        rotation=20,
        colour=0,
        blur=0,
        compression=0,
    )
    closest = 0.0
    for seed in range(400):
        frame = augmentation._draw_frame(np.random.default_rng(seed))
        closest = max(closest, np.exp(abs(frame.stretch) / 2) / np.sqrt(frame.share))
    assert 0.8 * augmentation.zoom <= closest <= augmentation.zoom + 1e-9
