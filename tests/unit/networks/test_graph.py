"""The portable graph: the same answers as torch's, weights kept once, and a model is saved whatever becomes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from tiny_bundle import SIZE, grading_bundle, tiny_bundle

from nmevision.networks import export
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.networks.export import compare, example_images
from nmevision.networks.graph import (
    GRAPH,
    LARGEST,
    MEAN,
    Drift,
    GraphInfo,
    OnnxRuntime,
    OpenVinoRuntime,
    Runtime,
    has_bfloat16,
    looks_at,
)

IMAGES = example_images(SIZE, SIZE, 12)


def expected_of(bundle: Bundle) -> dict[str, np.ndarray]:
    found = bundle.network().outputs(torch.from_numpy(np.stack(IMAGES)), bundle.info.network.views)
    return {task: values.numpy() for task, values in found.items()}


def runtime_of(bundle: Bundle, name: str) -> Runtime:
    if name == "onnx":
        pytest.importorskip("onnxruntime")
        return OnnxRuntime(bundle.folder / GRAPH)
    return OpenVinoRuntime(bundle.folder / GRAPH, (bundle.info.network.views, 3, SIZE, SIZE), "float32")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return grading_bundle(tmp_path_factory.mktemp("models") / "grading")


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_every_head_and_the_features_are_torchs(tmp_path: Path, backbone: str, runtime: str) -> None:
    bundle = tiny_bundle(tmp_path / "m", backbone, seed=1)
    found = runtime_of(bundle, runtime)([looks_at(image, 1) for image in IMAGES])
    for task, values in expected_of(bundle).items():
        ours = np.concatenate([one[task] for one in found])
        np.testing.assert_allclose(ours, values, rtol=1e-4, atol=1e-4 * np.abs(values).max())


@pytest.mark.parametrize("views", [1, 4, 8])
def test_looks_are_those_of_the_network(tmp_path: Path, views: int) -> None:
    network = {
        "backbone": "test_resnet",
        "tasks": {"diagnosis": 3},
        "image_size": SIZE,
        "weights_from": "none",
    }
    bundle = tiny_bundle(tmp_path / "m", network=network | {"views": views})
    found = runtime_of(bundle, "openvino")([looks_at(image, views) for image in IMAGES])
    for task, values in expected_of(bundle).items():
        ours = np.stack([one[task].mean(axis=0) for one in found])
        np.testing.assert_allclose(ours, values, rtol=1e-4, atol=1e-4 * np.abs(values).max())


COME_AND_GO = """
import os, signal, sys, threading
from pathlib import Path
from nmevision.networks.graph import OpenVinoRuntime, has_bfloat16

signal.signal(signal.SIGUSR1, lambda *_: print("heard"))
has_bfloat16()
graph, side = Path(sys.argv[1]), int(sys.argv[2])
kept = [OpenVinoRuntime(graph, (1, 3, side, side), "float32") for _ in range(2)]
del kept[0]
other = threading.Thread(target=kept.clear)
other.start()
other.join()
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_signals_are_heard_after_runtimes_have_gone_in_any_order_and_thread(bundle: Bundle) -> None:
    """Each core of OpenVINO used to take the stack for signals with it: Ctrl-C was a segmentation fault."""
    done = subprocess.run(
        [sys.executable, "-c", COME_AND_GO, str(bundle.folder / GRAPH), str(SIZE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_the_weights_are_kept_once(bundle: Bundle) -> None:
    arrays = onnx.load(bundle.folder / GRAPH, load_external_data=False).graph.initializer
    inside = [array.name for array in arrays if array.data_location != onnx.TensorProto.EXTERNAL]
    assert inside == []
    named = {entry.value for array in arrays for entry in array.external_data if entry.key == "location"}
    assert named == {"weights.safetensors"}
    assert (bundle.folder / GRAPH).stat().st_size < 60_000 < bundle.weights.stat().st_size


def test_any_number_of_looks_goes_in(bundle: Bundle) -> None:
    [found] = runtime_of(bundle, "onnx")([np.stack(IMAGES)])
    np.testing.assert_allclose(found["findings"], expected_of(bundle)["findings"], atol=1e-3)


def test_what_was_compared_is_in_the_record(bundle: Bundle) -> None:
    graph = open_bundle(bundle.folder).info.graph
    assert graph is not None
    assert graph.images == export.EXAMPLES
    assert graph.float32.largest < 1e-3
    assert graph.float32.sound
    assert (graph.bfloat16 is not None) == has_bfloat16()
    again = compare(bundle, IMAGES, expected_of(bundle), "float32")
    assert again.largest < 1e-3


def test_the_comparison_sees_a_difference(bundle: Bundle) -> None:
    expected = expected_of(bundle)
    expected["diagnosis"] = expected["diagnosis"] + np.array([0.5, 0, 0], np.float32)
    found = compare(bundle, IMAGES, expected, "float32")
    assert found.largest > LARGEST
    assert not found.sound


@pytest.mark.parametrize(
    ("largest", "mean", "sound"),
    [(LARGEST, MEAN, True), (1.01 * LARGEST, 0.0, False), (0.01, 1.01 * MEAN, False)],
)
def test_both_limits_hold(largest: float, mean: float, sound: bool) -> None:
    drift, exact = Drift(largest=largest, mean=mean), Drift(largest=0, mean=0)
    assert drift.sound == sound
    assert GraphInfo(images=1, float32=exact, bfloat16=drift).allows("bfloat16") == sound
    assert not GraphInfo(images=1, float32=exact).allows("bfloat16")


def test_a_model_that_cannot_be_exported_is_saved_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Path:
        raise ValueError("no such operation")

    monkeypatch.setattr(export, "write_graph", fail)
    bundle = tiny_bundle(tmp_path / "m")
    assert bundle.info.graph is None
    assert not (bundle.folder / GRAPH).exists()
    assert "no portable graph of this network (no such operation)" in capsys.readouterr().err


def test_an_unsound_graph_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "compare", lambda *_: Drift(largest=0.5, mean=0.0))
    bundle = tiny_bundle(tmp_path / "m")
    assert bundle.info.graph is None
    assert not (bundle.folder / GRAPH).exists()
    assert "off by up to 0.500" in capsys.readouterr().err


RUN = """
import sys
from nmevision.inference.predictor import Predictor
Predictor.load(sys.argv[1]).predict(sys.argv[2], sys.argv[3])
heavy = ("torch", "torchvision", "timm", "lightning", "albumentations", "scipy", "cv2", "onnx", "onnxruntime")
print([name for name in heavy if name in sys.modules])
"""


def test_a_prediction_loads_nothing_of_training(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8)).save(
        tmp_path / "images" / "a.jpg"
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, bundle.folder, tmp_path / "images", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PATH": "", "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    facts = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert facts["timing"]["engine"] == "openvino"
    assert facts["timing"]["precision"] in ("float32", "bfloat16")
