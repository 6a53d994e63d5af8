"""The network: a backbone, pooled features and one head per task."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DIAGNOSIS = "diagnosis"
"""The task whose outputs are the taxonomy's diagnoses in order."""


class Classifier(nn.Module):
    """Maps images to one vector of logits per task. While `frozen` is true only the heads learn.

    backbone: N x 3 x H x W -> N x `width` pooled features.
    tasks: name -> number of outputs; a sample trains only the tasks whose label it has.
    """

    def __init__(
        self, backbone: nn.Module, width: int, tasks: Mapping[str, int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.frozen = False
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
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.backbone(images)
        return {task: head(features) for task, head in self.heads.items()}

    def train(self, mode: bool = True) -> Classifier:
        """Set training mode; frozen layers keep their batch statistics."""
        super().train(mode)
        for module in self.backbone.modules():
            own = list(module.parameters(recurse=False))
            if self.frozen or (own and not any(parameter.requires_grad for parameter in own)):
                module.training = False
        return self

    @torch.inference_mode()
    def logits(self, images: Tensor, task: str = DIAGNOSIS) -> Tensor:
        """Return one task's logits as float32 on the CPU, without gradients."""
        return self(images)[task].float().cpu()
