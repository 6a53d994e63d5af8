"""A whole synthetic slide: a pyramidal tiled TIFF of several strips of skin, with planted lesions and truth."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from nmevision.errors import DataError, Problems
from nmevision.files import atomic_path, write_text
from nmevision.phantom.profiles import Case, draw_case
from nmevision.phantom.sheet import LABELS
from nmevision.phantom.stain import Slide, draw_slide, laboratory, scan
from nmevision.phantom.strip import Strip, draw_layers, draw_strip, reaches
from nmevision.phantom.window import Placement, Window

TILE, BLOCK = 512, 1024
"""Side of a tile of the file, and of a block that is drawn at once, pixels."""
STEP, LEVELS = 4, 3
"""How much coarser each level of the pyramid is than the one below, and how many there are."""
MARGIN = 85.0
"""Skin around a block that is drawn with it so that its seams do not show, micrometres."""
MARK = "phantom: synthetic image, not a patient"
LEAST = 2 * BLOCK

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class _Plan:
    """All that it takes to draw any block of one slide."""

    strips: tuple[Strip, ...]
    slide: Slide
    mpp: float
    seed: int
    quality: int


def make_slide(
    out: Path,
    diagnosis: str = "nme",
    seed: int = 0,
    width: int = 24_576,
    height: int = 12_288,
    mpp: float = 0.5,
    number: int = 1,
    processes: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write a slide as OUT (.tif), its label map 16 times coarser, and what was planted where; return OUT.

    The strips are mostly spared skin with stretches of the diagnosis. The label map (OUT-label.png) holds
    numbers of `sheet.LABELS`; OUT.json the grades and, in pixels, the ends of every lesional stretch.

    Args:
        out: file to write, ending in .tif.
        diagnosis: one of `profiles.drawn_diagnoses()`.
        seed: with the other arguments it decides every pixel; `processes` does not.
        width, height: pixels, multiples of 1024. mpp: micrometres per pixel, 0.25 to 2.
        number: of the laboratory.
        processes: workers; the memory of each is bounded by one block.
        progress: called with the number of blocks drawn; there are width / 1024 * height / 1024.

    Raises:
        DataError: an argument that cannot be used.
    """
    out = Path(out)
    _check(out, width, height, mpp, processes)
    rng = np.random.default_rng([seed, number])
    case, spared = draw_case(diagnosis, rng), Case("normal", "", {})
    lab = laboratory(number)
    strips = _strips(case, spared, rng, width * mpp, height * mpp, mpp)
    plan = _Plan(strips, draw_slide(lab, rng), mpp, seed, lab.quality)
    label = np.zeros((height // 16, width // 16), np.uint8)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder, atomic_path(out) as temporary:
        coarse = np.lib.format.open_memmap(
            Path(folder) / "level.npy", mode="w+", dtype=np.uint8, shape=(height // STEP, width // STEP, 3)
        )
        rows = _rows(plan, width, height, processes, label, coarse, progress)
        _write_pyramid(temporary, rows, coarse, (height, width), mpp, plan.quality)
    _write_truth(out, plan, case, label)
    return out


def _check(out: Path, width: int, height: int, mpp: float, processes: int) -> None:
    """Raise DataError for everything wrong with the arguments of `make_slide`."""
    problems = Problems()
    if out.suffix != ".tif":
        problems.add(f"file is '{out.name}'; expected a name that ends in .tif")
    if out.exists():
        problems.add(f"{out} exists already; choose another name, or delete it first")
    for name, value in (("width", width), ("height", height)):
        if value < LEAST or value % BLOCK:
            problems.add(f"{name} is {value} pixels; expected a multiple of {BLOCK}, at least {LEAST}")
    if not 0.25 <= mpp <= 2:
        problems.add(f"mpp (micrometres per pixel) is {mpp}; expected 0.25 to 2")
    if processes < 1:
        problems.add(f"processes is {processes}; expected at least 1")
    problems.raise_if_any(DataError, f"phantom slide {out}")
    out.parent.mkdir(parents=True, exist_ok=True)


def _strips(
    case: Case, spared: Case, rng: np.random.Generator, width: float, height: float, mpp: float
) -> tuple[Strip, ...]:
    """Return strips one below the other, each with one or two lesional stretches."""
    count = max(1, int(height // 2000))
    pitch = height / count
    strips = []
    for index in range(count):
        length, depth = width * rng.uniform(0.72, 0.88), min(1500.0, 0.62 * pitch) * rng.uniform(0.85, 1)
        turned = bool(rng.random() < 0.4)
        angle = rng.normal(0, 0.012) + (np.pi if turned else 0)
        middle = (index + 0.5) * pitch + (0.5 if turned else -0.5) * depth
        starts = (rng.uniform(-0.42, -0.2), rng.uniform(0.05, 0.25))[: int(rng.integers(1, 3))]
        lesions = tuple((s * length, s * length + rng.uniform(0.08, 0.16) * length) for s in starts)
        place = Placement(width / 2, float(middle), float(angle))
        strips.append(draw_strip(spared, case, rng, place, length, depth, lesions, mpp))
    return tuple(strips)


def _draw_block(plan: _Plan, row: int, column: int) -> tuple[Pixels, Pixels]:
    """Return one block's picture and label map."""
    pad = int(MARGIN / plan.mpp)
    side = BLOCK + 2 * pad
    corner = (column * BLOCK - pad) * plan.mpp, (row * BLOCK - pad) * plan.mpp
    window = Window(side, side, plan.mpp, *corner)
    rng = np.random.default_rng([plan.seed, row, column])
    amounts = np.zeros((3, side, side), np.float32)
    label = np.zeros((side, side), np.uint8)
    for strip in plan.strips:
        if reaches(strip, window):
            drawn = draw_layers(strip, window, rng)
            free = label == 0
            label[free] = drawn.label[free]
            for amount, new in zip(amounts, (drawn.haematoxylin, drawn.eosin, drawn.melanin), strict=True):
                amount += new * free
    blue, pink, brown = amounts
    pixels = scan(blue, pink, brown, plan.slide, plan.mpp, rng)
    kept = slice(pad, pad + BLOCK)
    return pixels[kept, kept], label[kept, kept]


def _blocks(plan: _Plan, width: int, height: int, processes: int) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield all blocks, row by row."""
    places = [(r, c) for r in range(height // BLOCK) for c in range(width // BLOCK)]
    if processes == 1:
        yield from (_draw_block(plan, row, column) for row, column in places)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,))
    with pool:
        for first in range(0, len(places), 4 * processes):  # few at once: drawn blocks wait in memory
            some = places[first : first + 4 * processes]
            yield from pool.map(_draw_block, [plan] * len(some), *zip(*some, strict=True))


def _rows(
    plan: _Plan,
    width: int,
    height: int,
    processes: int,
    label: Pixels,
    coarse: NDArray[np.uint8],
    progress: Callable[[int], None] | None,
) -> Iterator[Pixels]:
    """Yield the picture in rows of blocks; the label map and the next level are filled on the way."""
    blocks = _blocks(plan, width, height, processes)
    done = 0
    for row in range(height // BLOCK):
        picture = np.empty((BLOCK, width, 3), np.uint8)
        for column in range(width // BLOCK):
            pixels, numbers = next(blocks)
            picture[:, column * BLOCK : (column + 1) * BLOCK] = pixels
            small = BLOCK // 16
            there = slice(row * small, (row + 1) * small), slice(column * small, (column + 1) * small)
            label[there] = numbers[8::16, 8::16]
            done += 1
            if progress is not None:
                progress(done)
        size = (width // STEP, BLOCK // STEP)
        coarse[row * size[1] : (row + 1) * size[1]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        yield picture


def _tiles(rows: Iterator[Pixels], quality: int) -> Iterator[bytes]:
    """Yield the JPEG of every tile of the picture, row by row; tiles at the edges are filled up with white."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    for picture in rows:
        high, wide = (-length % TILE for length in picture.shape[:2])
        filled = np.pad(picture, ((0, high), (0, wide), (0, 0)), constant_values=255)
        for top in range(0, filled.shape[0], TILE):
            for left in range(0, filled.shape[1], TILE):
                tile = filled[top : top + TILE, left : left + TILE, ::-1]
                yield cv2.imencode(".jpg", tile, options)[1].tobytes()


def _write_pyramid(
    path: Path, rows: Iterator[Pixels], coarse: Pixels, shape: tuple[int, int], mpp: float, quality: int
) -> None:
    """Write the levels as tiled pages of JPEGs, the finest first."""
    with tifffile.TiffWriter(path, bigtiff=True) as writer:

        def page(source: Iterator[Pixels], height: int, width: int, scale: int) -> None:
            writer.write(
                _tiles(source, quality),
                shape=(height, width, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                resolution=(1e4 / (mpp * scale), 1e4 / (mpp * scale)),
                resolutionunit="CENTIMETER",
                subfiletype=0 if scale == 1 else 1,
                description=MARK if scale == 1 else None,
                metadata=None,
                software="nmevision",
            )

        page(rows, *shape, 1)
        level, scale = np.asarray(coarse), STEP
        for _ in range(LEVELS - 1):
            height, width = level.shape[:2]
            strips = (level[top : top + TILE] for top in range(0, height, TILE))
            page(strips, height, width, scale)
            size = (max(1, width // STEP), max(1, height // STEP))
            level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), np.uint8)
            scale *= STEP


def _write_truth(out: Path, plan: _Plan, case: Case, label: Pixels) -> None:
    """Write the label map and the description of what was planted."""
    with atomic_path(out.with_name(f"{out.stem}-label.png")) as temporary:
        Image.fromarray(label).save(temporary, format="PNG")
    lesions = []
    for strip in plan.strips:
        for stretch in strip.lesions:
            u = np.array(stretch)
            v = np.interp(u, strip.relief.u, strip.relief.base)
            ends = strip.place.pixels(u, v, Window(1, 1, plan.mpp))
            lesions.append(np.rint(ends).astype(int).tolist())
    text = {
        "phantom": True,
        "note": MARK,
        "diagnosis": case.diagnosis,
        "stage": case.stage,
        "grades": case.grades,
        "lesions": lesions,
        "labels": LABELS,
        "label_scale": 16,
        "mpp": plan.mpp,
        "seed": plan.seed,
        "licence": "CC0-1.0",
    }
    write_text(out.with_suffix(".json"), json.dumps(text, indent=1) + "\n")
