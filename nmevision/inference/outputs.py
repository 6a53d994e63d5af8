"""What a prediction leaves on disk: predictions.csv, cases.csv and run.json."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nmevision import __version__
from nmevision.files import write_csv, write_json
from nmevision.inference.engine import Engine
from nmevision.inference.inputs import Inputs
from nmevision.networks.bundle import Bundle
from nmevision.predictions import DECIMALS, PredictionTable, by_case

PREDICTIONS, CASES, FACTS = "predictions.csv", "cases.csv", "run.json"
RECORD = {
    "created",
    "nmevision",
    "network",
    "preprocessing",
    "temperature",
    "unlearned",
    "findings",
    "fields",
    "fusion",
    "sets",
    "training",
}
RECORD |= {"validation", "versions"}
"""Fields of the bundle's record that a report tells of the model."""
_LIBRARIES = {"openvino": ("openvino",), "onnx": ("onnxruntime",), "torch": ("torch", "timm")}


@dataclass(frozen=True)
class Timing:
    """How long it took (seconds), for how many images, and what ran the network.

    shards: what each process noted where several did it; the seconds and images are then of all together.
    """

    seconds: float
    images: int
    engine: Engine
    shards: tuple[Mapping[str, Any], ...] = ()


def write_outputs(out: Path, table: PredictionTable, bundle: Bundle, inputs: Inputs, timing: Timing) -> None:
    """Write the three files atomically; run.json comes last and says that the others are whole."""
    table.write(out / PREDICTIONS)
    cases = by_case(table, bundle.info.taxonomy.group_of)
    write_csv(out / CASES, cases, DECIMALS)
    write_json(out / FACTS, _facts(table, bundle, inputs, timing, len(cases)))


def _facts(
    table: PredictionTable, bundle: Bundle, inputs: Inputs, timing: Timing, cases: int
) -> dict[str, object]:
    """Return what run.json says: enough to score the table without the bundle."""
    info = bundle.info
    return {
        "nmevision": __version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "bundle": {
            "name": info.name,
            "hash": bundle.hash,
            "modality": info.modality,
            "phantom": info.phantom,
            "configurations_tried": info.training.get("configurations_tried"),
        },
        "model": info.model_dump(mode="json", include=RECORD),
        "taxonomy": info.taxonomy.model_dump(mode="json"),
        "positive": info.positive,
        "input": {
            "name": inputs.name,
            "fingerprint": inputs.fingerprint,
            "left_aside": list(inputs.left_aside),
        },
        "counts": {"files": len(table.frame), "cases": cases, **table.counts()},
        "timing": {
            "seconds": round(timing.seconds, 3),
            "images": timing.images,
            "images_per_second": round(timing.images / timing.seconds, 1) if timing.seconds else None,
            "engine": timing.engine.name,
            "precision": timing.engine.precision,
            "device": timing.engine.device,
            "batch_size": timing.engine.batch_size,
            **({"shards": list(timing.shards)} if timing.shards else {}),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "pillow", *_LIBRARIES[timing.engine.name])},
        },
    }
