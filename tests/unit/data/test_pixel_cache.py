"""Pixels kept on disk: the very same as decoded anew, whatever happens to the folder."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_files import write_good_images
from hypothesis import given, settings
from hypothesis import strategies as st
from image_bytes import encode, picture

from nmevision.data import dataset, pixel_cache
from nmevision.data.dataset import ImageDataset
from nmevision.data.images import read_image
from nmevision.data.pixel_cache import PixelCache, open_pixel_cache
from nmevision.errors import ConfigError
from nmevision.files import sha256_of
from nmevision.preprocessing import Preprocessing

RECIPE = Preprocessing(height=32, width=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3))


class Noting:
    """An augmentation that notes the pixels it starts from; `zoom` asks for the size that training needs."""

    zoom = 1.5

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def __call__(self, pixels: np.ndarray, seed: int) -> np.ndarray:
        self.seen.append(pixels.copy())
        return np.full((32, 32, 3), seed % 256, np.uint8)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Six formats, and a JPEG photo so large that training decodes it smaller."""
    large = tmp_path / "large.jpg"
    large.write_bytes(encode(picture(height=400, width=520, seed=9), "JPEG"))
    return [*write_good_images(tmp_path / "good", 6), large]


def images(paths: list[Path], cache: PixelCache | None, augment: Any = None, **options: Any) -> ImageDataset:
    digests = [sha256_of(path) for path in paths]
    targets = np.zeros((len(paths), 1), np.int64)
    return ImageDataset(
        paths, targets, options.pop("recipe", RECIPE), augment, cache=cache, digests=digests, **options
    )


def entries(cache: PixelCache) -> list[Path]:
    return sorted(cache.folder.rglob("*.pixels"))


def no_decoding(*_: object, **__: object) -> None:
    raise AssertionError("decoded although the pixels are kept")


def test_augmentation_gets_the_same_bytes_with_it_and_without(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, filling, reading = Noting(), Noting(), Noting()
    cache = open_pixel_cache(tmp_path / "cache")
    for index in range(len(paths)):
        _ = images(paths, None, plain)[index, 3]
        _ = images(paths, cache, filling)[index, 3]
    assert min(plain.seen[-1].shape[:2]) == 100  # the large one, at a quarter of its size
    assert len(entries(cache)) == len(paths)
    monkeypatch.setattr(dataset, "read_image", no_decoding)
    for index in range(len(paths)):
        _ = images(paths, cache, reading)[index, 3]
    for expected, first, again in zip(plain.seen, filling.seen, reading.seen, strict=True):
        assert expected.tobytes() == first.tobytes() == again.tobytes()
        assert expected.shape == again.shape


def test_unvaried_images_are_what_serving_computes(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_pixel_cache(tmp_path / "cache")
    served = [RECIPE(read_image(path, shrink=RECIPE.shrink).pixels) for path in paths]
    filled = [images(paths, cache)[index][0] for index in range(len(paths))]
    monkeypatch.setattr(dataset, "read_image", no_decoding)
    for index, expected in enumerate(served):
        np.testing.assert_array_equal(filled[index].numpy(), expected)
        assert torch.equal(images(paths, cache)[index][0], filled[index])
    assert {path.stat().st_size for path in entries(cache)} == {20 + 3 * 32 * 32}  # frames, not photos


def test_what_decides_the_pixels_decides_the_entry(paths: list[Path], tmp_path: Path) -> None:
    cache, varied = open_pixel_cache(tmp_path / "cache"), Noting()
    _ = images(paths, cache)[0]
    _ = images(paths, cache, recipe=RECIPE.model_copy(update={"mean": (0.1, 0.1, 0.1)}))[0]  # comes later
    assert len(entries(cache)) == 1
    _ = images(paths, cache, varied)[0, 1]
    closer = Noting()
    closer.zoom = 2.0
    _ = images(paths, cache, closer)[0, 1]
    for change in ({"height": 48}, {"fit": "crop"}, {"fill": (0, 0, 0)}, {"interpolation": "bilinear"}):
        _ = images(paths, cache, recipe=RECIPE.model_copy(update=change))[0]
    assert len(entries(cache)) == 7


def test_another_decoder_starts_anew(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_pixel_cache(tmp_path / "cache")
    _ = images(paths, cache)[0]
    monkeypatch.setattr(pixel_cache, "decoder_version", lambda: "another")
    _ = images(paths, cache)[0]
    assert len(entries(cache)) == 2


def spoil(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(bytes(change(bytearray(path.read_bytes()))))


def flipped(content: bytearray) -> bytearray:
    content[-100] ^= 1
    return content


def turned(content: bytearray) -> bytearray:
    content[8:12], content[12:16] = content[12:16], content[8:12]
    return content


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        spoil(lambda content: b""),
        spoil(lambda content: content[:15]),
        spoil(lambda content: content[:-1]),
        spoil(lambda content: content + b"x"),
        spoil(lambda content: b"OTHERmrk" + content[8:]),
        spoil(flipped),
        spoil(turned),
        spoil(lambda content: content[:8] + bytes(12)),
    ],
    ids=["gone", "empty", "no header", "cut", "longer", "strange", "one bit", "turned", "no size"],
)
def test_a_damaged_entry_is_decoded_again_and_mended(
    damage: Callable[[Path], None], paths: list[Path], tmp_path: Path
) -> None:
    cache, wide = open_pixel_cache(tmp_path / "cache"), [paths[1]]
    expected, _ = images(wide, None, Noting())[0, 1], images(wide, cache, Noting())[0, 1]
    (entry,) = entries(cache)
    whole = entry.read_bytes()
    damage(entry)
    seen = Noting()
    assert torch.equal(images(wide, cache, seen)[0, 1][0], expected[0])
    np.testing.assert_array_equal(seen.seen[0], read_image(wide[0]).pixels)
    assert entry.read_bytes() == whole


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_no_content_is_taken_for_pixels(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "entry"
    path.write_bytes(content)
    assert pixel_cache._read(path) is None


def test_the_folder_may_go_while_training_runs(paths: list[Path], tmp_path: Path) -> None:
    cache = open_pixel_cache(tmp_path / "cache")
    before = images(paths, cache)[0][0]
    shutil.rmtree(cache.folder)
    assert torch.equal(images(paths, cache)[0][0], before)
    assert len(entries(cache)) == 1


def test_a_file_that_changed_since_it_was_inspected_is_not_kept(paths: list[Path], tmp_path: Path) -> None:
    cache, seen = open_pixel_cache(tmp_path / "cache"), Noting()
    data = images(paths, cache, seen)
    paths[1].write_bytes(encode(np.full((90, 90, 3), 7, np.uint8), "PNG"))
    _ = data[1, 0]
    assert (seen.seen[0] == 7).all()
    assert entries(cache) == []


def test_a_full_disk_costs_time_only(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    cache = open_pixel_cache(tmp_path / "cache")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, pixel_cache.LEAVE_FREE))
    assert torch.equal(images(paths, cache)[0][0], images(paths, None)[0][0])
    assert entries(cache) == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "disk_usage", full)
    assert torch.equal(images(paths, cache)[0][0], images(paths, None)[0][0])


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"data\.cache=.*file.*cannot be written to.*choose another folder"):
        open_pixel_cache(tmp_path / "file" / "cache")
