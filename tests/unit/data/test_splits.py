"""Splits: no patient and no duplicate on two sides, every class where it can be, the same for ever."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import networkx  # torch brings it
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from nmevision.data.splits import assign_splits, check_disjoint, group_keys
from nmevision.errors import DataError
from nmevision.manifest import Manifest, manifest_of
from nmevision.taxonomy import taxonomy_from

CLASSES = ("a", "b", "c")
TAXONOMY = taxonomy_from(
    {
        "name": "abc",
        "groups": [{"key": "g", "name": "g"}],
        "diagnoses": [{"key": key, "name": key * 2, "group": "g"} for key in CLASSES],
    },
    "test",
)
Row = tuple[str, str, str, str]


def manifest(rows: list[Row] | list[tuple[str, str]]) -> Manifest:
    """Rows of (class, patient, duplicate group, source)."""
    columns = ("diagnosis", "patient_id", "duplicate_group", "source")
    made = [
        {"id": f"{n:04d}", "path": str(n), **dict(zip(columns, row, strict=False))}
        for n, row in enumerate(rows)
    ]
    return manifest_of(made, Path())


def fixed(made: Manifest, splits: list[str]) -> Manifest:
    return Manifest(made.frame.assign(split=splits), made.root)


def split(made: Manifest, seed: int = 0, val: float = 0.15, test: float = 0.15) -> pd.Series:
    return assign_splits(made, TAXONOMY, seed=seed, val=val, test=test)


def split_or_reject(made: Manifest, seed: int = 0, **options: Any) -> pd.Series:
    """The split of a wild table; those too small to have a val split are not looked at."""
    try:
        return assign_splits(made, TAXONOMY, seed=seed, **{"val": 0.2, "test": 0.15} | options)
    except DataError as error:
        if "val split is empty" not in str(error):
            raise
        reject()


def components(made: Manifest) -> list[set[int]]:
    """The rows that hang together through patients and duplicate groups, by an independent library."""
    graph = networkx.Graph()
    for row, (patient, group) in enumerate(
        zip(made.frame["patient_id"], made.frame["duplicate_group"], strict=True)
    ):
        graph.add_node(row)
        graph.add_edges_from((row, (kind, key)) for kind, key in (("p", patient), ("d", group)) if key)
    return [{n for n in part if isinstance(n, int)} for part in networkx.connected_components(graph)]


SMALL = st.sampled_from(["", "1", "2", "3", "4", "5"])
MANY = st.sampled_from(["", *map(str, range(40))])
ROWS = st.lists(
    st.tuples(st.sampled_from(CLASSES), SMALL, SMALL, st.sampled_from(["", "x", "y"])),
    min_size=6,
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_groups_are_the_connected_components(rows: list[Row]) -> None:
    made = manifest(rows)
    keys = group_keys(made)
    assert {frozenset(part) for part in components(made)} == {
        frozenset(index) for index in keys.groupby(keys).groups.values()
    }


@settings(max_examples=25, deadline=None)
@given(ROWS, st.integers(0, 3), st.sampled_from([0.0, 0.15, 0.4]))
def test_what_hangs_together_stays_together(rows: list[Row], seed: int, test: float) -> None:
    made = manifest(rows)
    parts = components(made)
    assume(len(parts) >= 3)
    splits = split_or_reject(made, seed, test=test)
    assert set(splits) <= {"train", "val", "test"}
    assert {"train", "val"} <= set(splits)
    assert test > 0 or "test" not in set(splits)
    assert all(splits[list(part)].nunique() == 1 for part in parts)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CLASSES), MANY, MANY, SMALL), min_size=25, max_size=40),
    st.integers(2, 5),
)
def test_over_all_folds_every_sample_is_tested_exactly_once(rows: list[Row], k: int) -> None:
    made = manifest(rows)
    tested: Counter[int] = Counter()
    for fold in range(k):
        splits = split_or_reject(made, 1, folds=k, fold=fold)
        tested.update(splits.index[splits == "test"])
    assert tested == Counter(range(len(rows)))


@settings(max_examples=25, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], random: object) -> None:
    made = manifest(rows)
    assume(len(components(made)) >= 3)
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    turned = Manifest(made.frame.iloc[order].reset_index(drop=True), made.root)
    first = dict(zip(made.frame["id"], split_or_reject(made), strict=True))
    second = dict(zip(turned.frame["id"], split_or_reject(turned), strict=True))
    assert first == second


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CLASSES), st.integers(1, 12)), min_size=3, max_size=25),
    st.integers(0, 5),
)
def test_a_class_of_three_patients_stands_in_all_three(patients: list[tuple[str, int]], seed: int) -> None:
    rows = [(label, f"p{n}") for n, (label, images) in enumerate(patients) for _ in range(images)]
    enough = [label for label, n in Counter(label for label, _ in patients).items() if n >= 3]
    assume(enough)
    splits = split(manifest(rows), seed)
    labels = pd.Series([label for label, _ in rows])
    for label in enough:
        assert set(splits[labels == label]) == {"train", "val", "test"}
    assert (splits == "train").any()


def test_one_patient_with_very_many_images_does_not_starve_a_split() -> None:
    rows = [("a", f"p{n}") for n, images in enumerate((100, 1, 1)) for _ in range(images)]
    rows += [("b", f"q{n}") for n in range(20)]
    splits = split(manifest(rows))
    assert set(splits[:102]) == {"train", "val", "test"}


def test_the_shares_are_kept_in_every_class_and_source() -> None:
    generator = np.random.default_rng(0)
    rows = []
    for n in range(600):
        label, source = CLASSES[min(2, n % 7)], "xy"[n % 2]
        rows += [(label, f"p{n}", "", source)] * generator.integers(1, 4)
    made = manifest(rows)
    splits = split(made, 0, 0.2, 0.1)
    for keys in (["diagnosis"], ["source"], ["diagnosis", "source"]):
        patients = made.frame.assign(split=splits).drop_duplicates("patient_id")
        shares = patients.groupby(keys)["split"].value_counts(normalize=True).unstack()
        for name, share in {"train": 0.7, "val": 0.2, "test": 0.1}.items():
            np.testing.assert_allclose(shares[name], share, atol=0.03)


def test_folds_are_of_like_size() -> None:
    made = manifest([(CLASSES[n % 3], f"p{n}") for n in range(97)])
    sizes = [
        (assign_splits(made, TAXONOMY, seed=0, val=0.2, test=0, folds=5, fold=fold) == "test").sum()
        for fold in range(5)
    ]
    assert sum(sizes) == 97
    assert max(sizes) - min(sizes) <= 3  # at most one patient per class


def test_a_seed_decides() -> None:
    made = manifest([(CLASSES[n % 3], f"p{n}") for n in range(60)])
    assert split(made, 0).tolist() == split(made, 0).tolist()
    assert split(made, 0).tolist() != split(made, 1).tolist()


class TestFixed:
    def rows(self) -> Manifest:
        return manifest([(CLASSES[n % 3], f"p{n // 2}") for n in range(60)])

    @pytest.mark.parametrize("folds", [None, 4])
    def test_what_is_fixed_stays_and_takes_its_patient_along(self, folds: int | None) -> None:
        stated = ["test", "", "val", "", "train", ""] + [""] * 54
        splits = assign_splits(
            fixed(self.rows(), stated), TAXONOMY, seed=0, val=0.2, test=0.2, folds=folds, fold=0
        )
        assert splits[:6].tolist() == ["test", "test", "val", "val", "train", "train"]
        assert "train" in set(splits[6:])

    def test_where_test_is_fixed_nothing_else_is_tested(self) -> None:
        splits = split(fixed(self.rows(), ["test"] * 4 + [""] * 56))
        assert splits.index[splits == "test"].tolist() == [0, 1, 2, 3]
        assert {"train", "val"} <= set(splits[4:])

    def test_where_all_is_fixed_it_is_kept(self) -> None:
        stated = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
        assert split(fixed(self.rows(), stated)).tolist() == stated

    def test_two_splits_for_one_duplicate_group(self) -> None:
        made = manifest([("a", "p", "d"), ("a", "q", "d"), ("b", "r", ""), ("b", "s", "")])
        with pytest.raises(DataError, match="sample '0001' is fixed in 'test' but shares"):
            split(fixed(made, ["train", "test", "", ""]))


class TestTooFew:
    def test_one_patient_cannot_be_divided(self) -> None:
        with pytest.raises(DataError, match="the val split is empty: 1 patients in all"):
            split(manifest([("a", "p"), ("b", "p")]), test=0)

    def test_two_patients_leave_no_test(self) -> None:
        splits = split(manifest([("a", "p"), ("b", "p"), ("a", "q")]), test=0)
        assert splits.tolist() == ["train", "train", "val"]  # the only "b" is for learning


def test_disjointness_is_asserted() -> None:
    made = manifest([("a", "p", "d"), ("a", "p", ""), ("b", "q", "d")])
    check_disjoint(made, pd.Series(["train", "train", "train"]))
    with pytest.raises(DataError, match="1 patients stand in more than one split, such as 'p'"):
        check_disjoint(made, pd.Series(["train", "val", "train"]))
    with pytest.raises(DataError, match="1 duplicate_groups stand in more than one split, such as 'd'"):
        check_disjoint(made, pd.Series(["train", "train", "val"]))
