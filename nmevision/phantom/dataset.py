"""A folder of synthetic images with its manifest, the same bytes for the same seed. Never evidence."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from PIL import Image

from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.files import atomic_path, write_text
from nmevision.phantom.clinical import draw_photo
from nmevision.phantom.histology import draw_field
from nmevision.phantom.profiles import DIAGNOSES

Modality = Literal["histology", "clinical"]

COMMENT = b"phantom: synthetic image, not a patient"
QUALITY = 92
IMAGES_PER_PATIENT = 2
MIN_IMAGES, MIN_SIZE, MIN_LABORATORIES = 8, 64, 2
"""Two images of one patient of each diagnosis; the least side that shows the layers; one laboratory to
learn from and an unseen one to be tested on."""
_FEW = 64  # fewer images than this are drawn sooner than worker processes start


@dataclass(frozen=True)
class Row:
    """One line of the manifest; the fields are its columns, in order."""

    id: str
    path: str
    modality: str
    diagnosis: str
    patient_id: str
    source: str
    licence: str
    split: str
    mpp: str
    phantom: str


@dataclass(frozen=True)
class _Task:
    """Everything a worker needs to draw and write one image."""

    path: Path
    modality: str
    diagnosis: str
    laboratory: int
    size: int
    seed: tuple[int, int]


def make(
    out: Path,
    modality: Modality,
    n: int,
    seed: int = 0,
    size: int = 224,
    laboratories: int = 4,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Write `n` synthetic images and their manifest into `out`; return the manifest's path.

    The diagnoses take turns patient by patient, and so do the laboratories, so that `8 * laboratories`
    images hold every diagnosis from every laboratory. All of the last laboratory is split "test".

    Args:
        out: folder to fill, without a manifest.csv yet; images/ and manifest.csv are written into it.
        modality: histology (H&E fields, one micrometre per pixel) or clinical (photos).
        n: images in total, at least 8; two per patient.
        seed: with the other arguments it decides every byte; `processes` does not.
        size: side in pixels, at least 64.
        laboratories: laboratories (histology) or cameras (clinical), at least 2.
        processes: workers; all cores by default, and none where the images are few.
        progress: called with the number of images written so far.

    Raises:
        DataError: an argument that cannot be used, a folder that holds a manifest already, or a worker
            process that ended.
    """
    out = Path(out)
    _check(out, modality, n, seed, size, laboratories, processes)
    rows = list(_rows(modality, n, laboratories))
    tasks = [
        _Task(
            out / row.path, modality, row.diagnosis, int(row.source.rpartition("-")[2]), size, (seed, index)
        )
        for index, row in enumerate(rows)
    ]
    (out / "images").mkdir(parents=True, exist_ok=True)
    for done, _ in enumerate(_run(tasks, processes), start=1):
        if progress is not None:
            progress(done)
    manifest = out / "manifest.csv"
    write_text(manifest, _as_csv(rows))
    return manifest


def _check(
    out: Path, modality: str, n: int, seed: int, size: int, laboratories: int, processes: int | None
) -> None:
    """Raise DataError for everything wrong with the arguments of `make`."""
    problems = Problems()
    known = get_args(Modality)
    if modality not in known:
        hint = did_you_mean(str(modality), known)
        problems.add(f"modality '{modality}' is unknown{hint}; expected {' or '.join(known)}")
    least = {
        "n (images)": (n, MIN_IMAGES),
        "seed": (seed, 0),
        "size (pixels)": (size, MIN_SIZE),
        "laboratories": (laboratories, MIN_LABORATORIES),
        "processes": (1 if processes is None else processes, 1),
    }
    for name, (value, low) in least.items():
        if value < low:
            problems.add(f"{name} is {value}; expected at least {low}")
    if n >= MIN_IMAGES and laboratories >= MIN_LABORATORIES:
        used = {row.source for row in _rows("clinical", n, laboratories)}
        if f"phantom-camera-{laboratories}" not in used:
            problems.add(
                f"{n} images are too few for {laboratories} laboratories: the last one, which is the test "
                "set, would have none; ask for more images or fewer laboratories"
            )
    if (out / "manifest.csv").exists():
        problems.add(f"{out} holds a manifest.csv already; choose another folder, or delete this one first")
    elif out.exists() and not out.is_dir():
        problems.add(f"{out} is a file; choose a folder")
    problems.raise_if_any(DataError, f"phantom images for {out}")


def _rows(modality: str, n: int, laboratories: int) -> Iterator[Row]:
    """Yield the manifest's rows: diagnoses and laboratories in a Latin square over the patients."""
    letter, place = ("h", "laboratory") if modality == "histology" else ("c", "camera")
    digits = max(4, len(str(n)))
    for index in range(n):
        patient = index // IMAGES_PER_PATIENT
        block, turn = divmod(patient, len(DIAGNOSES))
        laboratory = (turn + block) % laboratories + 1
        identity = f"phantom-{letter}-{index + 1:0{digits}d}"
        yield Row(
            id=identity,
            path=f"images/{identity}.jpg",
            modality=modality,
            diagnosis=DIAGNOSES[turn],
            patient_id=f"phantom-{letter}-patient-{patient + 1:0{digits}d}",
            source=f"phantom-{place}-{laboratory}",
            licence="CC0-1.0",
            split="test" if laboratory == laboratories else "",
            mpp="1.0" if modality == "histology" else "",
            phantom="true",
        )


def _run(tasks: list[_Task], processes: int | None) -> Iterator[None]:
    """Draw all tasks, yielding once per finished image in order."""
    workers = min(processes or os.cpu_count() or 1, len(tasks))
    if workers == 1 or len(tasks) < _FEW:
        for task in tasks:
            _draw(task)
            yield
        return
    # Spawned rather than forked: a fork copies the locks of threads that torch or OpenCV hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,))
    try:
        with pool:
            yield from pool.map(_draw, tasks, chunksize=4)
    except BrokenProcessPool:
        raise DataError(
            "a worker process ended while it drew phantom images: memory may be short, or the program that "
            "asked for them came from standard input or has no `if __name__ == '__main__':`; ask for "
            "processes=1"
        ) from None


def _draw(task: _Task) -> None:
    """Draw one image and write it, marked as a phantom, whole or not at all."""
    draw = draw_field if task.modality == "histology" else draw_photo
    pixels = draw(task.diagnosis, np.random.default_rng(task.seed), task.size, task.laboratory)
    with atomic_path(task.path) as temporary:
        Image.fromarray(pixels).save(temporary, format="JPEG", quality=QUALITY, comment=COMMENT)


def _as_csv(rows: list[Row]) -> str:
    """Return the rows as CSV text with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()
