"""Slides are read in a process of their own: what ends or hangs it is explained, and the next slide is read."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from slide_files import skin, write_pyramid

from nmevision.data.slide_plan import Want
from nmevision.data.slide_process import SlideProcess
from nmevision.data.slides import open_slide
from nmevision.errors import ImageError

PIXELS, MASK = skin()


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pyramid(tmp_path_factory.mktemp("slides") / "biopsy.svs", PIXELS)


def test_tiles_come_in_the_order_of_the_plan_and_errors_leave_it_running(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.svs").write_bytes(b"II*\0" + b"\x01" * 60)
    want = Want(field_um=100, pixels=64)
    with SlideProcess() as slides:
        with pytest.raises(ImageError, match=r"'broken.svs' is a broken slide"):
            slides.open(tmp_path / "broken.svs", want)
        process = slides._process
        plan = slides.open(slide, want)
        tiles = list(slides.tiles())
        assert slides._process is process
        assert (plan.size, plan.mpp, plan.origin) == ((1200, 800), 0.5, (0, 0))
        assert [tile.index for tile in tiles] == list(range(len(plan.tiles)))
        whole = open_slide(slide)
        for tile, read in zip(plan.tiles, tiles, strict=True):
            assert read.pixels is not None
            assert np.array_equal(read.pixels, whole.area(tile.x, tile.y, tile.side, 64))
        # left in the middle: the next slide is not mixed with the rest of this one
        slides.open(slide, want)
        next(slides.tiles())
        assert slides.open(slide, want, tiles=False).tiles == plan.tiles
        assert slides.open(slide, want).tiles == plan.tiles


@pytest.mark.skipif(not hasattr(signal, "SIGSEGV"), reason="no such signal on this system")
def test_a_crash_is_explained_and_the_next_slide_is_read(slide: Path) -> None:
    with SlideProcess() as slides:
        slides.open(slide, Want(field_um=100, pixels=64))
        tiles = slides.tiles()
        next(tiles)
        assert slides._process is not None
        os.kill(slides._process.pid, signal.SIGSEGV)
        with pytest.raises(ImageError, match=r"'biopsy.svs' the program that reads slides ended on it"):
            list(tiles)
        slides.open(slide, Want(field_um=100, pixels=64))
        assert list(slides.tiles())


def test_silence_is_given_up(slide: Path) -> None:
    asleep = (sys.executable, "-c", "import time; time.sleep(60)")
    with SlideProcess(silence=0.5, command=asleep) as slides:
        with pytest.raises(ImageError, match=r"'biopsy.svs' was given up after"):
            slides.open(slide, Want())
        assert slides._process is None


def test_no_word_of_the_library_falls_between_the_tiles(slide: Path) -> None:
    noisy = (
        "import os, nmevision.data.slide_process as p; said = p._Answers.say\n"
        "def say(self, *a, **k):\n    os.write(1, b'libtiff: warning'); said(self, *a, **k)\n"
        "p._Answers.say = say; p.serve()"
    )
    with SlideProcess(command=(sys.executable, "-c", noisy)) as slides:
        assert slides.open(slide, Want(), tiles=False).size == (1200, 800)
