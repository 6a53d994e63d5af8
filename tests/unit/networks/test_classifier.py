"""The network's own part: heads, freezing, modes."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_bundle import tiny_network
from torch import nn

from nmevision.networks.classifier import Classifier, heads_of
from nmevision.networks.tasks import DIAGNOSIS, FEATURES

IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_one_vector_of_logits_per_task() -> None:
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 7))
    network = Classifier(backbone, 7, {DIAGNOSIS: 3, "parakeratosis": 4}).eval()
    found = network(IMAGES)
    assert {task: tuple(values.shape) for task, values in found.items()} == {
        DIAGNOSIS: (4, 3),
        "parakeratosis": (4, 4),
    }
    linear = network.heads[DIAGNOSIS][1]
    torch.testing.assert_close(found[DIAGNOSIS], backbone(IMAGES) @ linear.weight.T + linear.bias)


def test_new_heads_start_near_indifference() -> None:
    network = Classifier(nn.Flatten(), 3 * 32 * 32, {DIAGNOSIS: 3}).eval()
    assert network.heads[DIAGNOSIS][1].weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not network.heads[DIAGNOSIS][1].bias.any()


def test_a_task_without_labels_gets_no_gradient() -> None:
    network = Classifier(nn.Flatten(), 3 * 32 * 32, {DIAGNOSIS: 3, "other": 2})
    network(IMAGES)[DIAGNOSIS].sum().backward()
    assert network.heads[DIAGNOSIS][1].weight.grad is not None
    assert network.heads["other"][1].weight.grad is None


def test_while_frozen_only_the_heads_change() -> None:
    network = tiny_network()
    network.frozen = True
    network.train()
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(IMAGES)[DIAGNOSIS].pow(2).sum().backward()
    optimiser.step()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith("heads.") for key in changed)  # not even a batch statistic


def test_after_thawing_all_learns() -> None:
    network = tiny_network()
    network.frozen = True
    network.train()
    network.frozen = False
    network.train()
    assert all(module.training for module in network.modules())
    network(IMAGES)[DIAGNOSIS].pow(2).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_frozen_layers_keep_their_statistics() -> None:
    network = tiny_network()
    first = network.backbone.bn1
    for parameter in first.parameters():
        parameter.requires_grad_(False)
    network.train()
    mean = first.running_mean.clone()
    network(IMAGES + 3)
    assert torch.equal(first.running_mean, mean)
    assert network.backbone.layer1.training


def test_dropout_only_while_training() -> None:
    network = Classifier(nn.Flatten(), 3 * 32 * 32, {DIAGNOSIS: 3}, dropout=0.5)
    network.train()
    assert not torch.equal(network(IMAGES)[DIAGNOSIS], network(IMAGES)[DIAGNOSIS])
    network.eval()
    assert torch.equal(network(IMAGES)[DIAGNOSIS], network(IMAGES)[DIAGNOSIS])


def test_logits_are_plain_float32() -> None:
    network = tiny_network().bfloat16()
    found = network.outputs(IMAGES.bfloat16())[DIAGNOSIS]
    assert found.dtype == torch.float32
    assert found.device.type == "cpu"
    assert not found.requires_grad


@pytest.mark.parametrize(("views", "turned"), [(1, False), (4, False), (8, True)])
def test_views_make_the_answer_blind_to_mirrors_and_turns(views: int, turned: bool) -> None:
    network = tiny_network()
    found = network.outputs(IMAGES, views)[DIAGNOSIS]
    mirrored = network.outputs(IMAGES.flip(3), views)[DIAGNOSIS]
    quarter = network.outputs(IMAGES.rot90(1, (2, 3)), views)[DIAGNOSIS]
    assert torch.allclose(found, mirrored, atol=1e-5) == (views > 1)
    assert torch.allclose(found, quarter, atol=1e-5) == turned


def test_views_are_the_mean_of_single_looks() -> None:
    network = tiny_network()
    looks = [IMAGES, IMAGES.flip(3), IMAGES.flip(2), IMAGES.flip(2, 3)]
    looks += [look.transpose(2, 3) for look in looks]
    expected = torch.stack([network.outputs(look.contiguous())[DIAGNOSIS] for look in looks]).mean(0)
    torch.testing.assert_close(network.outputs(IMAGES, 8)[DIAGNOSIS], expected)


@pytest.mark.parametrize("views", [1, 8])
def test_heads_alone_say_of_features_what_the_network_says_of_images(views: int) -> None:
    network = tiny_network(findings=2)
    whole = network.outputs(IMAGES, views)
    alone = heads_of(network)
    found = alone.outputs(whole[FEATURES])
    assert set(found) == set(whole)
    for task, values in found.items():
        torch.testing.assert_close(values, whole[task], atol=1e-5, rtol=1e-5)
    alone.heads[DIAGNOSIS][1].bias.data += 1  # type: ignore[index, union-attr, operator]
    torch.testing.assert_close(
        network.outputs(IMAGES)[DIAGNOSIS], tiny_network(findings=2).outputs(IMAGES)[DIAGNOSIS] + 1
    )
