"""The engines: the fastest sound one, the same answer whatever stands beside an image, batches that shrink to fit."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_bundle, tiny_network
from torch import nn

from nmevision.errors import BundleError, ImageError
from nmevision.inference import engine as engine_module
from nmevision.inference.engine import EngineChoice, engine_for
from nmevision.inference.engine_torch import TorchEngine
from nmevision.networks import graph
from nmevision.networks.bundle import Bundle
from nmevision.networks.graph import (
    GRAPH,
    INT8_GRAPH,
    AurocLoss,
    Drift,
    GraphInfo,
    Int8Info,
    OpenVinoRuntime,
)
from nmevision.networks.int8 import pattern_logits, write_int8_graph


def images(n: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(size=(n, 3, 32, 32)).astype(np.float32))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


class Narrow(nn.Module):
    """A network with room for `most` images at a time."""

    def __init__(self, inner: nn.Module, most: int, error: Exception) -> None:
        super().__init__()
        self.inner, self.most, self.error = inner, most, error
        self.tried: list[int] = []

    def outputs(self, batch: torch.Tensor, views: int) -> dict[str, torch.Tensor]:
        self.tried.append(len(batch))
        if len(batch) > self.most:
            raise self.error
        return self.inner.outputs(batch, views)  # type: ignore[operator, no-any-return]


HAS_BFLOAT16 = graph.has_bfloat16()
OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
    MemoryError(),
]


def test_the_outputs_are_the_networks(bundle: Bundle) -> None:
    found = TorchEngine(bundle, 4).outputs(images(10))["diagnosis"]
    expected = tiny_network().outputs(torch.from_numpy(np.stack(images(10))))["diagnosis"].numpy()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_batches_shrink_until_they_fit_and_stay_small(bundle: Bundle, error: Exception) -> None:
    expected = TorchEngine(bundle, 4).outputs(images(21))["diagnosis"]
    engine = TorchEngine(bundle, 16)
    narrow = Narrow(engine.network, 4, error)
    engine.network = narrow  # type: ignore[assignment]
    np.testing.assert_array_equal(engine.outputs(images(21))["diagnosis"], expected)
    assert engine.batch_size == 4
    assert narrow.tried[:3] == [16, 8, 4]
    assert set(narrow.tried[2:]) == {4}
    engine.outputs(images(5))["diagnosis"]
    assert set(narrow.tried[2:]) == {4}  # the larger sizes are not tried again


def test_one_image_too_large_is_told_in_words(bundle: Bundle) -> None:
    engine = TorchEngine(bundle, 4)
    engine.network = Narrow(engine.network, 0, OUT_OF_MEMORY[0])  # type: ignore[assignment]
    with pytest.raises(ImageError, match="memory does not suffice for one image"):
        engine.outputs(images(3))["diagnosis"]


def test_another_error_is_not_taken_for_memory(bundle: Bundle) -> None:
    engine = TorchEngine(bundle, 4)
    engine.network = Narrow(engine.network, 0, RuntimeError("shapes differ"))  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="shapes differ"):
        engine.outputs(images(3))["diagnosis"]
    assert engine.batch_size == 4


@pytest.mark.parametrize("n", [1, 3, 8, 9])
def test_an_image_gets_the_same_answer_whatever_stands_beside_it(bundle: Bundle, n: int) -> None:
    engine = TorchEngine(bundle, 8)
    place = n // 2
    answers = []
    for seed in range(4):
        batch = images(n, seed)
        batch[place] = images(1, 99)[0]
        answers.append(engine.outputs(batch)["diagnosis"][place])
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])  # to the last bit
    # at another place of the batch the products may be summed in another order
    np.testing.assert_allclose(engine.outputs(images(1, 99))["diagnosis"][0], answers[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_a_batch_that_is_not_full_changes_nothing(bundle: Bundle, n: int) -> None:
    engine = TorchEngine(bundle, 8)
    np.testing.assert_array_equal(
        engine.outputs(images(8))["diagnosis"][:n], engine.outputs(images(8)[:n])["diagnosis"]
    )


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make libraries look as if they were not installed."""

    def hide(*names: str) -> None:
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


class TestChoice:
    def test_openvino_comes_first_and_agrees_with_torch(self, bundle: Bundle) -> None:
        engine = engine_for(bundle)
        assert (engine.name, engine.device) == ("openvino", "cpu")
        expected = TorchEngine(bundle, 4).outputs(images(10))
        for task, values in engine_for(replaced(bundle, None)).outputs(images(10)).items():
            assert values.dtype == np.float64
            np.testing.assert_allclose(values, expected[task], atol=1e-4)

    def test_bfloat16_only_where_the_check_and_the_processor_allow(
        self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fine, bad = Drift(largest=0.001, mean=0), Drift(largest=0.1, mean=0)
        for has, drift, expected in [
            (True, bad, "float32"),
            (True, None, "float32"),
            (False, fine, "float32"),
            (True, fine, "bfloat16"),
        ]:
            monkeypatch.setattr(graph, "has_bfloat16", lambda has=has: has)
            if expected == "float32" or HAS_BFLOAT16:
                assert engine_for(replaced(bundle, drift)).precision == expected

    def test_the_next_best_with_a_line_that_says_why(
        self, bundle: Bundle, without: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        pytest.importorskip("onnxruntime")
        without("openvino")
        assert engine_for(bundle).name == "onnx"
        said = "openvino cannot run this model: openvino is not installed (`pip install openvino`)\n"
        assert capsys.readouterr().err == said
        without("openvino", "onnxruntime")
        engine = engine_for(bundle, batch_size=3)
        assert (engine.name, engine.batch_size, engine.precision) == ("torch", 3, "float32")
        assert capsys.readouterr().err.splitlines()[-1] == "torch runs it, which is slower"

    @pytest.mark.parametrize("choice", ["openvino", "onnx"])
    def test_what_was_asked_for_by_name_is_not_replaced(
        self, bundle: Bundle, without: Callable[..., None], choice: Literal["openvino", "onnx"]
    ) -> None:
        without("openvino", "onnxruntime")
        with pytest.raises(BundleError, match=rf"--engine {choice} cannot run .* is not installed"):
            engine_for(bundle, choice)

    @pytest.mark.parametrize("choice", ["openvino", "onnx", "torch"])
    def test_every_engine_gives_torchs_answers(
        self, bundle: Bundle, choice: Literal["openvino", "onnx", "torch"]
    ) -> None:
        if choice == "onnx":
            pytest.importorskip("onnxruntime")
        engine = engine_for(replaced(bundle, None), choice)
        assert engine.name == choice
        expected = TorchEngine(bundle, 8).outputs(images(8))
        for task, values in engine.outputs(images(8)).items():
            np.testing.assert_allclose(values, expected[task], atol=1e-4)

    def test_a_bundle_without_a_graph_runs_in_torch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("nmevision.networks.export.make_portable", lambda *_: None)
        bundle = tiny_bundle(tmp_path / "m")
        assert engine_for(bundle).name == "torch"
        assert "openvino cannot run this model: it was saved without network.onnx" in capsys.readouterr().err

    def test_a_gpu_is_torchs(self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        class OnGpu:
            name, device, precision, batch_size = "torch", "cuda", "bfloat16", 32

        monkeypatch.setattr(engine_module, "has_gpu", lambda: True)
        monkeypatch.setattr(engine_module, "_torch", lambda *_: OnGpu())
        assert engine_for(bundle).device == "cuda"
        OnGpu.device = "cpu"  # a torch built without CUDA beside a GPU
        assert engine_for(bundle).name == "openvino"

    def test_no_driver_no_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(_: str) -> None:
            raise OSError

        monkeypatch.setattr(engine_module.ctypes, "CDLL", absent)
        assert not engine_module.has_gpu()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a bundle with a graph in 8 bits, as if its loss had been measured."""
    pytest.importorskip("onnxruntime")
    bundle = tiny_bundle(tmp_path_factory.mktemp("models") / "small")
    write_int8_graph(bundle.folder / GRAPH, bundle.folder / INT8_GRAPH, images(8))
    runtime = OpenVinoRuntime(bundle.folder / INT8_GRAPH, (1, 3, 32, 32), "int8")
    loss = AurocLoss(of="nme", positives=1, float32=1, int8=1, method="")
    found = Int8Info(
        calibrated=8,
        images=2,
        patients=2,
        auroc=(loss,),
        change=Drift(largest=0, mean=0),
        same_top=1,
        patterns=tuple(map(tuple, pattern_logits(runtime, 1, 32, 32).tolist())),
    )
    return with_int8(bundle, found)


def with_int8(bundle: Bundle, found: Int8Info) -> Bundle:
    assert bundle.info.graph is not None
    graph = bundle.info.graph.model_copy(update={"int8": found})
    return dataclasses.replace(bundle, info=bundle.info.model_copy(update={"graph": graph}))


class TestIn8Bits:
    @pytest.mark.parametrize("choice", ["auto", "openvino", "onnx"])
    def test_only_on_request(self, small: Bundle, choice: EngineChoice) -> None:
        engine = engine_for(small, choice, int8=True)
        assert engine.precision == "int8"
        assert engine.name == ("onnx" if choice == "onnx" else "openvino")
        assert engine_for(small, choice).precision != "int8"
        exact = TorchEngine(small, 8).outputs(images(8))["diagnosis"]
        off = np.abs(engine.outputs(images(8))["diagnosis"] - exact)
        assert 0 < off.max() < 0.2 * exact.std()

    def test_a_bundle_without_says_what_to_do(self, bundle: Bundle) -> None:
        with pytest.raises(
            BundleError, match=r"--int8 needs network\.int8\.onnx.*train with model\.int8=true"
        ):
            engine_for(bundle, int8=True)

    def test_torch_has_none(self, small: Bundle) -> None:
        with pytest.raises(BundleError, match=r"--int8 cannot run .*torch: it has no 8-bit integers here"):
            engine_for(small, "torch", int8=True)

    def test_onnx_runtime_takes_the_place_of_openvino(
        self, small: Bundle, without: Callable[..., None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        without("openvino")
        assert engine_for(small, int8=True).name == "onnx"
        assert "openvino is not installed (`pip install openvino`); onnx runs it" in capsys.readouterr().err
        without("openvino", "onnxruntime")
        with pytest.raises(BundleError, match=r"openvino is not installed.*onnxruntime is not installed"):
            engine_for(small, int8=True)

    def test_a_processor_that_computes_otherwise_is_refused(self, small: Bundle) -> None:
        """As one without VNNI does, whose sums overflow: other answers than those whose loss was measured."""
        assert small.info.graph is not None
        assert small.info.graph.int8 is not None
        other = tuple(tuple(reversed(row)) for row in small.info.graph.int8.patterns)
        altered = with_int8(small, small.info.graph.int8.model_copy(update={"patterns": other}))
        with pytest.raises(
            BundleError, match=r"this processor computes in 8 bits otherwise.*leave out --int8"
        ):
            engine_for(altered, int8=True)


class TestGraphEngine:
    @pytest.mark.parametrize("choice", ["openvino", "onnx"])
    def test_no_batch_changes_an_answer(self, bundle: Bundle, choice: Literal["openvino", "onnx"]) -> None:
        """To the last bit, at any place, in any company, in a batch of any size."""
        if choice == "onnx":
            pytest.importorskip("onnxruntime")
        engine = engine_for(bundle, choice)
        alone = engine.outputs(images(1, 99))["diagnosis"][0]
        for n in (2, 5, 17):
            for place in (0, n // 2, n - 1):
                batch = images(n, seed=n)
                batch[place] = images(1, 99)[0]
                np.testing.assert_array_equal(engine.outputs(batch)["diagnosis"][place], alone)

    def test_too_little_memory_is_told_in_words(
        self, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = engine_for(bundle)
        for error, caught in [(OUT_OF_MEMORY[1], ImageError), (RuntimeError("shapes"), RuntimeError)]:

            def fail(_: object, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(engine, "runtime", fail)
            with pytest.raises(caught):
                engine.outputs(images(2))

    def test_a_wrong_shape_is_an_error_and_the_next_call_is_right(self, bundle: Bundle) -> None:
        engine = engine_for(bundle)
        expected = engine.outputs(images(3))["diagnosis"]
        with pytest.raises((RuntimeError, ValueError)):
            engine.outputs([*images(5, 7), np.zeros((3, 7, 7), np.float32)])
        np.testing.assert_array_equal(engine.outputs(images(3))["diagnosis"], expected)

    def test_several_threads_may_ask_at_once(self, bundle: Bundle) -> None:
        engine = engine_for(bundle)
        expected = [engine.outputs(images(6, seed))["features"] for seed in range(8)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda seed: engine.outputs(images(6, seed))["features"], range(8)))
        np.testing.assert_array_equal(found, expected)


def replaced(bundle: Bundle, half: Drift | None) -> Bundle:
    """Return the bundle as if its check of bfloat16 had found this."""
    record = GraphInfo(images=1, float32=Drift(largest=0, mean=0), bfloat16=half)
    return dataclasses.replace(bundle, info=bundle.info.model_copy(update={"graph": record}))
