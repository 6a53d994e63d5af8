"""What a frozen network sees in the images of a training: computed once, kept in one file that many runs share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nmevision.config import ExperimentConfig
from nmevision.errors import DataError
from nmevision.inference.features import Extractor, Features, extract
from nmevision.networks.backbones import best_memory_format
from nmevision.networks.tasks import FEATURES
from nmevision.training.material import SplitFeatures
from nmevision.training.preparation import Prepared
from nmevision.training.starting import StartingNetwork

FOLDER = "features"
"""In output.runs: one file per starting network."""
BATCH = {"cpu": 8, "cuda": 64}
"""Images per forward pass; a CPU gains little from more."""


def features_for(extractor: Extractor, prepared: Prepared, path: Path, max_pixels: int) -> Features:
    """Return the features of the training and validation images, computed once; test images stay unread."""
    used = prepared.manifest.select(prepared.manifest.frame["split"] != "test")
    features, outcome = extract(extractor, used, path, max_pixels, keep_others=True)
    print(outcome.text)
    return features


def look_once(config: ExperimentConfig, network: StartingNetwork, prepared: Prepared) -> SplitFeatures:
    """Return what the starting network sees in the images of each split, from the file in output.runs where it is known.

    Raises DataError where an image cannot be read any more.
    """
    extractor = starting_extractor(network, config.model.backbone, config.model.views)
    name = f"{config.model.backbone.replace('/', '-')}-{extractor.identity[-12:]}.safetensors"
    path = Path(config.output.runs) / FOLDER / name
    features = features_for(extractor, prepared, path, config.data.max_pixels)
    values: dict[str, NDArray[np.float32]] = {}
    for split in ("train", "val"):
        ids = prepared.part(split).frame["id"].tolist()
        values[split], there = features.of(ids)
        if not there.all():
            gone = ", ".join(np.array(ids, object)[~there][:5])
            raise DataError(
                f"images that could be read at the start cannot be read now: {gone}; run it again"
            )
    return values


def starting_extractor(network: StartingNetwork, name: str, views: int) -> Extractor:
    """Return the features of a network that no bundle holds yet: its backbone's, averaged over `views` looks."""
    frame, device = network.preprocessing, "cuda" if torch.cuda.is_available() else "cpu"
    layout = best_memory_format(device)
    module = network.module.eval().to(device).to(memory_format=layout)

    def of(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.floating]:
        inputs = torch.from_numpy(np.stack([frame(pixels) for pixels in images]))
        laid_out = inputs.to(device).contiguous(memory_format=layout)
        return np.asarray(module.outputs(laid_out, views)[FEATURES].numpy())

    digest = hashlib.sha256(json.dumps([frame.to_dict(), name, views]).encode())
    for key, tensor in module.backbone.state_dict().items():
        digest.update(key.encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return Extractor(name, f"network:{digest.hexdigest()}", of, BATCH[device], frame.shrink)
