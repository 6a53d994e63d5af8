"""The engine that serves against torch in float32, on the same decoded pixels: the answers are the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_world import Training, World

from nmevision.data.images import read_image
from nmevision.inference.engine import Engine, engine_for
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.networks.graph import LARGEST, MEAN, Drift, GraphInfo, has_bfloat16
from nmevision.phantom.histology import draw_field
from nmevision.phantom.profiles import DIAGNOSES

SAME_TOP = 0.995


def drift(bundle: Bundle, engine: Engine, images: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the largest and the mean difference of a probability, and the share of same most probable answers."""
    inputs = [bundle.info.preprocessing(pixels) for pixels in images]
    maker, torch = AnswerMaker(bundle), engine_for(bundle, "torch")
    found, expected = (maker.from_outputs(one.outputs(inputs)) for one in (engine, torch))
    names = [f"p_{key}" for key in bundle.info.taxonomy.keys]
    ours, theirs = (np.column_stack([columns[name] for name in names]) for columns in (found, expected))
    off = np.abs(ours - theirs)
    return float(off.max()), float(off.mean()), float((ours.argmax(1) == theirs.argmax(1)).mean())


@pytest.fixture(scope="module")
def phantoms() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [draw_field(DIAGNOSES[i % len(DIAGNOSES)], rng, 96).pixels for i in range(48)]


def check(bundle: Bundle, images: list[np.ndarray], precisions: tuple[str, ...]) -> None:
    for precision in precisions:
        exact = Drift(largest=0, mean=0)
        record = GraphInfo(images=1, float32=exact, bfloat16=exact if precision == "bfloat16" else None)
        info = bundle.info.model_copy(update={"graph": record})
        engine = engine_for(dataclasses.replace(bundle, info=info), "openvino")
        assert engine.precision == precision
        largest, mean, same = drift(bundle, engine, images)
        assert largest <= LARGEST
        assert mean <= MEAN
        assert same >= SAME_TOP


def allowed(bundle: Bundle) -> tuple[str, ...]:
    """Return the precisions in which the bundle's own check lets it be served here."""
    half = bundle.info.graph is not None and bundle.info.graph.allows("bfloat16") and has_bfloat16()
    return ("float32", "bfloat16") if half else ("float32",)


def test_drawn_images_are_answered_as_torch_does(trained: Training, unseen: World) -> None:
    bundle = open_bundle(trained.bundle)
    images = [read_image(unseen.folder / path).pixels for path in unseen.table["path"]]
    check(bundle, images, allowed(bundle))


@pytest.mark.slow
def test_phantoms_are_answered_as_torch_does(trained: Training, phantoms: list[np.ndarray]) -> None:
    bundle = open_bundle(trained.bundle)
    check(bundle, phantoms, allowed(bundle))


@pytest.mark.real
def test_real_sections_are_answered_as_torch_does(trained: Training, shared_data: Path) -> None:
    files = sorted((shared_data / "oral_histology").rglob("*.jpg"))[::6]
    assert len(files) >= 190
    bundle = open_bundle(trained.bundle)
    check(bundle, [read_image(path).pixels for path in files], allowed(bundle))
