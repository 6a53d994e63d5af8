"""Groups, leaks and conflicts, from small tables whose answer can be read off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nmevision.data.audit import (
    comparable,
    find_faults,
    find_leaks,
    overlaps,
    pairs_of,
    whole_groups,
    with_groups,
)
from nmevision.data.splits import assign_splits, group_keys
from nmevision.data.thumbnails import SIDE, Looks
from nmevision.manifest import Manifest, manifest_of
from nmevision.taxonomy import taxonomy_from

TAXONOMY = taxonomy_from(
    {
        "name": "ab",
        "groups": [{"key": "g", "name": "g"}],
        "diagnoses": [{"key": key, "name": key * 2, "group": "g"} for key in "ab"],
    },
    "test",
)
FINE = {"readable": True, "message": "", "width": 300.0, "height": 300.0, "bright": 200.0, "dim": 20.0}
FINE |= {"spread": 30.0, "blur": 0.3}
NO_PAIRS = pd.DataFrame({"first": [], "second": []}, dtype=np.int64)


def table(**columns: list[str]) -> Manifest:
    n = len(next(iter(columns.values())))
    rows = [{"id": f"i{k}", "path": f"{k}.png"} | {c: v[k] for c, v in columns.items()} for k in range(n)]
    return manifest_of(rows, Path())


def looks(digests: str, **odd: list[float | bool | str]) -> Looks:
    rows = pd.DataFrame(
        [{"id": f"i{k}", "sha256": "" if d == "-" else d * 64} | FINE for k, d in enumerate(digests)]
    )
    return Looks(rows.assign(**odd), np.zeros((len(digests), SIDE, SIDE), np.uint8))


def near(*pairs: tuple[int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(list(pairs), columns=["first", "second"], dtype=np.int64)
    return frame.assign(orientation=3, distance=9, likeness=0.9)


def test_identical_files_are_pairs_with_their_first_and_missing_ones_are_not() -> None:
    pairs = pairs_of(looks("abaa--"), near((0, 1)))
    assert pairs[["first", "second", "kind"]].to_numpy().tolist() == [
        [0, 2, "exact"],
        [0, 3, "exact"],
        [0, 1, "near"],
    ]


def test_blank_unreadable_and_repeated_images_are_not_compared() -> None:
    seen = looks("aabcd", readable=[True, True, True, False, True], spread=[9.0, 9.0, 0.5, 9.0, 9.0])
    assert comparable(seen).tolist() == [True, False, False, False, True]


def test_groups_are_chains_of_pairs_and_keep_names_that_were_stated() -> None:
    manifest = table(duplicate_group=["", "", "mine", "", "", "mine", "alone"])
    grouped = with_groups(manifest, looks("gfedcba"), near((0, 1), (1, 3), (2, 4)))
    groups = grouped.frame["duplicate_group"].tolist()
    assert groups == ["view:dddddddddddd"] * 2 + ["mine", "view:dddddddddddd", "mine", "mine", "alone"]
    assert manifest.frame["duplicate_group"].tolist() == ["", "", "mine", "", "", "mine", "alone"]


def test_two_stated_groups_that_share_a_field_become_one() -> None:
    grouped = with_groups(table(duplicate_group=["x", "x", "y"]), looks("abc"), near((1, 2)))
    assert set(grouped.frame["duplicate_group"]) == {"x"}


def test_splits_honour_the_groups_that_were_found() -> None:
    manifest = table(diagnosis=["a", "b"] * 10, patient_id=[f"p{k}" for k in range(20)])
    grouped = with_groups(manifest, looks("abcdefghijklmnopqrst"), near((0, 2), (2, 4), (1, 3)))
    keys = group_keys(grouped)
    assert keys[0] == keys[2] == keys[4] != keys[1] == keys[3]
    for seed in range(5):
        splits = assign_splits(grouped, TAXONOMY, seed=seed, val=0.3, test=0.3)
        assert splits[0] == splits[2] == splits[4]
        assert splits[1] == splits[3]


def test_what_crosses_splits_by_any_way() -> None:
    grouped = table(
        split=["train", "test", "train", "test", "val", "val", "train", ""],
        duplicate_group=["d", "d", "", "", "", "", "", ""],
        lesion_id=["", "", "L", "", "", "", "", ""],
        patient_id=["", "", "", "P", "P", "", "Q", "Q"],
        doi=["", "", "X", "X", "", "", "", ""],
    )
    found = find_leaks(grouped)
    splits = found[found["kind"] == "crosses_splits"]
    assert splits["ids"].tolist() == ["i0; i1", "i2; i3; i4"]  # the second through a paper and a patient
    assert splits["detail"].tolist() == ["splits: test 1, train 1", "splits: test 1, train 1, val 1"]
    assert whole_groups(grouped)[2] == whole_groups(grouped)[4] != whole_groups(grouped)[5]


def test_duplicates_of_two_labels_sources_and_patients() -> None:
    grouped = table(
        duplicate_group=["d", "d", "d", "e", "e", ""],
        diagnosis=["Aa", "bb", "", "AA", " aa", "bb"],
        source=["s", "t", "t", "s", "s", "t"],
        patient_id=["p", "", "q", "r", "r", "p"],
    )
    found = dict(find_leaks(grouped).set_index("kind")["ids"])
    assert found == {
        "label_conflict": "i0; i1",
        "crosses_sources": "i0; i1; i2",
        "crosses_patients": "i0; i2",
    }


def test_labels_of_one_diagnosis_do_not_conflict() -> None:
    grouped = table(duplicate_group=["d", "d"], diagnosis=["a", "aa"])
    assert find_leaks(grouped)["kind"].tolist() == ["label_conflict"]
    assert find_leaks(grouped, TAXONOMY).empty


def test_overlap_of_sources() -> None:
    grouped = table(
        duplicate_group=["d", "d", "e", "e", "f", "f", ""], source=["s", "t", "s", "t", "s", "s", "u"]
    )
    assert overlaps(grouped) == {"s": {"s": 1, "t": 2}, "t": {"s": 2, "t": 0}}
    assert overlaps(table(source=["s"])) == {}


def test_faults_name_the_image() -> None:
    seen = looks(
        "abc", readable=[True, False, True], message=["", "'1.png' is cut short", ""], blur=[0.3, 0.3, 0.9]
    )
    assert find_faults(seen).to_numpy().tolist() == [
        ["unreadable", "i1", "'1.png' is cut short"],
        ["blurred", "i2", "blur 0.90 (sharp images: below 0.6)"],
    ]
