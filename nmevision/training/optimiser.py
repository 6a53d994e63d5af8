"""AdamW with layer-wise learning rates, warm-up and cosine decay; the average of the weights it visits."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch.callbacks import WeightAveraging
from timm.optim import param_groups_layer_decay
from torch.optim.lr_scheduler import LambdaLR

from nmevision.config import TrainSection
from nmevision.networks.classifier import Classifier

FLOOR = 0.01
"""The cosine ends at this share of the peak rate."""


def build_optimiser(network: Classifier, settings: TrainSection) -> torch.optim.AdamW:
    """Return AdamW whose rate falls by `layer_decay` per layer group below the heads.

    Biases and normalisation weights are not decayed. Layer groups are timm's (BEiT, arXiv:2106.08254).
    """
    learns = any(True for _ in network.backbone.parameters())
    groups = _layer_groups(network.backbone, settings) if learns else []
    groups.append({"params": list(network.heads.parameters()), "lr_scale": 1.0})
    for group in groups:
        group["lr"] = settings.lr * group.pop("lr_scale")
    return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)


def _layer_groups(backbone: torch.nn.Module, settings: TrainSection) -> list[dict[str, Any]]:
    """Return the backbone's parameter groups, each with its lr_scale and weight_decay."""
    exempt: Any = getattr(backbone, "no_weight_decay", tuple)
    keep = exempt()
    groups = param_groups_layer_decay(
        backbone, settings.weight_decay, no_weight_decay_list=keep, layer_decay=settings.layer_decay
    )
    wanted = ("params", "weight_decay", "lr_scale")
    return [{key: group[key] for key in wanted} for group in groups]


def warm_up_cosine(updates: int, warmup: float) -> Any:
    """Return the function update number -> share of the peak rate.

    >>> rate = warm_up_cosine(100, 0.1)
    >>> [round(rate(n), 2) for n in (0, 9, 10, 55, 100)]
    [0.1, 1.0, 1.0, 0.51, 0.01]
    """
    rising = round(updates * warmup)

    def share(update: int) -> float:
        if update < rising:
            return (update + 1) / rising
        progress = min(1.0, (update - rising) / max(1, updates - rising))
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress))

    return share


def build_schedule(optimiser: torch.optim.Optimizer, updates: int, warmup: float) -> LambdaLR:
    """Return the per-update schedule over `updates` optimiser steps."""
    return LambdaLR(optimiser, warm_up_cosine(updates, warmup))


def averaged_weights(decay: float) -> WeightAveraging:
    """Return the callback that keeps an exponential moving average of the weights and buffers.

    The decay of update n is at most (1 + n) / (10 + n), so that a short training does not end as an average
    over its random or pretrained start.
    """

    def average(averaged: torch.Tensor, current: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        kept = ((1 + n) / (10 + n)).clamp(max=decay)  # stays on the device: no waiting for it
        return kept * averaged + (1 - kept) * current

    return WeightAveraging(avg_fn=average)
