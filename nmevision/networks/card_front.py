"""The YAML at the top of a model card, as the Hugging Face Hub reads it; only what the record says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from nmevision.networks.bundle import BundleInfo

HUB = "hub:"
"""Before the repository of starting weights in a bundle's record."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")


@dataclass(frozen=True)
class Result:
    """One evaluated number for the card: never of phantoms, never from training or validation.

    metric: its key, such as roc_auc; name: in words. low, high: None where there is no interval. n: the patients in
    words. dataset, revision: the evaluated set and the SHA-256 of its manifest.
    """

    metric: str
    name: str
    value: float
    low: float | None
    high: float | None
    method: str
    n: str
    dataset: str
    revision: str


def front_matter(info: BundleInfo, results: Sequence[Result] = ()) -> str:
    """Return the YAML between its two lines of dashes."""
    weights = info.network.weights_from
    sources = [name for name in info.training.get("sources", {}) if _IDENTIFIER.fullmatch(name)]
    content: dict[str, Any] = {
        "license": "other",
        "license_name": "conditions-in-this-card",
        "language": ["en"],
        "library_name": "nmevision",
        "pipeline_tag": "image-classification",
        "tags": _tags(info),
        "datasets": sources,
        "base_model": weights.removeprefix(HUB) if weights.startswith(HUB) else "",
        "metrics": list(dict.fromkeys(result.metric for result in results)),
        "model-index": [_index(info, results)] if results else [],
    }
    said = {key: value for key, value in content.items() if value}
    return f"---\n{yaml.safe_dump(said, sort_keys=False, allow_unicode=True)}---"


def _tags(info: BundleInfo) -> list[str]:
    tags = ["dermatology", "dermatopathology" if info.modality == "histology" else "clinical-photographs"]
    tags += ["necrolytic-migratory-erythema"] if "nme" in info.taxonomy.keys else []
    return [*tags, "research-use-only", *(["synthetic-training-data"] if info.phantom else [])]


def _index(info: BundleInfo, results: Sequence[Result]) -> dict[str, Any]:
    """Return the model's results, one entry per evaluated set."""
    sets = dict.fromkeys((result.dataset, result.revision) for result in results)
    return {
        "name": info.name,
        "results": [
            {
                "task": {"type": "image-classification"},
                "dataset": {"type": "private", "name": name, "split": "test", "revision": revision},
                "metrics": [
                    _metric(one) for one in results if (one.dataset, one.revision) == (name, revision)
                ],
            }
            for name, revision in sets
        ],
    }


def _metric(result: Result) -> dict[str, Any]:
    limits = {"low": result.low, "high": result.high, "interval": result.method}
    args = {"n": result.n, **(limits if result.low is not None else {})}
    return {
        "type": result.metric,
        "name": result.name,
        "value": result.value,
        "args": args,
        "verified": False,
    }
