"""Patients of diseases outside the list: how sure the model is of what it was never taught."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from nmevision.errors import EvaluationError
from nmevision.evaluation.open_set import OpenSetReport, open_set_report
from nmevision.evaluation.truth import Cases, matched
from nmevision.manifest import Manifest
from nmevision.predictions import NOVELTY, PROBABILITY_PREFIX, PredictionTable, by_case
from nmevision.taxonomy import Taxonomy

COLUMN = "open_set"
"""Column of the manifest that says how far the disease of a row outside the list is: near or far."""
DISTANCES = ("near", "far")
ANSWERED = ("ok", "flagged")


@dataclass(frozen=True)
class Unknowns:
    """Open-set scores by the largest probability, and by the model's own novelty where it tells one.

    reason: why there are none, "" where there are.
    """

    reason: str
    by_probability: OpenSetReport | None = None
    by_novelty: OpenSetReport | None = None


def unknowns(cases: Cases, predictions: PredictionTable, manifest: Manifest, taxonomy: Taxonomy) -> Unknowns:
    """Return how the scored patients (known) stand against the answered ones that the manifest calls near or far.

    A row counts as unknown where `open_set` is near (another inflammatory dermatosis) or far (a tumour, another organ,
    no skin) and its label is no diagnosis of `taxonomy`. A patient is known or unknown, never both.
    Raises EvaluationError where `open_set` says anything else, or both of one disease.
    """
    frame = manifest.frame
    if COLUMN not in frame:
        return Unknowns(
            f"the manifest has no column {COLUMN}, which says near or far of rows outside the list"
        )
    rows, _ = matched(predictions, manifest)
    rows = rows.assign(far=frame[COLUMN].to_numpy(), label=manifest.diagnoses(taxonomy).to_numpy())
    odd = sorted(set(rows["far"]) - {"", *DISTANCES})
    if odd:
        raise EvaluationError(
            f"manifest: column {COLUMN} says {', '.join(map(repr, odd))}; expected near or far"
        )
    answered = rows["status"].isin(ANSWERED)
    own = rows[
        (rows["far"] != "") & (rows["label"] == "") & answered & ~rows["patient"].isin(set(cases.names))
    ]
    if own.empty:
        return Unknowns(f"no answered patient outside the list has {COLUMN} = near or far in the manifest")
    columns = [PROBABILITY_PREFIX + key for key in taxonomy.keys]
    pooled = by_case(PredictionTable(own[["id", "status", *columns]].assign(patient_id=own["patient"])))
    first = own.sort_values("id", kind="stable").groupby("patient", sort=True)[["raw_label", "far"]].first()
    disease = (
        first["raw_label"].where(first["raw_label"] != "", "not stated: " + first["far"]).to_numpy(object)
    )
    pairs = pd.DataFrame({"disease": disease, "far": first["far"].to_numpy()}).drop_duplicates()
    if twice := sorted(pairs["disease"][pairs["disease"].duplicated()]):
        raise EvaluationError(f"manifest: column {COLUMN} says both near and far of {', '.join(twice)}")
    distance = dict(zip(pairs["disease"], pairs["far"], strict=True))
    right = cases.predicted == cases.labels
    found = open_set_report(
        cases.probabilities.max(axis=1), right, pooled[columns].max(axis=1).to_numpy(), disease, distance
    )
    novel = _novelty(predictions, rows)
    if novel is None:
        return Unknowns("", found)
    known, unknown = (-novel.reindex(names).to_numpy() for names in (cases.names, pooled["patient_id"]))
    return Unknowns("", found, open_set_report(known, right, unknown, disease, distance))


def _novelty(predictions: PredictionTable, rows: pd.DataFrame) -> pd.Series | None:
    """Return the mean novelty of every patient's answered images, None where the model tells none."""
    if NOVELTY not in predictions.frame:
        return None
    answered = rows[rows["status"].isin(ANSWERED)]
    told = answered["id"].map(dict(zip(predictions.frame["id"], predictions.frame[NOVELTY], strict=True)))
    return None if told.isna().any() else told.astype(float).groupby(answered["patient"]).mean()
