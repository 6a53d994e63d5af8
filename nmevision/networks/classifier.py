"""The network: a backbone, pooled features and one head per task."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nmevision.networks.mil import GatedAttention
from nmevision.networks.tasks import ATTENTION, FEATURES


def mean_of(values: list[Tensor]) -> Tensor:
    """Return the mean of equally shaped values; a single one stays exactly as it is."""
    return values[0] if len(values) == 1 else torch.stack(values).mean(0)


def _linear(width: int, outputs: int, dropout: float) -> nn.Sequential:
    """Return a head; its weights are small, so that the first updates keep the pretrained features."""
    linear = nn.Linear(width, outputs)
    nn.init.normal_(linear.weight, std=0.01)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Dropout(dropout), linear)


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
            {
                task: GatedAttention(width, dropout) if task == ATTENTION else _linear(width, n, dropout)
                for task, n in tasks.items()
            }
        )

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
    def outputs(self, images: Tensor, views: int = 1) -> dict[str, Tensor]:
        """Return task -> logits, and FEATURES, as float32 on the CPU, without gradients.

        views: 1, or the mean over 4 mirrored looks, or over these and their quarter turns (8; square images).
        """
        layout = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else None
        looks = [images]
        if views > 1:
            looks += [images.flip(3), images.flip(2), images.flip(2, 3)]
        if views == 8:
            looks += [look.transpose(2, 3) for look in looks]
        features = [
            self.backbone(look.contiguous(memory_format=layout or torch.contiguous_format)) for look in looks
        ]
        found = {task: mean_of([head(f) for f in features]) for task, head in self.heads.items()}
        return {name: v.float().cpu() for name, v in (found | {FEATURES: mean_of(features)}).items()}


def heads_of(network: Classifier) -> Classifier:
    """Return the network's own heads behind no backbone: in place of images it takes their N x `width` features.

    What it learns, `network` has learned.
    """
    alone = Classifier(nn.Identity(), 0, {})
    alone.heads = network.heads
    return alone
