"""The network: a backbone, pooled features and one head per task."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DIAGNOSIS = "diagnosis"
"""The task whose outputs are the taxonomy's diagnoses in order."""


class Classifier(nn.Module):
    """Maps images to one vector of logits per task.

    backbone: N x 3 x H x W -> N x `width` pooled features.
    tasks: name -> number of outputs; a sample trains only the tasks whose label it has.
    """

    def __init__(
        self, backbone: nn.Module, width: int, tasks: Mapping[str, int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict(
            {task: nn.Sequential(nn.Dropout(dropout), nn.Linear(width, n)) for task, n in tasks.items()}
        )
        for head in self.heads.values():
            assert isinstance(head, nn.Sequential)
            linear = head[1]
            assert isinstance(linear, nn.Linear)
            nn.init.normal_(linear.weight, std=0.01)  # small: the first updates keep the pretrained features
            nn.init.zeros_(linear.bias)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return task -> logits N x outputs for float N x 3 x H x W."""
        features = self.backbone(images)
        return {task: head(features) for task, head in self.heads.items()}

    def freeze_backbone(self, frozen: bool) -> None:
        """Stop (or let) the backbone learn, its batch statistics included."""
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(not frozen)

    @torch.inference_mode()
    def logits(self, images: Tensor, task: str = DIAGNOSIS) -> Tensor:
        """Return one task's logits as float32 on the CPU, without gradients."""
        return self(images)[task].float().cpu()
