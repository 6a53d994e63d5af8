"""What this machine can do and what is wrong with it: PASS, WARN or FAIL, each with its fix.

`nmevision doctor` prints it. Without `--hub` it never touches the network; it changes nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nmevision.cores import usable_cores

if TYPE_CHECKING:
    from nmevision.networks.foundation import Foundation

Status = Literal["PASS", "WARN", "FAIL"]

GB = 1e9
"""Bytes in the gigabytes written here; disks and graphics cards are sold by it."""
DISK_FAIL, DISK_WARN = 0.5 * GB, 5 * GB
"""A small bundle with its reports takes about 0.2 GB; a run with checkpoints a few."""
MEMORY_WARN = 4 * GB
"""torch, a small network, a batch and two decoding processes take about 3 GB."""
SHARED_MEMORY_WARN = 0.5 * GB
"""Decoding processes hand over batches in /dev/shm; containers often give it 64 MB."""
MALICIOUS = {"2.6.2", "2.6.3"}
"""Releases of lightning that steal credentials when imported (GHSA-w37p-236h-pfx3)."""
HUB_MODEL = "timm/resnet18.a1_in1k"
"""A small public repository of weights, only looked up."""
HUB_TIMEOUT = 5.0
"""Seconds."""


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do where it is not well ("" where it is)."""

    name: str
    status: Status
    found: str
    fix: str = ""


def run_checks(hub: bool = False, folder: Path = Path()) -> list[Check]:
    """Return every check of this machine, most basic first.

    hub: also ask the hub for pretrained weights; the only check that touches the network.
    folder: where results will be written; it must exist, and one file is written there and removed.
    """
    checks = [_python(), *_dependencies(), _lightning(), _albumentations()]
    checks += _guarded("torch with torchvision", _operators)
    checks += _guarded("device", _devices)
    checks += [_memory(), *_shared_memory(), *_folder(Path(folder))]
    if hub:
        checks += _hub()
    return checks


def print_checks(checks: list[Check]) -> int:
    """Print one line per check, its fix beneath, and a summary; return the exit code: 1 after any FAIL.

    >>> print_checks([Check("disk", "WARN", "3.0 GB free", "free some space")])
    WARN  disk  3.0 GB free
                fix: free some space
    1 check: 0 passed, 1 warning, 0 failed
    0
    """
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        print(f"{check.status}  {check.name:<{width}}  {check.found}")
        if check.fix:
            print(f"{'':{width + 8}}fix: {check.fix}")
    passed, warned, failed = (
        sum(check.status == status for check in checks) for status in ("PASS", "WARN", "FAIL")
    )
    total = f"{len(checks)} check" + ("s" if len(checks) != 1 else "")
    print(f"{total}: {passed} passed, {warned} warning{'s' if warned != 1 else ''}, {failed} failed")
    return 1 if failed else 0


def _python() -> Check:
    """Look at the version of Python."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    try:
        needed = metadata.metadata("nmevision")["Requires-Python"]
    except metadata.PackageNotFoundError:  # the next check says so
        return Check("Python", "PASS", found)
    if not SpecifierSet(needed).contains(platform.python_version(), prereleases=True):
        return Check("Python", "FAIL", found, f"make a virtual environment with Python {needed}")
    return Check("Python", "PASS", found)


def _dependencies() -> list[Check]:
    """Compare every dependency with the bounds that the installed package states."""
    try:
        stated = metadata.requires("nmevision") or []
    except metadata.PackageNotFoundError:
        return [Check("nmevision", "FAIL", "not installed", "in the checkout: make setup")]
    requirements = [Requirement(text) for text in stated]
    own = Check("nmevision", "PASS", metadata.version("nmevision"))
    wanted = [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [own, *(check_requirement(requirement) for requirement in wanted)]


def check_requirement(requirement: Requirement) -> Check:
    """Compare the installed version of one package with its bounds; the fix is the pip command."""
    fix = f'pip install "{requirement.name}{requirement.specifier}"'
    found = _version(requirement.name)
    if found is None:
        return Check(requirement.name, "FAIL", "not installed", fix)
    if not requirement.specifier.contains(found, prereleases=True):
        return Check(requirement.name, "FAIL", f"{found}, outside {requirement.specifier}", fix)
    return Check(requirement.name, "PASS", found)


def _version(name: str) -> str | None:
    """Return the installed version of a package, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _lightning() -> Check:
    """Look for the malicious releases, without importing them."""
    name = "lightning release"
    bad = [p for p in ("lightning", "pytorch-lightning") if _version(p) in MALICIOUS]
    if not bad:
        return Check(name, "PASS", "none of the malicious ones")
    return Check(
        name,
        "FAIL",
        f"{' and '.join(f'{p} {_version(p)}' for p in bad)}: steals credentials when imported",
        "do not start Python here; delete this environment, change every password and token this machine "
        "held (advisory GHSA-w37p-236h-pfx3), and set up anew",
    )


def _albumentations() -> Check:
    """Look for the AGPL successor of albumentations, which takes the same import name."""
    name, successor = "albumentations licence", _version("albumentationsx")
    if successor is None:
        return Check(name, "PASS", "MIT; the AGPL successor is not installed")
    return Check(
        name,
        "FAIL",
        f"albumentationsx {successor} is installed, under the AGPL",
        'pip uninstall -y albumentationsx albumentations; pip install "albumentations>=2.0.8,<2.1"',
    )


def _guarded(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """Return what `look` finds, or one FAIL where torch or its companion cannot even be loaded."""
    try:
        return look()
    except Exception as problem:  # a broken binary raises ImportError, OSError, RuntimeError ...
        first = (str(problem).strip().splitlines() or [""])[0]
        fix = "install the tested pair: pip install --force-reinstall -c requirements.lock torch torchvision"
        return [Check(name, "FAIL", f"{type(problem).__name__}: {first[:200]}", fix)]


def _operators() -> list[Check]:
    """Run a compiled operator of torchvision, which fails beside a torch it was not built for."""
    import torch
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]])
    kept = nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist()
    if kept != [0]:
        raise RuntimeError(f"non-maximum suppression kept boxes {kept}, expected [0]")
    return [Check("torch with torchvision", "PASS", "compiled operators load")]


def _devices() -> list[Check]:
    """Describe what could train here: NVIDIA cards, Apple's GPU, the CPU."""
    import torch

    from nmevision.training.hardware import bf16_is_fast

    checks = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(index)
        words = f"{card.name}, {card.total_memory / GB:.0f} GB, bf16 {_fast(bf16_is_fast('gpu'))}"
        checks.append(Check(f"device cuda:{index}", "PASS", words))
    if not checks and shutil.which("nvidia-smi"):
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        found = f"nvidia-smi is here, but torch {torch.__version__} ({built}) sees no card"
        fix = "run nvidia-smi; update the driver, or install a torch built for it"
        checks.append(Check("device cuda", "WARN", found, fix))
    if torch.backends.mps.is_available():
        checks.append(Check("device mps", "PASS", f"Apple GPU, bf16 {_fast(bf16_is_fast('mps'))}"))
    words = (
        f"{usable_cores()} cores, {torch.get_num_threads()} torch threads, bf16 {_fast(bf16_is_fast('cpu'))}"
    )
    return [*checks, Check("device cpu", "PASS", words)]


def _fast(answer: bool) -> str:
    """Say whether bf16 runs in hardware."""
    return "fast" if answer else "slow (fp32 is used)"


def _memory() -> Check:
    """Look at the physical memory, bytes."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return Check("memory", "PASS", "not known on this system")
    if total < MEMORY_WARN:
        fix = "train with data.workers=0 and a smaller train.batch_size"
        return Check("memory", "WARN", f"{total / GB:.1f} GB", fix)
    return Check("memory", "PASS", f"{total / GB:.1f} GB")


def _shared_memory() -> list[Check]:
    """Look at the space for batches between processes, where the system has a folder for it."""
    place = Path("/dev/shm")
    if not place.is_dir():
        return []
    free = shutil.disk_usage(place).free
    if free < SHARED_MEMORY_WARN:
        fix = "train with data.workers=0, or start the container with --shm-size=2g"
        return [Check("shared memory", "WARN", f"{free / GB:.2f} GB", fix)]
    return [Check("shared memory", "PASS", f"{free / GB:.1f} GB")]


def _folder(folder: Path) -> list[Check]:
    """Look whether results can be written to `folder` and how much room is left, bytes."""
    name, shown = "working folder", str(folder.resolve())
    if not folder.is_dir():
        return [Check(name, "FAIL", f"{shown} is not a folder", "make it, or name another one")]
    try:
        with tempfile.TemporaryFile(dir=folder):
            writable = Check(name, "PASS", f"{shown} can be written to")
    except OSError as problem:
        found = f"{shown} cannot be written to ({problem.strerror})"
        writable = Check(name, "FAIL", found, "work in a folder of your own")
    free = shutil.disk_usage(folder).free
    status: Status = "FAIL" if free < DISK_FAIL else "WARN" if free < DISK_WARN else "PASS"
    fix = "free some space, or write elsewhere with output.runs=DIR and output.models=DIR"
    return [writable, Check("disk", status, f"{free / GB:.1f} GB free", "" if status == "PASS" else fix)]


def _hub() -> list[Check]:
    """Ask the hub for a public repository, without any token, then for the foundation backbones."""
    try:
        from huggingface_hub import HfApi

        HfApi().model_info(HUB_MODEL, timeout=HUB_TIMEOUT, token=False)
    except Exception as problem:  # offline, proxy, DNS, timeout; the text may hold a proxy's password
        found = f"{HUB_MODEL} could not be looked up ({type(problem).__name__})"
        fix = "train with model.weights=PATH to a local .safetensors file, or with model.weights=none"
        return [Check("weights hub", "WARN", found, fix)]
    from nmevision.networks.foundation import foundations

    looked = [_foundation(name, row) for name, row in foundations().items()]
    return [Check("weights hub", "PASS", f"{HUB_MODEL} can be looked up"), *looked]


def _foundation(name: str, row: Foundation) -> Check:
    """Ask whether a foundation backbone's files can be had, with the user's own token, which is never shown."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import GatedRepoError

    terms = f"{row.licence}: {row.permits}"
    try:
        get_hf_file_metadata(hf_hub_url(row.hub, "config.json"), timeout=HUB_TIMEOUT)
    except GatedRepoError:
        fix = f"accept the terms on the page of {row.hub} and set HF_TOKEN, or give model.weights=FOLDER"
        return Check(f"backbone {name}", "WARN", f"gated, no access with this token ({terms})", fix)
    except Exception as problem:  # its text may hold a token or a proxy's password
        found = f"{row.hub} could not be looked up ({type(problem).__name__})"
        return Check(f"backbone {name}", "WARN", found, "download it elsewhere, then model.weights=FOLDER")
    return Check(f"backbone {name}", "PASS", f"reachable ({terms})")
