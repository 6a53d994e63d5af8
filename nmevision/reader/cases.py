"""The cases of a page: the rows of predictions.csv with what cases.csv and run.json know of them, as JSON values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from nmevision.errors import RunError
from nmevision.knowledge.answer import FOCUS
from nmevision.knowledge.building import model_of_knowledge
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import MODALITIES
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.predictions import (
    FIT,
    KNOWLEDGE_PREFIX,
    LEARNED_PREFIX,
    NOVELTY,
    PROBABILITY_PREFIX,
    SET,
    SET_GROUPS,
    SPREAD_PREFIX,
    PredictionTable,
    read_predictions,
)
from nmevision.reader.tables import reasoning_tables, route_tables
from nmevision.schema import validate
from nmevision.taxonomy import Taxonomy

PREDICTIONS, CASES, FACTS = "predictions.csv", "cases.csv", "run.json"
"""What `nmevision predict` leaves in its folder."""
DIGITS = 8
"""Decimals of predictions.csv: with them the page answers as `nmevision correct` does."""


@dataclass(frozen=True)
class Answers:
    """A folder of predictions as it was read."""

    folder: Path
    table: PredictionTable
    facts: dict[str, Any]
    taxonomy: Taxonomy

    @property
    def modality(self) -> str:
        """Return the modality of the model that answered."""
        return str(self.facts["bundle"]["modality"])


def read_answers(folder: Path) -> Answers:
    """Read what `nmevision predict` wrote to a folder.

    Raises RunError where the folder holds no whole prediction, DataError where its table is broken.
    """
    folder = Path(folder)
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        content = facts["taxonomy"]
        known = facts["bundle"]["modality"] in MODALITIES and isinstance(facts["model"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise RunError(f"{path}: expected the run.json that `nmevision predict` writes beside its table")
    table = read_predictions(folder / PREDICTIONS)
    taxonomy = validate(Taxonomy, content, f"{path}: taxonomy", RunError)
    if set(table.diagnoses) != set(taxonomy.keys):
        raise RunError(f"{folder}: {PREDICTIONS} and {FACTS} name different diagnoses; predict again")
    return Answers(folder, table, facts, taxonomy)


def page_data(answers: Answers) -> dict[str, Any]:
    """Return everything about the predictions that the page shows, without pictures."""
    knowledge = load_knowledge()
    facts, taxonomy = answers.facts, answers.taxonomy
    modality = next(known for known in MODALITIES if known == answers.modality)
    model = facts["model"]
    graders = model.get("findings") or []
    return {
        "mode": "report",
        "tables": reasoning_tables(knowledge, modality),
        "routes": route_tables(
            model,
            taxonomy.keys,
            {key: taxonomy.diagnosis_of(key) for key in model_of_knowledge(knowledge, modality).classes},
            graders,
            model.get("fields") or [],
        )
        if graders and model.get("fusion")
        else None,
        "taxonomy": {
            "groups": [{"key": group.key, "name": group.name} for group in taxonomy.groups],
            "diagnoses": [{"key": d.key, "name": d.name, "group": d.group} for d in taxonomy.diagnoses],
        },
        "target": target_of(facts, taxonomy),
        "about": _about(facts),
        "patients": _patients(answers),
        "rows": rows_of(answers, [grader["key"] for grader in graders], model.get("fields") or []),
    }


def target_of(facts: dict[str, Any], taxonomy: Taxonomy) -> dict[str, Any]:
    """Return what the worklist is sorted by: the necrolytic group, else the model's positive."""
    key = FOCUS if FOCUS in taxonomy.group_of.values() else facts.get("positive")
    if not key:
        return {"key": "", "name": "the most probable diagnosis", "diagnoses": []}
    members = taxonomy.members_of(str(key))
    names = {d.key: d.name for d in taxonomy.diagnoses} | {g.key: g.name for g in taxonomy.groups}
    return {"key": key, "name": names.get(str(key), str(key)), "diagnoses": list(members)}


def _about(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader must know of the model and the run."""
    bundle, model = facts["bundle"], facts["model"]
    return {
        "name": str(bundle["name"]),
        "hash": str(bundle["hash"])[:12],
        "phantom": bool(bundle["phantom"]),
        "finished": str(facts.get("finished", "")),
        "nmevision": str(facts.get("nmevision", "")),
        "temperature": model.get("temperature"),
        "validation_images": model.get("validation", {}).get("images"),
        "sets": model.get("sets"),
    }


def rows_of(answers: Answers, findings: list[str], fields: list[str]) -> list[dict[str, Any]]:
    """Return one record per row of predictions.csv, in its order.

    findings, fields: what the network looks for, in the order of the page's arrays.
    """
    frame, keys = answers.table.frame, answers.taxonomy.keys
    spoken = {
        "p": [PROBABILITY_PREFIX + key for key in keys],
        "learned": [LEARNED_PREFIX + key for key in keys],
        "knowledge": [KNOWLEDGE_PREFIX + key for key in keys],
        "finding": [FINDING_PREFIX + key for key in findings],
        "spread": [SPREAD_PREFIX + key for key in findings],
        "field": [FIELD_PREFIX + key for key in fields],
    }
    arrays = {name: _numbers(frame, columns) for name, columns in spoken.items()}
    single = {name: _numbers(frame, [name]) for name in (NOVELTY, FIT)}
    told = {"patient_id": "patient_id", "source": "source", "set": SET, "set_groups": SET_GROUPS}
    texts = {key: frame[name].tolist() if name in frame else [""] * len(frame) for key, name in told.items()}
    rows = []
    for i, (identity, path, status, message) in enumerate(
        frame[["id", "path", "status", "message"]].itertuples(index=False, name=None)
    ):
        row = {"id": identity, "path": plain_path(path), "status": status, "message": message}
        row |= {name: str(values[i]) for name, values in texts.items()}
        if status != "error":
            row |= {name: values[i] for name, values in arrays.items() if values is not None}
            row |= {name: values[i][0] for name, values in single.items() if values is not None}
        rows.append(row)
    return rows


def _numbers(frame: pd.DataFrame, columns: list[str]) -> list[list[float | None]] | None:
    """Return some columns row by row, None for what is no number; None where a column is missing."""
    if not columns or any(name not in frame for name in columns):
        return None
    values = frame[columns].to_numpy(np.float64)
    return [[None if np.isnan(v) else round(v, DIGITS) for v in row] for row in values.tolist()]


def _patients(answers: Answers) -> dict[str, Any]:
    """Return the answer by patient, {} where no patient is named or cases.csv is not there."""
    path = answers.folder / CASES
    if "patient_id" not in answers.table.frame or not path.is_file():
        return {}
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    columns = [PROBABILITY_PREFIX + key for key in answers.taxonomy.keys]
    if any(name not in frame for name in ("patient_id", "n_samples", "n_answered", *columns)):
        raise RunError(f"{path}: is not the cases.csv that `nmevision predict` writes; predict again")
    named = set(answers.table.frame["patient_id"]) - {""}
    frame = frame[frame["patient_id"].isin(named)]
    shares = frame[columns].replace("", "nan").astype(np.float64).to_numpy()
    return {
        str(row.patient_id): {
            "images": int(str(row.n_samples)),
            "answered": int(str(row.n_answered)),
            "p": None if np.isnan(p).any() else p.round(DIGITS).tolist(),
        }
        for row, p in zip(frame.itertuples(), shares, strict=True)
    }


def plain_path(path: str) -> str:
    r"""Return a path as the page may show it: one of this machine is cut to the file's name.

    >>> plain_path("/home/a/b.png"), plain_path("C:\\a\\b.png"), plain_path("a/b.png")
    ('b.png', 'b.png', 'a/b.png')
    """
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).is_absolute():
            return kind(path).name
    return path
