"""A bundle's network as a portable graph, run by OpenVINO or ONNX Runtime without torch.

The ONNX file holds the operations alone: its weights are those of weights.safetensors beside it, found by their
offsets. Every image runs on one thread, and its answer depends on nothing beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from nmevision.cores import usable_cores
from nmevision.schema import Record

GRAPH, INT8_GRAPH = "network.onnx", "network.int8.onnx"
IMAGES = "images"
"""The graph's input, L x 3 x height x width; its outputs are called as the tasks, and FEATURES."""

Array32 = NDArray[np.float32]
Outputs = dict[str, Array32]
Precision = Literal["bfloat16", "float32", "int8"]
LARGEST, MEAN = 0.02, 0.002
"""Another engine is sound where no probability lies further than LARGEST from torch's in float32, and all of them in
the mean no further than MEAN. Our choice."""
MOST_LOSS = 0.01
"""Of AUROC, by which 8 bits may be worse than float32; the specification's."""
TOGETHER = 4
"""Looks that OpenVINO is given at a time: a network's weights are then fetched once for them all, a fifth faster for
ResNet-18. Each one's answer is the same to the last bit beside any others (a test asks)."""
_CONVERTER = "openvino.tools.ovc"
_OPENVINO_NAMES = {"bfloat16": "bf16", "float32": "f32", "int8": "f32"}
"""In what OpenVINO computes what the graph itself does not hold in 8 bits."""


class Drift(Record):
    """How far an engine's probabilities lie from torch's in float32."""

    largest: float = Field(ge=0)
    mean: float = Field(ge=0)

    @property
    def sound(self) -> bool:
        """Tell whether the engine may answer in torch's place."""
        return self.largest <= LARGEST and self.mean <= MEAN


class AurocLoss(Record):
    """The area under the ROC curve in float32 and in 8 bits, and the interval of what is lost."""

    of: str = Field(description="a diagnosis or group against all others, or the mean over diagnoses")
    positives: int = Field(ge=1, description="images of it; of all its diagnoses where it is the mean")
    float32: float = Field(ge=0, le=1)
    int8: float = Field(ge=0, le=1)
    low: float | None = Field(default=None, description="of float32 - int8, 95 %")
    high: float | None = None
    method: str = Field(description="of the interval, or why there is none")

    @property
    def loss(self) -> float:
        """Return float32 - int8: above 0 where 8 bits are worse."""
        return self.float32 - self.int8


class Int8Info(Record):
    """How the graph in 8 bits was made, and what it loses against float32 on the validation images."""

    calibrated: int = Field(ge=1, description="training images that set the ranges of the activations")
    images: int = Field(ge=2, description="validation images with a diagnosis")
    patients: int = Field(ge=1)
    auroc: tuple[AurocLoss, ...] = Field(min_length=1, description="the mean first, then the positive")
    change: Drift = Field(description="of the probabilities of the diagnoses")
    same_top: float = Field(ge=0, le=1, description="share of images with the same most probable diagnosis")
    patterns: tuple[tuple[float, ...], ...] = Field(
        description="diagnosis logits of `nmevision.networks.int8.patterns`, to know whether another processor "
        "computes as the one that measured"
    )


class GraphInfo(Record):
    """What was seen when the graph was made and compared."""

    images: int = Field(description="on which OpenVINO was compared with torch")
    float32: Drift
    bfloat16: Drift | None = Field(
        default=None, description="None where the machine that saved the model has no bfloat16"
    )
    int8: Int8Info | None = Field(default=None, description=f"of {INT8_GRAPH}; None: there is none")

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the record without `int8` where there is none, as it was written before there was any."""
        content: dict[str, Any] = write(self)
        if self.int8 is None:
            del content["int8"]
        return content

    def allows(self, precision: Literal["bfloat16", "float32"]) -> bool:
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
    precision: bfloat16 runs in it only where the CPU has it (`has_bfloat16`); int8 needs INT8_GRAPH.
    Raises ImportError without OpenVINO, RuntimeError where it cannot read or compile the graph.
    """

    name = "openvino"

    def __init__(self, graph: Path, shape: tuple[int, int, int, int], precision: Precision) -> None:
        core = openvino_core()
        self.precision = precision
        self._views, streams = shape[0], usable_cores()
        self._together = max(1, TOGETHER // self._views)
        model = core.read_model(graph)
        model.reshape([self._together * self._views, *shape[1:]])
        compiled = core.compile_model(
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
        self._idle: SimpleQueue[tuple[Any, Array32]] = SimpleQueue()
        for _ in range(streams):
            request = compiled.create_infer_request()
            # `data` for the first time in two threads at once would stop both for ever (seen in OpenVINO 2026.4)
            self._idle.put((request, request.get_input_tensor().data))
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="openvino")

    def __call__(self, images: Sequence[Array32]) -> list[Outputs]:
        """Return the outputs of every image, in order; safe to call from several threads."""
        parts = [images[i : i + self._together] for i in range(0, len(images), self._together)]
        return [found for part in self._pool.map(self._run, parts) for found in part]

    def _run(self, images: Sequence[Array32]) -> list[Outputs]:
        """Return the outputs of up to `_together` images; what else stands in the input does not touch them."""
        views = self._views
        request, room = self._idle.get()
        try:
            for i, looks in enumerate(images):
                room[i * views : (i + 1) * views] = looks
            request.infer()
            whole = {task: request.get_tensor(task).data.copy() for task in self._tasks}
        finally:
            self._idle.put((request, room))
        return [
            {task: values[i * views : (i + 1) * views] for task, values in whole.items()}
            for i in range(len(images))
        ]


class OnnxRuntime:
    """The graph in ONNX Runtime on the CPU: no faster, and a second opinion on the first.

    graph: the ONNX file. precision: what the graph holds. Raises ImportError without ONNX Runtime, RuntimeError where
    it cannot read the graph.
    """

    name = "onnx"

    def __init__(self, graph: Path, precision: Precision = "float32") -> None:
        import onnxruntime

        self.precision = precision
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


def load_openvino() -> Any:
    """Return the module, without its converter: that takes a tenth of a second and loads a client that reports usage.

    Raises ImportError where OpenVINO is not installed.
    """
    if "openvino" not in sys.modules:
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]
        try:
            import openvino
        finally:
            sys.modules.pop(_CONVERTER, None)
    import openvino

    return openvino


def openvino_core() -> Any:
    """Return OpenVINO's core, the only one of this process, kept until it ends; raise ImportError without OpenVINO.

    Each core gives the thread that first uses it a stack for signals (Linux) and unmaps that when it goes, though the
    thread may still have it: where two come and go, the next Ctrl-C or end of a worker process is a segmentation fault
    without a word (seen in OpenVINO 2026.4).
    """
    return _core_of(load_openvino())


@cache
def _core_of(openvino: Any) -> Any:
    return openvino.Core()


def has_bfloat16() -> bool:
    """Tell whether this CPU multiplies bfloat16 itself (AMX, AVX-512 BF16); raise ImportError without OpenVINO."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def mean_outputs(runtime: Runtime, images: Sequence[Array32], views: int) -> dict[str, NDArray[np.float64]]:
    """Return task -> N x outputs of N >= 1 images 3 x H x W, each the mean over its looks."""
    found = runtime([looks_at(image, views) for image in images])
    return {task: np.stack([one[task].mean(axis=0, dtype=np.float64) for one in found]) for task in found[0]}


def looks_at(image: Array32, views: int) -> Array32:
    """Return `views` mirrored and turned looks at an image 3 x H x W, in the order of `Classifier.outputs`.

    views: 1, 4 mirrored, or 8: these and their quarter turns (square images).

    >>> looks_at(np.zeros((3, 4, 4), np.float32), 8).shape
    (8, 3, 4, 4)
    """
    if views == 1:
        return image[np.newaxis]  # copying it takes a tenth of a small network's time
    looks = [image, image[:, :, ::-1], image[:, ::-1], image[:, ::-1, ::-1]][:views]
    if views == 8:
        looks += [look.transpose(0, 2, 1) for look in looks]
    return np.stack(looks)
