"""How often the shortcut suite finds a planted confounder, and how often it cries wolf: a table over seeds.

    python scripts/shortcut_rates.py POOL [--images 128] [--seeds 20] [--strength 0.9] [--size 128]

POOL is a folder for phantom images (drawn once, then used again). Each seed draws patients of the pool and deals
them labels that the pictures know nothing of, so that whatever is read from a clean set is a false alarm; then one
confounder is planted in each image, with the given probability in positives and one minus it in negatives. Below, the
same with the phantoms' own diagnoses and no confounder: there the content tests may rightly ask for an explanation.
Phantoms are synthetic: the rates say how the tests work, nothing about disease.
"""

from __future__ import annotations

import argparse
import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmevision.evaluation.shortcuts import Check, read_all
from nmevision.journeys.shortcut_images import Looks, look_at, questions_of
from nmevision.manifest import Manifest, read_manifest
from nmevision.phantom.dataset import QUALITY, make
from nmevision.phantom.shortcuts import KINDS, plant

Bools = NDArray[np.bool_]
FOUND = ("flag", "explain")
POSITIVE = "nme"


def pool_of(folder: Path, modality: str, images: int, size: int) -> Manifest:
    """Return phantoms of a modality, drawn on first use."""
    where = folder / modality
    if not (where / "manifest.csv").exists():
        make(where, "histology" if modality == "histology" else "clinical", images, 5, size, 3)
    return read_manifest(where / "manifest.csv")


def looks_with(pool: Manifest, kind: str, folder: Path, modality: str) -> Looks:
    """Return what the readers see of every image of the pool, with a confounder or (kind "") without.

    Every image is saved once more, else saving itself would be the confounder.
    """
    paths = []
    for i, sample in enumerate(pool.samples()):
        with Image.open(sample.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        if kind:
            pixels = plant(kind, pixels, np.random.default_rng(i))[0]
        paths.append(folder / f"{i}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=QUALITY)
    return look_at(paths, modality)


def checks_of(looks: Looks, patients: NDArray[np.intp], positive: Bools, seed: int) -> list[Check]:
    """Return the suite's set tests for patients whose images are the rows of `looks`, grouped by `patients`."""
    return read_all(questions_of(looks, patients), positive, seed)


def mixed(clean: Looks, carried: Looks, carrying: Bools) -> Looks:
    """Return each image's look, with the confounder where it is carried."""
    return {name: np.where(carrying[:, None], carried[name], values) for name, values in clean.items()}


def rates(
    clean: Looks, planted: dict[str, Looks], patients: NDArray[np.intp], seeds: int, strength: float
) -> dict[str, list[list[str]]]:
    """Return, per confounder ("" for none) and seed, the names of the tests that found something."""
    n = int(patients.max()) + 1
    found: dict[str, list[list[str]]] = {kind: [] for kind in ("", *planted)}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        positive = rng.permutation(np.arange(n) < n // 3)
        carrying = rng.uniform(size=len(patients)) < np.where(positive[patients], strength, 1 - strength)
        for kind in found:
            looks = mixed(clean, planted[kind], carrying) if kind else clean
            checks = checks_of(looks, patients, positive, seed)
            found[kind].append([check.name for check in checks if check.verdict in FOUND])
    return found


def print_rates(title: str, found: dict[str, list[list[str]]], names: Sequence[str]) -> None:
    """Print one row per confounder: how often each test found it, and any of them."""
    print(f"\n{title}\n{'planted':14s}" + "".join(f"{name:>18s}" for name in names) + f"{'any':>8s}")
    for kind, runs in found.items():
        cells = [np.mean([name in run for run in runs]) for name in names]
        some = np.mean([bool(run) for run in runs])
        print(
            f"{kind or 'nothing':14s}" + "".join(f"{cell:18.0%}" for cell in cells) + f"{some:8.0%}",
            flush=True,
        )


def main() -> None:
    """Print the tables of both modalities."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool", type=Path)
    for name, default in (("images", 128), ("seeds", 20), ("size", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--strength", type=float, default=0.9)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for modality in ("histology", "clinical"):
        pool = pool_of(given.pool, modality, given.images, given.size)
        patients = np.unique(pool.cases, return_inverse=True)[1]
        n = int(patients.max()) + 1
        looks = {}
        for kind in ("", *KINDS):
            with tempfile.TemporaryDirectory() as folder:
                looks[kind] = looks_with(pool, kind, Path(folder), modality)
        clean, planted = looks[""], {kind: looks[kind] for kind in KINDS}
        names = [question.name for question in questions_of(clean, patients)]
        title = f"{modality}: {n} patients, a third positive by lot, strength {given.strength:g}, {given.seeds} seeds"
        print_rates(title, rates(clean, planted, patients, given.seeds, given.strength), names)
        diagnosis = np.array([pool.frame["diagnosis"][np.argmax(patients == p)] for p in range(n)])
        own = checks_of(clean, patients, diagnosis == POSITIVE, 0)
        print(f"the phantoms' own {POSITIVE} against the others, nothing planted:")
        for check in own:
            print(
                f"  {check.name:24s} {check.value:.2f} ({check.low:.2f} to {check.high:.2f})  {check.verdict}"
            )


if __name__ == "__main__":
    main()
