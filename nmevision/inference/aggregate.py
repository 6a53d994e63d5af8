"""From the tiles of one slide to its answer: which tiles count, and what each number means over them.

The diagnosis is taken where the disease is: at the surface, where the model was trained (deep dermis means nothing to
it), and by default from the tenth of those tiles that are least like normal skin, for a lesion fills a small part of
most slides; each of these counts as far as it is unlike normal skin, so that one lesional tile of a small biopsy is
not outvoted by its neighbours. Findings go by their meaning: what lies in single places (a pustule,
hyphae) by a high quantile over all tiles of the surface, what belongs to the whole epidermis of a lesion by its mean over the
chosen tiles, each tile as far as it shows the structure. The knowledge then reads the slide's findings, not the tiles'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from nmevision.errors import ConfigError, did_you_mean
from nmevision.knowledge.loading import load_knowledge
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.networks.answers import AnswerMaker, Columns, Floats
from nmevision.predictions import (
    ATTENTION,
    DECIMALS,
    LEARNED_PREFIX,
    NOVELTY,
    PROBABILITY_PREFIX,
    SPREAD_PREFIX,
)
from nmevision.special import logsumexp, softmax

Aggregation = Literal["topk", "mean", "max"]
"""Of the tiles at the surface; topk: those least like normal skin. mean: all. max: the one least like normal skin."""

TOP_SHARE, TOP_LEAST = 0.1, 3
"""Share of the tiles that topk takes, and how many at least: the rule of WSI classifiers that pool the top instances,
with a share for the count, as slides differ in size."""
EVEN = 1e-3
"""Least weight of a chosen tile: where all are normal, all count."""
FOCAL_QUANTILE = 0.9
"""Where a focal finding is read off: one tile in ten shows at least as much. With `max`: the greatest."""
FOCAL = frozenset(
    {
        "dyskeratosis_single_cell",
        "cleft_or_vesicle_upper",
        "neutrophils_corneum_or_subcorneal_pustule",
        "full_thickness_necrosis_subepidermal_split",
        "acantholysis",
        "fungal_elements_corneum",
        "follicular_plug_perifollicular_parakeratosis",
        "eosinophils",
    }
)
"""Findings that count where they are, however little of the epidermis shows them; all others are of the whole lesion."""
NORMAL = "normal"
"""Diagnosis and group of skin without disease."""
SURFACE_FIELDS = ("upper_epidermis", "whole_epidermis", "horn")
"""Fields of which any says that a tile shows the surface."""
AT_SURFACE = 0.5
"""Share of the best tile's surface that a tile must show to count: a slide without any epidermis is answered as well,
from the best there is."""


class SlideAnswer(NamedTuple):
    """values: column -> number of the slide. chosen: N, which tiles the diagnosis was taken from."""

    values: dict[str, float]
    chosen: NDArray[np.bool_]


def aggregation_of(text: str) -> Aggregation:
    """Return the way of aggregating called `text`, or raise ConfigError."""
    known: tuple[Aggregation, ...] = get_args(Aggregation)
    for name in known:
        if name == text:
            return name
    raise ConfigError(f"unknown --aggregate '{text}'{did_you_mean(text, known)}; known: {', '.join(known)}")


def answer_of(columns: Columns, surface: Floats, how: Aggregation, maker: AnswerMaker) -> SlideAnswer:
    """Return one slide's numbers from those of its tiles.

    Args:
        columns: as `AnswerMaker.from_outputs` gives them, for N >= 1 usable tiles.
        surface: N, how much of a free surface each tile shows by its place, 0 to 1.
        how: which tiles count for the diagnosis; where the model learned that itself (attention), they go by that.
        maker: of the bundle.
    """
    weights = _weights(columns, surface)
    worth = np.where(weights > 0, _abnormality(columns, maker) * weights, -1.0)
    chosen = _chosen(worth, how)
    within = chosen * (weights if how == "mean" else np.maximum(worth, EVEN))
    if ATTENTION in columns:  # learned over all tiles, so it decides
        within, chosen = softmax(columns[ATTENTION]), np.ones_like(chosen)
    info = maker.info
    prefix = LEARNED_PREFIX if info.findings else PROBABILITY_PREFIX
    learned = np.column_stack([columns[prefix + key] for key in info.taxonomy.keys])
    merged: Columns = {
        prefix + key: np.array([share])
        for key, share in zip(info.taxonomy.keys, _pooled(learned, within), strict=True)
    }
    merged[NOVELTY] = np.array([float(np.median(columns[NOVELTY][chosen]))])
    if ATTENTION in columns:  # so that the slides of a patient weigh as all their tiles do
        merged[ATTENTION] = logsumexp(columns[ATTENTION][None], axis=1)
    for key in info.fields:  # what no chosen tile shows cannot be assessed
        merged[FIELD_PREFIX + key] = np.array([float(columns[FIELD_PREFIX + key][chosen].max())])
    if info.findings:
        at_surface = {name: values[weights > 0] for name, values in columns.items()}
        needs = {key: finding.needs for key, finding in load_knowledge().findings.items()}
        for finding in info.findings:
            mean, spread = _finding(
                finding.key, needs.get(finding.key, ()), at_surface, within[weights > 0], how
            )
            merged[FINDING_PREFIX + finding.key] = np.array([mean])
            merged[SPREAD_PREFIX + finding.key] = np.array([spread])
        merged = maker.fused(merged)
    return SlideAnswer({name: round(float(one[0]), DECIMALS) for name, one in merged.items()}, chosen)


def _weights(columns: Columns, surface: Floats) -> Floats:
    """Return how much each tile has to say: how surely it shows the surface, by the network where it was taught to."""
    seen = [columns[FIELD_PREFIX + key] for key in SURFACE_FIELDS if FIELD_PREFIX + key in columns]
    shown = np.max(seen, axis=0) if seen else surface
    shown = np.where(shown >= AT_SURFACE * shown.max(), shown, 0.0)
    return shown if shown.any() else np.ones_like(shown)


def _abnormality(columns: Columns, maker: AnswerMaker) -> Floats:
    """Return how unlike normal skin each tile is, 0 to 1; how sure of anything, where the model knows no normal skin."""
    taxonomy = maker.info.taxonomy
    normal = [key for key in taxonomy.keys if NORMAL in (key, taxonomy.group_of[key])]
    if normal:
        return 1 - np.sum([columns[PROBABILITY_PREFIX + key] for key in normal], axis=0)
    return np.asarray(np.max([columns[PROBABILITY_PREFIX + key] for key in taxonomy.keys], axis=0))


def _chosen(worth: Floats, how: Aggregation) -> NDArray[np.bool_]:
    """Return which tiles count, none of those whose worth is below 0; of equals the earlier ones."""
    able = int((worth >= 0).sum())
    count = {"mean": able, "max": 1, "topk": min(able, max(TOP_LEAST, math.ceil(TOP_SHARE * able)))}[how]
    chosen = np.zeros(len(worth), bool)
    chosen[np.argsort(-worth, kind="stable")[:count]] = True
    return chosen


def _pooled(shares: Floats, weights: Floats) -> Floats:
    """Return the weighted mean of the log-probabilities (N x K), renormalised, as `by_case` does; 0 stays 0."""
    if not shares.any():
        return np.zeros(shares.shape[1])
    logs = np.average(np.log(np.clip(shares, 10.0**-DECIMALS, 1)), axis=0, weights=weights)
    powers = np.exp(logs - logs.max()) * shares.any(axis=0)
    return np.asarray(powers / powers.sum())


def _finding(
    key: str, needs: tuple[str, ...], columns: Mapping[str, Floats], within: Floats, how: Aggregation
) -> tuple[float, float]:
    """Return a finding's expected grade in the slide, and its spread."""
    means, spreads = columns[FINDING_PREFIX + key], columns[SPREAD_PREFIX + key]
    fields = [columns[FIELD_PREFIX + need] for need in needs if FIELD_PREFIX + need in columns]
    shown = np.min(fields, axis=0) if fields else np.ones_like(means)
    if key in FOCAL:
        there = shown >= 0.5 if (shown >= 0.5).any() else np.ones(len(means), bool)
        grade = float(np.quantile(means[there], 1.0 if how == "max" else FOCAL_QUANTILE))
        nearest = np.argmin(np.where(there, np.abs(means - grade), np.inf))
        return grade, float(spreads[nearest])
    weights = within * shown
    weights = weights if weights.sum() > 0 else within
    return float(np.average(means, weights=weights)), float(np.sqrt(np.average(spreads**2, weights=weights)))
