"""What a table of images and what was seen of them say together: leaks between splits, sets and labels.

Pure functions over tables. A *group* is a set of images that must stay in one split: they show one field, or
belong to one patient, lesion, slide or publication. Two groups that share an image are one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from nmevision.data.duplicates import components, near_duplicates
from nmevision.data.image_notes import BLANK_SPREAD
from nmevision.data.image_quality import MEASURES, faults
from nmevision.data.thumbnails import Looks
from nmevision.manifest import Manifest
from nmevision.taxonomy import Taxonomy, normalise_label

OWNERS = ("patient_id", "lesion_id", "slide_id", "case_id", "doi", "pmid", "pmcid", "publication")
"""Columns whose rows of one value belong together; the manifest's own and what public sets call them."""

BREACHES = ("crosses_splits",)
"""Kinds of finding that make numbers on the test split worthless; `nmevision data audit` ends with 1."""

FINDINGS = ["kind", "ids", "detail"]
_JOIN = "; "


def pairs_of(looks: Looks, compare_near: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return every pair of rows that shows one field: first, second, kind, orientation, distance, likeness.

    kind: "exact" (byte-identical: each with the first of its group) or "near".
    compare_near: the near pairs, where they are known already; else they are looked for.
    """
    digests = looks.table["sha256"]
    first = pd.Series(np.arange(len(digests))).groupby(digests.to_numpy()).transform("min").to_numpy()
    again = (digests != "").to_numpy() & (first != np.arange(len(digests)))
    exact = pd.DataFrame({"first": first[again], "second": np.flatnonzero(again)})
    exact = exact.assign(kind="exact", orientation=0, distance=0, likeness=1.0)
    near = near_duplicates(looks.thumbnails, comparable(looks)) if compare_near is None else compare_near
    return pd.concat([exact, near.assign(kind="near")], ignore_index=True)[list(exact.columns)]


def comparable(looks: Looks) -> npt.NDArray[np.bool_]:
    """Tell which rows take part in the search for near duplicates: readable, not blank, the first of equals."""
    repeated = looks.table["sha256"].duplicated() & (looks.table["sha256"] != "")
    picture = looks.table["readable"] & (looks.table["spread"] >= BLANK_SPREAD)
    return (picture & ~repeated).to_numpy(bool)


def with_groups(manifest: Manifest, looks: Looks, pairs: pd.DataFrame) -> Manifest:
    """Return the manifest with `duplicate_group` filled; groups stated before are kept and joined.

    A new group is named after its smallest file hash, so that the order of the rows does not matter.
    """
    stated = manifest.frame["duplicate_group"]
    first, second = _links(stated)
    member = components(len(manifest), [*pairs["first"], *first], [*pairs["second"], *second])
    table = pd.DataFrame({"member": member, "stated": stated.to_numpy(), "sha256": looks.table["sha256"]})
    names = {}
    for number, rows in table.groupby("member"):
        if len(rows) > 1:
            names[number] = min(set(rows["stated"]) - {""}, default="") or f"view:{min(rows['sha256'])[:12]}"
    groups = [names.get(number, one) for number, one in zip(member, stated, strict=True)]
    return Manifest(manifest.frame.assign(duplicate_group=groups), manifest.root)


def find_leaks(grouped: Manifest, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Return what crosses a border it must not, as FINDINGS.

    crosses_splits: a group (by duplicates and every column of OWNERS together) in more than one split.
    crosses_sources, crosses_patients, label_conflict: duplicates from two sources, of two patients, under
    two labels (two diagnoses, where a taxonomy is given).
    """
    frame = grouped.frame.reset_index(drop=True)
    same_view = frame["duplicate_group"]
    labels = frame["diagnosis"].map(normalise_label) if taxonomy is None else grouped.diagnoses(taxonomy)
    found = _crossing(frame, whole_groups(grouped), frame["split"], "crosses_splits", "splits")
    for kind, values, word in (
        ("label_conflict", pd.Series(labels).reset_index(drop=True), "labels"),
        ("crosses_sources", frame["source"], "sources"),
        ("crosses_patients", frame["patient_id"], "patients"),
    ):
        found += _crossing(frame, same_view, values, kind, word)
    return pd.DataFrame(found, columns=FINDINGS)


def whole_groups(grouped: Manifest) -> pd.Series:
    """Return per row the number of its group by duplicates, patient, lesion, slide and publication as text."""
    frame = grouped.frame
    first: list[int] = []
    second: list[int] = []
    for name in ("duplicate_group", *OWNERS):
        if name in frame:
            one, other = _links(frame[name])
            first, second = [*first, *one], [*second, *other]
    return pd.Series(components(len(frame), first, second)).astype(str)


def find_faults(looks: Looks) -> pd.DataFrame:
    """Return the unreadable images and those with a fault of `image_quality`, as FINDINGS."""
    found = []
    for row in looks.table.to_dict("records"):
        if not row["readable"]:
            found.append(("unreadable", row["id"], row["message"]))
        else:
            measures = {name: row[name] for name in MEASURES}
            found += [(kind, row["id"], detail) for kind, detail in faults(measures).items()]
    return pd.DataFrame(found, columns=FINDINGS)


def overlaps(grouped: Manifest) -> dict[str, dict[str, int]]:
    """Return for every two sources how many groups of duplicates both hold; on the diagonal, its own."""
    frame = grouped.frame[grouped.frame["duplicate_group"] != ""]
    counts: dict[str, dict[str, int]] = {}
    for _, sources in frame["source"].replace("", "not stated").groupby(frame["duplicate_group"]):
        times = sources.value_counts()
        for one, n in times.items():
            for other in times.index:
                row = counts.setdefault(str(one), {})
                row[str(other)] = row.get(str(other), 0) + int(one != other or n > 1)
    return {one: dict(sorted(row.items())) for one, row in sorted(counts.items())}


def _links(values: pd.Series) -> tuple[list[int], list[int]]:
    """Return (first row, other row) for every row that shares its value with an earlier one."""
    known = values.reset_index(drop=True)
    known = known[known != ""]
    first = known.index.to_series().groupby(known.to_numpy()).transform("min")
    later = first[first != first.index]
    return later.tolist(), later.index.tolist()


def _crossing(
    frame: pd.DataFrame, groups: pd.Series, values: pd.Series, kind: str, word: str
) -> list[tuple[str, str, str]]:
    """Return a finding for every group with more than one known value."""
    table = pd.DataFrame(
        {"group": groups.to_numpy(), "value": values.to_numpy(), "id": frame["id"].to_numpy()}
    )
    table = table[(table["group"] != "") & (table["value"] != "")]
    several = table[table.groupby("group")["value"].transform("nunique") > 1]
    found = []
    for _, rows in several.groupby("group", sort=False):
        counts = rows["value"].value_counts().sort_index()
        told = ", ".join(f"{value} {count}" for value, count in counts.items())
        found.append((kind, _JOIN.join(rows["id"]), f"{word}: {told}"))
    return found
