"""Number format and memory layout by measurement: remembered, never in the way, and kept over a resume."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bundle import tiny_network

from nmevision.config import ExperimentConfig
from nmevision.files import user_cache
from nmevision.training import speed
from nmevision.training.hardware import BF16, FP32, Hardware
from nmevision.training.speed import choose, fastest, measure

CPU = Hardware("cpu", 1, BF16)
HALF_WINS = {f"{BF16} channels_last": 75.0, f"{FP32} channels_last": 28.0, f"{FP32} contiguous": 20.0}


def config(**train: Any) -> ExperimentConfig:
    content = {"name": "x", "modality": "clinical", "taxonomy": "t.yaml", "train": train}
    return ExperimentConfig.model_validate(content)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of `measure`, which says that half precision wins; the user's cache is an empty folder."""
    calls: list[Any] = []

    def pretend(*arguments: Any) -> dict[str, float]:
        calls.append(arguments)
        return dict(HALF_WINS)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(speed, "measure", pretend)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5), raising=False)
    return calls


def rates(**named: float) -> dict[str, float]:
    words = {"h": BF16, "f": FP32, "l": "channels_last", "c": "contiguous"}
    return {f"{words[name[0]]} {words[name[1]]}": rate for name, rate in named.items()}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (rates(hl=75, fl=28, hc=60, fc=20), (BF16, "channels_last")),  # ResNet-18 on a CPU with AMX
        (rates(hl=28, fl=28, hc=20, fc=20), (FP32, "channels_last")),  # MobileNetV2 on the same
        (rates(hl=30, fl=28, hc=30, fc=29), (FP32, "channels_last")),  # as good as equal: the plainest
        (rates(hl=50, fl=28, hc=70, fc=40), (BF16, "contiguous")),
        (rates(fl=20, fc=28), (FP32, "contiguous")),  # an older CPU
        (rates(hl=1.2, fl=1.0), (BF16, "channels_last")),  # so large that no other layout was timed
    ],
)
def test_the_plainest_that_is_not_slower(found: dict[str, float], expected: tuple[str, str]) -> None:
    assert choose(found) == expected
    assert choose(dict(reversed(found.items()))) == expected


def test_it_is_measured_once_per_network_size_and_batch(
    measured: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    network, slow = tiny_network(), Hardware("cpu", 1, FP32)
    assert fastest(slow, network, config(), 32) == Hardware("cpu", 1, BF16, "channels_last")
    assert fastest(slow, network, config(lr=0.1, epochs=3), 32).precision == BF16
    assert len(measured) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "training images/s (measured): bf16-mixed channels_last 75.0, 32-true channels_last 28.0, "
        "32-true contiguous 20.0"
    )
    assert "measured before" in said[1]
    fastest(slow, network, config(), 64)
    fastest(slow, network, config(batch_size=8), 32)
    fastest(slow, network, config(freeze_layers=1), 32)
    assert len(measured) == 4


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"images_per_second": {}, "facts": {}}', "\0"])
def test_a_damaged_memory_is_measured_again(content: str, measured: list[Any]) -> None:
    fastest(CPU, tiny_network(), config(), 32)
    (memory,) = (user_cache() / "training-speed").iterdir()
    whole = json.loads(memory.read_text())
    memory.write_text(content)
    fastest(CPU, tiny_network(), config(), 32)
    assert len(measured) == 2
    assert json.loads(memory.read_text()) == whole


def test_another_torch_measures_again(measured: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fastest(CPU, tiny_network(), config(), 32)
    monkeypatch.setattr(torch, "__version__", "99.0")
    fastest(CPU, tiny_network(), config(), 32)
    assert len(measured) == 2


def test_what_is_measured_in_a_crowd_is_not_remembered(
    measured: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1000.0, 1.0, 1.0), raising=False)
    for _ in range(2):
        assert fastest(CPU, tiny_network(), config(), 32).precision == BF16
    assert len(measured) == 2
    assert not (user_cache() / "training-speed").exists()


def test_without_a_folder_to_remember_in_it_still_answers(
    measured: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fastest(CPU, tiny_network(), config(), 32).precision == BF16


def test_what_is_asked_for_or_runs_elsewhere_is_not_measured(measured: list[Any]) -> None:
    for hardware, settings in (
        (CPU, {"precision": "bf16"}),
        (CPU, {"precision": "fp32"}),
        (Hardware("gpu", 1, BF16), {}),
        (Hardware("mps", 1, FP32, "contiguous"), {}),
    ):
        assert fastest(hardware, tiny_network(), config(**settings), 32) == hardware
    assert measured == []


@pytest.mark.parametrize("half", [True, False])
def test_a_measurement_leaves_no_trace(half: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "bf16_is_fast", lambda _: half)
    monkeypatch.setattr(speed, "SECONDS", 600.0)  # however busy this machine is
    network = tiny_network(findings=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    found = measure(network, config().train, 32, 1)
    assert set(found) == set(rates(hl=1, fl=1, hc=1, fc=1) if half else rates(fl=1, fc=1))
    assert all(rate > 0 for rate in found.values())
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_large_network_is_timed_in_one_layout_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "bf16_is_fast", lambda _: True)
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    assert list(measure(tiny_network(), config().train, 32, 2)) == [
        f"{BF16} channels_last",
        f"{FP32} channels_last",
    ]
