"""The graph in 8 bits: near float32, its own file with its own weights, and known again by its answers to patterns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_bundle import SIZE, everything_usual, tiny_bundle, tiny_info, tiny_network

from nmevision.errors import BundleError
from nmevision.networks.bundle import FORMAT, Bundle, BundleInfo, open_bundle, save_bundle
from nmevision.networks.card import card_of
from nmevision.networks.export import example_images
from nmevision.networks.graph import (
    GRAPH,
    INT8_GRAPH,
    AurocLoss,
    Drift,
    Int8Info,
    OnnxRuntime,
    OpenVinoRuntime,
    Runtime,
    mean_outputs,
)
from nmevision.networks.int8 import (
    ALIKE,
    PATTERNS,
    difference,
    pattern_logits,
    patterns,
    refuse_other_arithmetic,
    write_int8_graph,
)

pytest.importorskip("onnxruntime")
SHAPE = (1, 3, SIZE, SIZE)
CALIBRATION, IMAGES = example_images(SIZE, SIZE, 48)[:24], example_images(SIZE, SIZE, 48)[24:]
AUROC = (
    AurocLoss(
        of="mean of 3 diagnoses", positives=40, float32=0.91, int8=0.9058, low=-0.001, high=0.008, method="B"
    ),
    AurocLoss(of="nme", positives=4, float32=0.95, int8=0.95, method="no interval: alike"),
)


def measured(**changes: Any) -> Int8Info:
    content: dict[str, Any] = {
        "calibrated": 24,
        "images": 40,
        "patients": 21,
        "auroc": AUROC,
        "change": Drift(largest=0.081, mean=0.0031),
        "same_top": 0.975,
        "patterns": ((0.0, 1.0, 2.0),) * PATTERNS,
    }
    return Int8Info(**content | changes)


def write(bundle: Bundle) -> Int8Info:
    write_int8_graph(bundle.folder / GRAPH, bundle.folder / INT8_GRAPH, CALIBRATION)
    return measured()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder, network = tmp_path_factory.mktemp("models") / "small", tiny_network()
    return save_bundle(folder, network, tiny_info(), [], everything_usual(network), add_int8=write)


def spread_off(bundle: Bundle, runtime: Runtime) -> float:
    exact = OpenVinoRuntime(bundle.folder / GRAPH, SHAPE, "float32")
    return difference(
        mean_outputs(runtime, IMAGES, 1)["diagnosis"], mean_outputs(exact, IMAGES, 1)["diagnosis"]
    )


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_it_answers_nearly_as_float32(tmp_path: Path, backbone: str) -> None:
    bundle = tiny_bundle(tmp_path / "m", backbone, seed=1)
    write(bundle)
    runtimes: list[Runtime] = [OpenVinoRuntime(bundle.folder / INT8_GRAPH, SHAPE, "int8")]
    if backbone != "test_vit":  # ONNX Runtime 1.31 computes it wrongly; the patterns tell, and it is refused
        runtimes.append(OnnxRuntime(bundle.folder / INT8_GRAPH, "int8"))
    for runtime in runtimes:
        assert runtime.precision == "int8"
        assert 0 < spread_off(bundle, runtime) < 0.1
    assert not list(bundle.folder.glob("*.float32"))


def test_wrong_images_make_a_wrong_graph(bundle: Bundle, tmp_path: Path) -> None:
    """The ranges of the activations are those of the images, so black ones cut all others off."""
    black = [0.01 * image for image in CALIBRATION]
    write_int8_graph(bundle.folder / GRAPH, tmp_path / INT8_GRAPH, black)
    assert spread_off(bundle, OpenVinoRuntime(tmp_path / INT8_GRAPH, SHAPE, "int8")) > 0.5


def test_it_holds_its_own_weights_in_8_bits(bundle: Bundle) -> None:
    arrays = onnx.load(bundle.folder / INT8_GRAPH, load_external_data=False).graph.initializer
    assert all(array.data_location != onnx.TensorProto.EXTERNAL for array in arrays)
    small = [array for array in arrays if array.data_type == onnx.TensorProto.INT8 and len(array.dims) == 4]
    assert small
    scales = {array.name: array for array in arrays if array.name.endswith("_scale")}
    for array in small:
        assert scales[array.name.replace("_quantized", "_scale")].dims[0] == array.dims[0]  # one per channel


class TestBundle:
    def test_the_record_and_the_file_come_back(self, bundle: Bundle) -> None:
        graph = open_bundle(bundle.folder).info.graph
        assert graph is not None
        assert graph.int8 == measured()
        assert INT8_GRAPH in bundle.info.files

    def test_without_it_the_record_is_what_it_was(self, tmp_path: Path) -> None:
        bundle = tiny_bundle(tmp_path / "m")
        content = json.loads((bundle.folder / "bundle.json").read_text())
        assert set(content["graph"]) == {"images", "float32", "bfloat16"}
        assert INT8_GRAPH not in content["files"]

    def test_what_is_not_to_be_kept_is_not(self, tmp_path: Path) -> None:
        network = tiny_network()
        usual = everything_usual(network)
        saved = save_bundle(tmp_path / "m", network, tiny_info(), [], usual, add_int8=lambda _: None)
        assert saved.info.graph is not None
        assert saved.info.graph.int8 is None

    @pytest.mark.parametrize("cut", [True, False])
    def test_a_changed_or_missing_file_is_refused(self, bundle: Bundle, tmp_path: Path, cut: bool) -> None:
        for path in bundle.folder.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        data = bytearray((tmp_path / INT8_GRAPH).read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / INT8_GRAPH).write_bytes(data)
        if cut:
            (tmp_path / INT8_GRAPH).unlink()
        reason = "is missing" if cut else "its SHA-256 is not the one"
        with pytest.raises(BundleError, match=rf"network\.int8\.onnx:? {reason}"):
            open_bundle(tmp_path)

    def test_a_file_without_a_record_is_refused(self, bundle: Bundle, tmp_path: Path) -> None:
        for path in bundle.folder.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        content = json.loads((tmp_path / "bundle.json").read_text())
        del content["graph"]["int8"]
        (tmp_path / "bundle.json").write_text(json.dumps(content))
        with pytest.raises(BundleError, match=r"a record of int8 goes with network\.int8\.onnx"):
            open_bundle(tmp_path)

    def test_the_card_tells_what_is_lost_and_on_how_many(self, bundle: Bundle) -> None:
        card = (bundle.folder / "README.md").read_text()
        assert "on 40 validation images of 21 patients" in card
        assert "Ranges come from 24 training images" in card
        assert "| mean of 3 diagnoses | 40 | 0.9100 | 0.9058 | 0.0042 (-0.0010 to 0.0080, B) |" in card
        assert "| nme | 4 | 0.9500 | 0.9500 | 0.0000 (no interval: alike) |" in card
        assert "97.5 % of the images keep" in card
        without = BundleInfo.model_validate({**tiny_info(), "format": FORMAT, "files": {}})
        assert "8-bit" not in card_of(without)


class TestPatterns:
    def test_they_are_always_the_same_and_differ(self) -> None:
        found = patterns(12, 20)
        assert [one.shape for one in found] == [(3, 12, 20)] * PATTERNS
        np.testing.assert_array_equal(found, patterns(12, 20))
        assert all(np.abs(a - b).max() > 1 for i, a in enumerate(found) for b in found[:i])

    def test_a_processor_that_computes_alike_is_served(self, bundle: Bundle) -> None:
        runtime = OpenVinoRuntime(bundle.folder / INT8_GRAPH, SHAPE, "int8")
        own = pattern_logits(runtime, 1, SIZE, SIZE)
        kept = measured(patterns=tuple(map(tuple, own.tolist())))
        refuse_other_arithmetic(runtime, kept, 1, SIZE, SIZE)
        refuse_other_arithmetic(OnnxRuntime(bundle.folder / INT8_GRAPH, "int8"), kept, 1, SIZE, SIZE)
        moved = own + 1.1 * ALIKE * own.std()
        other = measured(patterns=tuple(map(tuple, moved.tolist())))
        with pytest.raises(
            RuntimeError, match=r"otherwise than the one that measured the loss \(off by 0\.11"
        ):
            refuse_other_arithmetic(runtime, other, 1, SIZE, SIZE)

    def test_the_same_answers_everywhere_have_no_spread(self) -> None:
        assert difference([1.0, 1.0], [1.0, 1.0]) == 0
        assert difference([1.0, 1.1], [1.0, 1.0]) > 1e6
