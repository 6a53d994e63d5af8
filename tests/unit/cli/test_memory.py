"""Starting training again with memory that is kept."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nmevision.cli.memory import KEEP, TUNABLES, settings

LINUX = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="glibc's tunables exist on Linux only",
)
SHOW = """
import os, sys
from nmevision.cli import memory
print("starting", flush=True)
memory.restart_keeping_memory()
print(os.environ.get("GLIBC_TUNABLES"), os.environ.get("GOMP_SPINCOUNT"), sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("environment", "libc", "has_gpu"),
    [({TUNABLES: "glibc.malloc.check=1"}, "glibc", False), ({}, "", False), ({}, "glibc", True)],
)
def test_own_settings_other_systems_and_gpus_stay_as_they_are(
    environment: dict[str, str], libc: str, has_gpu: bool
) -> None:
    assert settings(environment, libc, has_gpu) is None


def test_settings_are_in_glibc_form() -> None:
    found = settings({"PATH": "x"}, "glibc", has_gpu=False)
    assert found is not None
    assert dict(pair.split("=") for pair in found.split(":")) == {name: str(v) for name, v in KEEP.items()}


@LINUX
def test_process_starts_again_once_with_the_same_arguments(tmp_path: Path) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("with a GPU nothing is changed")
    line = [sys.executable, "-c", SHOW, "train", "name with space"]
    done = subprocess.run(line, cwd=tmp_path, env={}, capture_output=True, text=True, check=True)
    first, again, settled = done.stdout.splitlines()
    assert first == again == "starting"
    assert "glibc.malloc.mmap_max=0" in settled
    assert settled.endswith("3000 ['train', 'name with space']")


@LINUX
def test_how_threads_wait_is_the_users_to_say(tmp_path: Path) -> None:
    line = [sys.executable, "-c", SHOW]
    for own, expected in (({"OMP_WAIT_POLICY": "active"}, " None "), ({"GOMP_SPINCOUNT": "7"}, " 7 ")):
        done = subprocess.run(line, cwd=tmp_path, env=own, capture_output=True, text=True, check=True)
        assert expected in done.stdout.splitlines()[-1]


@LINUX
def test_glibc_knows_every_name() -> None:
    """glibc ignores an unknown tunable without a word; its own list is asked."""
    loader = next(iter(Path("/lib64").glob("ld-linux-*.so.*")), None)
    if loader is None:
        pytest.skip("the dynamic loader is elsewhere")
    done = subprocess.run([str(loader), "--list-tunables"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this glibc does not list its tunables (before 2.33)")
    assert set(KEEP) <= {line.split(":")[0] for line in done.stdout.splitlines()}
