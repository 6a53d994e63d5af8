"""Gated attention over the images of a case: the paper's formula, and the case's answer from its images' answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_bundle import SIZE, everything_usual, tiny_info
from torch import nn

from nmevision.networks.answers import AnswerMaker
from nmevision.networks.backbones import build_backbone
from nmevision.networks.bundle import save_bundle
from nmevision.networks.classifier import Classifier
from nmevision.networks.mil import GatedAttention, absorb, bag_softmax, pooled
from nmevision.networks.tasks import ATTENTION, DIAGNOSIS
from nmevision.predictions import PredictionTable, by_case

BAGS = torch.tensor([0, 1, 0, 1, 1, 2])


def test_a_case_is_the_papers_weighted_mean_of_features() -> None:
    torch.manual_seed(0)
    features, attention, head = torch.randn(6, 10), GatedAttention(10).eval(), nn.Linear(10, 3)
    scores = attention(features)[:, 0]
    found = pooled(head(features), scores, BAGS, 3)
    v, u, w = attention.content, attention.gate, attention.score.weight[0]
    for bag in range(3):
        own = features[bag == BAGS]
        e = torch.stack([w @ (torch.tanh(v(h)) * torch.sigmoid(u(h))) for h in own])
        z = (e.exp() / e.exp().sum()) @ own  # equations 7 and 9
        torch.testing.assert_close(found[bag], head(z))
    torch.testing.assert_close(pooled(head(features), None, BAGS, 3)[1], head(features[BAGS == 1].mean(0)))


def test_the_softmax_is_of_each_bag_and_survives_large_scores() -> None:
    shares = bag_softmax(torch.tensor([1e4, 0.0, 1e4, 0.0, 0.0, -1e4]), BAGS, 3)
    torch.testing.assert_close(shares, torch.tensor([0.5, 1 / 3, 0.5, 1 / 3, 1 / 3, 1.0]))


def test_a_layer_takes_over_the_standardising() -> None:
    torch.manual_seed(1)
    layer, mean, std, x = nn.Linear(4, 2), torch.randn(4), torch.rand(4) + 0.5, torch.randn(7, 4)
    expected = layer((x - mean) / std)
    absorb(layer, mean, std)
    torch.testing.assert_close(layer(x), expected)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


def test_a_bundle_with_attention_answers_a_case_from_its_images(tmp_path: Path, images: torch.Tensor) -> None:
    torch.manual_seed(4)
    built = build_backbone("test_resnet", "none", image_size=SIZE)
    tasks = {DIAGNOSIS: 3, ATTENTION: 1}
    network = Classifier(built.module, built.width, tasks).eval()
    for parameter in network.heads.parameters():
        nn.init.normal_(parameter, std=3.0)
    info = tiny_info(name="cases", temperature=1.7)
    info["network"] = {**info["network"], "tasks": tasks}
    bundle = save_bundle(tmp_path / "cases", network, info, ["0" * 64], everything_usual(network))
    outputs = {task: values.numpy() for task, values in bundle.network().outputs(images).items()}
    columns = AnswerMaker(bundle).from_outputs(outputs)
    frame = pd.DataFrame(columns).assign(
        id=list("abcde"), path="", status=["ok", "ok", "ok", "error", "ok"], message="", diagnosis=""
    )
    frame["patient_id"] = ["p", "p", "p", "p", "q"]
    frame.loc[3, list(columns)] = np.nan
    cases = by_case(PredictionTable(frame)).set_index("patient_id")
    own = torch.zeros(3, dtype=torch.int64)
    logits, scores = torch.from_numpy(outputs[DIAGNOSIS][:3]), torch.from_numpy(outputs[ATTENTION][:3, 0])
    expected = (pooled(logits, scores, own, 1)[0] / 1.7).softmax(0)
    keys = [f"p_{key}" for key in bundle.info.taxonomy.keys]
    np.testing.assert_allclose(cases.loc["p", keys].to_numpy(float), expected, atol=1e-5)
    np.testing.assert_allclose(
        cases.loc["q", keys].to_numpy(float), frame.loc[4, keys].to_numpy(float), atol=1e-6
    )
    plain = by_case(PredictionTable(frame.drop(columns="attention"))).set_index("patient_id")
    off = np.abs(cases.loc["p", keys].to_numpy(float) - plain.loc["p", keys].to_numpy(float)).max()
    assert off > 1e-3  # attention matters: a hundred times the tolerance above
