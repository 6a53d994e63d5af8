"""The engine: the same answer whatever stands beside an image, and batches that shrink to what fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_bundle, tiny_network
from torch import nn

from nmevision.errors import ImageError
from nmevision.inference.engine import TorchEngine
from nmevision.networks.bundle import Bundle


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
