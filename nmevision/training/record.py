"""What a bundle says about its own making: configuration, counts, sources, what steered it, versions."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from nmevision import __version__
from nmevision.config import ExperimentConfig
from nmevision.evaluation.metrics import auroc
from nmevision.grades import UNKNOWN
from nmevision.knowledge.loading import load_knowledge
from nmevision.networks.tasks import DIAGNOSIS
from nmevision.training.calibration import calibrated
from nmevision.training.field import median_field_um
from nmevision.training.preparation import Prepared
from nmevision.training.starting import StartingNetwork


def _validation_facts(
    config: ExperimentConfig, prepared: Prepared, checkpoint: dict[str, Any], logits: Any, labels: Any
) -> dict[str, Any]:
    """Return what steered the training, with its n; never a result."""
    facts: dict[str, Any] = {
        "epoch": int(checkpoint["epoch"]) + 1,
        "epochs": config.train.epochs,
        "images": len(labels),
        "patients": int(prepared.part("val").cases.nunique()),
    }
    known = labels != UNKNOWN
    if known.any():
        right = logits.argmax(axis=1)[known] == labels[known]
        recalls = [float(right[labels[known] == k].mean()) for k in sorted(set(labels[known].tolist()))]
        logs = log_softmax(logits[known], axis=1)
        facts["loss"] = float(-logs[np.arange(known.sum()), labels[known]].mean())
        facts["balanced_accuracy"] = sum(recalls) / len(recalls)
        areas = [auroc(labels[known] == k, logs[:, k]).value for k in range(logs.shape[1])]
        if not np.isnan(areas).all():  # each diagnosis against all others, where both are there
            facts["auroc"] = float(np.nanmean(areas))
    return facts


def bundle_record(
    config: ExperimentConfig,
    network: StartingNetwork,
    prepared: Prepared,
    checkpoint: dict[str, Any],
    outputs: dict[str, NDArray[np.float64]],
    targets: NDArray[np.int64],
    tried: int,
) -> dict[str, Any]:
    """Return the bundle's record; paths of this machine stay out of it.

    outputs: task -> logits of the validation images; targets: theirs, N x (1 + J + F), -1 where unknown.
    """
    unsaid: dict[str, Any] = {"output": True, "data": {"cache"}}
    if not config.model.int8:
        unsaid["model"] = {"int8"}  # as it was written before there was such a key
    content = config.model_dump(mode="json", exclude=unsaid)
    for section, key in (("data", "manifest"), ("data", "root"), ("model", "weights")):
        value = content[section][key]
        content[section][key] = Path(value).name if value else value
    content["taxonomy"] = Path(config.taxonomy).name
    if config.mil is not None:
        content["mil"] |= {
            "bundle": Path(config.mil.bundle).name,
            "features": Path(config.mil.features).name if config.mil.features else None,
        }
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
            "tasks": {task: values.shape[1] for task, values in outputs.items()},
            "image_size": frame.height,
            "views": config.model.views,
            "weights_from": network.weights_from,
            "weights_licence": network.weights_licence,
        },
        "preprocessing": frame,
        **calibrated(config, prepared, outputs, targets),
        "training": {
            "config": content,
            "fingerprint": config.fingerprint,
            "manifest": prepared.fingerprint,
            "counts": prepared.counts(),
            "sources": prepared.tally("source"),
            "licences": prepared.tally("licence"),
            "configurations_tried": tried,
            "field_um": median_field_um(prepared.part("train"), frame),
            "knowledge": load_knowledge().fingerprint,
        },
        "validation": _validation_facts(config, prepared, checkpoint, outputs[DIAGNOSIS], targets[:, 0]),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    """Return the versions of everything that shapes the numbers."""
    names = ("nmevision", "torch", "torchvision", "timm", "lightning", "albumentations", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
