"""A bundle's network over pixels that are in memory: probabilities and features, for whatever was done to the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nmevision.inference.engine import engine_for
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import Bundle
from nmevision.networks.tasks import FEATURES
from nmevision.predictions import PROBABILITY_PREFIX

Floats = NDArray[np.float64]
Reader = Callable[[Sequence[NDArray[np.uint8]]], tuple[Floats, Floats]]
"""Images (RGB, uint8, any height x width x 3) -> probabilities N x diagnoses, features N x D."""


class BundleReader:
    """A `Reader` of one bundle: its own preprocessing, its own calibration."""

    def __init__(self, bundle: Bundle, batch_size: int | None = None) -> None:
        self.bundle = bundle
        self.engine = engine_for(bundle, batch_size=batch_size)
        self._maker = AnswerMaker(bundle)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> tuple[Floats, Floats]:
        """Return probabilities and features of at least one image; raise ImageError where memory does not suffice."""
        outputs = self.engine.outputs([self.bundle.info.preprocessing(pixels) for pixels in images])
        columns = self._maker.from_outputs(outputs)
        keys = self.bundle.info.taxonomy.keys
        return np.column_stack([columns[PROBABILITY_PREFIX + key] for key in keys]), outputs[FEATURES]
