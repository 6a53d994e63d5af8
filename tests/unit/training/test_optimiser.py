"""Learning rates fall layer by layer, rise and fall with time, and every trained value is in one group."""

from __future__ import annotations

import math

import pytest
import torch

from nmevision.config import TrainSection
from nmevision.networks.backbones import build_backbone
from nmevision.networks.classifier import Classifier
from nmevision.training.optimiser import FLOOR, build_optimiser, build_schedule, warm_up_cosine


def network(name: str) -> Classifier:
    torch.manual_seed(0)
    backbone = build_backbone(name, "none", image_size=64)
    return Classifier(backbone.module, backbone.width, {"diagnosis": 3})


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
class TestGroups:
    def test_every_trained_value_stands_once(self, name: str) -> None:
        net = network(name)
        grouped = [
            id(p) for group in build_optimiser(net, TrainSection()).param_groups for p in group["params"]
        ]
        assert len(grouped) == len(set(grouped))
        assert set(grouped) == {id(p) for p in net.parameters()}

    def test_the_head_learns_fastest_the_stem_slowest(self, name: str) -> None:
        net = network(name)
        settings = TrainSection(lr=1e-3, layer_decay=0.5)
        rates = {
            id(p): group["lr"]
            for group in build_optimiser(net, settings).param_groups
            for p in group["params"]
        }
        heads = {rates[id(p)] for p in net.heads.parameters()}
        assert heads == {1e-3}
        names = [n for n, p in net.backbone.named_parameters()]
        stem = rates[id(net.backbone.get_parameter(next(n for n in names if n.endswith("weight"))))]
        assert stem == min(rates.values()) < 1e-3
        steps = sorted({round(math.log(rate / 1e-3, 0.5), 6) for rate in rates.values()})
        assert all(step == int(step) for step in steps)  # whole powers of the decay

    def test_without_decay_all_learn_alike(self, name: str) -> None:
        groups = build_optimiser(network(name), TrainSection(lr=2e-4, layer_decay=1.0)).param_groups
        assert {group["lr"] for group in groups} == {2e-4}

    def test_biases_and_norms_of_the_backbone_are_not_decayed(self, name: str) -> None:
        net = network(name)
        decay = {
            id(p): group["weight_decay"]
            for group in build_optimiser(net, TrainSection(weight_decay=0.07)).param_groups
            for p in group["params"]
        }
        for parameter in net.backbone.parameters():
            if parameter.ndim <= 1:
                assert decay[id(parameter)] == 0
        assert 0.07 in decay.values()


def test_warm_up_rises_in_equal_steps_then_falls_as_a_cosine() -> None:
    rate = warm_up_cosine(200, 0.1)
    rises = [rate(n) for n in range(20)]
    assert rises == pytest.approx([(n + 1) / 20 for n in range(20)])
    for n in range(20, 201):
        expected = FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * (n - 20) / 180)) / 2
        assert rate(n) == pytest.approx(expected)
    assert rate(200) == rate(250) == pytest.approx(FLOOR)


@pytest.mark.parametrize(("updates", "warmup"), [(1, 0.0), (1, 0.9), (2, 0.99), (3, 0.1), (100, 0.0)])
def test_short_trainings_have_a_rate_too(updates: int, warmup: float) -> None:
    rate = warm_up_cosine(updates, warmup)
    assert all(0 < rate(n) <= 1 for n in range(updates + 2))


def test_the_schedule_scales_every_group() -> None:
    optimiser = build_optimiser(network("test_resnet"), TrainSection(lr=1e-3, layer_decay=0.5))
    peaks = [group["lr"] for group in optimiser.param_groups]
    schedule = build_schedule(optimiser, 10, 0.5)
    for n in range(10):
        share = warm_up_cosine(10, 0.5)(n)
        assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([share * p for p in peaks])
        optimiser.step()
        schedule.step()
