"""How long 2,000 bootstrap replicates take: scikit-learn in a loop, and this package's weighted statistics.

    python scripts/bench_statistics.py [--images 10000] [--patients 2000] [--resamples 2000] [--rounds 5]

Both sides resample patients within class with all their images, on one core. Prints median seconds of the
processor, so that other programs do not count, and their ratio. The loop is timed over a part of its
replicates and scaled up; the values of both sides are compared on that part: a fast wrong answer cannot win.
"""

from __future__ import annotations

import argparse
import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from nmevision.evaluation.clustered import (
    image_auroc_of,
    image_average_precision_of,
    image_calibration_error_of,
)
from nmevision.evaluation.intervals import resample
from nmevision.evaluation.metrics import mass_bins
from nmevision.evaluation.weighted import Statistic, auroc_of, average_precision_of

PART = 20
"""Replicates of the loop that are timed: one takes milliseconds, and all are alike."""


@dataclass(frozen=True)
class Images:
    """Images of patients, grouped: label and score per image, patient index per image."""

    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    patients: NDArray[np.intp]
    strata: NDArray[np.bool_]


def drawn(n_images: int, n_patients: int, share: float) -> Images:
    """Return seeded images of patients, `share` of them positive, scores alike within a patient."""
    generator = np.random.default_rng(0)
    strata = np.arange(n_patients) < share * n_patients
    patients = np.sort(generator.integers(0, n_patients, n_images - n_patients))
    patients = np.sort(np.concatenate([np.arange(n_patients), patients]))
    own = generator.normal(size=n_patients) + strata
    scores = 1 / (1 + np.exp(-(own[patients] + generator.normal(size=n_images))))
    return Images(strata[patients], scores, patients, strata)


def loop(images: Images, metric: Callable[..., float], weights: NDArray[np.float64]) -> list[float]:
    """Return the metric of each replicate the plain way: gather the drawn patients' images, score them."""
    rows = np.split(np.arange(len(images.labels)), np.flatnonzero(np.diff(images.patients)) + 1)
    values = []
    for weight in weights:
        index = np.concatenate([rows[p] for p in np.repeat(np.arange(len(rows)), weight.astype(int))])
        values.append(metric(images.labels[index], images.scores[index]))
    return values


def calibration(labels: NDArray[np.bool_], scores: NDArray[np.float64], edges: NDArray[np.float64]) -> float:
    """Return the expected calibration error over fixed edges, written out."""
    bins = np.searchsorted(edges, scores, side="right")
    gaps = [abs((labels[bins == b] - scores[bins == b]).sum()) for b in np.unique(bins)]
    return float(sum(gaps) / len(labels))


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median processor seconds of `rounds` runs: what other programs take does not count."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


@dataclass(frozen=True)
class Case:
    """One metric of some images: the plain function, and ours for any number of replicates."""

    name: str
    images: Images
    metric: Callable[..., float]
    make: Callable[[], Statistic]


def cases(images: Images) -> list[Case]:
    """Return what is timed: each metric over images with patients resampled, and over patients' means."""
    truth, scores, patients = images.labels, images.scores, images.patients
    bins = mass_bins(scores)
    edges = np.array([scores[bins == b].min() for b in range(1, int(bins.max()) + 1)])
    means = np.bincount(patients, scores) / np.bincount(patients)
    single = Images(images.strata, means, np.arange(len(means)), images.strata)
    outcome = truth.astype(np.float64)
    return [
        Case("AUROC, images", images, roc_auc_score, lambda: image_auroc_of(truth, scores, patients)),
        Case("AUROC, patients", single, roc_auc_score, lambda: auroc_of(single.labels, means)),
        Case(
            "AP, images",
            images,
            average_precision_score,
            lambda: image_average_precision_of(truth, scores, patients),
        ),
        Case(
            "AP, patients",
            single,
            average_precision_score,
            lambda: average_precision_of(single.labels, means),
        ),
        Case(
            "calibration error, images",
            images,
            lambda labels, p: calibration(labels, p, edges),
            lambda: image_calibration_error_of(outcome, scores, bins, patients),
        ),
    ]


def compare(case: Case, resamples: int, rounds: int) -> None:
    """Time both sides of one metric, check that they agree, print one line."""
    kept: list[NDArray[np.float64]] = []

    def keep(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        kept.append(weights)
        return weights[:, 0]

    strata = case.images.strata
    resample(strata, {"kept": keep}, PART, 0)
    weights = np.concatenate(kept)
    error = float(np.abs(case.make()(weights) - np.array(loop(case.images, case.metric, weights))).max())
    slow = seconds(lambda: loop(case.images, case.metric, weights), rounds) * resamples / PART
    fast = seconds(lambda: resample(strata, {"m": case.make()}, resamples, 0), rounds)
    times = f"loop {slow:8.3f} s   ours {fast:7.4f} s   {slow / fast:6.0f} x"
    print(f"  {case.name:28s} {times}   differs by {error:.1e}")


def main() -> None:
    """Print one line per metric and share of positives."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("images", 10_000), ("patients", 2_000), ("resamples", 2_000), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    print(f"{given.images} images of {given.patients} patients, {given.resamples} replicates, one core")
    for share in (0.1, 0.5):
        print(f"{share:.0%} of the patients positive")
        for case in cases(drawn(given.images, given.patients, share)):
            compare(case, given.resamples, given.rounds)
    print(
        f"largest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
