"""What the journeys share: drawn images to train on, others that no model has seen, one trained bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file
from small_world import SHARED, Training, World, make_world, train_here

from nmevision.files import sha256_of, write_json


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Thirty patients of three looks and two sources, two images each. To read, not to write."""
    return make_world(tmp_path_factory.mktemp("world"), patients=10)


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Eighteen other patients that no model was trained on. To read, not to write."""
    return make_world(tmp_path_factory.mktemp("unseen"), patients=6, seed=50_000)


@pytest.fixture(scope="session")
def trained(world: World, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """The one small bundle that the tests share, made by the real command line. To read, not to write."""
    training = train_here(world, "shared", tmp_path_factory.mktemp("trained"), *SHARED)
    find_nothing_unusual(training.bundle)
    return training


def find_nothing_unusual(bundle: Path) -> None:
    """Widen what the bundle holds for usual: its few drawings would flag other test images, rightly."""
    usual = load_file(bundle / "novelty.safetensors")
    save_file({**usual, "usual": usual["usual"] * 1e6}, bundle / "novelty.safetensors")
    record = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    record["files"]["novelty.safetensors"] = sha256_of(bundle / "novelty.safetensors")
    write_json(bundle / "bundle.json", record)
