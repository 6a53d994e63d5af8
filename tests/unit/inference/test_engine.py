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
from nmevision.inference.engine import engine_for
from nmevision.inference.engine_torch import TorchEngine
from nmevision.networks import graph
from nmevision.networks.bundle import Bundle
from nmevision.networks.graph import Drift, GraphInfo


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
        with pytest.raises(RuntimeError):
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
