"""The card: what the Hub reads is valid, nothing is invented, and names are no markup."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard
from tiny_bundle import tiny_info

from nmevision.networks.bundle import FORMAT, BundleInfo
from nmevision.networks.card import card_of
from nmevision.networks.card_front import Result

RESULT = Result(
    "roc_auc",
    "AUROC of nme",
    0.91,
    0.7,
    0.98,
    "HM-score",
    "5 positive and 40 negative patients",
    "north",
    "ab",
)


def info(**changes: Any) -> BundleInfo:
    return BundleInfo.model_validate({**tiny_info(**changes), "format": FORMAT, "files": {}})


def test_the_front_matter_is_read_by_the_hub() -> None:
    network = {**tiny_info()["network"], "weights_from": "hub:timm/resnet18.a1_in1k"}
    training = {"sources": {"org/set": 5, "a set | <b>": 2}, "licences": {"own": 7}}
    data = ModelCard(card_of(info(network=network, training=training))).data.to_dict()
    assert data["base_model"] == "timm/resnet18.a1_in1k"
    assert data["datasets"] == ["org/set"]
    assert data["pipeline_tag"] == "image-classification"
    assert data["library_name"] == "nmevision"
    assert "necrolytic-migratory-erythema" in data["tags"]
    assert "model-index" not in data
    assert "metrics" not in data


def test_results_are_shown_as_they_are() -> None:
    card = ModelCard(card_of(info(), [RESULT]))
    [found] = card.data.eval_results
    assert (found.metric_type, found.metric_value, found.verified) == ("roc_auc", 0.91, False)
    assert found.metric_args == {"n": RESULT.n, "low": 0.7, "high": 0.98, "interval": "HM-score"}
    assert found.dataset_revision == "ab"
    assert (
        "| north | AUROC of nme | 0.910 (0.700 to 0.980, HM-score) | 5 positive and 40 negative patients |"
        in card.text
    )
    assert "No results stand here" not in card.text


def test_the_sections_stand_in_the_order_of_the_hub() -> None:
    text = card_of(info())
    wanted = [
        "# tiny",
        "## Model Details",
        "## Uses",
        "### Direct Use",
        "### Downstream Use",
        "### Out-of-Scope Use",
    ]
    wanted += [
        "## Bias, Risks, and Limitations",
        "## How to Get Started with the Model",
        "## Training Details",
    ]
    wanted += [
        "## Evaluation",
        "## Environmental Impact",
        "## Technical Specifications",
        "## Citation",
        "## Glossary",
    ]
    places = [text.index(f"\n{heading}\n") for heading in [*wanted, "## Model Card Contact"]]
    assert places == sorted(places)
    assert text.count("Not a medical device") == 1
    assert "No results stand here" in text


def test_how_many_calls_find_one_case() -> None:
    """The numbers are those of the specification's table for sensitivity 0.90."""
    text = card_of(info())
    assert "| 1 in 1,000,000 | 55,600 | 11,100 | 1,110 |" in text
    assert "| 1 in 100 | 6.5 | 2.1 | 1.1 |" in text
    assert "positive calls per true case" not in card_of(info(positive=None))


def test_phantoms_are_told_by_a_tag() -> None:
    assert "synthetic-training-data" in ModelCard(card_of(info(phantom=True))).data.tags
    assert "synthetic-training-data" not in ModelCard(card_of(info())).data.tags


@pytest.mark.parametrize("name", ["<script>x</script>", "a | b", "x\n## Evaluation"])
def test_names_are_no_markup(name: str) -> None:
    text = card_of(info(training={"sources": {name: 1}, "licences": {name: 1}}))
    assert "<script" not in text.replace("\\<", "")
    assert text.count("\n## Evaluation\n") == 1
