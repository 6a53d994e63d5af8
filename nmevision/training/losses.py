"""The loss: cross-entropy with what helps rare classes, and mixup."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmevision.config import TrainSection
from nmevision.grades import UNKNOWN


@dataclass(frozen=True)
class Mixed:
    """A batch of blended images: `share` of `targets` and the rest of `partners`."""

    images: Tensor
    targets: Tensor
    partners: Tensor
    share: float


class BalancedCrossEntropy(nn.Module):
    """Cross-entropy for class counts as unequal as they come.

    counts: training samples per class (float, at least one each is assumed; absent classes get weight 0).
    balance: "weights" weighs each class by n / (k * n_class); "sampling" leaves training unweighted
        (the sampler balances) but weighs validation alike; "logits" adds the log class frequency while
        training, so that plain logits are free of it (Menon 2021, arXiv:2007.07314); "none" does nothing.
    """

    weights: Tensor
    prior: Tensor

    def __init__(self, counts: np.ndarray, balance: str, smoothing: float) -> None:
        super().__init__()
        present = counts > 0
        inverse = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 0.0)
        frequency = np.maximum(counts, 0.5) / counts.sum()
        self.balance, self.smoothing = balance, smoothing
        self.register_buffer("weights", torch.tensor(inverse, dtype=torch.float32), persistent=False)
        self.register_buffer("prior", torch.tensor(np.log(frequency), dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the training loss of float N x k logits and int64 N labels, -1 where unknown.

        The sum is divided by N, not by the weights met in this batch (they average 1 over the training
        set), so that small batches, accumulated steps and several processes ask the same of the network.
        """
        logits = logits.float()
        if self.balance == "logits":
            logits = logits + self.prior
        weights = self.weights if self.balance == "weights" else None
        smoothing = self.smoothing
        total = F.cross_entropy(
            logits, labels, weights, label_smoothing=smoothing, reduction="sum", ignore_index=UNKNOWN
        )
        return total / len(labels)

    def validation(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the summed weight, so that batches add up exactly.

        Where training is balanced in any way, so is this: each class weighs the same.
        """
        weights = torch.ones_like(self.weights) if self.balance == "none" else self.weights
        losses = F.cross_entropy(logits.float(), labels, reduction="none")
        return (losses * weights[labels]).sum(), weights[labels].sum()


def mix(images: Tensor, targets: Tensor, alpha: float, generator: np.random.Generator) -> Mixed:
    """Return the batch blended with a shuffled copy of itself; the share is drawn from Beta(alpha, alpha)."""
    share = float(generator.beta(alpha, alpha))
    partner = torch.from_numpy(generator.permutation(len(targets))).to(targets.device)
    return Mixed(share * images + (1 - share) * images[partner], targets, targets[partner], share)


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return float64 training samples per class; labels are int64, -1 where unknown."""
    return np.bincount(labels[labels != UNKNOWN], minlength=classes).astype(np.float64)


def sampling_weights(labels: np.ndarray, classes: int, settings: TrainSection) -> np.ndarray | None:
    """Return per-sample drawing weights for balanced sampling, None where it is not asked for.

    Samples without a diagnosis are drawn as often as those of one class more.
    """
    if settings.balance != "sampling":
        return None
    counts = np.append(class_counts(labels, classes), (labels == UNKNOWN).sum())
    return 1 / counts[labels]  # -1 picks the last
