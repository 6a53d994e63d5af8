"""Train on cases: features of a frozen network once per image, then a head over each case's images, as one bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmevision.config import ExperimentConfig
from nmevision.errors import ConfigError
from nmevision.inference.features import Features, bundle_extractor
from nmevision.journeys.frozen_features import features_for
from nmevision.networks.bundle import Bundle, open_bundle, refuse_existing, save_bundle
from nmevision.networks.classifier import Classifier
from nmevision.networks.novelty import fit as fit_novelty
from nmevision.networks.tasks import ATTENTION, DIAGNOSIS
from nmevision.training.mil import Bags, Fitted, bags_of, fit_bags
from nmevision.training.preparation import Asked, Prepared, describe, read_input
from nmevision.training.record import bundle_record
from nmevision.training.run import Trained, begin, finished
from nmevision.training.run_folder import configurations_tried
from nmevision.training.starting import StartingNetwork

FEATURES_FILE = "features.safetensors"


@dataclass(frozen=True)
class _Split:
    """The rows of one split that have features: their values, cases and labels."""

    values: np.ndarray
    cases: np.ndarray
    labels: np.ndarray

    @property
    def bags(self) -> Bags:
        return bags_of(self.values, self.cases, self.labels)


def train_mil(config: ExperimentConfig, resume: bool = False) -> Trained:
    """Train a head over the images of each case and save it with the frozen network as one bundle.

    Raises ConfigError, DataError, RunError or BundleError before any long work where something does not fit.
    Interrupted, it continues with `resume`: the features that are computed stay.
    """
    settings = config.mil
    assert settings is not None
    target = Path(config.output.models) / config.name
    if not resume:
        refuse_existing(target)
    base = open_bundle(Path(settings.bundle))
    _judge_base(config, base)
    manifest, taxonomy = read_input(config)
    run, prepared = begin(config, manifest, taxonomy, Asked((), ()), resume)
    if target.exists():
        return finished(config, prepared, run, target)
    tried = configurations_tried(run.path.parent, prepared.fingerprint)
    print(describe(prepared))
    path = Path(settings.features) if settings.features else run.path / FEATURES_FILE
    features = features_for(bundle_extractor(base), prepared, path, config.data.max_pixels)
    parts = {split: _split(prepared, split, features) for split in ("train", "val")}
    fitted = fit_bags(
        parts["train"].bags,
        parts["val"].bags,
        len(taxonomy.keys),
        settings.pooling,
        config.train,
        config.model.dropout,
        config.seed,
    )
    print(
        f"{settings.pooling} pooling over {base.info.name}; best epoch {fitted.epoch} of {config.train.epochs}"
    )
    bundle = _save(config, base, prepared, fitted, parts, tried, target)
    return Trained(bundle, run.path, prepared.part("test"), tried)


def _judge_base(config: ExperimentConfig, base: Bundle) -> None:
    """Raise ConfigError where the frozen network reads another modality."""
    if base.info.modality != config.modality:
        raise ConfigError(
            f"mil.bundle={base.folder} reads {base.info.modality} images, not {config.modality}"
        )


def _split(prepared: Prepared, split: str, features: Features) -> _Split:
    part, labels = prepared.part(split), prepared.targets(split)[:, 0]
    values, there = features.of(part.frame["id"].tolist())
    return _Split(values, part.cases.to_numpy(object)[there], labels[there])


def _save(
    config: ExperimentConfig,
    base: Bundle,
    prepared: Prepared,
    fitted: Fitted,
    parts: dict[str, _Split],
    tried: int,
    target: Path,
) -> Bundle:
    """Calibrate on the validation cases and write the bundle."""
    bags = parts["val"].bags
    with torch.no_grad():
        logits = fitted.logits(torch.from_numpy(bags.values), torch.from_numpy(bags.bags), len(bags.labels))
    outputs = {DIAGNOSIS: logits.numpy().astype(np.float64)}
    if fitted.attention is not None:
        outputs[ATTENTION] = np.zeros((len(bags.labels), 1))
    frozen = base.network()
    network = Classifier(
        frozen.backbone, parts["train"].values.shape[1], {task: v.shape[1] for task, v in outputs.items()}
    )
    network.heads[DIAGNOSIS][1].load_state_dict(fitted.diagnosis.state_dict())  # type: ignore[index]
    if fitted.attention is not None:
        network.heads[ATTENTION].load_state_dict(fitted.attention.state_dict())
    info = base.info
    start = StartingNetwork(
        network.eval(), info.preprocessing, f"bundle:{info.name}", info.network.weights_licence
    )
    changed = {"backbone": info.network.backbone, "views": info.network.views}
    used = config.model_copy(update={"model": config.model.model_copy(update=changed)})
    record = bundle_record(
        used, start, prepared, {"epoch": fitted.epoch - 1}, outputs, bags.labels[:, None], tried
    )
    record |= {"phantom": record["phantom"] or info.phantom, "validation": _facts(record, parts["val"])}
    usual = fit_novelty(parts["train"].values, parts["val"].values)
    return save_bundle(target, network, record, [*prepared.seen, *base.seen], usual)


def _facts(record: dict[str, Any], val: _Split) -> dict[str, Any]:
    """Return what steered the training: its figures are of cases, its images are counted."""
    return record["validation"] | {"images": len(val.labels)}
