"""Predictions joined to the truth: which patients are scored, who is left out and why. Nobody vanishes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nmevision.errors import EvaluationError, Problems
from nmevision.evaluation.weighted import Floats
from nmevision.manifest import Manifest
from nmevision.predictions import ATTENTION, DECIMALS, PROBABILITY_PREFIX, PredictionTable, by_case
from nmevision.taxonomy import Taxonomy

UNKNOWN_SOURCE = "(unknown)"
SHOWN = 5
"""Ids quoted in an error message before it says how many more there are."""


@dataclass(frozen=True)
class Cases:
    """The scored patients, sorted by name; every array has one entry per patient.

    labels: index into `classes`; probabilities: (n, k); n_images: answered images of the patient;
    sources: text, UNKNOWN_SOURCE where none is given, "a + b" where a patient has several.
    """

    classes: tuple[str, ...]
    names: NDArray[np.object_]
    sources: NDArray[np.object_]
    labels: NDArray[np.intp]
    probabilities: Floats
    n_images: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Return the index of each patient's most probable class."""
        return self.probabilities.argmax(axis=1)

    def select(self, mask: NDArray[np.bool_]) -> Cases:
        """Return the patients where `mask` is true."""
        columns = ("names", "sources", "labels", "probabilities", "n_images")
        return replace(self, **{name: getattr(self, name)[mask] for name in columns})


@dataclass(frozen=True)
class LeftOut:
    """One image or patient that no score contains, with the reason in words."""

    unit: str
    id: str
    kind: str
    detail: str = ""


@dataclass(frozen=True)
class Truth:
    """What is scored and what is not.

    composition: one row per class and source with patients, images and the unanswered of both.
    image_labels, image_predicted: class indices of the scored images (descriptive only).
    """

    cases: Cases
    image_labels: NDArray[np.intp]
    image_predicted: NDArray[np.intp]
    composition: pd.DataFrame
    counts: dict[str, int]
    left_out: tuple[LeftOut, ...]
    phantom: bool
    notes: tuple[str, ...]


def join(predictions: PredictionTable, manifest: Manifest, taxonomy: Taxonomy) -> Truth:
    """Return the scored patients: rows matched by id (else by path), labels through `taxonomy`.

    Raises EvaluationError where the tables do not speak of the same images or classes, an id is
    repeated or empty, a label is unknown, phantoms are mixed with real images, or nothing is left.
    """
    _check(predictions, manifest, taxonomy)
    rows, strangers = matched(predictions, manifest)
    rows["label"] = manifest.diagnoses(taxonomy).to_numpy()
    left_out = [LeftOut("image", name, "prediction without a manifest row") for name in strangers]
    left_out += _without_label(rows, taxonomy)
    labelled = rows[rows["label"] != ""]
    left_out += [LeftOut("image", i, "no prediction") for i in labelled["id"][labelled["status"] == ""]]
    asked = labelled[labelled["status"] != ""]
    phantom = _one_kind(asked)
    failed = asked[asked["status"] == "error"]
    left_out += [
        LeftOut("image", i, "unanswered", m) for i, m in zip(failed["id"], failed["message"], strict=True)
    ]
    outside, torn = _patients_left_out(labelled)
    left_out += outside
    scored = asked[(asked["status"] != "error") & ~asked["patient"].isin(torn)]
    if scored.empty:
        raise EvaluationError("nothing to score: no labelled image has an answer; " + _tally(left_out))
    columns = [PROBABILITY_PREFIX + key for key in taxonomy.keys]
    return Truth(
        cases=_cases(scored, taxonomy.keys, columns),
        image_labels=_indices(scored["label"], taxonomy.keys),
        image_predicted=scored[columns].to_numpy(np.float64).argmax(axis=1),
        composition=_composition(asked[~asked["patient"].isin(torn)], taxonomy.keys),
        counts=_counts(predictions, manifest, scored, left_out),
        left_out=tuple(left_out),
        phantom=phantom,
        notes=tuple(_notes(scored, rows)),
    )


def _check(predictions: PredictionTable, manifest: Manifest, taxonomy: Taxonomy) -> None:
    """Refuse tables that cannot be compared, saying everything that is wrong at once."""
    problems = Problems()
    found, wanted = set(predictions.diagnoses), set(taxonomy.keys)
    if found != wanted:
        extra, lacking = ", ".join(sorted(found - wanted)), ", ".join(sorted(wanted - found))
        problems.add(
            f"the predictions and taxonomy '{taxonomy.name}' name different diagnoses: only predicted: "
            f"{extra or 'none'}; only in the taxonomy: {lacking or 'none'}"
        )
    for name, frame in (("predictions", predictions.frame), ("manifest", manifest.frame)):
        repeated = frame["id"][frame["id"].duplicated()].unique()
        if len(repeated):
            problems.add(f"{name}: more than once: id {_some(list(repeated))}; ids must be unique")
        if (frame["id"] == "").any():
            problems.add(f"{name}: {counted(int((frame['id'] == '').sum()), 'row')} without id")
    values = predictions.answered[[PROBABILITY_PREFIX + key for key in predictions.diagnoses]]
    if not np.isfinite(values.to_numpy(np.float64)).all():
        problems.add("predictions: answered rows without probabilities; their status should be error")
    for label in sorted(set(manifest.frame["diagnosis"]) - {""}):
        if taxonomy.diagnosis_of(label) is None and taxonomy.exclusion_of(label) is None:
            problems.add(f"manifest: {taxonomy.unknown_label(label)}")
    problems.raise_if_any(EvaluationError, "predictions and manifest cannot be scored together")


def matched(predictions: PredictionTable, manifest: Manifest) -> tuple[pd.DataFrame, list[str]]:
    """Return the manifest's rows with their predictions (status "" where none), and unmatched ids."""
    ours, theirs = manifest.frame, predictions.frame
    key = "id" if set(ours["id"]) & set(theirs["id"]) else "path"
    common = (set(ours[key]) & set(theirs[key])) - {""}
    if not common:
        raise EvaluationError(
            "no prediction belongs to a row of the manifest: the predictions begin with id "
            f"{_some(list(theirs['id'])[:1])}, the manifest with {_some(list(ours['id'])[:1])}, and no path "
            "is the same either; give the manifest the ids that stand in predictions.csv"
        )
    if key == "path":
        for name, frame in (("predictions", theirs), ("manifest", ours)):
            twice = frame[key][frame[key].isin(common) & frame[key].duplicated()].unique()
            if len(twice):
                raise EvaluationError(
                    f"no id is common to both tables, and the {name} hold more than once the path "
                    f"{_some(list(twice))}; give both tables the same ids"
                )
    answers = theirs[theirs[key].isin(common)].set_index(key).reindex(ours[key])
    rows = pd.DataFrame({"id": ours["id"].to_numpy(), "raw_label": ours["diagnosis"].to_numpy()})
    for name in ("status", "message"):
        rows[name] = answers[name].fillna("").to_numpy()
    for name in ("patient_id", "source"):
        said = answers[name].fillna("").to_numpy() if name in answers else ""
        rows[name] = ours[name].where(ours[name] != "", said).to_numpy()
    told = answers["patient_id"].fillna("").to_numpy() if "patient_id" in answers else ""
    rows["contradicted"] = (told != "") & (rows["patient_id"] != told)
    rows["patient"] = rows["patient_id"].where(rows["patient_id"] != "", "sample:" + rows["id"])
    rows["source"] = _patient_sources(rows)
    rows["split"], rows["phantom"] = ours["split"].to_numpy(), manifest.phantom.to_numpy()
    for column in (PROBABILITY_PREFIX + name for name in predictions.diagnoses):
        rows[column] = answers[column].to_numpy(np.float64)
    return rows, sorted(theirs["id"][~theirs[key].isin(common)])


def _without_label(rows: pd.DataFrame, taxonomy: Taxonomy) -> list[LeftOut]:
    """Return the rows without a diagnosis: not labelled, or of a label the taxonomy excludes."""
    found = []
    for identity, label in rows.loc[rows["label"] == "", ["id", "raw_label"]].itertuples(index=False):
        if label == "":
            found.append(LeftOut("image", identity, "no label"))
        else:
            reason = f"{label}: {taxonomy.exclusion_of(label)}"
            found.append(LeftOut("image", identity, "excluded label", reason))
    return found


def _one_kind(asked: pd.DataFrame) -> bool:
    """Return whether all rows are phantoms; refuse a mixture."""
    synthetic = int(asked["phantom"].sum())
    if 0 < synthetic < len(asked):
        raise EvaluationError(
            f"{counted(synthetic, 'phantom')} (such as {_some(list(asked['id'][asked['phantom']]))}) among "
            f"{counted(len(asked) - synthetic, 'real image')}; a phantom is never evidence about disease: evaluate "
            "them with a manifest of their own"
        )
    return synthetic > 0


def _patients_left_out(labelled: pd.DataFrame) -> tuple[list[LeftOut], set[str]]:
    """Return the patients no score contains, and those of them with two diagnoses."""
    asked = labelled["status"] != ""
    marked = labelled.assign(asked=asked, answered=asked & (labelled["status"] != "error"))
    by_patient = marked.groupby("patient", sort=True)
    n_labels, asked, answered = (
        by_patient["label"].nunique(),
        by_patient["asked"].any(),
        by_patient["answered"].any(),
    )
    found, torn = [], set(n_labels.index[n_labels > 1])
    left = n_labels.index[(n_labels > 1) | ~answered]
    labels_of = labelled[labelled["patient"].isin(left)].groupby("patient")["label"].agg(set)
    for name in left:
        kind = "two diagnoses" if name in torn else "unanswered" if asked[name] else "no prediction"
        found.append(LeftOut("patient", str(name), kind, ", ".join(sorted(labels_of[name]))))
    return found, torn


def _patient_sources(rows: pd.DataFrame) -> pd.Series:
    """Return for every row all sources of its patient as one text, UNKNOWN_SOURCE where none is given."""
    pairs = rows.loc[rows["source"] != "", ["patient", "source"]].drop_duplicates().sort_values("source")
    joined = pairs.groupby("patient")["source"].agg(" + ".join).to_dict()
    return rows["patient"].map(lambda patient: joined.get(patient, UNKNOWN_SOURCE)).astype(object)


def _cases(scored: pd.DataFrame, keys: tuple[str, ...], columns: list[str]) -> Cases:
    """Return one entry per patient: mean log-probability over the images, as cases.csv holds it."""
    ordered = scored.sort_values("id", kind="stable")
    weights = [name for name in (ATTENTION,) if name in ordered]
    table = ordered[["id", "status", *weights, *columns]].assign(patient_id=ordered["patient"])
    pooled = by_case(PredictionTable(table))
    by_patient = ordered.groupby("patient", sort=True)
    return Cases(
        classes=keys,
        names=pooled["patient_id"].to_numpy(object),
        sources=by_patient["source"].first().to_numpy(object),
        labels=_indices(by_patient["label"].first(), keys),
        # as many digits as the table itself: renormalising must not break ties between patients
        probabilities=np.round(pooled[columns].to_numpy(np.float64), DECIMALS),
        n_images=pooled["n_answered"].to_numpy(np.intp),
    )


def _indices(labels: pd.Series, keys: tuple[str, ...]) -> NDArray[np.intp]:
    return np.array([keys.index(label) for label in labels], dtype=np.intp)


def _composition(asked: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Return per class and source how many patients and images are scored and how many unanswered."""
    marked = asked.assign(answered=asked["status"] != "error")
    patients = marked.groupby(["label", "source", "patient"])["answered"].agg(["sum", "size"]).reset_index()
    patients["scored"] = patients["sum"] > 0
    rows = []
    for key in keys:
        own = patients[patients["label"] == key]
        for source, part in own.groupby("source", sort=True):
            scored = int(part["scored"].sum())
            images = int(part["sum"].sum())
            rows.append(
                {
                    "diagnosis": key,
                    "source": str(source),
                    "patients": scored,
                    "images": images,
                    "patients_unanswered": len(part) - scored,
                    "images_unanswered": int(part["size"].sum()) - images,
                }
            )
    return pd.DataFrame(rows)


def _counts(
    predictions: PredictionTable, manifest: Manifest, scored: pd.DataFrame, left_out: list[LeftOut]
) -> dict[str, int]:
    """Return the flow from files to patients as numbers."""
    kinds = Counter((entry.unit, entry.kind) for entry in left_out)
    return {
        "manifest_rows": len(manifest),
        "prediction_rows": len(predictions.frame),
        "images_scored": len(scored),
        "images_flagged": int((scored["status"] == "flagged").sum()),
        "images_unanswered": kinds["image", "unanswered"],
        "images_without_prediction": kinds["image", "no prediction"],
        "images_without_label": kinds["image", "no label"],
        "images_with_excluded_label": kinds["image", "excluded label"],
        "predictions_without_manifest_row": kinds["image", "prediction without a manifest row"],
        "patients_scored": int(scored["patient"].nunique()),
        "patients_unanswered": kinds["patient", "unanswered"],
        "patients_without_prediction": kinds["patient", "no prediction"],
        "patients_with_two_diagnoses": kinds["patient", "two diagnoses"],
    }


def _notes(scored: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Return what a reader must know about the rows themselves."""
    notes = []
    seen = scored[scored["split"].isin(["train", "val"])]
    if len(seen):
        notes.append(
            f"{len(seen)} of {counted(len(scored), 'scored image')} marked split=train or val in the manifest: "
            "if the model was made from them, the scores say nothing about new patients."
        )
    alone = int((scored["patient_id"] == "").sum())
    if alone:
        notes.append(
            f"{counted(alone, 'scored image')} without patient_id, each counted as a patient: if they share "
            "patients, every interval is too narrow."
        )
    contradicted = int(rows["contradicted"].sum())
    if contradicted:
        notes.append(
            f"{counted(contradicted, 'row')} with another patient_id in the predictions than in the "
            "manifest; the manifest was followed."
        )
    return notes


def counted(n: int, thing: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "image"), counted(2, "image")
    ('1 image', '2 images')
    """
    return f"{n} {thing}" + ("" if n == 1 else "s")


def _tally(left_out: list[LeftOut]) -> str:
    """Return how many images and patients are left out for which reason."""
    kinds = Counter((entry.unit, entry.kind) for entry in left_out)
    return "; ".join(f"{counted(n, unit)}: {kind}" for (unit, kind), n in kinds.items())


def _some(names: list[str]) -> str:
    """Return the first few names in quotes, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:SHOWN]) + more
