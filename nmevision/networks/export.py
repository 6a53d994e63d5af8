"""From torch to the portable graph, once, when a bundle is saved; and what the change of engine does to the answers."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmevision.manifest_checks import FIELD_PREFIX
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.classifier import Classifier
from nmevision.networks.graph import (
    GRAPH,
    IMAGES,
    Drift,
    GraphInfo,
    OpenVinoRuntime,
    Precision,
    has_bfloat16,
    mean_outputs,
)
from nmevision.networks.tasks import FEATURES
from nmevision.predictions import KNOWLEDGE_PREFIX, LEARNED_PREFIX, PROBABILITY_PREFIX

if TYPE_CHECKING:
    from nmevision.networks.bundle import Bundle

Images = Sequence[NDArray[np.float32]]
"""Network inputs, each 3 x height x width."""

OPSET = 17
"""The first with LayerNormalization; ONNX Runtime has known it since 1.12 (2022)."""
SHARES = (PROBABILITY_PREFIX, LEARNED_PREFIX, KNOWLEDGE_PREFIX, FIELD_PREFIX)
"""Columns of predictions.csv that hold probabilities."""
EXAMPLES = 24
"""Images on which the engines are compared where the caller has none to give."""


def make_portable(bundle: Bundle, network: Classifier, examples: Images | None = None) -> GraphInfo | None:
    """Write the graph of a bundle that is being saved, and compare OpenVINO with torch.

    network: the bundle's own, on the CPU. examples: some of its inputs; random pictures where None.
    Returns None, after a line that says why, where there is no sound graph: torch runs every bundle.
    """
    frame = bundle.info.preprocessing
    graph = bundle.folder / GRAPH
    images = list(examples or example_images(frame.height, frame.width))
    try:
        write_graph(network, bundle.weights, frame.height, frame.width)
        truth = network.outputs(torch.from_numpy(np.stack(images)), bundle.info.network.views)
        expected = {task: values.numpy() for task, values in truth.items()}
        found = compare(bundle, images, expected, "float32")
        half = compare(bundle, images, expected, "bfloat16") if has_bfloat16() else None
    except (
        Exception
    ) as problem:  # of torch's exporter, of ONNX, of OpenVINO: a trained model is saved all the same
        reason = " ".join(str(problem).split())[:200] or type(problem).__name__
    else:
        if found.sound:
            return GraphInfo(images=len(images), float32=found, bfloat16=half)
        reason = f"its probabilities are off by up to {found.largest:.3f}"
    graph.unlink(missing_ok=True)
    print(f"no portable graph of this network ({reason}); predictions will use torch", file=sys.stderr)
    return None


def compare(
    bundle: Bundle, images: Images, expected: Mapping[str, NDArray[np.floating]], precision: Precision
) -> Drift:
    """Return how far OpenVINO's probabilities lie from the `expected` outputs' (task -> N x outputs, FEATURES)."""
    runtime = OpenVinoRuntime(bundle.folder / GRAPH, (bundle.info.network.views, *images[0].shape), precision)
    found = mean_outputs(runtime, images, bundle.info.network.views)
    maker = AnswerMaker(bundle)
    ours, theirs = maker.from_outputs(found), maker.from_outputs(expected)
    shares = [name for name in theirs if name.startswith(SHARES)]
    off = np.abs([ours[name] - theirs[name] for name in shares])
    return Drift(largest=float(off.max()), mean=float(off.mean()))


class _Flat(nn.Module):
    """The network with its outputs in a row, as a graph has them."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.network.backbone(images)
        return (*(head(features) for head in self.network.heads.values()), features)


def write_graph(network: Classifier, weights: Path, height: int, width: int) -> Path:
    """Write the network's graph beside `weights`, the safetensors file with its state, and return its path.

    The older exporter of torch is used: it writes the same operations as the newer one in a fifteenth of the time
    (0.4 against 5.9 s of a core for MobileNetV2) and needs onnx alone. Batch norm stays as it is, so that every
    array is found in `weights`; engines fold it when they load the graph.
    Raises any of torch's exceptions where an operation has no counterpart in ONNX.
    """
    import onnx

    names = [*network.heads, FEATURES]
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # deprecation, and shapes that are constant on purpose
        torch.onnx.export(
            _Flat(network),
            (torch.zeros(2, 3, height, width),),
            Path(folder) / GRAPH,
            dynamo=False,
            opset_version=OPSET,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # EVAL would fold batch norm into new weights
            input_names=[IMAGES],
            output_names=names,
            dynamic_axes={name: {0: "looks"} for name in (IMAGES, *names)},
        )
        model = onnx.load(Path(folder) / GRAPH)
    _point_at(weights, model.graph.initializer)
    graph = weights.with_name(GRAPH)
    graph.write_bytes(model.SerializeToString())
    return graph


def _point_at(weights: Path, arrays: Sequence[object]) -> None:
    """Replace arrays of a graph by where they lie in the safetensors file; others stay inside the graph.

    The format: eight bytes with the header's length, the header in JSON, then the arrays one behind the other.
    """
    from onnx import TensorProto

    data = weights.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    places = json.loads(data[8:begin])
    for array in arrays:
        assert isinstance(array, TensorProto)
        place = places.get(array.name.removeprefix("network."))
        if place is None:
            continue
        first, last = (begin + offset for offset in place["data_offsets"])
        if data[first:last] != array.raw_data:
            continue
        array.ClearField("raw_data")
        array.data_location = TensorProto.EXTERNAL
        where = {"location": weights.name, "offset": str(first), "length": str(last - first)}
        for key, value in where.items():
            entry = array.external_data.add()
            entry.key, entry.value = key, value


def example_images(height: int, width: int, n: int = EXAMPLES) -> list[NDArray[np.float32]]:
    """Return n smooth random pictures, 3 x height x width, standardised as images are: from clouds to grain."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        coarse = torch.from_numpy(rng.normal(size=(1, 3, 2 ** (1 + i % 6), 2 ** (1 + i % 6))))
        smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].numpy()
        found.append(
            (smooth + rng.normal(0, 0.3, (3, height, width)) + rng.normal(0, 0.5)).astype(np.float32)
        )
    return found
