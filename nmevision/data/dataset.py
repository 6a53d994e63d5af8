"""Samples as tensors for training: decode, vary (training only), bring to the network's input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nmevision.data.images import read_image
from nmevision.data.pixel_cache import PixelCache
from nmevision.errors import ImageError
from nmevision.preprocessing import Preprocessing
from nmevision.resize import resizer_version

Item = tuple[Tensor, Tensor]
"""One image, float32 3 x H x W, and its targets, int64 1 + J + F: diagnosis, J grades, F fields; -1 unknown."""
Batch = tuple[Tensor, Tensor]
"""Images float32 N x 3 x H x W and targets int64 N x (1 + J + F)."""
Augment = Callable[[np.ndarray, int], np.ndarray]
"""Maps uint8 RGB pixels and a seed to uint8 RGB pixels of the network's size. Its attribute `zoom`, where it has one,
is how much closer than the network's frame it looks at most, so that no more of an image needs to be decoded."""


class ImageDataset(Dataset[Item]):
    """Images by position; with `augment`, by (position, seed) so that any epoch can be repeated exactly.

    paths: one per sample.
    targets: int64 N x (1 + J + F): position in the taxonomy, grades of J findings, whether F structures are in
        the field; -1 where unknown.
    max_pixels: larger images are refused unread.
    cache: keeps what augmentation starts from, or the network's frame where nothing is varied; the pixels are the same
        with and without it. digests: the SHA-256 of every file, needed with it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        targets: np.ndarray,
        preprocessing: Preprocessing,
        augment: Augment | None = None,
        max_pixels: int | None = None,
        cache: PixelCache | None = None,
        digests: Sequence[str] = (),
    ) -> None:
        self.paths, self.targets = list(paths), torch.from_numpy(targets)
        self.preprocessing, self.augment, self.max_pixels = preprocessing, augment, max_pixels
        self.cache, self.digests = cache, list(digests)
        zoom = 1.0 if augment is None else getattr(augment, "zoom", math.inf)
        self._shrink = partial(preprocessing.shrink, zoom=zoom)
        later = {"mean", "std"} if augment is None else {"mean", "std", "interpolation", "fill"}
        recipe = preprocessing.model_dump(mode="json", exclude=later)
        self._purpose = json.dumps(
            [recipe, f"frame, {resizer_version()}" if augment is None else zoom], sort_keys=True
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        """Return the item at a position, or at (position, seed) when it is to be varied.

        Raises ImageError naming the file; run `nmevision data check` to find all of them beforehand.
        """
        index, seed = key if isinstance(key, tuple) else (key, 0)
        path = self.paths[index]
        make = partial(self._decoded, path)
        try:
            kept = self.cache
            pixels = kept.pixels(path, self.digests[index], self._purpose, make) if kept else make()
        except ImageError as problem:
            raise ImageError(f"{path}: {problem}") from None
        framed = pixels if self.augment is None else self.augment(pixels, seed)
        return torch.from_numpy(self.preprocessing.normalise(framed)), self.targets[index]

    def _decoded(self, path: Path) -> np.ndarray:
        """Return what augmentation starts from, or the network's frame where nothing is varied."""
        options = {} if self.max_pixels is None else {"max_pixels": self.max_pixels}
        pixels = read_image(path, shrink=self._shrink, **options).pixels
        return self.preprocessing.frame(pixels) if self.augment is None else pixels
