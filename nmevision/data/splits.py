"""Dividing samples into train, val and test so that no patient and no duplicate stands on two sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nmevision.errors import DataError
from nmevision.manifest import Manifest
from nmevision.taxonomy import Taxonomy

_SOURCE_WEIGHT = 0.5
"""How much a class's share within one source counts beside its share over all sources."""


def assign_splits(
    manifest: Manifest,
    taxonomy: Taxonomy,
    *,
    seed: int,
    val: float,
    test: float,
    folds: int | None = None,
    fold: int = 0,
) -> pd.Series:
    """Return "train", "val" or "test" for every row of a labelled manifest.

    A fixed `split` column is honoured; its rows' whole groups follow. The rest is divided by group
    (patient or duplicate group), stratified by diagnosis and source. With `folds`, test is part
    `fold` of that many; every group is tested exactly once over all folds of one seed.
    Raises DataError where a group is fixed in two splits or where train or val come out empty.
    """
    groups = group_keys(manifest)
    fixed = _fixed(manifest, groups)
    strata = list(zip(manifest.diagnoses(taxonomy), manifest.frame["source"], strict=True))
    free = groups[~groups.isin(set(fixed))]
    has_test = "test" in fixed.values()
    splits = dict(fixed)
    tested: set[str] = set()
    if folds is not None:
        parts = allocate(free, strata, [1 / folds] * folds, seed)
        tested = {group for group, part in parts.items() if part == fold}
    elif test > 0 and not has_test:
        parts = allocate(free, strata, [test, 1 - test], seed)
        tested = {group for group, part in parts.items() if part == 0}
    splits |= dict.fromkeys(tested, "test")
    learning = free[~free.isin(tested)]
    if "val" in fixed.values():
        splits |= dict.fromkeys(learning, "train")
    else:
        share = val if folds is not None or has_test or test == 0 else val / (1 - test)
        parts = allocate(learning, strata, [share, 1 - share], seed + 1)
        splits |= {group: ("val", "train")[part] for group, part in parts.items()}
    assigned = groups.map(splits)
    check_disjoint(manifest, assigned)
    for name in ("train", "val"):
        if not (assigned == name).any():
            raise DataError(
                f"the {name} split is empty: {groups.nunique()} patients in all; expected at least one for "
                "each of train and val; add patients or lower data.val and data.test"
            )
    return assigned


def group_keys(manifest: Manifest) -> pd.Series:
    """Return per row the key of its connected component of patients and duplicate groups."""
    parent: dict[str, str] = {}

    def find(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    cases = manifest.cases
    for case, duplicate in zip(cases, manifest.frame["duplicate_group"], strict=True):
        if duplicate:
            first, second = sorted((find("patient:" + case), find("duplicate:" + duplicate)))
            parent[second] = first  # the smallest name, whatever the order of the rows
    return cases.map(lambda case: find("patient:" + case))


def allocate(
    groups: pd.Series, strata: Sequence[tuple[str, str]], shares: Sequence[float], seed: int
) -> dict[str, int]:
    """Return a part number for every group so that each part gets its share of every stratum.

    groups: group key per row (its index picks the rows of `strata`).
    strata: (class, source) of every row of the whole table.
    shares: wanted fraction of the groups per part, each above 0, summing to 1.
    Rare classes go first and an empty part counts as 0 whatever its share (Adams' method of
    apportionment), so that with as many groups as parts each part gets one, the largest part first.
    Groups are counted; their images decide only between parts that are equally full of groups. The order
    of the rows does not matter.
    """
    if groups.empty:
        return {}
    labels, sources = np.array([strata[int(row)] for row in groups.index], dtype=object).T
    names = groups.to_numpy(object)
    classes = pd.crosstab(names, labels)
    images = np.hstack([classes.to_numpy(), pd.crosstab(names, [labels, sources]).to_numpy()])
    weights = np.where(np.arange(images.shape[1]) < classes.shape[1], 1.0, _SOURCE_WEIGHT)
    needs = [counts * weights / counts.sum(axis=0) for counts in (images > 0, images)]
    frequency = (classes > 0).sum(axis=0).to_numpy()
    rarity = np.where(classes > 0, frequency, len(groups)).min(axis=1)
    order = np.random.default_rng(seed).permutation(len(classes)).tolist()
    order.sort(key=lambda group: (rarity[group], -images[group].sum()))
    filled = [np.zeros((len(shares), images.shape[1])) for _ in needs]
    parts = {}
    for group in order:
        fullness = [
            np.round(full @ need[group] / shares, 9) for full, need in zip(filled, needs, strict=True)
        ]
        part = min(range(len(shares)), key=lambda p: (fullness[0][p], fullness[1][p], -shares[p]))
        filled[0][part] += images[group] > 0
        filled[1][part] += images[group]
        parts[str(classes.index[group])] = part
    return parts


def check_disjoint(manifest: Manifest, splits: pd.Series) -> None:
    """Raise DataError where one patient or duplicate group stands in two splits."""
    for name, keys in (("patient", manifest.cases), ("duplicate_group", manifest.frame["duplicate_group"])):
        known = keys != ""
        spread = splits[known].groupby(keys[known]).nunique()
        crossing = sorted(spread.index[spread > 1])
        if crossing:
            raise DataError(
                f"{len(crossing)} {name}s stand in more than one split, such as '{crossing[0]}'; "
                "all images of one patient or duplicate group must be in the same split"
            )


def _fixed(manifest: Manifest, groups: pd.Series) -> dict[str, str]:
    """Return the split of every group that the manifest fixes."""
    stated = manifest.frame["split"]
    fixed: dict[str, str] = {}
    for group, split, identity in zip(groups, stated, manifest.frame["id"], strict=True):
        if split and fixed.setdefault(group, split) != split:
            raise DataError(
                f"sample '{identity}' is fixed in '{split}' but shares a patient or duplicate group with "
                f"'{fixed[group]}' samples; put them in one split"
            )
    return fixed
