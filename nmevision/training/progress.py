"""What a person sees while a network trains: a bar within the epoch, one line after it."""

from __future__ import annotations

import sys
import time

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar


class Throughput(L.Callback):
    """Measures training images per second over all processes and shows them in the bar and the logs."""

    def __init__(self, images_per_batch: int) -> None:
        self.images_per_batch = images_per_batch
        self._started = 0.0
        self._images = 0

    def on_train_epoch_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Start the clock anew, so that validation does not count."""
        self._started, self._images = time.perf_counter(), 0

    def on_train_batch_end(self, trainer: L.Trainer, task: L.LightningModule, *_: object) -> None:
        """Count one batch."""
        self._images += self.images_per_batch
        rate = self._images / (time.perf_counter() - self._started)
        task.log("images_per_second", rate, prog_bar=True, rank_zero_only=True, on_step=True, on_epoch=False)


class EpochLines(L.Callback):
    """Prints one line per epoch: losses, speed and the time still to go."""

    def __init__(self) -> None:
        self._started = 0.0
        self._first = 0

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Remember when and at which epoch this part of the training began."""
        self._started, self._first = time.perf_counter(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Print the epoch's line on the first process."""
        if not trainer.is_global_zero:
            return
        seen = trainer.callback_metrics
        done = trainer.current_epoch + 1
        spent = time.perf_counter() - self._started
        left = spent / (done - self._first) * ((trainer.max_epochs or done) - done)
        figures = "  ".join(
            f"{name} {float(seen[key]):.{digits}f}"
            for name, key, digits in (
                ("train_loss", "train_loss", 4),
                ("val_loss", "val_loss", 4),
                ("val_balanced_accuracy", "val_balanced_accuracy", 3),
                ("val_auroc", "val_auroc", 3),
                ("images/s", "images_per_second", 0),
            )
            if key in seen
        )
        print(f"epoch {done}/{trainer.max_epochs}  {figures}  about {left:.0f} s left", flush=True)


def progress_callbacks(images_per_batch: int) -> list[L.Callback]:
    """Return the callbacks for this terminal: a live bar only where someone watches."""
    callbacks: list[L.Callback] = [Throughput(images_per_batch), EpochLines()]
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    return callbacks
