"""One tiny model for all tests of the server, and a server of it with ordinary limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from reader_browser import browser  # noqa: F401 - a fixture
from server_world import PatientPredictor, Served, serving
from tiny_bundle import tiny_bundle

from nmevision.inference.predictor import Predictor


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights that says it was trained on phantoms. To read, not to write."""
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", phantom=True).folder


@pytest.fixture(scope="session")
def predictor(bundle_folder: Path) -> Predictor:
    """Its predictor."""
    return Predictor.load(bundle_folder)


@pytest.fixture
def patient(bundle_folder: Path) -> Iterator[PatientPredictor]:
    """A predictor that begins when the test says so."""
    made = PatientPredictor.load(bundle_folder)
    assert isinstance(made, PatientPredictor)
    yield made
    made.allowed.set()


@pytest.fixture(scope="module")
def served(predictor: Predictor) -> Iterator[Served]:
    """A running server."""
    with serving(predictor) as running:
        yield running
