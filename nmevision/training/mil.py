"""Learning from cases rather than images: a linear head over pooled features of a frozen network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmevision.config import TrainSection
from nmevision.errors import DataError, Problems
from nmevision.networks.mil import GatedAttention, absorb, pooled
from nmevision.progress import progress_bar
from nmevision.training.losses import BalancedCrossEntropy, class_counts

MOST_IMAGES = 4096
"""Images of one case that a training step looks at, drawn at random; bounds the memory."""


@dataclass(frozen=True)
class Bags:
    """Cases as bags of images. values: N x D features; bags: int64 N, which case; labels: int64 B."""

    values: NDArray[np.float32]
    bags: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass
class Fitted:
    """What was learned: the diagnosis' layer and, unless all images count alike, the attention; and when."""

    diagnosis: nn.Linear
    attention: GatedAttention | None
    epoch: int = 0
    loss: float = float("inf")

    @property
    def modules(self) -> nn.ModuleList:
        """Return all that learns."""
        return nn.ModuleList([self.diagnosis, *([self.attention] if self.attention else [])])

    def logits(self, values: Tensor, bags: Tensor, count: int) -> Tensor:
        """Return B x K logits of cases from the N x D features of their images."""
        scores = self.attention(values)[:, 0] if self.attention is not None else None
        return pooled(self.diagnosis(values), scores, bags, count)


def bags_of(values: NDArray[np.float32], cases: NDArray[Any], labels: NDArray[np.int64]) -> Bags:
    """Return cases in sorted order from the features, the case and the label of every image.

    Raises DataError naming the cases whose images have different labels.
    """
    names, bags = np.unique(cases.astype(str), return_inverse=True)
    low, high = np.full(len(names), np.iinfo(np.int64).max), np.full(len(names), -1)
    np.minimum.at(low, bags, labels)
    np.maximum.at(high, bags, labels)
    problems = Problems()
    for name in names[low != high]:
        problems.add(f"{name}: its images have different diagnoses; a case is learned under one")
    problems.raise_if_any(DataError, "cases")
    return Bags(np.asarray(values, np.float32), bags.astype(np.int64), low)


def fit_bags(
    train: Bags, val: Bags, classes: int, pooling: str, settings: TrainSection, dropout: float, seed: int
) -> Fitted:
    """Return what learned best, judged by the validation cases' loss; it takes features as they are.

    pooling: attention or mean. settings: epochs, batch_size (in cases), lr, weight_decay, balance, patience.
    The features are standardised within, by the training images.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    mean = torch.from_numpy(train.values.mean(axis=0))
    std = torch.from_numpy(np.maximum(train.values.std(axis=0), 1e-6))
    width = train.values.shape[1]
    fitted = Fitted(
        nn.Linear(width, classes), GatedAttention(width, dropout) if pooling == "attention" else None
    )
    nn.init.zeros_(fitted.diagnosis.weight)
    nn.init.zeros_(fitted.diagnosis.bias)
    loss = BalancedCrossEntropy(
        class_counts(train.labels, classes), settings.balance, settings.label_smoothing
    )
    optimiser = torch.optim.AdamW(
        fitted.modules.parameters(), settings.lr, weight_decay=settings.weight_decay
    )
    rows = np.argsort(train.bags, kind="stable")
    parts = np.split(rows, np.cumsum(np.bincount(train.bags))[:-1])
    best = copy.deepcopy(fitted)
    with progress_bar("learning from cases", settings.epochs) as step:
        for epoch in range(1, settings.epochs + 1):
            fitted.modules.train()
            order = rng.permutation(len(parts))
            for start in range(0, len(order), settings.batch_size):
                chosen = order[start : start + settings.batch_size]
                values, bags = _batch(train, [parts[i] for i in chosen], rng, mean, std)
                logits = fitted.logits(_dropped(values, dropout), bags, len(chosen))
                optimiser.zero_grad()
                loss(logits, torch.from_numpy(train.labels[chosen])).backward()
                optimiser.step()
            fitted.epoch, fitted.loss = epoch, _validation_loss(fitted, val, loss, mean, std)
            if fitted.loss < best.loss:
                best = copy.deepcopy(fitted)
            step(epoch)
            if settings.patience and epoch - best.epoch >= settings.patience:
                break
    for layer in (best.diagnosis, *((best.attention.content, best.attention.gate) if best.attention else ())):
        absorb(layer, mean, std)
    best.modules.eval()
    return best


def _batch(
    bags: Bags, parts: list[NDArray[np.int64]], rng: np.random.Generator, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the standardised features of some cases' images, and which case each is of."""
    some = [
        rng.choice(part, MOST_IMAGES, replace=False) if len(part) > MOST_IMAGES else part for part in parts
    ]
    values = torch.from_numpy(bags.values[np.concatenate(some)])
    which = torch.from_numpy(np.repeat(np.arange(len(some)), [len(part) for part in some]))
    return (values - mean) / std, which


def _dropped(values: Tensor, dropout: float) -> Tensor:
    return nn.functional.dropout(values, dropout) if dropout else values


@torch.no_grad()
def _validation_loss(
    fitted: Fitted, val: Bags, loss: BalancedCrossEntropy, mean: Tensor, std: Tensor
) -> float:
    """Return the loss over the validation cases, each class weighing as in training."""
    fitted.modules.eval()
    values = (torch.from_numpy(val.values) - mean) / std
    logits = fitted.logits(values, torch.from_numpy(val.bags), len(val.labels))
    total, weight = loss.validation(logits, torch.from_numpy(val.labels))
    return float(total / weight)
