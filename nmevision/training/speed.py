"""In which number format and memory layout this machine trains one network fastest: measured once, then remembered."""

from __future__ import annotations

import copy
import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmevision.config import ExperimentConfig, TrainSection
from nmevision.cores import usable_cores
from nmevision.files import sha256_of_text, user_cache, write_json
from nmevision.networks.classifier import Classifier
from nmevision.training.hardware import BF16, FP32, LAYOUTS, Hardware, bf16_is_fast
from nmevision.training.optimiser import build_optimiser

IMAGES = 8
"""Of the batch that is timed, at most: with memory kept as `nmevision train` keeps it, ResNet-18 and MobileNetV2 were given
the same at 8, 16 and 32, and more take as many times longer."""
SECONDS = 5.0
"""After which neither another layout nor a third step is begun: bf16 and fp32 in channels-last matter most."""
BUSY = 1.5
"""Processes per core that compute, beyond which the speed is that of a crowd: it is used once and not remembered."""
WORTH = 1.1
"""How many times faster a way must be to be taken before a plainer one, so that chance does not decide."""
PLAINEST_FIRST = [(precision, layout) for precision in (FP32, BF16) for layout in LAYOUTS]
"""All ways: full precision before half, the usual layout before the other."""
Rates = dict[str, float]
"""Precision and layout in words -> training images per second."""


def fastest(hardware: Hardware, network: Classifier, config: ExperimentConfig, side: int) -> Hardware:
    """Return how to train `network` fastest on this machine's CPU, and print why; what is settled stays.

    The network keeps its weights, and the random numbers that follow are those that would have followed.
    side: of the network's input, pixels.
    """
    if hardware.accelerator != "cpu" or config.train.precision != "auto":
        return hardware
    facts: dict[str, Any] = {
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "network": config.model.backbone,
        "frozen_layers": config.train.freeze_layers,
        "image_size": side,
        "batch": config.train.batch_size // hardware.processes,
    }
    memory = user_cache() / "training-speed" / f"{sha256_of_text(json.dumps(facts))[:16]}.json"
    rates = _recalled(memory, facts)
    said = f"measured before; remove {memory} to measure again"
    if rates is None:
        rates, said = measure(network, config.train, side, facts["batch"]), "measured"
        if not _busy():
            _remember(memory, facts, rates)
    chosen = choose(rates)
    print(f"training images/s ({said}): " + ", ".join(f"{way} {rate:.1f}" for way, rate in rates.items()))
    return replace(hardware, precision=chosen[0], layout=chosen[1])


def choose(rates: Rates) -> tuple[str, str]:
    """Return the precision and layout to take: the plainest of which no other is WORTH times faster.

    >>> choose({"32-true channels_last": 28.0, "bf16-mixed channels_last": 29.0})
    ('32-true', 'channels_last')
    >>> choose({"32-true channels_last": 28.0, "bf16-mixed channels_last": 75.0, "bf16-mixed contiguous": 60.0})
    ('bf16-mixed', 'channels_last')
    """
    known = [way for way in PLAINEST_FIRST if " ".join(way) in rates]
    best = known[0]
    for way in known[1:]:
        if rates[" ".join(way)] > WORTH * rates[" ".join(best)]:
            best = way
    return best


def measure(network: Classifier, settings: TrainSection, side: int, batch: int) -> Rates:
    """Return the speed of whole training steps on random images; bf16 only where the CPU computes in it.

    batch: images per step of the training; at most IMAGES of them are timed.
    """
    ways = [way for way in reversed(PLAINEST_FIRST) if way[0] == FP32 or bf16_is_fast("cpu")]
    ways.sort(key=lambda way: way[1] != "channels_last")
    rates: Rates = {}
    started = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        images = torch.randn(max(2, min(IMAGES, batch)), 3, side, side)
        for precision, layout in ways:
            if layout == "channels_last" or time.perf_counter() - started < SECONDS:
                rates[f"{precision} {layout}"] = round(_rate(network, settings, images, precision, layout), 2)
    return rates


def _rate(network: Classifier, settings: TrainSection, images: Tensor, precision: str, layout: str) -> float:
    """Return images per second of the best of two steps (of one, where steps are long), after one that is not counted."""
    copied = copy.deepcopy(network).to(memory_format=LAYOUTS[layout]).train()
    images = images.contiguous(memory_format=LAYOUTS[layout])
    optimiser = build_optimiser(copied, settings)
    times: list[float] = []
    while len(times) < 2 or (len(times) < 3 and sum(times) < SECONDS / 2):
        started = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == BF16):
            outputs = copied(images)
        torch.stack([values.float().square().mean() for values in outputs.values()]).sum().backward()
        optimiser.step()
        times.append(time.perf_counter() - started)
    return len(images) / min(times[1:])


def _recalled(memory: Path, facts: dict[str, Any]) -> Rates | None:
    """Return what was measured under the very same facts, None where nothing sound is there."""
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
        rates = {str(way): float(rate) for way, rate in content["images_per_second"].items()}
        return rates if content["facts"] == facts and choose(rates) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None


def _remember(memory: Path, facts: dict[str, Any], rates: Rates) -> None:
    with suppress(OSError):  # no home folder to write to: the next training measures again
        write_json(memory, {"facts": facts, "images_per_second": rates})


def _busy() -> bool:
    """Tell whether more programs want this machine's cores than there are."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > BUSY * usable_cores()


def _cpu_name() -> str:
    """Return the processor's model as the system names it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8", errors="replace").splitlines() if table.is_file() else []
    for line in lines:
        if line.startswith(("model name", "CPU part")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
