from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

from nmevision import doctor
from nmevision.doctor import Check, check_requirement, print_checks, run_checks

# Runs the checks where any look-up of a host or connection raises; says so where torch came in with the import.
OFFLINE = """
import sys
from nmevision import doctor
assert "torch" not in sys.modules, "importing doctor must not import torch"
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        raise RuntimeError(f"network: {event} {arguments}")
sys.addaudithook(refuse)
for check in doctor.run_checks(hub=sys.argv[1] == "hub"):
    print(check.status, check.name, check.found, check.fix, sep="|")
"""


def offline_checks(folder: Path, mode: str) -> dict[str, Check]:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, mode], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    fields = (line.split("|") for line in done.stdout.splitlines())
    return {name: Check(name, status, found, fix) for status, name, found, fix in fields}  # type: ignore[arg-type]


def pretend_installed(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """Make some packages look installed in another version, or not at all."""
    real = metadata.version

    def version(name: str) -> str:
        if name.replace("-", "_") not in versions:
            return real(name)
        found = versions[name.replace("-", "_")]
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)


@pytest.mark.slow
def test_no_network_and_nothing_left_behind(tmp_path: Path) -> None:
    checks = offline_checks(tmp_path, "-")
    names = set(checks)
    assert {"Python", "nmevision", "torch", "pandas", "torch with torchvision", "device cpu", "disk"} <= names
    assert "weights hub" not in names
    assert checks["torch with torchvision"].status == "PASS"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_hub_is_asked_only_when_told_and_offline_is_a_warning(tmp_path: Path) -> None:
    check = offline_checks(tmp_path, "hub")["weights hub"]
    assert check.status == "WARN"
    assert "RuntimeError" in check.found  # the refusal above, so the checks without hub were watched too
    assert "model.weights=PATH" in check.fix
    assert "model.weights=none" in check.fix


def test_hub_says_nothing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def model_info(self: object, repository: str, **options: Any) -> None:
        asked.update(options, repository=repository)
        raise OSError("proxy http://user:secret@host refused; token hf_secret")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    (check,) = doctor._hub()
    assert check.status == "WARN"
    assert "secret" not in check.found + check.fix
    assert asked["token"] is False  # not even a stored token is sent
    assert 0 < asked["timeout"] <= 10
    assert asked["repository"] == doctor.HUB_MODEL
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: object())
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", model_info)
    hub, *backbones = doctor._hub()
    assert (hub.status, {check.status for check in backbones}) == ("PASS", {"WARN"})
    assert "secret" not in "".join(check.found + check.fix for check in backbones)


@pytest.mark.parametrize(
    ("requirement", "installed", "status", "words"),
    [
        ("timm>=1.0.20,<2", "1.0.20", "PASS", "1.0.20"),
        ("timm>=1.0.20,<2", "1.0.19", "FAIL", "1.0.19, outside <2,>=1.0.20"),
        ("timm>=1.0.20,<2", "2.0.0", "FAIL", "2.0.0, outside"),
        ("timm>=1.0.20,<2", None, "FAIL", "not installed"),
        ("timm>=1.0.20,<2", "1.1.0.dev3", "PASS", "1.1.0.dev3"),  # a nightly build is a version too
        ("timm>=1.0.20,<2", "1.0.20+cu130", "PASS", "1.0.20+cu130"),
    ],
)
def test_bounds(
    monkeypatch: pytest.MonkeyPatch, requirement: str, installed: str | None, status: str, words: str
) -> None:
    pretend_installed(monkeypatch, timm=installed)
    check = check_requirement(Requirement(requirement))
    assert (check.status, words in check.found) == (status, True)
    assert check.fix == ('pip install "timm<2,>=1.0.20"' if status == "FAIL" else "")


def test_every_dependency_is_looked_at_and_no_extra() -> None:
    stated = [Requirement(text) for text in metadata.requires("nmevision") or []]
    names = {check.name for check in doctor._dependencies()}
    assert names == {"nmevision"} | {
        r.name for r in stated if r.marker is None or r.marker.evaluate({"extra": ""})
    }


def test_not_installed_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    monkeypatch.setattr(metadata, "metadata", missing)
    assert doctor._python().status == "PASS"
    (check,) = doctor._dependencies()
    assert check.status == "FAIL"
    assert "make setup" in check.fix


def test_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.10.14")
    check = doctor._python()
    assert check.status == "FAIL"
    assert "3.11" in check.fix


@pytest.mark.parametrize("package", ["lightning", "pytorch_lightning"])
@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_malicious_lightning(monkeypatch: pytest.MonkeyPatch, package: str, version: str) -> None:
    assert doctor._lightning().status == "PASS"
    pretend_installed(monkeypatch, **{package: version})
    check = doctor._lightning()
    assert check.status == "FAIL"
    assert version in check.found
    assert "GHSA-w37p-236h-pfx3" in check.fix


def test_agpl_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._albumentations().status == "PASS"
    pretend_installed(monkeypatch, albumentationsx="2.1.0")
    check = doctor._albumentations()
    assert check.status == "FAIL"
    assert "AGPL" in check.found
    assert "pip uninstall -y albumentationsx" in check.fix


def test_unloadable_torchvision_is_a_failure_not_a_crash() -> None:
    def broken() -> list[Check]:
        raise RuntimeError("operator torchvision::nms does not exist\nlong trace")

    (check,) = doctor._guarded("torch with torchvision", broken)
    assert check.status == "FAIL"
    assert check.found == "RuntimeError: operator torchvision::nms does not exist"
    assert "torchvision" in check.fix


def test_nvidia_card_that_torch_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    checks = {check.name: check for check in doctor._devices()}
    assert checks["device cuda"].status == "WARN"
    assert checks["device cpu"].status == "PASS"


def test_cards_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    card = SimpleNamespace(name="NVIDIA Test", total_memory=24e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    checks = {check.name: check for check in doctor._devices()}
    assert checks["device cuda:1"].found == "NVIDIA Test, 24 GB, bf16 slow (fp32 is used)"


@pytest.mark.parametrize(
    ("free", "status"), [(0.4e9, "FAIL"), (0.6e9, "WARN"), (4.9e9, "WARN"), (5.1e9, "PASS")]
)
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, status: str) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    writable, disk = doctor._folder(tmp_path)
    assert writable.status == "PASS"
    assert disk.status == status
    assert (disk.fix == "") == (status == "PASS")


def test_folder_that_is_missing_or_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (check,) = doctor._folder(tmp_path / "no")
    assert (check.status, "not a folder" in check.found) == ("FAIL", True)

    def denied(**_: object) -> None:  # root may write anywhere, so the refusal is made here
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", denied)
    closed, _ = doctor._folder(tmp_path)
    assert (closed.status, "Permission denied" in closed.found) == ("FAIL", True)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="no sysconf on this system")
def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 2_000_000_000 // 4096)
    check = doctor._memory()
    assert (check.status, check.found) == ("WARN", "2.0 GB")
    assert "data.workers=0" in check.fix


def test_every_fix_names_keys_that_exist() -> None:
    from nmevision.config import ExperimentConfig

    for key in ("data.workers", "train.batch_size", "model.weights", "output.runs", "output.models"):
        section, field = key.split(".")
        assert field in ExperimentConfig.model_fields[section].annotation.model_fields  # type: ignore[union-attr]


def test_exit_code_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    good, poor, bad = Check("a", "PASS", "1"), Check("long", "WARN", "2", "w"), Check("b", "FAIL", "3", "f")
    assert print_checks([good, poor]) == 0
    assert print_checks([good, poor, bad]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "3 checks: 1 passed, 1 warning, 1 failed"
    assert "FAIL  b     3" in printed
    assert "            fix: f" in printed


@pytest.mark.slow
def test_here(tmp_path: Path) -> None:
    checks = run_checks(folder=tmp_path)
    failed = [check for check in checks if check.status == "FAIL" and check.name != "disk"]
    assert failed == []
