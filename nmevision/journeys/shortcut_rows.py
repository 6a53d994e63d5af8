"""The labelled patients of a manifest, and what its rows alone say about leaks (L1, L2, L3, L12, L13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nmevision.data.audit import find_leaks
from nmevision.errors import DataError, EvaluationError
from nmevision.evaluation import shortcuts
from nmevision.evaluation.shortcuts import Bools, Check, Texts
from nmevision.files import sha256_of
from nmevision.journeys.shortcut_images import Ints
from nmevision.manifest import Manifest
from nmevision.networks.bundle import SEEN_DIGITS, Bundle
from nmevision.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class Patients:
    """Labelled rows of a manifest. row: patient of each row; positive, source: of each patient."""

    manifest: Manifest
    row: Ints
    positive: Bools
    source: Texts

    def texts(self, column: str) -> Texts:
        """Return each patient's text in a column, "a + b" where the rows differ."""
        return _texts(self.manifest.frame[column], self.row)


def patients_of(manifest: Manifest, taxonomy: Taxonomy, members: Sequence[str], name: str) -> Patients:
    """Return the labelled patients; one with rows of both kinds is refused, for he has no label."""
    row = np.unique(manifest.cases, return_inverse=True)[1].astype(np.intp)
    if not len(row):
        raise DataError("no row carries a diagnosis that the taxonomy knows")
    labels = manifest.diagnoses(taxonomy).isin(members).to_numpy()
    share = np.bincount(row, labels) / np.bincount(row)
    mixed = int(((share > 0) & (share < 1)).sum())
    if mixed:
        raise DataError(
            f"{mixed} patients have images both with and without {name}; give each image its own patient_id"
        )
    positive = share == 1
    if positive.all() or not positive.any():
        raise EvaluationError(
            f"{int(positive.sum())} of {len(positive)} patients have {name}; expected some of either kind"
        )
    return Patients(manifest, row, positive, _texts(manifest.frame["source"], row))


def _texts(column: pd.Series, row: Ints) -> Texts:
    found = column.groupby(row).agg(lambda values: " + ".join(sorted(set(values) - {""})))
    return np.asarray(found.to_numpy(), dtype=object)


def checks_of_rows(patients: Patients, model: Bundle | None) -> list[Check]:
    """Return the checks of the table alone: L1, L2, L3, L12, L13."""
    frame = patients.manifest.frame
    name, rule = (
        "groups in one split",
        "no patient, lesion, slide, publication or duplicate group in two splits",
    )
    found = [shortcuts.not_tested("L1", name, "the manifest names no splits")]
    if (frame["split"] != "").any():
        leaks = find_leaks(patients.manifest)
        crossing = leaks[leaks["kind"] == "crosses_splits"]["detail"].tolist()
        found = [shortcuts.assertion("L1", name, rule, crossing, "No group stands in two splits.")]
    duplicates = "near-duplicates"
    if (frame["duplicate_group"] != "").any():
        found.append(
            Check("L2", duplicates, "report", "Duplicate groups are named in the manifest and count in L1.")
        )
    else:
        found.append(
            shortcuts.not_tested(
                "L2", duplicates, "run `nmevision data audit` and use the manifest it writes"
            )
        )
    found += _of_training(patients, model) if model else []
    phantom = patients.manifest.phantom
    learned = set(patients.manifest.cases[phantom & frame["split"].isin(["train", "val"])])
    tested = set(patients.manifest.cases[~phantom & (frame["split"] == "test")])
    found.append(
        shortcuts.assertion(
            "L13", "synthetic images", "no synthetic image of a test patient is learned from",
            sorted(learned & tested), "No synthetic image belongs to a patient of the test split.",
        )
    )  # fmt: skip
    return found


def _of_training(patients: Patients, model: Bundle) -> list[Check]:
    """Return what is known of the model's own and its encoder's training images (L3), and of its knowledge (L12)."""
    samples = [s for s in patients.manifest.samples() if s.path.is_file()]
    seen = [s.id for s in samples if sha256_of(s.path)[:SEEN_DIGITS] in model.seen]
    start = model.info.network.weights_from
    words = (
        "The network started from random weights: no pretraining images."
        if start == "none"
        else f"The network started from {start}: whether its images overlap with these is unknown; the author must say."
    )
    return [
        shortcuts.assertion(
            "L3", "images the model was trained on", "no image of this set was trained or steered on", seen,
            f"None of {len(samples)} files was.",
        ),
        Check("L3", "images of the pretraining", "report", words, "declared per encoder; unknown is allowed, blank is not"),
        Check(
            "L12", "knowledge frozen before", "report",
            f"The model was written by nmevision {model.info.nmevision}; its profiles are those of that version.",
            "profiles and their version are fixed before the test set is opened",
        ),
    ]  # fmt: skip
