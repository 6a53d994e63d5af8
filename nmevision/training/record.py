"""What a bundle says about its own making: configuration, counts, sources, what steered it, versions."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from nmevision import __version__
from nmevision.config import ExperimentConfig
from nmevision.networks.classifier import DIAGNOSIS
from nmevision.training.preparation import Prepared
from nmevision.training.starting import StartingNetwork


def validation_facts(
    config: ExperimentConfig, prepared: Prepared, checkpoint: dict[str, Any], logits: Any, labels: Any
) -> dict[str, Any]:
    """Return what steered the training, with its n; never a result."""
    right = logits.argmax(axis=1) == labels
    recalls = [float(right[labels == k].mean()) for k in sorted(set(labels.tolist()))]
    log_likelihood = log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return {
        "epoch": int(checkpoint["epoch"]) + 1,
        "epochs": config.train.epochs,
        "loss": float(-log_likelihood.mean()),
        "balanced_accuracy": sum(recalls) / len(recalls),
        "images": len(labels),
        "patients": int(prepared.part("val").cases.nunique()),
    }


def bundle_record(
    config: ExperimentConfig,
    network: StartingNetwork,
    prepared: Prepared,
    temperature: float,
    validation: dict[str, Any],
    tried: int,
) -> dict[str, Any]:
    """Return the bundle's record; paths of this machine stay out of it."""
    content = config.model_dump(mode="json", exclude={"output"})
    for section, key in (("data", "manifest"), ("data", "root"), ("model", "weights")):
        value = content[section][key]
        content[section][key] = Path(value).name if value else value
    content["taxonomy"] = Path(config.taxonomy).name
    frame = network.preprocessing
    phantoms = prepared.manifest.phantom[prepared.manifest.frame["split"] != "test"]
    return {
        "name": config.name,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "nmevision": __version__,
        "modality": config.modality,
        "phantom": bool(phantoms.any()),
        "taxonomy": prepared.taxonomy,
        "positive": config.positive,
        "network": {
            "backbone": config.model.backbone,
            "tasks": {DIAGNOSIS: len(prepared.taxonomy.keys)},
            "image_size": frame.height,
            "weights_from": network.weights_from,
            "weights_licence": network.weights_licence,
        },
        "preprocessing": frame,
        "temperature": temperature,
        "training": {
            "config": content,
            "fingerprint": config.fingerprint,
            "manifest": prepared.fingerprint,
            "counts": prepared.counts(),
            "sources": prepared.tally("source"),
            "licences": prepared.tally("licence"),
            "configurations_tried": tried,
        },
        "validation": validation,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    """Return the versions of everything that shapes the numbers."""
    names = ("nmevision", "torch", "torchvision", "timm", "lightning", "albumentations", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
