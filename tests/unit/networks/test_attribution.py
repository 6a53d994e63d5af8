"""Where a score comes from: exact where the mathematics is known, for any layout of the grid, and at chance for chance."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmevision.errors import ConfigError
from nmevision.evaluation.localisation import judge_maps, point
from nmevision.networks.attribution import CHUNK, Attribution
from nmevision.networks.backbones import build_backbone

SIDE = 64


class Layout(nn.Module):
    """Gives a N x C x h x w grid another layout: channels last, or tokens behind two that stand for no place."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, grid: Tensor) -> Tensor:
        if self.kind == "NCHW":
            return grid
        if self.kind == "NHWC":
            return grid.permute(0, 2, 3, 1)
        tokens = grid.flatten(2).transpose(1, 2)
        return torch.cat([torch.ones_like(tokens[:, :2]), tokens], 1)


class Averaging(nn.Module):
    """A backbone whose features are the mean over a grid: what each place adds to a linear score is known."""

    num_prefix_tokens = 2

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 5, 8, stride=8), Layout(kind))
        self.last = nn.Identity()
        self.feature_info = [
            {"module": "stem", "num_chs": 5},
            {"module": "last", "num_chs": 5},
        ]
        self.kind = kind

    def forward(self, images: Tensor) -> Tensor:
        grid = self.last(self.stem(images))
        if self.kind == "NLC":
            return grid[:, 2:].mean(1)
        return grid.mean((2, 3) if self.kind == "NCHW" else (1, 2))


@pytest.mark.parametrize("kind", ["NCHW", "NHWC", "NLC"])
def test_of_an_average_each_place_adds_its_own_part_in_any_layout(kind: str) -> None:
    torch.manual_seed(0)
    backbone = Averaging(kind).requires_grad_(False)
    head = nn.Linear(5, CHUNK + 3, bias=False).requires_grad_(False)
    image = torch.rand(1, 3, 48, 48)
    found = Attribution(backbone)(image, head, CHUNK + 3)
    conv = backbone.stem[0]
    expected = torch.einsum("chw,sc->shw", conv(image)[0], head.weight) / 36
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(found.sum((1, 2)), head(backbone(image))[0].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("test_resnet", (4, 4)), ("test_convnext", (4, 4)), ("test_efficientnet", (4, 4)), ("test_vit", (4, 4))],
)
def test_timm_networks_have_a_grid(name: str, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    built = build_backbone(name, "none", image_size=SIDE)
    backbone = built.module.eval().requires_grad_(False)
    image = torch.rand(1, 3, SIDE, SIDE)
    before = backbone(image)
    head = nn.Linear(built.width, 2).requires_grad_(False)
    found = Attribution(backbone)(image, head, 2)
    assert found.shape == (2, *shape)
    assert np.isfinite(found).all()
    assert np.abs(found).sum((1, 2)).min() > 0
    torch.testing.assert_close(backbone(image), before)  # no hook is left behind


def test_what_has_no_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="Linear names none: predict without --overlays"):
        Attribution(nn.Linear(2, 2))
    flat = Averaging("NCHW")
    flat.stem = nn.Sequential(flat.stem, nn.Flatten(), nn.Linear(5 * 36, 5))
    flat.forward = lambda images: flat.last(flat.stem(images))  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"Averaging hands on \(1, 5\)"):
        Attribution(flat)(torch.rand(1, 3, 48, 48), lambda features: features, 1)


def test_without_captum_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ConfigError, match=r"pip install 'nmevision\[heatmaps\]'"):
        Attribution(Averaging("NCHW"))


def squares(n: int, seed: int) -> tuple[Tensor, Tensor, np.ndarray]:
    """Noise; every other image has a red square anywhere: images, whether, masks."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0.5, 0.15, (n, 3, SIDE, SIDE)).astype(np.float32)
    masks = np.zeros((n, SIDE, SIDE), bool)
    for i in range(0, n, 2):
        masks[i, :14, :14] = True
        masks[i] = np.roll(masks[i], rng.integers(0, SIDE, 2), (0, 1))  # every place is as likely
        images[i, 0][masks[i]] += 0.6
    return torch.from_numpy(images), torch.from_numpy((np.arange(n) % 2 == 0).astype(np.float32)), masks


def judged(backbone: nn.Module, head: nn.Module) -> Any:
    images, _, masks = squares(100, seed=9)
    where = Attribution(backbone.eval().requires_grad_(False))
    pointings = []
    for i in range(0, len(images), 2):
        heat = np.maximum(where(images[i : i + 1], head, 1)[0], 0).repeat(SIDE // 4, 0).repeat(SIDE // 4, 1)
        pointings.append(point(heat, masks[i], tolerance=4))
    return judge_maps(pointings, np.arange(len(pointings)))


@pytest.mark.slow
def test_a_trained_network_points_at_what_it_learned_and_a_shuffled_one_at_chance() -> None:
    torch.manual_seed(0)
    built = build_backbone("test_resnet", "none", image_size=SIDE)
    backbone, head = built.module, nn.Linear(built.width, 1)
    images, labels, _ = squares(256, seed=1)
    optimiser = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=3e-3)
    for step in range(60):
        part = slice(32 * (step % 8), 32 * (step % 8) + 32)
        loss = nn.functional.binary_cross_entropy_with_logits(
            head(backbone(images[part]))[:, 0], labels[part]
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    trained = judged(backbone, head)
    assert trained.adjusted_interval.low > 0.3
    assert trained.energy.value > 3 * trained.mask_area.value
    with torch.no_grad():
        weights = (p for p in [*backbone.parameters(), *head.parameters()] if p.ndim > 1)
        for parameter in weights:  # not the offsets, which would silence the network
            parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].reshape(parameter.shape))
    chance = judged(backbone, head)
    assert chance.hit_interval.low <= chance.area.value <= chance.hit_interval.high
