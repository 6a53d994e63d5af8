"""The network in 8-bit integers: made from the portable graph, and known again by its answers to fixed patterns.

It runs only on request (`predict --int8`), because it changes answers more than bfloat16 does and is not always faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nmevision.networks.graph import IMAGES, Array32, Int8Info, Runtime, mean_outputs
from nmevision.networks.tasks import DIAGNOSIS

OPERATIONS = ["Clip", "Conv", "Gemm", "MatMul", "MaxPool", "Relu"]
"""Operations that are computed in 8 bits. Norms, sums and products stay in float32: with them too, a small vision
transformer's logits were off by 0.40 of their spread instead of 0.03, and convolutional networks came no nearer."""
PATTERNS = 8
CONTRAST = 2.0
"""Of the patterns: they reach as many standard deviations of the pixels, so that large products occur."""
ALIKE = 0.1
"""How far a processor's answers to the patterns may lie from those where the loss was measured, in spreads of the
answers. Without VNNI (Intel before 2019, AMD before 2022) sums of 8-bit products overflow in 16 bits: a MobileNetV2's
answers to patterns were 0.24 off, and a quarter of its images changed their first diagnosis. With VNNI it was 0.000 on
four kinds of processor (one, told by ONEDNN_MAX_CPU_ISA to do without its other instructions), and 0.015 in ONNX
Runtime. Our choice in between."""


def write_int8_graph(graph: Path, target: Path, images: Iterable[Array32]) -> None:
    """Write the graph with weights and activations in 8 bits, its own weights inside.

    Weights have a scale per channel; each activation keeps the range that it has in the images.

    images: of training, as prediction prepares them, each 3 x height x width.
    Raises ImportError without onnxruntime, any of its exceptions where it cannot quantise the graph.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Array32] = iter(images)

        def get_next(self) -> dict[str, Array32] | None:
            image = next(self.left, None)
            return None if image is None else {IMAGES: image[np.newaxis]}

    whole = target.with_suffix(".float32")
    try:
        quant_pre_process(
            onnx.load(graph), whole, skip_symbolic_shape=True
        )  # folds batch norm; shapes need sympy
        quantize_static(
            whole,
            target,
            Reader(),
            op_types_to_quantize=OPERATIONS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        whole.unlink(missing_ok=True)


def patterns(height: int, width: int) -> list[Array32]:
    """Return PATTERNS coloured waves from coarse to fine, 3 x height x width; they hold nothing of any image.

    >>> len(patterns(4, 4)), patterns(4, 4)[0].shape
    (8, (3, 4, 4))
    """
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    found = []
    for i in range(PATTERNS):
        turns = [x * np.cos(i + c / 2) + y * np.sin(i + c / 2) for c in range(3)]
        waves = [np.cos(2 * np.pi * 2 ** (i / 2) * turn + c) for c, turn in enumerate(turns)]
        found.append((CONTRAST * np.stack(waves)).astype(np.float32))
    return found


def pattern_logits(runtime: Runtime, views: int, height: int, width: int) -> NDArray[np.float64]:
    """Return the diagnosis logits of the patterns, PATTERNS x D."""
    return mean_outputs(runtime, patterns(height, width), views)[DIAGNOSIS]


def difference(found: ArrayLike, expected: ArrayLike) -> float:
    """Return the root mean square of found - expected in standard deviations of the expected.

    >>> round(difference([0.0, 3.0], [0.0, 2.0]), 3)
    0.707
    """
    theirs = np.asarray(expected, np.float64)
    off = np.sqrt(np.mean((np.asarray(found) - theirs) ** 2))
    return float(off / max(theirs.std(), np.finfo(np.float64).tiny))


def refuse_other_arithmetic(
    runtime: Runtime, measured: Int8Info, views: int, height: int, width: int
) -> None:
    """Raise RuntimeError where this processor computes the graph otherwise than the one that measured its loss."""
    off = difference(pattern_logits(runtime, views, height, width), measured.patterns)
    if off > ALIKE:
        raise RuntimeError(
            f"this processor computes in 8 bits otherwise than the one that measured the loss (off by {off:.2f} of the "
            f"spread, allowed is {ALIKE:g}), as those without VNNI do"
        )
