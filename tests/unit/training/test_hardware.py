"""The choice of device and number format, on machines that are not this one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nmevision.training.hardware import BF16, FP32, Hardware, bf16_is_fast, choose_hardware


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes this machine look like another."""

    def look_like(
        cuda: bool = False, cuda_bf16: bool = False, mps: bool = False, cpu: dict[str, bool] | None = None
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True: cuda_bf16 or including_emulation
        )
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu or {})

    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return look_like


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"cuda": True, "cuda_bf16": True}, Hardware("gpu", 1, BF16)),
        ({"cuda": True}, Hardware("gpu", 1, FP32)),  # an old card only emulates it
        ({"mps": True}, Hardware("mps", 1, FP32, "contiguous")),
        ({}, Hardware("cpu", 1, FP32)),
        ({"cpu": {"amx_bf16": True}}, Hardware("cpu", 1, BF16)),
        ({"cpu": {"avx512_bf16": True}}, Hardware("cpu", 1, BF16)),
        ({"cpu": {"avx512": True, "avx2": True}}, Hardware("cpu", 1, FP32)),
    ],
)
def test_auto_takes_what_is_fast(machine: Any, what: dict[str, Any], expected: Hardware) -> None:
    machine(**what)
    assert choose_hardware() == expected


def test_what_is_asked_for_is_taken(machine: Any) -> None:
    machine(cuda=True, cuda_bf16=True)
    assert choose_hardware("cpu", "bf16") == Hardware("cpu", 1, BF16)
    assert choose_hardware("gpu", "fp32") == Hardware("gpu", 1, FP32)


def test_under_torchrun(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine()
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    hardware = choose_hardware()
    assert (hardware.devices, hardware.processes) == (4, 8)


def test_this_machine() -> None:
    capabilities = torch.cpu.get_capabilities()
    fast = bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    assert bf16_is_fast("cpu") is fast
    assert bf16_is_fast("mps") is False
