"""Feeding the network: which sample comes when, the same in any number of processes and after a resume."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from nmevision.cores import usable_cores
from nmevision.training.material import Samples

Key = tuple[int, int]
MAX_WORKERS = 8
"""More decoding processes than this rarely help one GPU and cost memory."""
LESS_URGENT = 10
"""Niceness of decoding beside a network on the same cores: it fills what the network leaves, instead of halting its
threads in the middle of a product for which the others then wait."""


class EpochSampler(Sampler[list[Key]]):
    """Yields batches of (position, augmentation seed) that depend only on seed, epoch and position.

    The global batch of each step is cut into equal slices, one per process, so that any number of
    processes sees the same steps. Incomplete last batches are left out (another epoch draws anew).

    weights: with them, samples are drawn with replacement in proportion (balanced sampling).
    batch: images per step over all processes; a multiple of `processes`.
    """

    def __init__(
        self,
        n: int,
        batch: int,
        seed: int,
        weights: np.ndarray | None = None,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.n, self.seed, self.weights = n, seed, weights
        self.batch = max(processes, min(batch, n) // processes * processes)
        self.rank, self.processes = rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the trainer calls this before each one, after a resume too."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, self.n // self.batch)

    def __iter__(self) -> Iterator[list[Key]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        if self.weights is None:
            order = np.resize(rng.permutation(self.n), len(self) * self.batch)
        else:
            shares = self.weights / self.weights.sum()
            order = rng.choice(self.n, size=len(self) * self.batch, p=shares)
        seeds = rng.integers(2**31, size=len(order))
        share = self.batch // self.processes
        for start in range(self.rank * share, len(order), self.batch):
            chosen = slice(start, start + share)
            yield list(zip(order[chosen].tolist(), seeds[chosen].tolist(), strict=True))


def training_loader(dataset: Samples, sampler: EpochSampler, workers: int) -> DataLoader[Any]:
    """Return the loader of varied training images in the sampler's order."""
    return DataLoader(dataset, batch_sampler=sampler, **_worker_options(workers, len(dataset)))


def plain_loader(
    dataset: Samples, batch: int, workers: int, rank: int = 0, processes: int = 1
) -> DataLoader[Any]:
    """Return the loader of every `processes`-th image from `rank` on, each once, in order, unvaried."""
    mine = range(rank, len(dataset), processes)
    return DataLoader(
        torch.utils.data.Subset[Any](dataset, mine),
        batch_size=batch,
        **_worker_options(workers, len(dataset)),
    )


def resolve_workers(wanted: int, processes: int = 1) -> int:
    """Return how many decoding processes to start; -1 means the cores shared out, at most MAX_WORKERS."""
    if wanted >= 0:
        return wanted
    return min(MAX_WORKERS, max(1, usable_cores() // processes))


def _worker_options(workers: int, n: int) -> dict[str, Any]:
    """Return DataLoader options; small sets are decoded in the training process itself."""
    if workers == 0 or n < 16:
        return {"num_workers": 0}
    pinned = torch.cuda.is_available()
    return {
        "num_workers": workers,
        "persistent_workers": True,
        "pin_memory": pinned,
        "prefetch_factor": 4,
        "worker_init_fn": _modest,
    }


def _modest(_: int) -> None:
    """Keep one decoding process from fighting with the network: no threads of its own, and less urgent on its cores."""
    import cv2

    if hasattr(os, "nice") and not torch.cuda.is_available():
        os.nice(LESS_URGENT)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
