"""What the shortcut tests look at: descriptors of every image, and a model's answers to images that were altered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmevision.ahead import ahead
from nmevision.cores import usable_cores
from nmevision.data.ablations import ABLATIONS
from nmevision.data.artefacts import INSERTIONS, MODERATE, STRONG
from nmevision.data.fingerprint import FILE, GLASS, MARGIN, colours, container, frame, glass, margin, small
from nmevision.data.images import DEFAULT_MAX_PIXELS, Pixels, read_image
from nmevision.data.masks import lesion_masks, only_text, text_masks, without_lesion
from nmevision.errors import ImageError
from nmevision.evaluation.shortcuts import Question
from nmevision.inference.reader import Reader
from nmevision.manifest import Manifest
from nmevision.phantom.shortcuts import plant

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Looks = dict[str, Floats]
"""Descriptor -> images x numbers; a row of NaN where the image cannot be read."""

PLANTED = {
    "watermark": MODERATE, "ruler": MODERATE, "pen_ring": MODERATE, "border": MODERATE,
    "colour_shift": STRONG, "resolution": STRONG, "jpeg_quality": STRONG,
}  # fmt: skip
"""Confounders of nmevision.phantom.shortcuts that are inserted too, and the share of images that may change sides."""
BEYOND, LETTERS = "around the lesion", "text only"
_QUESTIONS = {
    "container": ("L4", "file", "the file: its size in pixels, its JPEG, black corners", False, FILE),
    "margin": ("L4", "margin's sharpness", "how sharp, noisy and white the outer seventh is", True, MARGIN),
    "glass": ("L8", "empty glass", "colour, level and noise of the slide's empty glass", False, GLASS),
    "frame": ("L8", "frame", "the outer tenth of the image", True, ()),
    "thumbnail": ("L8", "thumbnail", "16 x 16 cells of mean colour", True, ()),
    "colours": ("L8", "colours", "the shares of 216 colours, without any place", True, ()),
}  # fmt: skip


def look_at(
    paths: Sequence[Path],
    modality: str,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int], None] | None = None,
) -> Looks:
    """Return the descriptors of image files. modality: clinical or histology, which alone has empty glass."""
    rows = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for done, row in enumerate(
            pool.map(partial(_look, modality=modality, max_pixels=max_pixels), paths), 1
        ):
            rows.append(row)
            if progress is not None:
                progress(done)
    whole = next((row for row in rows if row is not None), {})
    return {
        name: np.stack([values * np.nan if row is None else row[name] for row in rows])
        for name, values in whole.items()
    }


def _look(path: Path, modality: str, max_pixels: int) -> dict[str, Floats] | None:
    try:
        pixels = read_image(path, max_pixels).pixels
    except ImageError:
        return None
    found = {
        "container": container(path, pixels),
        "margin": margin(path, pixels),
        "frame": frame(pixels),
        "thumbnail": small(pixels),
        "colours": colours(pixels),
    }
    return found | {"glass": glass(pixels)} if modality == "histology" else found


def mean_by(values: Floats, patients: Ints) -> Floats:
    """Return the mean over each patient's images (n x D -> patients x D); what an image lacks (NaN) is left out."""
    known = ~np.isnan(values)
    shape = (int(patients.max()) + 1, values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, patients, np.where(known, values, 0))
    np.add.at(counts, patients, known)
    return np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)


def questions_of(looks: Looks, patients: Ints) -> list[Question]:
    """Return what is asked of the set: can the label be read from how an image was made, its frame, its colours?"""
    found = []
    for key, (test, name, holds, may_show, columns) in _QUESTIONS.items():
        if key in looks:
            features = mean_by(looks[key], patients)
            if not np.isnan(features).all():
                found.append(Question(test, name, holds, features, may_show, columns))
    return found


@dataclass(frozen=True)
class Variant:
    """One way in which every image is altered before the model sees it; `of` gets the image's number and a generator."""

    test: str
    name: str
    of: Callable[[Pixels, int, np.random.Generator], Pixels]
    left: str = ""
    holds_disease: bool = False
    budget: float = 0.0


def masked_variants(manifest: Manifest, modality: str) -> tuple[list[Variant], dict[str, str]]:
    """Return the ablations that need masks and can be made of these images, and why the others cannot, by name.

    Of sections without masks nothing is said: their empty glass is an ablation that needs none.
    """
    found: list[Variant] = []
    missing: dict[str, str] = {}
    lesions, letters = lesion_masks(manifest), text_masks(manifest)
    whole = [path for path in lesions if path is not None]
    if len(whole) == len(lesions):
        found.append(
            Variant(
                "L8", BEYOND, partial(_beyond, masks=whole), "what lies around the lesion, which is covered"
            )
        )
    elif modality == "clinical":
        missing[BEYOND] = (
            f"not estimable: {len(lesions) - len(whole)} of {len(lesions)} images have no mask of the lesion"
        )
    if letters is not None:
        found.append(Variant("L8", LETTERS, partial(_letters, masks=letters), "the letters in the image"))
    else:
        missing[LETTERS] = "not estimable: no masks of letters; most lie in the frame, which is tested"
    return found, missing


def _beyond(pixels: Pixels, index: int, rng: np.random.Generator, masks: Sequence[Path]) -> Pixels:
    return without_lesion(pixels, masks[index])


def _letters(pixels: Pixels, index: int, rng: np.random.Generator, masks: Sequence[Path | None]) -> Pixels:
    return only_text(pixels, masks[index])


def variants(modality: str) -> list[Variant]:
    """Return every ablation (L8) and insertion (L9) that makes sense for a modality."""
    found = [
        Variant(
            "L8",
            name,
            partial(_ablated, of=ablation.of),
            ablation.left,
            ablation.holds_disease,
        )
        for name, ablation in ABLATIONS.items()
        if ablation.only in ("", modality)
    ]
    found += [
        Variant("L9", name, partial(_inserted, of=insertion.of), budget=insertion.budget)
        for name, insertion in INSERTIONS.items()
        if insertion.only in ("", modality)
    ]
    return found + [
        Variant("L9", name.replace("_", " "), partial(_planted, kind=name), budget=b)
        for name, b in PLANTED.items()
    ]


def _ablated(pixels: Pixels, index: int, rng: np.random.Generator, of: Callable[[Pixels], Pixels]) -> Pixels:
    return of(pixels)


def _inserted(
    pixels: Pixels, index: int, rng: np.random.Generator, of: Callable[[Pixels, np.random.Generator], Pixels]
) -> Pixels:
    return of(pixels, rng)


def _planted(pixels: Pixels, index: int, rng: np.random.Generator, kind: str) -> Pixels:
    return plant(kind, pixels, rng)[0]


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers. probabilities: "" (the image as it is) and variant -> n x K; features: n x D; NaN: unreadable."""

    probabilities: Mapping[str, Floats]
    features: Floats


def answers_of(
    reader: Reader,
    paths: Sequence[Path],
    altered: Sequence[Variant],
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int], None] | None = None,
) -> Answers:
    """Return a model's answers to images as they are and in every variant; one image is in memory at a time."""
    rows: list[tuple[Floats, Floats] | None] = []
    with _shown(paths, altered, max_pixels) as shown:
        for done, images in enumerate(shown, 1):
            rows.append(None if images is None else reader(images))
            if progress is not None:
                progress(done)
    shape = next((row for row in rows if row is not None), None)
    if shape is None:
        raise ImageError("no image could be read; `nmevision data check` says why")
    blank = tuple(part * np.nan for part in shape)
    probabilities = np.stack([(row or blank)[0] for row in rows])
    names = ["", *(variant.name for variant in altered)]
    return Answers(
        {name: probabilities[:, i] for i, name in enumerate(names)},
        np.stack([(row or blank)[1][0] for row in rows]),
    )


def _shown(
    paths: Sequence[Path], altered: Sequence[Variant], max_pixels: int
) -> AbstractContextManager[Iterator[list[Pixels] | None]]:
    """Give every image with its variants (None: unreadable), in order; a few are made ready beforehand."""

    def make(index: int) -> list[Pixels] | None:
        try:
            pixels = read_image(paths[index], max_pixels).pixels
        except ImageError:
            return None
        made = (v.of(pixels, index, np.random.default_rng([index, i])) for i, v in enumerate(altered))
        return [pixels, *made]

    return ahead(make, range(len(paths)), usable_cores(), 2 * usable_cores())
