"""Dividing samples into train, val and test so that no patient and no duplicate stands on two sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from nmevision.errors import DataError
from nmevision.manifest import Manifest
from nmevision.taxonomy import Taxonomy


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
        root = find("patient:" + case)
        if duplicate:
            parent[find("duplicate:" + duplicate)] = root
    return cases.map(lambda case: find("patient:" + case))


def allocate(
    groups: pd.Series, strata: Sequence[tuple[Hashable, Hashable]], shares: Sequence[float], seed: int
) -> dict[str, int]:
    """Return a part number for every group so that each part gets its share of every stratum.

    groups: group key per row (its index picks the rows of `strata`).
    strata: (class, source) of every row of the whole table.
    shares: wanted fraction per part, summing to 1.
    Rare classes go first, so that with as many groups as parts each part gets one.
    """
    contents: dict[str, Counter[Hashable]] = defaultdict(Counter)
    for index, group in groups.items():
        label, source = strata[int(index)]  # type: ignore[call-overload]
        contents[group].update([("class", label), ("source", label, source)])
    classes_of = {g: {k for k in c if isinstance(k, tuple) and k[0] == "class"} for g, c in contents.items()}
    frequency = Counter(key for keys in classes_of.values() for key in keys)
    order = sorted(contents)
    np.random.default_rng(seed).shuffle(order)
    order.sort(key=lambda g: (min(frequency[key] for key in classes_of[g]), -sum(contents[g].values())))
    totals: Counter[Hashable] = sum(contents.values(), Counter())
    filled: list[Counter[Hashable]] = [Counter() for _ in shares]
    parts = {}
    for group in order:
        wanted = contents[group]
        gaps = [_gap(wanted, filled[part], totals, share) for part, share in enumerate(shares)]
        part = gaps.index(min(gaps))
        filled[part].update(wanted)
        parts[group] = part
    return parts


def _gap(
    wanted: Counter[Hashable], filled: Counter[Hashable], totals: Counter[Hashable], share: float
) -> tuple[float, float]:
    """Return how full a part already is, by class and by source, relative to its share.

    An empty part counts as 0 whatever its share (Adams' method of apportionment), so that the small
    parts get their one patient of a rare class first; ties go to the largest part.
    """
    by_class = by_source = 0.0
    for key, count in wanted.items():
        fullness = count * filled[key] / (totals[key] * share) if share else float("inf")
        if isinstance(key, tuple) and key[0] == "class":
            by_class += fullness
        else:
            by_source += fullness
    return by_class + 0.5 * by_source, -share


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
