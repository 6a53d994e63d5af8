"""What learns, and what it learns from: the network on images, or its heads alone on features computed before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Subset

from nmevision.config import ExperimentConfig
from nmevision.data.dataset import ImageDataset, Item
from nmevision.data.pixel_cache import PixelCache
from nmevision.data.transforms import build_augmentation
from nmevision.networks.classifier import Classifier, heads_of
from nmevision.training.preparation import Prepared
from nmevision.training.starting import StartingNetwork

SplitFeatures = Mapping[str, NDArray[np.float32]]
"""Split (train, val) -> what the starting network sees in its images, N x D, in the order of the rows."""
Look = Callable[[ExperimentConfig, StartingNetwork, Prepared], SplitFeatures]
"""Computes the features, or finds those that an earlier run has computed."""


class FeatureDataset(Dataset[Item]):
    """Features by position in place of images. A key's seed is not heeded: nothing is varied."""

    def __init__(self, values: NDArray[np.float32], targets: NDArray[np.int64]) -> None:
        self.values, self.targets = torch.from_numpy(values), torch.from_numpy(targets)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        """Return the float32 D features and the targets at a position."""
        index = key[0] if isinstance(key, tuple) else key
        return self.values[index], self.targets[index]


Samples = ImageDataset | FeatureDataset | Subset[Item]
"""What a loader reads, by position."""


def some(data: Samples, most: int) -> Subset[Item]:
    """Return at most `most` of its items, evenly taken."""
    count = min(most, len(data))
    return Subset(data, np.linspace(0, len(data) - 1, count).astype(int).tolist())


@dataclass(frozen=True)
class Material:
    """What learns and what it is shown.

    train: as training shows it; usual, val: the training and validation samples as prediction shows them.
    views: looks whose outputs are averaged at prediction. decoding: whether reading a sample takes time.
    """

    module: Classifier
    train: ImageDataset | FeatureDataset
    usual: ImageDataset | FeatureDataset
    val: ImageDataset | FeatureDataset
    views: int
    decoding: bool


def material_of(
    config: ExperimentConfig, network: StartingNetwork, prepared: Prepared, features: SplitFeatures | None
) -> Material:
    """Return the whole network with its images, or its heads with features where there are any."""
    if features is None:
        train = image_set(config, network, prepared, "train", vary=True)
        usual, val = (image_set(config, network, prepared, split, vary=False) for split in ("train", "val"))
        return Material(network.module, train, usual, val, config.model.views, decoding=True)
    known, steering = (FeatureDataset(features[split], prepared.targets(split)) for split in ("train", "val"))
    return Material(heads_of(network.module), known, known, steering, views=1, decoding=False)


def image_set(
    config: ExperimentConfig, network: StartingNetwork, prepared: Prepared, split: str, vary: bool
) -> ImageDataset:
    """Return one split's images, varied or as prediction sees them."""
    frame, augment, part = network.preprocessing, None, prepared.part(split)
    if vary:
        augment = build_augmentation(
            config.modality,
            frame.height,
            frame.width,
            frame.fill,
            interpolation=frame.interpolation,
            **config.augment.model_dump(),
        )
    return ImageDataset(
        [sample.path for sample in part.samples()],
        prepared.targets(split),
        frame,
        augment,
        config.data.max_pixels,
        PixelCache(Path(config.data.cache)) if config.data.cache else None,
        part.frame["sha256"].tolist(),
    )
