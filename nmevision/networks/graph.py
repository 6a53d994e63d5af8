"""A bundle's network as a portable graph, run by OpenVINO or ONNX Runtime without torch.

The ONNX file holds the operations alone: its weights are those of weights.safetensors beside it, found by their
offsets. Every image runs by itself on one thread, many at a time, so that its answer depends on nothing beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nmevision.cores import usable_cores
from nmevision.schema import Record

GRAPH = "network.onnx"
IMAGES = "images"
"""The graph's input, L x 3 x height x width; its outputs are called as the tasks, and FEATURES."""

Array32 = NDArray[np.float32]
Outputs = dict[str, Array32]
Precision = Literal["bfloat16", "float32"]
LARGEST, MEAN = 0.02, 0.002
"""Another engine is sound where no probability lies further than LARGEST from torch's in float32, and all of them in
the mean no further than MEAN. Our choice."""
_OPENVINO_NAMES = {"bfloat16": "bf16", "float32": "f32"}


class Drift(Record):
    """How far an engine's probabilities lie from torch's in float32."""

    largest: float = Field(ge=0)
    mean: float = Field(ge=0)

    @property
    def sound(self) -> bool:
        """Tell whether the engine may answer in torch's place."""
        return self.largest <= LARGEST and self.mean <= MEAN


class GraphInfo(Record):
    """What was seen when the graph was made and compared."""

    images: int = Field(description="on which OpenVINO was compared with torch")
    float32: Drift
    bfloat16: Drift | None = Field(
        default=None, description="None where the machine that saved the model has no bfloat16"
    )

    def allows(self, precision: Precision) -> bool:
        """Tell whether the graph may run in this precision."""
        found = self.float32 if precision == "float32" else self.bfloat16
        return found is not None and found.sound


class Runtime(Protocol):
    """Runs one graph: takes the looks of N images, each L x 3 x H x W, and returns task -> L x outputs for each."""

    name: str
    precision: Precision

    def __call__(self, images: Sequence[Array32]) -> list[Outputs]:
        """Return the outputs of every image, in order."""


class OpenVinoRuntime:
    """The graph compiled by OpenVINO for this CPU.

    graph: the ONNX file. shape: L, 3, H, W of one image's looks.
    precision: bfloat16 runs in it only where the CPU has it (`has_bfloat16`).
    Raises ImportError without OpenVINO, RuntimeError where it cannot read or compile the graph.
    """

    name = "openvino"

    def __init__(self, graph: Path, shape: tuple[int, int, int, int], precision: Precision) -> None:
        import openvino

        self.precision = precision
        model = openvino.Core().read_model(graph)
        model.reshape(list(shape))
        streams = usable_cores()
        compiled = openvino.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _OPENVINO_NAMES[precision],
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": streams,
                "ENABLE_CPU_PINNING": False,  # decoding shares the cores
            },
        )
        self._tasks = [output.get_any_name() for output in compiled.outputs]
        self._queue = openvino.AsyncInferQueue(compiled, streams)
        self._queue.set_callback(self._keep)
        self._turn = Lock()  # the queue is for one caller at a time

    def __call__(self, images: Sequence[Array32]) -> list[Outputs]:
        """Return the outputs of every image, in order; safe to call from several threads."""
        found: dict[int, Outputs] = {}
        with self._turn:
            try:
                for place, looks in enumerate(images):
                    self._queue.start_async({IMAGES: looks}, (found, place), share_inputs=True)
            finally:
                self._queue.wait_all()
        return [found[place] for place in range(len(images))]

    def _keep(self, request: Any, where: tuple[dict[int, Outputs], int]) -> None:
        found, place = where
        found[place] = {task: request.get_tensor(task).data.copy() for task in self._tasks}


class OnnxRuntime:
    """The graph in ONNX Runtime on the CPU: no faster, and a second opinion on the first.

    graph: the ONNX file. Raises ImportError without ONNX Runtime, RuntimeError where it cannot read the graph.
    """

    name = "onnx"
    precision: Precision = "float32"

    def __init__(self, graph: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph), options, providers=["CPUExecutionProvider"]
            )
        except Exception as problem:  # its errors have no common kind
            raise RuntimeError(str(problem)) from problem
        self._tasks = [output.name for output in self._session.get_outputs()]
        self._pool = ThreadPoolExecutor(usable_cores(), thread_name_prefix="onnx")

    def __call__(self, images: Sequence[Array32]) -> list[Outputs]:
        """Return the outputs of every image, in order."""
        return list(self._pool.map(self._run, images))

    def _run(self, looks: Array32) -> Outputs:
        return dict(zip(self._tasks, self._session.run(self._tasks, {IMAGES: looks}), strict=True))


def has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 itself (AMX, AVX-512 BF16); raise ImportError without OpenVINO."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def looks_at(image: Array32, views: int) -> Array32:
    """Return `views` mirrored and turned looks at an image 3 x H x W, in the order of `Classifier.outputs`.

    views: 1, 4 mirrored, or 8: these and their quarter turns (square images).

    >>> looks_at(np.zeros((3, 4, 4), np.float32), 8).shape
    (8, 3, 4, 4)
    """
    looks = [image, image[:, :, ::-1], image[:, ::-1], image[:, ::-1, ::-1]][:views]
    if views == 8:
        looks += [look.transpose(0, 2, 1) for look in looks]
    return np.stack(looks)
