"""JPEG tiles decoded straight from the file: OpenSlide's pixels to the last one, and OpenSlide wherever they are odd."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image
from slide_files import skin

from nmevision.data import slide_tiles
from nmevision.data.slide_readers import OpenSlideReader, SlideReader
from nmevision.data.slide_tiles import TileReader, faster
from nmevision.data.slides import open_slide
from nmevision.errors import ImageError
from nmevision.phantom.slide import make_slide

PIXELS, _ = skin(1000, 700)
YCBCR = {"photometric": "ycbcr", "subsampling": (2, 2)}


def write(path: Path, scales: tuple[int, ...] = (1, 2, 4), **options: Any) -> Path:
    """Write a pyramid of JPEG tiles; options go before its own."""
    kind = {"tile": (128, 128), "compression": "jpeg", "metadata": None} | YCBCR | options
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for scale in scales:
            size = (round(PIXELS.shape[1] / scale), round(PIXELS.shape[0] / scale))
            level = np.asarray(Image.fromarray(PIXELS).resize(size, Image.Resampling.BOX))
            writer.write(level, subfiletype=int(scale > 1), **kind)
    return path


def boxes(reader: SlideReader, n: int = 60) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield windows of all levels: whole tiles, odd places and sizes, over the edges and outside."""
    rng = np.random.default_rng(5)
    for level, shape in enumerate(reader.levels):
        yield level, 0, 0, 128, 128
        yield level, 128, 128, 128, 128
        yield level, shape.width // 128 * 128, shape.height // 128 * 128, 128, 128
        yield level, -40, -30, 128, 128
        yield level, shape.width + 10, 5, 20, 20
        for _ in range(n):
            x, y = int(rng.integers(-100, shape.width)), int(rng.integers(-100, shape.height))
            yield level, x, y, int(rng.integers(1, 300)), int(rng.integers(1, 300))


def same(path: Path, n: int = 60) -> TileReader:
    """Insist that a file is read directly and like OpenSlide."""
    theirs = OpenSlideReader(path)
    ours = faster(path, OpenSlideReader(path))
    assert isinstance(ours, TileReader)
    for box in boxes(ours, n):
        assert np.array_equal(ours.region(*box), theirs.region(*box)), box
    assert (ours.levels, ours.mpp, ours.origin) == (theirs.levels, theirs.mpp, theirs.origin)
    theirs.close()
    return ours


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": (1, 1)},
        {"subsampling": (2, 1)},
        {"photometric": "rgb", "subsampling": None},
        {"tile": (240, 256)},
        {"compressionargs": {"level": 40}},
    ],
    ids=["420", "444", "422", "rgb", "odd tiles", "poor"],
)
def test_every_pixel_is_openslides(tmp_path: Path, options: dict[str, Any]) -> None:
    reader = same(write(tmp_path / "s.tif", **options))
    assert all(reader.grids)
    reader.close()


def test_a_slide_is_opened_so(tmp_path: Path) -> None:
    slide = open_slide(write(tmp_path / "s.tif"))
    assert isinstance(slide.reader, TileReader)
    slide.reader.close()


@pytest.mark.slow
def test_a_phantom_slide(tmp_path: Path) -> None:
    reader = same(make_slide(tmp_path / "p.tif", width=2048, height=2048), n=15)
    assert all(reader.grids)
    reader.close()


@pytest.mark.real
def test_the_real_slides(shared_data: Path) -> None:
    reader = same(shared_data / "slides" / "cmu-1-small-region.svs")
    assert all(reader.grids)
    reader.close()
    path = shared_data / "slides" / "tcga-cr-7395-01a-01-ts1.svs"  # JPEG 2000
    assert isinstance(faster(path, OpenSlideReader(path)), OpenSlideReader)


def test_a_level_of_a_broken_scale_is_openslides(tmp_path: Path) -> None:
    reader = same(write(tmp_path / "s.tif", scales=(1, 3)))  # 1000 / 333 is not 3
    assert [grid is not None for grid in reader.grids] == [True, False]
    reader.close()


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"compression": None}], ids=["zlib", "raw"])
def test_other_compressions_are_openslides(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "s.tif", photometric="rgb", subsampling=None, **options)
    assert isinstance(faster(path, OpenSlideReader(path)), OpenSlideReader)


def test_a_file_whose_pixels_would_differ_is_openslides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "s.tif")
    decode = simplejpeg.decode_jpeg

    def off(*given: Any, **options: Any) -> np.ndarray:
        pixels = decode(*given, **options)
        pixels[3, 5, 1] ^= 1
        return pixels

    monkeypatch.setattr(simplejpeg, "decode_jpeg", off)
    assert isinstance(faster(path, OpenSlideReader(path)), OpenSlideReader)


def outcome(reader: SlideReader, box: tuple[int, int, int, int, int]) -> np.ndarray | str:
    try:
        return reader.region(*box)
    except ImageError:
        return "damaged"


@pytest.mark.parametrize("seed", range(12))
def test_damaged_tiles_end_as_with_openslide(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = write(tmp_path / "s.tif", scales=(1,))
    with tifffile.TiffFile(path) as file:
        places = list(zip(file.pages[0].dataoffsets, file.pages[0].databytecounts, strict=True))
    data = bytearray(path.read_bytes())
    for offset, count in [places[i] for i in rng.choice(len(places), 10, replace=False)]:
        if seed % 3 == 0:  # some bytes wrong
            for at in rng.integers(0, count, 5):
                data[offset + int(at)] ^= int(rng.integers(1, 256))
        elif seed % 3 == 1:  # a stretch lost
            half = int(rng.integers(0, count))
            data[offset + half : offset + count] = bytes(count - half)
        else:  # not a JPEG at all
            data[offset : offset + count] = rng.bytes(count)
    path.write_bytes(data)
    theirs, ours = OpenSlideReader(path), faster(path, OpenSlideReader(path))
    for row in range(5):
        for column in range(7):
            box = (0, 128 * column, 128 * row, 128, 128)
            mine, other = outcome(ours, box), outcome(theirs, box)
            assert type(mine) is type(other), box
            assert np.array_equal(mine, other), box
    ours.close()
    theirs.close()


@pytest.mark.parametrize("size", [64, 256])
def test_a_tile_of_another_size_ends_as_with_openslide(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "s.tif", scales=(1,))
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    stream = io.BytesIO()
    Image.new("RGB", (size, size)).save(stream, "JPEG", quality=1)
    data = bytearray(path.read_bytes())
    assert len(stream.getvalue()) < count
    data[offset : offset + len(stream.getvalue())] = stream.getvalue()
    path.write_bytes(data)
    theirs, ours = OpenSlideReader(path), faster(path, OpenSlideReader(path))
    for box in ((0, 0, 0, 128, 128), (0, 10, 10, 30, 30), (0, 100, 100, 128, 128)):
        assert np.array_equal(outcome(ours, box), outcome(theirs, box))
    ours.close()
    theirs.close()


def test_missing_tiles_and_a_cut_file_are_left_to_openslide(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", scales=(1,))
    reader = faster(path, OpenSlideReader(path))
    assert isinstance(reader, TileReader)
    grid = reader.grids[0]
    assert grid is not None
    expected = reader.region(0, 0, 0, 128, 128)
    for counts in ((0, *grid.counts[1:]), (10**12, *grid.counts[1:])):
        reader.grids = [slide_tiles.Grid(**{**vars(grid), "counts": counts})]
        assert np.array_equal(reader.region(0, 0, 0, 128, 128), expected)
        assert np.array_equal(reader.region(0, 0, 0, 100, 100), expected[:100, :100])
    reader.close()


def test_what_is_given_is_the_callers_own(tmp_path: Path) -> None:
    reader = faster(path := write(tmp_path / "s.tif"), OpenSlideReader(path))
    expected = reader.region(0, 128, 128, 128, 128).copy()
    reader.region(0, 100, 100, 200, 200)[:] = 0  # its tiles are kept
    reader.region(0, 128, 128, 128, 128)[:] = 0
    assert np.array_equal(reader.region(0, 128, 128, 128, 128), expected)
    reader.close()


def test_the_tiles_kept_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slide_tiles, "CACHE_BYTES", 300_000)
    reader = same(write(tmp_path / "s.tif"), n=20)
    assert sum(tile.nbytes for tile in reader._kept.values()) <= 300_000
    reader.close()


@pytest.mark.slow
@pytest.mark.real
def test_it_is_faster(shared_data: Path) -> None:
    """Half of what scripts/bench_tiles.py shows (7 and 2.5 times), for a busy machine."""
    path = shared_data / "slides" / "cmu-1-small-region.svs"
    for shift, least in ((0, 3.5), (120, 1.25)):
        places = [(0, shift + 240 * c, shift + 240 * r, 240, 240) for r in range(11) for c in range(8)]
        spent = []
        for make in (OpenSlideReader, lambda path: faster(path, OpenSlideReader(path))):
            best = np.inf
            for _ in range(3):
                reader = make(path)
                started = time.thread_time()
                for box in places:
                    reader.region(*box)
                best = min(best, time.thread_time() - started)
                reader.close()
            spent.append(best)
        assert spent[0] / spent[1] > least
