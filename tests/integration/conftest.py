"""What the journeys share: drawn images to train on, others that no model has seen, one trained bundle."""

from __future__ import annotations

import pytest
from small_world import SHARED, Training, World, make_world, train_here


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
    return train_here(world, "shared", tmp_path_factory.mktemp("trained"), *SHARED)
