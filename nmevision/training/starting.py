"""The network a training starts from, with all that its bundle will have to say about it."""

from __future__ import annotations

from dataclasses import dataclass

from nmevision.config import ExperimentConfig
from nmevision.grades import STEPS
from nmevision.networks.backbones import backbone_preprocessing, build_backbone, freeze_first
from nmevision.networks.classifier import Classifier
from nmevision.networks.tasks import DIAGNOSIS, FIELDS, FINDINGS
from nmevision.preprocessing import Preprocessing
from nmevision.training.preparation import Asked

SLIDE_WHITE = (255, 255, 255)
"""What surrounds tissue on a slide; photographs are padded with the mean colour."""


@dataclass(frozen=True)
class StartingNetwork:
    """The network, how its input is made and where its weights come from."""

    module: Classifier
    preprocessing: Preprocessing
    weights_from: str
    weights_licence: str


def starting_network(config: ExperimentConfig, classes: int, asked: Asked) -> StartingNetwork:
    """Return the network with its starting weights: heads for `classes` diagnoses and all that is asked."""
    model = config.model
    backbone = build_backbone(
        model.backbone, model.weights, drop_path=model.drop_path, image_size=model.image_size
    )
    freeze_first(backbone.module, config.train.freeze_layers)
    preprocessing = backbone_preprocessing(
        backbone.module,
        image_size=model.image_size,
        fit=model.fit,
        fill=SLIDE_WHITE if config.modality == "histology" else None,
        mean=model.mean,
        std=model.std,
    )
    sizes = {DIAGNOSIS: classes, FINDINGS: STEPS * len(asked.findings), FIELDS: len(asked.fields)}
    tasks = {task: n for task, n in sizes.items() if n}
    module = Classifier(backbone.module, backbone.width, tasks, model.dropout)
    return StartingNetwork(module, preprocessing, backbone.weights, backbone.licence)
