"""The callbacks that shape the result: averaged weights, checkpoints, early stopping."""

from __future__ import annotations

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from nmevision.config import TrainSection
from nmevision.training.optimiser import averaged_weights
from nmevision.training.run_folder import RunFolder


class Patience(EarlyStopping):
    """Stops after `epochs` without a smaller val_loss; a run resumed after that does not begin another."""

    def __init__(self, epochs: int) -> None:
        super().__init__("val_loss", patience=epochs, mode="min", check_on_train_epoch_end=True)

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Stop at once where the checkpoint says that patience had run out."""
        trainer.should_stop = self.wait_count >= self.patience


def shaping_callbacks(settings: TrainSection, run: RunFolder) -> list[L.Callback]:
    """Return the callbacks of one run, in the order they must be called in."""
    callbacks: list[L.Callback] = []
    if settings.ema:
        callbacks.append(averaged_weights(settings.ema))
    if settings.patience:
        callbacks.append(Patience(settings.patience))
    for name, monitor in (("best", "val_loss"), ("last", None)):  # "last" knows of "best", so it is second
        callbacks.append(
            ModelCheckpoint(
                run.checkpoints,
                filename=name,
                monitor=monitor,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            )
        )
    return callbacks
