"""The network as Lightning trains it: one step, one validation, nothing that is reported."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torchmetrics import SumMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC

from nmevision.config import TrainSection
from nmevision.data.dataset import Batch
from nmevision.errors import RunError
from nmevision.networks.backbones import best_memory_format
from nmevision.networks.classifier import DIAGNOSIS, Classifier
from nmevision.training.losses import BalancedCrossEntropy, mix
from nmevision.training.optimiser import build_optimiser, build_schedule


class ClassificationTask(L.LightningModule):
    """Trains a Classifier. The val_ figures steer; they are never reported.

    updates: optimiser steps in the whole training, for the schedule.
    seed: with the epoch and the step it fixes dropout and mixup, so that a resumed run repeats exactly.
    """

    def __init__(
        self, network: Classifier, loss: BalancedCrossEntropy, settings: TrainSection, updates: int, seed: int
    ) -> None:
        super().__init__()
        self.network, self.loss, self.settings = network, loss, settings
        self.updates, self.seed = updates, seed
        classes = len(loss.weights)
        self.val_sum = SumMetric(
            nan_strategy="disable"
        )  # the default would drop NaN and call 0 the best loss
        self.val_weight = SumMetric()
        self.val_accuracy = MulticlassAccuracy(classes, average="macro")
        self.val_auroc = MulticlassAUROC(classes, average="macro")

    def on_train_epoch_start(self) -> None:
        """Repeatable randomness, and head-first training while the first epochs last."""
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch * 1_009 + self.global_rank)
        self.network.frozen = self.current_epoch < self.settings.freeze_epochs
        self.network.train()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of one batch."""
        images, labels = batch
        if self.settings.mixup > 0:
            where = [self.seed, self.current_epoch, batch_index, self.global_rank]
            mixed = mix(images, labels, self.settings.mixup, np.random.default_rng(where))
            loss = self.loss.mixed(self._logits(mixed.images), mixed)
        else:
            loss = self.loss(self._logits(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Add one batch to the validation sums."""
        images, labels = batch
        logits = self._logits(images)
        total, weight = self.loss.validation(logits, labels)
        self.val_sum.update(total)
        self.val_weight.update(weight)
        self.val_accuracy.update(logits.float(), labels)
        self.val_auroc.update(logits.float(), labels)

    def on_validation_epoch_end(self) -> None:
        """Log the validation figures over all processes, each sample counted once."""
        loss = self.val_sum.compute() / self.val_weight.compute()
        if not torch.isfinite(loss):
            raise RunError(
                f"the validation loss of epoch {self.current_epoch + 1} is not a number: the training has "
                f"diverged; lower train.lr (now {self.settings.lr:g}) or raise train.warmup"
            )
        self.log("val_loss", loss, rank_zero_only=False, sync_dist=False)
        self.log("val_balanced_accuracy", self.val_accuracy.compute(), sync_dist=False)
        self.log("val_auroc", self.val_auroc.compute(), sync_dist=False)
        for metric in (self.val_sum, self.val_weight, self.val_accuracy, self.val_auroc):
            metric.reset()

    def configure_optimizers(self) -> Any:
        """Return AdamW and its per-update schedule."""
        optimiser = build_optimiser(self.network, self.settings)
        schedule = build_schedule(optimiser, self.updates, self.settings.warmup)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _logits(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=best_memory_format(images.device.type))
        return self.network(images)[DIAGNOSIS]


def collect_logits(network: Classifier, loader: Any, device: str) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 logits (n x k) and int64 labels (n) of a loader in order, in float32 arithmetic."""
    network = network.to(device).eval()
    logits, labels = [], []
    for images, batch_labels in loader:
        logits.append(network.logits(images.to(device)).numpy().astype(np.float64))
        labels.append(batch_labels.numpy())
    return np.concatenate(logits), np.concatenate(labels)
