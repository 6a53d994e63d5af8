"""A bundle of a very small network with random weights: everything but knowledge is real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmevision.networks.backbones import build_backbone
from nmevision.networks.bundle import Bundle, save_bundle
from nmevision.networks.classifier import Classifier
from nmevision.networks.novelty import FeatureNovelty, fit
from nmevision.networks.tasks import DIAGNOSIS, FIELDS, FINDINGS
from nmevision.preprocessing import Preprocessing
from nmevision.taxonomy import Taxonomy, taxonomy_from

SIZE = 32
TAXONOMY: Taxonomy = taxonomy_from(
    {
        "name": "three looks",
        "groups": [{"key": "necrolytic", "name": "necrolytic"}, {"key": "other", "name": "other"}],
        "diagnoses": [
            {"key": "nme", "name": "necrolytic migratory erythema", "group": "necrolytic"},
            {"key": "psoriasis", "name": "psoriasis", "group": "other"},
            {"key": "eczema", "name": "eczema", "group": "other"},
        ],
    },
    "test",
)


def tiny_network(
    backbone: str = "test_resnet", seed: int = 0, findings: int = 0, fields: int = 0
) -> Classifier:
    """Return a network for TAXONOMY in evaluation mode; the seed decides its weights."""
    torch.manual_seed(seed)
    built = build_backbone(backbone, "none", image_size=SIZE)
    sizes = {DIAGNOSIS: len(TAXONOMY.keys), FINDINGS: 3 * findings, FIELDS: fields}
    network = Classifier(built.module, built.width, {task: n for task, n in sizes.items() if n})
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return network.eval()


def tiny_info(**changes: Any) -> dict[str, Any]:
    """Return a bundle's record with `changes`."""
    network = {"backbone": "test_resnet", "tasks": {DIAGNOSIS: 3}, "image_size": SIZE, "weights_from": "none"}
    recipe = Preprocessing(height=SIZE, width=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return {
        "name": "tiny",
        "created": "2026-01-01T00:00:00+00:00",
        "nmevision": "0",
        "modality": "histology",
        "phantom": False,
        "taxonomy": TAXONOMY,
        "positive": "nme",
        "network": network,
        "preprocessing": recipe,
        "temperature": 1.5,
        "training": {"counts": {"train": {"nme": {"patients": 3, "images": 5}}}, "configurations_tried": 2},
        "validation": {"epoch": 3, "epochs": 9, "loss": 0.5, "images": 4, "patients": 2},
        "versions": {"timm": "0"},
    } | changes


def everything_usual(network: Classifier) -> FeatureNovelty:
    """Return a novelty that finds nothing unusual."""
    noise = np.random.default_rng(0).normal(0, 1e3, (64, network.heads[DIAGNOSIS][1].in_features))
    return fit(noise, noise)


def tiny_bundle(
    folder: Path, backbone: str = "test_resnet", seed: int = 0, seen: list[str] | None = None, **changes: Any
) -> Bundle:
    """Save a bundle in `folder` and return it."""
    info = tiny_info(name=folder.name, **changes)
    info["network"] = {**info["network"], "backbone": backbone}
    network = tiny_network(backbone, seed, len(info.get("findings", ())), len(info.get("fields", ())))
    return save_bundle(folder, network, info, seen or ["0" * 64], everything_usual(network))


def grading_bundle(folder: Path, **changes: Any) -> Bundle:
    """Save a bundle that also grades parakeratosis and spongiosis, and return it."""
    findings = [
        {
            "key": key,
            "temperature": 1.0,
            "confusion": (5 * np.eye(4, dtype=int)).tolist(),
            "train_counts": [5] * 4,
        }
        for key in ("parakeratosis", "spongiosis")
    ]
    network = tiny_info()["network"] | {"tasks": {DIAGNOSIS: 3, FINDINGS: 6}}
    fusion = {"learned": 1.0, "knowledge": 0.0, "images": 0}
    return tiny_bundle(folder, network=network, findings=findings, fusion=fusion, **changes)
