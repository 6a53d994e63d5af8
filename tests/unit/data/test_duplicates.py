"""The same field is found however it was turned, cropped or compressed, and other fields are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_bytes import picture
from PIL import Image
from scipy.fft import dctn

from nmevision.data import duplicates
from nmevision.data.duplicates import components, hashes, likeness, near_duplicates, oriented, propose_pairs
from nmevision.data.image_quality import grey_of
from nmevision.data.thumbnails import SIDE, look_at, thumbnail_of
from nmevision.errors import DataError
from nmevision.manifest import manifest_of

Pixels = npt.NDArray[np.uint8]


def thumbnail(pixels: Pixels) -> Pixels:
    return thumbnail_of(grey_of(pixels))


def field(seed: int) -> Pixels:
    """A picture with detail at several scales."""
    fine = np.random.default_rng(seed).normal(0, 40, (30, 40))
    grain = np.asarray(Image.fromarray(fine.astype(np.float32)).resize((400, 300), Image.Resampling.BICUBIC))
    return np.clip(picture(300, 400, seed) + grain[..., np.newaxis], 0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def framed(pixels: Pixels, value: int) -> Pixels:
    return np.pad(pixels, ((24, 24), (24, 24), (0, 0)), constant_values=value)


def toned(pixels: Pixels, gamma: float, factor: float) -> Pixels:
    return np.clip(255 * (pixels / 255.0) ** gamma * factor, 0, 255).astype(np.uint8)


def cropped(pixels: Pixels, share: float) -> Pixels:
    height, width = (int(length * share / 2) for length in pixels.shape[:2])
    return pixels[height : pixels.shape[0] - height, width : pixels.shape[1] - width]


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "compressed": lambda p: jpeg(p, 30),
    "halved": lambda p: np.asarray(Image.fromarray(p).resize((p.shape[1] // 2, p.shape[0] // 2))),
    "darker": lambda p: toned(p, 1.3, 0.7),
    "brighter": lambda p: toned(p, 0.8, 1.1),
    "black frame": lambda p: jpeg(framed(p, 0), 80),
    "white frame": lambda p: jpeg(framed(p, 255), 80),
    "cropped": lambda p: cropped(p, 0.05),
    "all at once": lambda p: jpeg(toned(cropped(np.rot90(p)[:, ::-1], 0.04), 1.15, 0.9), 60),
}


def bits(number: np.uint64) -> npt.NDArray[np.bool_]:
    return np.unpackbits(np.array([number]).view(np.uint8)).astype(bool)


def test_the_hashes_are_those_of_the_definition() -> None:
    image = thumbnail(field(1))
    waves = dctn(image.astype(float), norm="ortho")[:8, :8].ravel()
    assert (bits(hashes(image[np.newaxis])[0, 0, 0]) == (waves > np.median(waves))).all()
    grid = np.array([[block.mean() for block in np.split(row, 9, axis=1)] for row in np.split(image, 8)])
    assert (bits(hashes(image[np.newaxis])[0, 0, 1]) == (grid[:, 1:] > grid[:, :-1]).ravel()).all()


@pytest.mark.parametrize("k", range(8))
def test_a_turned_image_has_the_hash_that_was_foretold(k: int) -> None:
    images = np.stack([thumbnail(field(seed)) for seed in range(4)])
    turned = hashes(np.ascontiguousarray(oriented(images, k)))[:, 0]
    assert np.bitwise_count(turned ^ hashes(images)[:, k]).max() <= 1  # rounding at the median


def test_orientations_are_called_what_they_do() -> None:
    corner = np.zeros((3, 3), np.uint8)
    corner[0, 0] = 1  # top left
    corner[0, 1] = 2
    words = dict(zip(duplicates.ORIENTATIONS, (oriented(corner, k) for k in range(8)), strict=True))
    assert (words["turned right"] == np.rot90(corner, -1)).all()
    assert (words["turned left"] == np.rot90(corner)).all()
    assert (words["turned by 180"] == np.rot90(corner, 2)).all()
    assert (words["mirrored"] == np.fliplr(corner)).all()
    assert len({image.tobytes() for image in words.values()}) == 8


def slowly(found: npt.NDArray[np.uint64], limit: int) -> set[tuple[int, int, int]]:
    pairs = set()
    for i in range(len(found)):
        for j in range(i + 1, len(found)):
            distance = min(
                sum(int(found[i, 0, kind] ^ found[j, k, kind]).bit_count() for kind in (0, 1))
                for k in range(8)
            )
            if distance <= limit:
                pairs.add((i, j, distance))
    return pairs


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 45), limit=st.integers(0, 60))
def test_the_search_finds_what_a_plain_loop_finds(seed: int, n: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    few = rng.integers(0, 2**64, size=(5, 8, 2), dtype=np.uint64)
    flips = np.bitwise_and.reduce(rng.integers(0, 2**64, size=(3, n, 8, 2), dtype=np.uint64), axis=0)
    found = few[rng.integers(0, 5, n)] ^ flips
    with pytest.MonkeyPatch.context() as patch:  # blocks so small that every border is crossed
        patch.setattr(duplicates, "_ROWS", 4)
        patch.setattr(duplicates, "_COLUMNS", 7)
        pairs = propose_pairs(found, limit)
    assert set(pairs[["first", "second", "distance"]].itertuples(index=False, name=None)) == slowly(
        found, limit
    )
    for first, second, k, distance in pairs.itertuples(index=False, name=None):
        assert np.bitwise_count(found[first, 0] ^ found[second, k]).sum() == distance


def test_too_many_pairs_are_an_error_and_no_full_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 100)
    with pytest.raises(DataError, match="more than 100 pairs of images look alike"):
        propose_pairs(np.zeros((40, 8, 2), np.uint64))


@pytest.mark.parametrize("k", range(8))
def test_turned_and_mirrored_copies_are_found_with_their_orientation(k: int) -> None:
    images = [field(seed) for seed in range(6)]
    copy = jpeg(np.ascontiguousarray(np.moveaxis(oriented(np.moveaxis(images[2], 2, 0), k), 0, 2)), 60)
    thumbnails = np.stack([*map(thumbnail, images), thumbnail(copy)])
    pairs = near_duplicates(thumbnails, np.ones(7, bool))
    assert pairs[["first", "second"]].to_numpy().tolist() == [[2, 6]]
    turned_back = oriented(thumbnails[6], int(pairs["orientation"][0])).astype(float)
    assert np.abs(turned_back - thumbnails[2]).mean() < 3


@pytest.mark.parametrize("change", COPIES)
def test_changed_copies_are_found(change: str) -> None:
    images = [field(seed) for seed in range(8)]
    copies = [COPIES[change](image) for image in images]
    thumbnails = np.stack([thumbnail(image) for image in images + copies])
    pairs = near_duplicates(thumbnails, np.ones(16, bool))
    assert pairs[["first", "second"]].to_numpy().tolist() == [[n, n + 8] for n in range(8)]


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found_whichever_comes_first(change: str) -> None:
    original, copy = thumbnail(field(3)), thumbnail(COPIES[change](field(3)))
    back = near_duplicates(np.stack([copy, original]), np.ones(2, bool))
    there = near_duplicates(np.stack([original, copy]), np.ones(2, bool))
    assert len(back) == len(there) == 1


def test_those_left_out_are_not_compared() -> None:
    image = thumbnail(field(0))
    pairs = near_duplicates(np.stack([image] * 4), np.array([False, True, False, True]))
    assert pairs[["first", "second"]].to_numpy().tolist() == [[1, 3]]
    assert near_duplicates(np.stack([image] * 2), np.zeros(2, bool)).empty


def test_nothing_is_like_a_plain_image() -> None:
    assert likeness(np.full((SIDE, SIDE), 7, np.uint8), thumbnail(field(0))) == 0


def test_components_join_chains() -> None:
    number = components(6, [0, 1, 4], [1, 2, 5])
    assert number[0] == number[1] == number[2] != number[3] != number[4] == number[5]


SAME_FIELD = {
    ("Normal_100x_14", "Normal_100x_15"),
    ("Normal_100x_69", "OSCC_100x_350"),
    ("Normal_100x_70", "OSCC_100x_349"),
    ("Normal_100x_71", "OSCC_100x_348"),
    ("OSCC_100x_214", "OSCC_100x_219"),
    ("OSCC_100x_280", "OSCC_100x_281"),
    ("OSCC_100x_72", "OSCC_100x_77"),
    ("OSCC_100x_81", "OSCC_100x_82"),
    ("OSCC_400x_362", "OSCC_400x_471"),
    ("OSCC_400x_364", "OSCC_400x_473"),
    ("OSCC_400x_417", "OSCC_400x_423"),
    ("OSCC_400x_421", "OSCC_400x_423"),
    ("OSCC_400x_60", "OSCC_400x_61"),
}
"""Looked at one by one: each shows one field, three of them under both labels of the set."""


@pytest.mark.real
@pytest.mark.slow
def test_among_real_images_only_those_of_one_field_match(shared_data: Path) -> None:
    files = sorted((shared_data / "oral_histology").rglob("*.jpg"))
    files += sorted((shared_data / "ham_dermoscopy").glob("*.jpg"))
    assert len(files) == 1334
    rows = [{"id": path.stem, "path": str(path)} for path in files]
    thumbnails = look_at(manifest_of(rows, shared_data)).thumbnails
    pairs = near_duplicates(thumbnails, np.ones(len(files), bool))
    names = {tuple(sorted((files[a].stem, files[b].stem))) for a, b in pairs[["first", "second"]].to_numpy()}
    assert names == SAME_FIELD  # of 889,111 pairs


@pytest.mark.real
@pytest.mark.slow
def test_changed_copies_of_real_images_are_found(shared_data: Path) -> None:
    files = sorted((shared_data / "oral_histology").rglob("*.jpg"))[::20]
    files += sorted((shared_data / "ham_dermoscopy").glob("*.jpg"))[::3]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    originals = np.stack([thumbnail(image) for image in images])
    for name, change in COPIES.items():
        both = np.concatenate([originals, np.stack([thumbnail(change(image)) for image in images])])
        pairs = near_duplicates(both, np.ones(len(both), bool))
        found = set(map(tuple, pairs[["first", "second"]].to_numpy()))
        share = sum((n, n + len(files)) in found for n in range(len(files))) / len(files)
        assert share >= 0.9, (name, share)
