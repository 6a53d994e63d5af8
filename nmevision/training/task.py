"""The network as Lightning trains it: one step, one validation, nothing that is reported."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torchmetrics import MetricCollection, SumMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC

from nmevision.config import TrainSection
from nmevision.data.dataset import Batch
from nmevision.errors import RunError
from nmevision.grades import UNKNOWN
from nmevision.networks.backbones import best_memory_format
from nmevision.networks.classifier import Classifier
from nmevision.networks.tasks import DIAGNOSIS
from nmevision.training.losses import mix
from nmevision.training.objective import Objective, Outputs, ValidationSums
from nmevision.training.optimiser import build_optimiser, build_schedule


class ClassificationTask(L.LightningModule):
    """Trains a Classifier. The val_ figures steer; they are never reported.

    updates: optimiser steps in the whole training, for the schedule.
    seed: with the epoch and the step it fixes dropout and mixup, so that a resumed run repeats exactly.
    layout: how images are laid out in memory before they enter the network.
    """

    def __init__(
        self,
        network: Classifier,
        objective: Objective,
        settings: TrainSection,
        updates: int,
        seed: int,
        layout: torch.memory_format,
    ) -> None:
        super().__init__()
        self.network, self.objective, self.settings = network, objective, settings
        self.updates, self.seed, self.layout = updates, seed, layout
        classes = len(objective.diagnosis.weights)
        # not "warn": it would drop NaN and call 0 the best loss
        names = [field.name for field in fields(ValidationSums)]
        sums: dict[str, Any] = {name: SumMetric(nan_strategy="disable") for name in names}
        self.val_sums = MetricCollection(sums, compute_groups=False)  # equal at first is not the same
        self.val_accuracy = MulticlassAccuracy(classes, average="macro")
        self.val_auroc = MulticlassAUROC(classes, average="macro")

    def on_train_epoch_start(self) -> None:
        """Repeatable randomness, and head-first training while the first epochs last."""
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch * 1_009 + self.global_rank)
        self.network.frozen = self.current_epoch < self.settings.freeze_epochs
        self.network.train()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of one batch."""
        images, targets = batch
        if self.settings.mixup > 0:
            where = [self.seed, self.current_epoch, batch_index, self.global_rank]
            mixed = mix(images, targets, self.settings.mixup, np.random.default_rng(where))
            loss: Tensor = self.objective.mixed(self._outputs(mixed.images), mixed)
        else:
            loss = self.objective(self._outputs(images), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(targets), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Add one batch to the validation sums."""
        images, targets = batch
        outputs = self._outputs(images)
        sums = self.objective.validation(outputs, targets)
        for name, metric in self.val_sums.items():
            metric.update(getattr(sums, name))
        known = targets[:, 0] != UNKNOWN
        if known.any():
            for metric in (self.val_accuracy, self.val_auroc):
                metric.update(outputs[DIAGNOSIS][known].float(), targets[known, 0])

    def on_validation_epoch_end(self) -> None:
        """Log the validation figures over all processes, each sample counted once."""
        sums = ValidationSums(**{name: metric.compute() for name, metric in self.val_sums.items()})
        loss = self.objective.together(sums)
        if not torch.isfinite(loss):
            raise RunError(
                f"the validation loss of epoch {self.current_epoch + 1} is not a number: the training has "
                f"diverged; lower train.lr (now {self.settings.lr:g}) or raise train.warmup"
            )
        self.log("val_loss", loss, rank_zero_only=False, sync_dist=False)
        if sums.diagnosis_weight > 0:
            self.log("val_balanced_accuracy", self.val_accuracy.compute(), sync_dist=False)
            self.log("val_auroc", self.val_auroc.compute(), sync_dist=False)
        if sums.grades > 0:
            self.log("val_finding_loss", sums.findings / sums.grades, sync_dist=False)
        for metric in (self.val_sums, self.val_accuracy, self.val_auroc):
            metric.reset()

    def configure_optimizers(self) -> Any:
        """Return AdamW and its per-update schedule."""
        optimiser = build_optimiser(self.network, self.settings)
        schedule = build_schedule(optimiser, self.updates, self.settings.warmup)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _outputs(self, images: Tensor) -> Outputs:
        outputs: Outputs = self.network(images.contiguous(memory_format=self.layout))
        return outputs


def collect_outputs(
    network: Classifier, loader: Any, device: str, views: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return task -> float64 logits and the int64 targets of a loader in order, in float32 arithmetic."""
    network = network.to(device).eval()
    outputs: dict[str, list[np.ndarray]] = {}
    targets = []
    for images, batch_targets in loader:
        if images.ndim == 4:  # not features, which stand for images where the backbone is not trained
            images = images.contiguous(memory_format=best_memory_format(device))
        for task, logits in network.outputs(images.to(device), views).items():
            outputs.setdefault(task, []).append(logits.numpy().astype(np.float64))
        targets.append(batch_targets.numpy())
    return {task: np.concatenate(parts) for task, parts in outputs.items()}, np.concatenate(targets)
