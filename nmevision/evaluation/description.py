"""What was evaluated, for the reader of a report: labelled patients and images, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nmevision.evaluation.attributes import attributes_of
from nmevision.evaluation.subgroups import UNKNOWN
from nmevision.evaluation.truth import Cases
from nmevision.manifest import Manifest
from nmevision.taxonomy import Taxonomy

REFERENCE = ("reference_standard", "confirmed_by", "biopsy_confirmed")
"""Columns of a manifest, in any case, that say how a diagnosis was established; the first one there is told."""


@dataclass(frozen=True)
class Description:
    """The labelled rows of the manifest, and the scored patients.

    rows: labelled patients and images per diagnosis, split and source ("" where not stated).
    licences, modalities: labelled images by what the manifest says ("" where it says nothing).
    reference: labelled patients by how the diagnosis was established, {} where no column says so.
    metadata: attribute -> group -> scored patients, "" those not known; only attributes that are known of some.
    """

    rows: list[dict[str, Any]]
    licences: dict[str, int]
    modalities: dict[str, int]
    reference: dict[str, int]
    metadata: dict[str, dict[str, int]]


def describe(cases: Cases, manifest: Manifest, taxonomy: Taxonomy) -> Description:
    """Return the description of a manifest whose scored patients are `cases`."""
    labels = manifest.diagnoses(taxonomy)
    known = manifest.select(labels != "")
    frame = known.frame.assign(label=labels[labels != ""].to_numpy(), patient=known.cases)
    parts = frame.groupby(["label", "split", "source"], sort=True)["patient"].agg(["nunique", "size"])
    rows = [
        {"diagnosis": label, "split": split, "source": source, "patients": int(n), "images": int(images)}
        for (label, split, source), n, images in parts.itertuples(name=None)
    ]
    order = {key: k for k, key in enumerate(taxonomy.keys)}
    columns = {str(column).casefold(): str(column) for column in frame}
    said = next((columns[name] for name in REFERENCE if name in columns), None)
    return Description(
        rows=sorted(rows, key=lambda row: (order[row["diagnosis"]], row["split"], row["source"])),
        licences=_counted(frame["licence"]),
        modalities=_counted(frame["modality"]),
        reference=_counted(frame.drop_duplicates(["patient", said])[said]) if said else {},
        metadata={name: _groups(groups) for name, groups in attributes_of(cases, manifest).items()},
    )


def _counted(values: Any) -> dict[str, int]:
    """Return how often each text occurs, the most frequent first."""
    return {str(name): int(n) for name, n in values.value_counts().items()}


def _groups(groups: np.ndarray) -> dict[str, int]:
    """Return patients per group in order of the groups' names, those not known last."""
    names, counts = np.unique(groups.astype(str), return_counts=True)
    found = {str(name): int(n) for name, n in zip(names, counts, strict=True)}
    return {name: found[name] for name in sorted(found, key=lambda name: (name == UNKNOWN, name))}
