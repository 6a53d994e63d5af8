"""What lies around the code agrees with itself: the lock with the bounds, one version everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import nmevision

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PYPROJECT["optional-dependencies"]
DIRECT = [Requirement(text) for part in (PYPROJECT["dependencies"], *EXTRAS.values()) for text in part]


def read_lock() -> dict[str, Version]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def everything_needed() -> set[str]:
    """Return the names of the direct dependencies and, as installed here, of all that they need in turn."""
    names: set[tuple[str, frozenset[str]]] = set()
    waiting = list(DIRECT)
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in names:
            continue
        names.add(key)
        further = [Requirement(text) for text in metadata.requires(requirement.name) or []]
        waiting += [
            r
            for r in further
            if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in {"", *requirement.extras})
        ]
    return {name for name, _ in names}


def test_lock_is_plain_and_sorted() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [line.startswith("#") for line in lines[:3]] == [True, True, False]
    pins = lines[2:]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    names = [line.partition("==")[0] for line in pins]
    assert len(set(map(canonicalize_name, names))) == len(names)
    assert pins == sorted(pins, key=str.upper)


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_lock_obeys_every_bound(requirement: Requirement) -> None:
    pinned = read_lock()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


def test_lock_is_whole_and_holds_nothing_else() -> None:
    lock = read_lock()
    if sys.platform != "linux" or Version(metadata.version("torch")) != lock["torch"]:
        pytest.skip("not the environment that the lock describes")
    assert everything_needed() == set(lock)


def test_no_malicious_or_agpl_release_in_the_lock() -> None:
    lock = read_lock()
    assert {str(lock["lightning"]), str(lock["pytorch-lightning"])}.isdisjoint({"2.6.2", "2.6.3"})
    assert "albumentationsx" not in lock


def test_every_bound_has_its_reason_beside_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    bounds = [line for line in lines if re.match(r'    "[A-Za-z0-9-]+>=', line)]
    assert len(bounds) == len(DIRECT)
    assert [line for line in bounds if not re.search(r'",\s+# \S+', line)] == []


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == nmevision.__version__
    assert citation["license"] == PYPROJECT["license"] == "Apache-2.0"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{nmevision.__version__}] - {citation['date-released']}" in changelog


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a user would, even where the tests themselves were started by make."""
    if shutil.which("make") is None:
        pytest.skip("no make on this system")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-C", str(ROOT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert declared is not None
    listed = re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE)
    assert sorted(listed) == sorted(declared[1].split())
    assert all(f"make {target} " in make().stdout for target in listed)


def test_old_python_is_refused_in_words(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make setup PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()
