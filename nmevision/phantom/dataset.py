"""A folder of synthetic images with its manifest, the same bytes for the same seed. Never evidence."""

from __future__ import annotations

import csv
import io
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmevision.cores import usable_cores
from nmevision.errors import DataError, Problems, did_you_mean
from nmevision.files import atomic_path, write_text
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.phantom import photo_grades
from nmevision.phantom.clinical import draw_ita, draw_photo
from nmevision.phantom.dataset_rows import IMAGES_PER_PATIENT, Row, manifest_rows, share_off_surface
from nmevision.phantom.histology import Field, draw_field
from nmevision.phantom.photo_truth import write_photo_truth
from nmevision.phantom.profiles import DIAGNOSES, drawn_diagnoses
from nmevision.phantom.section_truth import write_truth
from nmevision.phantom.shortcuts import Shortcut, plant
from nmevision.phantom.views import OFF_SURFACE, View, draw_view, label_of

Modality = Literal["histology", "clinical"]

COMMENT = b"phantom: synthetic image, not a patient"
QUALITY = 92
MIN_IMAGES, MIN_SIZE, MIN_LABORATORIES = 8, 64, 2
"""Two images of one patient of each diagnosis; the least side that shows the layers; one laboratory to
learn from and an unseen one to be tested on."""
SIZES: dict[str, int] = {"histology": 512, "clinical": 384}
"""Side of an image in pixels where none is asked for."""
MPP = (0.25, 2.0)
"""Least and greatest micrometres per pixel of an H&E field."""
TONES = (1, 2, 3, 4, 5, 6)
_TONE, _SHORTCUT, _VIEW = 1, 2, 3  # what a second generator of the same seed is for
_FEW = 64  # fewer images than this are drawn sooner than worker processes start


@dataclass(frozen=True)
class _Task:
    """Everything a worker needs to draw and write one image."""

    path: Path
    modality: str
    diagnosis: str
    laboratory: int
    size: int
    seed: tuple[int, int]
    ita: float
    shortcut: Shortcut | None
    first: bool
    mpp: float
    artefacts: float
    off_surface: float


def make(
    out: Path,
    modality: Modality,
    n: int,
    seed: int = 0,
    size: int | None = None,
    laboratories: int = 4,
    processes: int | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    mpp: float = 1.0,
    artefacts: float = 0.0,
    diagnoses: Sequence[str] = DIAGNOSES,
    unseen_tones: Sequence[int] = (),
    shortcut: Shortcut | None = None,
    off_surface: float = OFF_SURFACE,
) -> Path:
    """Write `n` synthetic images and their manifest into `out`; return the manifest's path.

    The diagnoses take turns patient by patient, and so do the laboratories, so that `8 * laboratories`
    images hold every diagnosis from every laboratory. All of the last laboratory is split "test". An H&E field
    off the surface carries no diagnosis, but that of normal skin; its grades and field marks say what it shows.

    Args:
        out: folder to fill, without a manifest.csv yet; images/ and manifest.csv are written into it.
        modality: histology (H&E fields) or clinical (photos).
        n: images in total, at least 8; two per patient.
        seed: with the other arguments it decides every byte; `processes` does not.
        size: side in pixels, at least 64; `SIZES` by default.
        laboratories: laboratories (histology) or cameras (clinical), at least 2.
        processes: workers; all cores by default, and none where the images are few.
        progress: called with the number of images written so far.
        mpp: H&E: micrometres per pixel, 0.25 to 2. artefacts: H&E: chance of each kind of artefact, 0 to 1.
        diagnoses: which to draw, of `drawn`; the first is the one that a shortcut goes with. One that is named
            twice is drawn twice as often.
        unseen_tones: photos: Fitzpatrick types (1 to 6) of the test set alone; all are everywhere by default.
        shortcut: a confounder to plant, in the test set too; see `shortcuts`.
        off_surface: H&E: share of fields off the surface (see `views`), 0 to 0.5; twice as many of normal skin.

    Raises:
        DataError: an argument that cannot be used, a folder that holds a manifest already, or a worker
            process that ended.
    """
    out = Path(out)
    size = SIZES.get(modality, MIN_SIZE) if size is None else size
    shares = {"artefacts": (artefacts, 1.0), "off_surface": (off_surface, 0.5)}
    _check(out, modality, n, seed, size, laboratories, processes, diagnoses, unseen_tones, mpp, shares)
    rows = list(manifest_rows(modality, n, laboratories, diagnoses, mpp))
    tasks = []
    for index, row in enumerate(rows):
        laboratory = int(row.source.rpartition("-")[2])
        tied_to_source = shortcut is not None and shortcut.tied == "source"
        first = laboratory == 1 if tied_to_source else row.diagnosis == diagnoses[0]
        ita = _tone([seed, index // IMAGES_PER_PATIENT, _TONE], unseen_tones, row.split == "test")
        picture = (out / row.path, modality, row.diagnosis, laboratory, size, (seed, index), ita)
        share = share_off_surface(row.diagnosis, index, off_surface)
        tasks.append(_Task(*picture, shortcut, first, mpp, artefacts, share))
    return _fill(out, rows, tasks, processes, progress)


def _fill(
    out: Path,
    rows: list[Row],
    tasks: list[_Task],
    processes: int | None,
    progress: Callable[[int], None] | None,
) -> Path:
    """Draw all tasks into the folder and write the manifest last; return its path."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for row, columns in zip(rows, _run(tasks, processes), strict=True):
        lines.append(asdict(row) | columns)  # the columns take the diagnosis away where nothing shows it
        if progress is not None:
            progress(len(lines))
    manifest = out / "manifest.csv"
    write_text(manifest, _as_csv(lines))
    return manifest


def _tone(seed: list[int], unseen: Sequence[int], is_test: bool) -> float:
    """Return the typology angle of one patient's skin in degrees."""
    rng = np.random.default_rng(seed)
    tones = [tone for tone in TONES if not unseen or (tone in unseen) == is_test]
    return draw_ita(rng, int(rng.choice(tones)))


def _check(
    out: Path,
    modality: str,
    n: int,
    seed: int,
    size: int,
    laboratories: int,
    processes: int | None,
    diagnoses: Sequence[str],
    unseen_tones: Sequence[int],
    mpp: float,
    shares: Mapping[str, tuple[float, float]],
) -> None:
    """Raise DataError for everything wrong with the arguments of `make`."""
    problems = Problems()
    known = get_args(Modality)
    if modality not in known:
        hint = did_you_mean(str(modality), known)
        problems.add(f"modality '{modality}' is unknown{hint}; expected {' or '.join(known)}")
    _check_choices(modality, diagnoses, unseen_tones, problems)
    least = {
        "n (images)": (n, max(MIN_IMAGES, IMAGES_PER_PATIENT * len(diagnoses))),
        "seed": (seed, 0),
        "size (pixels)": (size, MIN_SIZE),
        "laboratories": (laboratories, MIN_LABORATORIES),
        "processes": (1 if processes is None else processes, 1),
    }
    if not MPP[0] <= mpp <= MPP[1]:
        problems.add(f"mpp (micrometres per pixel) is {mpp}; expected {MPP[0]} to {MPP[1]}")
    for name, (share, most) in shares.items():
        if not 0 <= share <= most:
            problems.add(f"{name} is {share}; expected a share from 0 to {most:g}")
    for name, (value, low) in least.items():
        if value < low:
            problems.add(f"{name} is {value}; expected at least {low}")
    if n >= MIN_IMAGES and laboratories >= MIN_LABORATORIES:
        used = {row.source for row in manifest_rows("clinical", n, laboratories, diagnoses or DIAGNOSES, mpp)}
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


def drawn(modality: str) -> tuple[str, ...]:
    """Return the diagnoses that can be drawn in a modality; `DIAGNOSES` are drawn where none are asked for."""
    if modality == "histology":
        return drawn_diagnoses()
    return photo_grades.DIAGNOSES if modality == "clinical" else ()


def _check_choices(
    modality: str, diagnoses: Sequence[str], unseen_tones: Sequence[int], problems: Problems
) -> None:
    """Add what is wrong with the diagnoses and the tones asked for."""
    known = drawn(modality)
    for name in [d for d in diagnoses if known and d not in known]:
        hint = did_you_mean(name, known)
        problems.add(f"diagnosis '{name}' is not drawn in {modality}{hint}; there are: {', '.join(known)}")
    if not diagnoses:
        problems.add("no diagnosis to draw; expected one or more")
    strange = [str(tone) for tone in unseen_tones if tone not in TONES]
    if strange or set(unseen_tones) >= set(TONES):
        problems.add(f"unseen tones {', '.join(map(str, unseen_tones))}; expected some, not all, of 1 to 6")
    if unseen_tones and modality == "histology":
        problems.add("unseen tones are for photos; leave them out for histology")


def _run(tasks: list[_Task], processes: int | None) -> Iterator[dict[str, str]]:
    """Draw all tasks, yielding the further columns of each finished image in order."""
    workers = min(processes or usable_cores(), len(tasks))
    if workers == 1 or len(tasks) < _FEW:
        for task in tasks:
            yield _draw(task)
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


def _draw(task: _Task) -> dict[str, str]:
    """Draw one image and write it, marked as a phantom, with its truth; return its further columns."""
    rng = np.random.default_rng(task.seed)
    quality = QUALITY
    if task.modality == "histology":
        place = (task.size, task.laboratory)
        view = draw_view(np.random.default_rng([*task.seed, _VIEW]), task.diagnosis, task.off_surface)
        field = draw_field(task.diagnosis, rng, *place, mpp=task.mpp, artefacts=task.artefacts, view=view)
        pixels, columns, quality = field.pixels, _field_columns(field, task, view), field.quality
        write_truth(field.truth, task.path.parent.parent / "truth", task.path.stem)
    else:
        photo = draw_photo(task.diagnosis, rng, task.size, task.laboratory, ita=task.ita)
        pixels, columns = photo.pixels, write_photo_truth(photo.truth, task.path)
    if task.shortcut is not None:
        pixels, columns["shortcut"] = _with_shortcut(task, task.shortcut, pixels)
    with atomic_path(task.path) as temporary:
        Image.fromarray(pixels).save(temporary, format="JPEG", quality=quality, comment=COMMENT)
    return columns


def _field_columns(field: Field, task: _Task, view: View) -> dict[str, str]:
    """Return the further columns of an H&E field: what it shows, and the grades of what it shows."""
    label = label_of(view, task.diagnosis, field.truth)
    kinds = [name.removeprefix("artefact_") for name in field.truth.masks if name.startswith("artefact_")]
    columns = {
        "diagnosis": label,
        "stage": field.case.stage if label else "",
        "view": view.kind,
        "epidermis_um": f"{field.epidermis_um:.0f}",
        "laboratory": str(task.laboratory),
        "seed": "-".join(map(str, task.seed)),
        "artefacts": " ".join(kinds),
    }
    columns |= {f"{FIELD_PREFIX}{key}": str(int(seen)) for key, seen in field.marks.items()}
    return columns | {
        f"{FINDING_PREFIX}{key}": "" if grade is None else str(grade) for key, grade in field.grades.items()
    }


def _with_shortcut(
    task: _Task, shortcut: Shortcut, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], str]:
    """Return the image with its shortcut, whose mask is written beside it, and the cell of its column."""
    rng = np.random.default_rng([*task.seed, _SHORTCUT])  # the picture is the same with and without
    if not shortcut.carried(task.first, rng):
        return pixels, ""
    planted, mask = plant(shortcut.kind, pixels, rng)
    with atomic_path(task.path.parent.parent / "truth" / f"{task.path.stem}-shortcut.png") as temporary:
        Image.fromarray(mask.astype(np.uint8) * 255).save(temporary, format="PNG")
    return planted, shortcut.kind


def _as_csv(lines: list[dict[str, str]]) -> str:
    """Return the rows as CSV text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
