"""The file of features: each image computed once, whatever happens to the file, and never another model's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import tiny_bundle

from nmevision.errors import DataError, RunError
from nmevision.files import sha256_of
from nmevision.inference.features import Extractor, bundle_extractor, colour_extractor, extract, read_features
from nmevision.manifest import Manifest, manifest_of


class Counting:
    """An extractor's function that notes what it was asked: the mean colour."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.asked = 0
        self.fail_at = fail_at

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if self.fail_at is not None and self.asked >= self.fail_at:
            raise KeyboardInterrupt
        self.asked += len(images)
        return np.stack([pixels.reshape(-1, 3).mean(axis=0) for pixels in images])


def with_function(of: Counting, identity: str = "one") -> Extractor:
    return Extractor("means", identity, of, batch_size=2)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    rows = []
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        rows.append({"id": f"image {i}", "path": f"{i}.png"})
    (tmp_path / "5.png").write_bytes((tmp_path / "0.png").read_bytes())
    return manifest_of(rows, tmp_path)


def test_rows_are_in_order_and_equal_files_are_computed_once(manifest: Manifest, tmp_path: Path) -> None:
    function = Counting()
    features, outcome = extract(with_function(function), manifest, tmp_path / "f.safetensors")
    assert function.asked == outcome.computed == 5
    assert features.ids == tuple(manifest.frame["id"])
    np.testing.assert_array_equal(features.values[0], features.values[5])
    expected = np.asarray(Image.open(tmp_path / "3.png")).reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(features.values[3], expected, rtol=1e-6)
    again = read_features(tmp_path / "f.safetensors")
    assert (again.ids, again.sha256[1]) == (features.ids, sha256_of(tmp_path / "1.png"))
    np.testing.assert_array_equal(again.values, features.values)


def test_nothing_is_computed_twice_and_a_changed_file_is_computed_again(
    manifest: Manifest, tmp_path: Path
) -> None:
    out = tmp_path / "f.safetensors"
    extract(with_function(Counting()), manifest, out)
    function = Counting()
    assert extract(with_function(function), manifest, out)[1].reused == 6
    assert function.asked == 0
    Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(tmp_path / "2.png")
    features, outcome = extract(with_function(function), manifest, out)
    assert (function.asked, outcome.reused) == (1, 5)
    assert features.values[2].tolist() == [9, 9, 9]


def test_an_interrupted_run_continues(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmevision.inference.features.SAVE_EVERY", 0.0)
    out = tmp_path / "f.safetensors"
    with pytest.raises(KeyboardInterrupt):
        extract(with_function(Counting(fail_at=4)), manifest, out)
    function = Counting()
    features, _ = extract(with_function(function), manifest, out)
    assert function.asked == 1
    assert len(features.ids) == 6
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_damaged_row_is_computed_again_and_the_others_are_not(manifest: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "f.safetensors"
    features, _ = extract(with_function(Counting()), manifest, out)
    content = bytearray(out.read_bytes())
    place = content.find(features.values[3].tobytes())
    content[place + 2] ^= 0xFF
    out.write_bytes(bytes(content))
    with pytest.raises(DataError, match="1 rows are damaged"):
        read_features(out)
    function = Counting()
    mended, outcome = extract(with_function(function), manifest, out)
    assert (function.asked, outcome.damaged) == (1, 1)
    np.testing.assert_array_equal(mended.values, features.values)
    read_features(out)


def test_another_model_s_file_is_refused_and_kept(manifest: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "f.safetensors"
    extract(with_function(Counting()), manifest, out)
    before = out.read_bytes()
    with pytest.raises(RunError, match="choose another --out"):
        extract(with_function(Counting(), "two"), manifest, out)
    assert out.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no features", b"PK\x03\x04" + bytes(50)])
def test_what_is_no_features_file_is_said(content: bytes, tmp_path: Path, manifest: Manifest) -> None:
    out = tmp_path / "f.safetensors"
    out.write_bytes(content)
    with pytest.raises(DataError, match="remove it and compute it again"):
        read_features(out)
    with pytest.raises(DataError):
        extract(with_function(Counting()), manifest, out)
    assert out.read_bytes() == content


def test_unreadable_images_are_named_and_left_out(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"not an image")
    (tmp_path / "2.png").unlink()
    features, outcome = extract(with_function(Counting()), manifest, tmp_path / "f.safetensors")
    assert set(outcome.failed) == {"image 1", "image 2"}
    assert len(features.ids) == 4
    values, there = features.of(["image 2", "image 3"])
    assert there.tolist() == [False, True]
    np.testing.assert_array_equal(values[0], features.values[1])


def test_a_bundle_s_features_are_those_of_its_network_and_colours_need_none(
    manifest: Manifest, tmp_path: Path
) -> None:
    bundle = tiny_bundle(tmp_path / "tiny")
    extractor = bundle_extractor(bundle)
    assert bundle.hash in extractor.identity
    features, _ = extract(extractor, manifest, tmp_path / "f.safetensors")
    assert features.values.shape == (6, len(bundle.novelty.mean))
    colours, _ = extract(colour_extractor(), manifest, tmp_path / "c.safetensors")
    np.testing.assert_allclose((colours.values.astype(float) ** 2).sum(axis=1), 1, atol=1e-6)


def test_a_file_that_runs_share_keeps_the_rows_of_others(manifest: Manifest, tmp_path: Path) -> None:
    out, ids = tmp_path / "f.safetensors", manifest.frame["id"]
    first, second = manifest.select(ids < "image 3"), manifest.select(ids >= "image 2")
    extract(with_function(Counting()), first, out, keep_others=True)
    function = Counting()
    features, outcome = extract(with_function(function), second, out, keep_others=True)
    assert (function.asked, outcome.reused) == (2, 2)  # 2 is in both, 5 is the same file as 0
    assert features.ids == tuple(second.frame["id"])
    assert set(read_features(out).ids) == set(ids)
    before = out.stat().st_mtime_ns
    assert extract(with_function(function), first, out, keep_others=True)[1].reused == 3
    assert out.stat().st_mtime_ns == before
    extract(with_function(function), first, out)
    assert set(read_features(out).ids) == set(first.frame["id"])
