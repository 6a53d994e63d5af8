"""The network in torch: on a GPU, and wherever a bundle's portable graph cannot be run."""

from __future__ import annotations

import os

import numpy as np
import torch

from nmevision.errors import ImageError
from nmevision.inference.memory import NO_ROOM, means_no_memory
from nmevision.networks.backbones import best_memory_format
from nmevision.networks.bundle import Bundle
from nmevision.networks.graph import Precision

BATCH = {"cpu": 8, "cuda": 32}
"""Images per forward pass by default; a CPU gains little from more."""


class TorchEngine:
    """A bundle's network on the GPU where there is one, else on the CPU.

    A GPU computes in bfloat16 where the bundle's check has found it sound, everything else in float32.
    batch_size: images per forward pass, BATCH by default; halved for good whenever memory does not suffice.
    """

    name = "torch"

    def __init__(self, bundle: Bundle, batch_size: int | None = None) -> None:
        self.views = bundle.info.network.views
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.batch_size = batch_size or BATCH[self.device]
        if self.device == "cuda":
            self._gpu = _own_gpu(torch.cuda.device_count())
            torch.cuda.set_device(self._gpu)
        graph = bundle.info.graph
        self._half = self.device == "cuda" and graph is not None and graph.allows("bfloat16")
        self.precision: Precision = "bfloat16" if self._half else "float32"
        network = bundle.network().to(self.device)
        self._layout = best_memory_format(self.device)
        self.network = network.to(memory_format=self._layout)

    def outputs(self, images: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return task -> float64 logits of N arrays float32 3 x H x W (N >= 1).

        A shorter batch is filled up with blanks: kernels are chosen by shape, so an image in the same place
        of its batch gets the same answer to the last digit whatever stands beside it.
        Raises ImageError where memory does not suffice for a single image.
        """
        parts: list[dict[str, np.ndarray]] = []
        done = 0
        while done < len(images):
            chunk = images[done : done + self.batch_size]
            blanks = [np.zeros_like(chunk[0])] * (self.batch_size - len(chunk))
            try:
                found = self._forward(np.stack(chunk + blanks))
                parts.append({task: values[: len(chunk)] for task, values in found.items()})
                done += len(chunk)
            except (RuntimeError, MemoryError) as problem:
                if not means_no_memory(problem):
                    raise
                self._shrink()
        return {task: np.concatenate([part[task] for part in parts]) for task in parts[0]}

    def _forward(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        tensor = torch.from_numpy(batch)
        if self.device == "cuda":
            torch.cuda.set_device(self._gpu)  # each thread has its own, the first until it is told
            tensor = tensor.pin_memory()
        tensor = tensor.to(self.device, non_blocking=True).contiguous(memory_format=self._layout)
        with torch.autocast(self.device, torch.bfloat16, enabled=self._half):
            found = self.network.outputs(tensor, self.views)
        return {task: values.numpy().astype(np.float64) for task, values in found.items()}

    def _shrink(self) -> None:
        """Halve the batch, or give up where it was one image."""
        if self.batch_size == 1:
            raise ImageError(NO_ROOM)
        self.batch_size //= 2
        if self.device == "cuda":
            torch.cuda.empty_cache()


def _own_gpu(count: int) -> int:
    """Return which of the `count` GPUs in sight is this process's: torchrun and srun number the processes of a machine."""
    local = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or "0"
    return int(local) % count if local.isdecimal() else 0
