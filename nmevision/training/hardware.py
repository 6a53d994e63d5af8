"""What this machine is fast at: device, number format and memory layout for training."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from nmevision.networks.backbones import best_memory_format

BF16, FP32 = "bf16-mixed", "32-true"
"""Lightning's words: weights stay float32 in both; bf16 is used inside convolutions and products."""
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
"""How images and activations lie in memory; the values are the same to the last digits."""


@dataclass(frozen=True)
class Hardware:
    """Where and how to train: Lightning's accelerator, number of devices and precision, and one of LAYOUTS."""

    accelerator: str
    devices: int
    precision: str
    layout: str = "channels_last"

    @property
    def memory_format(self) -> torch.memory_format:
        """Return the layout as torch names it."""
        return LAYOUTS[self.layout]

    @property
    def rank(self) -> int:
        """Return this process's number among all, 0 for the first (set by torchrun)."""
        return int(os.environ.get("RANK", "0"))

    @property
    def processes(self) -> int:
        """Return how many processes train together over all machines (set by torchrun)."""
        return int(os.environ.get("WORLD_SIZE", "1"))


def choose_hardware(accelerator: str = "auto", precision: str = "auto") -> Hardware:
    """Return the device and precision to use; "auto" takes the GPU where there is one, bf16 where hardware has it.

    Under torchrun the number of devices is the number of its local processes.
    """
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
        if accelerator == "cpu" and torch.backends.mps.is_available():
            accelerator = "mps"
    chosen = {"bf16": BF16, "fp32": FP32}.get(precision) or (BF16 if bf16_is_fast(accelerator) else FP32)
    layout = best_memory_format("cuda" if accelerator == "gpu" else accelerator)
    name = next(name for name, known in LAYOUTS.items() if known == layout)
    return Hardware(accelerator, int(os.environ.get("LOCAL_WORLD_SIZE", "1")), chosen, name)


def bf16_is_fast(accelerator: str) -> bool:
    """Tell whether bf16 products run in hardware: recent NVIDIA cards, CPUs with AMX or AVX512-BF16."""
    if accelerator == "gpu":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if accelerator == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    return False
