"""The bundle's portable graph on the CPU: image by image, each on one core, as many at a time as there are cores."""

from __future__ import annotations

import numpy as np

from nmevision.cores import usable_cores
from nmevision.errors import ImageError
from nmevision.inference.memory import NO_ROOM, means_no_memory
from nmevision.networks.bundle import Bundle
from nmevision.networks.graph import Precision, Runtime, mean_outputs

IMAGES_PER_CORE = 16
"""Images handed over at a time for each core: few enough to stay small, many enough that no core waits for long."""
MOST_IMAGES = 128
"""Images handed over at a time, at most, however many cores there are."""


class GraphEngine:
    """Runs a bundle's graph in OpenVINO or ONNX Runtime.

    An image's answer is the same to the last bit in any batch of any size, for it never shares one.
    runtime: the compiled graph. batch_size: images handed over at a time.
    """

    device = "cpu"

    def __init__(self, bundle: Bundle, runtime: Runtime, batch_size: int | None = None) -> None:
        self.views = bundle.info.network.views
        self.runtime = runtime
        self.batch_size = batch_size or min(MOST_IMAGES, IMAGES_PER_CORE * usable_cores())

    @property
    def name(self) -> str:
        """Return what runs the graph: openvino or onnx."""
        return self.runtime.name

    @property
    def precision(self) -> Precision:
        """Return what it multiplies."""
        return self.runtime.precision

    def outputs(self, images: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return task -> float64 logits of N arrays float32 3 x H x W (N >= 1), and FEATURES.

        Raises ImageError where memory does not suffice.
        """
        try:
            return mean_outputs(self.runtime, images, self.views)
        except (RuntimeError, MemoryError) as problem:
            if not means_no_memory(problem):
                raise
            raise ImageError(NO_ROOM) from None
