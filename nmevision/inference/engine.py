"""What runs a bundle's network on prepared images: the fastest engine that gives its answers on this machine."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from nmevision.errors import BundleError
from nmevision.networks.bundle import Bundle
from nmevision.networks.graph import GRAPH, INT8_GRAPH, Int8Info, Precision

EngineChoice = Literal["auto", "openvino", "onnx", "torch"]
_CUDA_LIBRARIES = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}


class Engine(Protocol):
    """Runs one network. batch_size: how many images it likes to be given at a time."""

    @property
    def name(self) -> str:
        """Return openvino, onnx or torch."""

    @property
    def device(self) -> str:
        """Return cpu or cuda."""

    @property
    def precision(self) -> Precision:
        """Return in which numbers the network is computed."""

    batch_size: int

    def outputs(self, images: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return task -> float64 N x outputs, and FEATURES, of N >= 1 arrays float32 3 x H x W."""


def engine_for(
    bundle: Bundle, choice: EngineChoice = "auto", batch_size: int | None = None, int8: bool = False
) -> Engine:
    """Return an engine for a bundle.

    choice: auto takes torch on a GPU; on a CPU OpenVINO, in bfloat16 where the processor has it and the bundle's
        check has found the same answers in it; ONNX Runtime, then torch, where that cannot be, with a line that says why.
    batch_size: images per call; the engine's own choice by default.
    int8: run the graph in 8 bits, on the CPU; never chosen by itself.
    Raises BundleError where the engine that was asked for by name cannot run the bundle, or none can in 8 bits.
    """
    if int8:
        return _in_8_bits(bundle, choice, batch_size)
    if choice != "auto":
        try:
            return _MAKERS[choice](bundle, batch_size)
        except (ImportError, RuntimeError) as problem:
            raise BundleError(f"--engine {choice} cannot run {bundle.folder}: {_why(problem)}") from None
    if has_gpu() and (engine := _torch(bundle, batch_size)).device == "cuda":
        return engine
    for name in ("openvino", "onnx"):
        try:
            return _MAKERS[name](bundle, batch_size)
        except (ImportError, RuntimeError) as problem:
            print(f"{name} cannot run this model: {_why(problem)}", file=sys.stderr)
    print("torch runs it, which is slower", file=sys.stderr)
    return _torch(bundle, batch_size)


def _in_8_bits(bundle: Bundle, choice: EngineChoice, batch_size: int | None) -> Engine:
    """Return OpenVINO, or else ONNX Runtime, with the graph in 8 bits; raise BundleError where neither can run it."""
    measured = bundle.info.graph.int8 if bundle.info.graph is not None else None
    if measured is None:
        raise BundleError(
            f"{bundle.folder}: --int8 needs {INT8_GRAPH}, and it was saved without; leave out --int8, or train with "
            "model.int8=true (it is kept where its measured loss is small)"
        )
    reasons = []
    for name in ("openvino", "onnx") if choice == "auto" else (choice,):
        try:
            engine = _graph_in_8_bits(name, bundle, measured, batch_size)
        except (ImportError, RuntimeError) as problem:
            reasons.append(f"{name}: {_why(problem)}")
        else:
            for reason in reasons:
                print(f"{reason}; {name} runs it", file=sys.stderr)
            return engine
    raise BundleError(f"--int8 cannot run {bundle.folder}: {'; '.join(reasons)}; leave out --int8")


def _graph_in_8_bits(name: str, bundle: Bundle, measured: Int8Info, batch_size: int | None) -> Engine:
    from nmevision.inference.engine_graph import GraphEngine
    from nmevision.networks.graph import OnnxRuntime, OpenVinoRuntime, Runtime
    from nmevision.networks.int8 import refuse_other_arithmetic

    if name == "torch":
        raise RuntimeError("it has no 8-bit integers here")
    views, frame, graph = bundle.info.network.views, bundle.info.preprocessing, bundle.folder / INT8_GRAPH
    runtime: Runtime
    if name == "onnx":
        runtime = OnnxRuntime(graph, "int8")
    else:
        runtime = OpenVinoRuntime(graph, (views, 3, frame.height, frame.width), "int8")
    refuse_other_arithmetic(runtime, measured, views, frame.height, frame.width)
    return GraphEngine(bundle, runtime, batch_size)


def _torch(bundle: Bundle, batch_size: int | None) -> Engine:
    from nmevision.inference.engine_torch import TorchEngine

    return TorchEngine(bundle, batch_size)


def _openvino(bundle: Bundle, batch_size: int | None) -> Engine:
    from nmevision.inference.engine_graph import GraphEngine
    from nmevision.networks.graph import OpenVinoRuntime, has_bfloat16

    graph = bundle.info.graph
    if graph is None:
        raise RuntimeError(f"it was saved without {GRAPH}")
    frame = bundle.info.preprocessing
    shape = bundle.info.network.views, 3, frame.height, frame.width
    half = graph.allows("bfloat16") and has_bfloat16()
    runtime = OpenVinoRuntime(bundle.folder / GRAPH, shape, "bfloat16" if half else "float32")
    return GraphEngine(bundle, runtime, batch_size)


def _onnx(bundle: Bundle, batch_size: int | None) -> Engine:
    from nmevision.inference.engine_graph import GraphEngine
    from nmevision.networks.graph import OnnxRuntime

    if bundle.info.graph is None:
        raise RuntimeError(f"it was saved without {GRAPH}")
    return GraphEngine(bundle, OnnxRuntime(bundle.folder / GRAPH), batch_size)


_MAKERS: dict[str, Callable[[Bundle, int | None], Engine]] = {
    "openvino": _openvino,
    "onnx": _onnx,
    "torch": _torch,
}


def _why(problem: Exception) -> str:
    """Return one line of an error: a library that is missing, or the beginning of what an engine said."""
    if isinstance(problem, ModuleNotFoundError):
        return f"{problem.name} is not installed (`pip install {problem.name}`)"
    return " ".join(str(problem).split())[:200] or type(problem).__name__


def has_gpu() -> bool:
    """Tell whether CUDA shows a GPU, without loading torch, which takes seconds.

    Asked is NVIDIA's driver: cuInit, then cuDeviceGetCount, each 0 where it worked.
    """
    library = _CUDA_LIBRARIES.get(sys.platform)
    try:
        driver = ctypes.CDLL(library) if library else None
    except OSError:
        return False
    count = ctypes.c_int(0)
    return (
        driver is not None
        and driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )
