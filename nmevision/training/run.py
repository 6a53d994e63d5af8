"""One training from configuration to bundle, resumable, on one process or many."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from nmevision.config import ExperimentConfig
from nmevision.data.pixel_cache import open_pixel_cache
from nmevision.errors import ConfigError, DataError
from nmevision.manifest import Manifest
from nmevision.networks.bundle import Bundle, open_bundle, refuse_existing, save_bundle
from nmevision.networks.novelty import fit as fit_novelty
from nmevision.networks.tasks import FEATURES
from nmevision.taxonomy import Taxonomy
from nmevision.training.callbacks import shaping_callbacks
from nmevision.training.hardware import FP32, Hardware, choose_hardware
from nmevision.training.int8 import int8_adder, require_quantiser
from nmevision.training.loaders import EpochSampler, plain_loader, resolve_workers, training_loader
from nmevision.training.losses import class_counts, sampling_weights
from nmevision.training.material import Look, Material, Samples, image_set, material_of, some
from nmevision.training.objective import Objective
from nmevision.training.preparation import Asked, Prepared, asked_of, describe, prepare, read_input
from nmevision.training.progress import progress_callbacks
from nmevision.training.record import bundle_record
from nmevision.training.run_folder import RunFolder, configurations_tried, open_run
from nmevision.training.speed import fastest
from nmevision.training.starting import StartingNetwork, starting_network
from nmevision.training.task import ClassificationTask, collect_outputs

MOST_LOOKS = 3000
"""Looks at training images whose features say what is usual; more would change little (32 directions are fitted)."""

LOOKED_AT = 32
"""Validation images on which the engines of prediction are compared with torch, once."""


@dataclass(frozen=True)
class Trained:
    """What a training leaves: the bundle, the run folder and the rows that were kept for testing."""

    bundle: Bundle
    run: Path
    test: Manifest
    configurations_tried: int


def train(config: ExperimentConfig, resume: bool = False, look: Look | None = None) -> Trained | None:
    """Train, calibrate on validation and save the bundle; return None on all processes but the first.

    look: computes the features that train.mode=probe learns on; needed for it alone.
    Raises ConfigError, DataError, WeightsError, RunError or BundleError before any long work where
    something does not fit. Interrupted (Ctrl-C, kill), it continues with `resume` from the last epoch.
    """
    if config.train.mode == "probe" and look is None:
        raise ConfigError("train.mode=probe: features are computed by `nmevision train` alone; use that")
    if config.model.int8:
        require_quantiser()
    if config.data.cache is not None:
        open_pixel_cache(Path(config.data.cache))
    target = Path(config.output.models) / config.name
    hardware = choose_hardware(config.train.accelerator, config.train.precision)
    if config.train.batch_size % hardware.processes:
        raise ConfigError(
            f"train.batch_size={config.train.batch_size} cannot be shared by {hardware.processes} processes"
        )
    with _shared_start(hardware):
        first = hardware.rank == 0
        if first and not resume:
            refuse_existing(target)
        manifest, taxonomy = read_input(config)
        torch.manual_seed(config.seed)
        # before the run folder, so that wrong weights leave no trace
        asked = asked_of(config, manifest)
        network = starting_network(config, len(taxonomy.keys), asked)
        run, prepared = _in_turn(
            hardware, lambda lead: begin(config, manifest, taxonomy, asked, resume or not lead)
        )
        if target.exists():
            return finished(config, prepared, run, target) if first else None
        if first:
            print(describe(prepared))
        hardware, material = _in_turn(
            hardware, lambda _: _ready(config, network, prepared, run, hardware, look)
        )
        if first:
            what = config.model.backbone + (", heads alone" if config.train.mode == "probe" else "")
            how = f"{hardware.precision}, {hardware.layout}"
            print(f"{what} on {hardware.accelerator}, {how}; run folder {run.path}")
        trainer = _fit(config, material, prepared, run, hardware, resume)
        if not trainer.is_global_zero:
            return None
        return _finish(config, network, material, prepared, run, target)


def begin(
    config: ExperimentConfig, manifest: Manifest, taxonomy: Taxonomy, asked: Asked, resume: bool
) -> tuple[RunFolder, Prepared]:
    """Return the run folder and what to train on; a run without anything to train on leaves no folder."""
    run = open_run(config, manifest.fingerprint, resume)
    try:
        return run, prepare(config, manifest, taxonomy, asked, run)
    except DataError:
        if not resume:
            run.discard()  # nothing was trained: a mended table may start under the same name
        raise


def _ready(
    config: ExperimentConfig,
    network: StartingNetwork,
    prepared: Prepared,
    run: RunFolder,
    hardware: Hardware,
    look: Look | None,
) -> tuple[Hardware, Material]:
    """Return how to compute, as the run began if it did, and what to learn from."""
    if config.train.mode == "probe" and look is not None:
        material = material_of(config, network, prepared, look(config, network, prepared))
        return replace(hardware, precision=FP32, layout="contiguous"), material
    began = run.facts.get("computes")
    if began is not None:
        hardware = replace(hardware, **began)
    elif not run.last.is_file():
        hardware = fastest(hardware, network.module, config, network.preprocessing.height)
    run.note(computes={"precision": hardware.precision, "layout": hardware.layout})
    return hardware, material_of(config, network, prepared, None)


@contextmanager
def _shared_start(hardware: Hardware) -> Iterator[None]:
    """Let several processes know of one another before they touch the disk."""
    if hardware.processes > 1:
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _in_turn(hardware: Hardware, work: Any) -> Any:
    """Run `work(lead)` on the first process, then on the others, which find what it left on disk."""
    if hardware.processes == 1:
        return work(True)
    lead = torch.distributed.get_rank() == 0
    result = work(True) if lead else None
    torch.distributed.barrier()
    return result if lead else work(False)


def _fit(
    config: ExperimentConfig,
    material: Material,
    prepared: Prepared,
    run: RunFolder,
    hardware: Hardware,
    resume: bool,
) -> L.Trainer:
    """Train to the end; the best and the last checkpoint are in the run folder."""
    settings = config.train
    labels, classes = prepared.targets("train")[:, 0], len(prepared.taxonomy.keys)
    workers = resolve_workers(config.data.workers, hardware.devices) if material.decoding else 0
    sampler = EpochSampler(
        len(labels),
        settings.batch_size,
        config.seed,
        sampling_weights(labels, classes, settings),
        hardware.rank,
        hardware.processes,
    )
    train_loader = training_loader(material.train, sampler, workers)
    share = max(1, settings.batch_size // hardware.processes)
    val_loader = plain_loader(material.val, share, workers, hardware.rank, hardware.processes)
    objective = Objective(class_counts(labels, classes), len(prepared.asked.findings), settings)
    updates = -(-len(sampler) // settings.accumulate)  # per epoch
    layout = hardware.memory_format
    task = ClassificationTask(
        material.module, objective, settings, settings.epochs * updates, config.seed, layout
    )
    material.module.to(memory_format=layout)
    with _quiet():
        often = 1 if material.decoding else updates  # a step on features takes less time than its log lines
        trainer = _trainer(config, run, hardware, sampler.batch, often)
        start = run.last if resume and run.last.is_file() else None
        try:
            trainer.fit(task, train_loader, val_loader, ckpt_path=start, weights_only=True)
        except SystemExit:  # so Lightning ends on Ctrl-C, and leaves it ignored
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from None
    return trainer


def _trainer(
    config: ExperimentConfig, run: RunFolder, hardware: Hardware, batch: int, log_every: int
) -> L.Trainer:
    """Return Lightning's trainer for this run; it logs every `log_every` updates."""
    settings, log, shown = config.train, run.next_log(), progress_callbacks(batch)
    strategy: Any = "auto"
    if hardware.processes > 1:
        strategy = DDPStrategy(find_unused_parameters=settings.freeze_epochs > 0)
    return L.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=max(1, hardware.processes // hardware.devices),
        strategy=strategy,
        precision=hardware.precision,  # type: ignore[arg-type]
        max_epochs=settings.epochs,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.clip or None,
        use_distributed_sampler=False,  # EpochSampler shares the batches out itself
        sync_batchnorm=hardware.processes > 1 and hardware.accelerator == "gpu",
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in shown),
        log_every_n_steps=log_every,
        logger=[
            CSVLogger(run.path, name="logs", version=log),
            TensorBoardLogger(run.path, name="logs", version=log),
        ],
        callbacks=[*shaping_callbacks(settings, run), *shown],
    )


def _finish(
    config: ExperimentConfig,
    network: StartingNetwork,
    material: Material,
    prepared: Prepared,
    run: RunFolder,
    target: Path,
) -> Trained:
    """Calibrate the kept weights on validation and write the bundle."""
    chosen = run.best if config.train.keep == "best" else run.last
    checkpoint = torch.load(chosen, map_location="cpu", weights_only=True)
    prefix = "network."
    state = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    material.module.load_state_dict(state)
    outputs, targets = _outputs(config, material, material.val)
    seldom, _ = _outputs(config, material, some(material.usual, MOST_LOOKS // material.views))
    usual = fit_novelty(seldom[FEATURES], outputs.pop(FEATURES))
    tried = configurations_tried(run.path.parent, prepared.fingerprint)
    info = bundle_record(config, network, prepared, checkpoint, outputs, targets, tried)
    looked_at = some(image_set(config, network, prepared, "val", vary=False), LOOKED_AT)
    examples = [looked_at[i][0].numpy() for i in range(len(looked_at))]
    add_int8 = int8_adder(config, network, prepared)
    bundle = save_bundle(target, network.module, info, prepared.seen, usual, examples, add_int8)
    return Trained(bundle, run.path, prepared.part("test"), tried)


def _outputs(
    config: ExperimentConfig, material: Material, data: Samples
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return what the network says of samples as prediction shows them, and their targets."""
    workers = resolve_workers(config.data.workers) if material.decoding else 0
    loader = plain_loader(data, config.train.batch_size, workers)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return collect_outputs(material.module, loader, device, material.views)


def finished(config: ExperimentConfig, prepared: Prepared, run: RunFolder, target: Path) -> Trained:
    """Return a training that was resumed although its bundle is whole: only the test may be missing."""
    bundle = open_bundle(target)
    made = bundle.info.training
    if (made.get("fingerprint"), made.get("manifest")) != (config.fingerprint, prepared.fingerprint):
        refuse_existing(target)
    tried = configurations_tried(run.path.parent, prepared.fingerprint)
    return Trained(bundle, run.path, prepared.part("test"), tried)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's own chatter out of the way; errors and our lines remain."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", module="torchmetrics")  # a rare class may be absent from val
            warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
