"""The training data set: right image, right label, varied by its seed alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_files import write_good_images

from nmevision.data.dataset import ImageDataset
from nmevision.data.images import read_image
from nmevision.errors import ImageError
from nmevision.preprocessing import Preprocessing

RECIPE = Preprocessing(height=32, width=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3))


def noise(pixels: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_good_images(tmp_path, 4)


def test_plain_items_are_what_serving_computes(paths: list[Path]) -> None:
    targets = np.array([[2, 0], [0, -1], [-1, 3], [1, 1]])
    data = ImageDataset(paths, targets, RECIPE)
    assert len(data) == 4
    for index, wanted in enumerate(targets.tolist()):
        image, found = data[index]
        assert found.tolist() == wanted
        assert image.dtype == torch.float32
        np.testing.assert_array_equal(image.numpy(), RECIPE(read_image(paths[index]).pixels))


def test_varied_items_follow_their_seed(paths: list[Path]) -> None:
    data = ImageDataset(paths, np.zeros((4, 1), np.int64), RECIPE, augment=noise)
    np.testing.assert_array_equal(data[0, 7][0].numpy(), RECIPE.normalise(noise(np.empty(0), 7)))
    assert torch.equal(data[0, 7][0], data[0, 7][0])
    assert not torch.equal(data[0, 7][0], data[0, 8][0])


def test_a_broken_file_is_named_even_from_a_worker_process(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"nothing")
    with pytest.raises(ImageError) as caught:
        ImageDataset([tmp_path / "x.png"], np.zeros((1, 1), np.int64), RECIPE)[0]
    assert str(pickle.loads(pickle.dumps(caught.value))).startswith(f"{tmp_path / 'x.png'}: ")


def test_the_limit_of_pixels(paths: list[Path]) -> None:
    with pytest.raises(ImageError, match="limit of 50"):
        ImageDataset(paths, np.zeros((4, 1), np.int64), RECIPE, max_pixels=50)[0]
