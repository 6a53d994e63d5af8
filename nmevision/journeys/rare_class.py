"""The rare-class protocol on a file of features: what k patients of a hidden disease are worth on these images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import ArrayLike

from nmevision import __version__
from nmevision.data.uci_dermatology import read_uci_dermatology
from nmevision.errors import ConfigError, DataError
from nmevision.evaluation.few_shot import METHODS
from nmevision.evaluation.rare_class import against_prototype, bands, run
from nmevision.evaluation.rare_class_design import Embedded, Ints, RareClassConfig
from nmevision.evaluation.rare_class_part import CALIBRATING, MISSED, SEPARATION, SPECIFICITY, Knowing
from nmevision.evaluation.report import json_safe
from nmevision.evaluation.weighted import Floats
from nmevision.files import sha256_of, write_csv, write_json, write_text
from nmevision.inference.features import read_features
from nmevision.journeys.uci.scorer import Setting, fit, score
from nmevision.journeys.uci.study import study_of
from nmevision.knowledge.loading import load_knowledge
from nmevision.manifest import Manifest, read_manifest
from nmevision.predictions import KNOWLEDGE_GROUP_PREFIX, KNOWLEDGE_PREFIX, read_predictions
from nmevision.reporting.plain_page import page_of
from nmevision.reporting.rare_class_page import page
from nmevision.schema import validate
from nmevision.taxonomy import load_taxonomy

CLASSES, RECORD, PAGE, HTML = "rare-class.csv", "rare-class.json", "rare-class.md", "rare-class.html"
DECIMALS = 6
BLIND = Setting(reading="tau 1")
UCI_NOTE = (
    "Knowledge: profiles read with one spread for all grades, set against the known diseases and a broad text. Read with "
    "their evidence tags they do better here, which is not reported: some tags were given by comparing with these patients."
)


@dataclass(frozen=True)
class Outcome:
    """What to print and where the page lies."""

    text: str
    path: Path


def rare_class(
    features: Path,
    manifest: Path,
    out: Path,
    config: Path | None = None,
    taxonomy: Path | None = None,
    predictions: Path | None = None,
    colours: Path | None = None,
) -> Outcome:
    """Run the protocol on the rows of a manifest that have features; write rare-class.csv, .json, .md, .html to `out`.

    config: YAML of RareClassConfig. taxonomy: how labels are read; as they are written by default. predictions:
    predictions.csv of a model that grades findings, whose knowledge_<diagnosis> columns become the knowledge method. colours:
    features of `nmevision features colours`, which become a method of their own.
    """
    table = read_manifest(
        Path(manifest), purpose="evaluate", taxonomy=load_taxonomy(taxonomy) if taxonomy else None
    )
    labels = table.diagnoses(load_taxonomy(taxonomy)) if taxonomy else table.frame["diagnosis"]
    store = read_features(Path(features))
    values, there = store.of(table.frame["id"].tolist())
    kept = there & (labels != "").to_numpy()
    if not kept.any():
        raise DataError(
            f"{features}: no row of {manifest} with a label has features; were they made from this manifest?"
        )
    rows = table.select(pd.Series(kept, index=table.frame.index))
    data = embedded(rows, labels[kept].to_numpy(object), values[kept[there]].astype(np.float64))
    if colours is not None:
        shares, known = read_features(Path(colours)).of(rows.frame["id"].tolist())
        if not known.all():
            raise DataError(
                f"{colours}: {int((~known).sum())} of {len(rows)} images have no colours; make them again"
            )
        data = replace(data, colours=shares.astype(np.float64))
    settings = _config(config)
    knowing = _knowing(predictions, rows, data) if predictions else None
    facts = {
        "features": store.extractor,
        "inputs": {"features": store.identity, "manifest": sha256_of(Path(manifest))},
        "phantom": bool(rows.phantom.any()),
        "left_out": int(len(table) - kept.sum()),
        "science": False,
    }
    return _report(data, settings, knowing, facts, Path(out))


def rare_class_uci(folder: Path, out: Path, config: Path | None = None) -> Outcome:
    """Run the protocol on the UCI Dermatology grades: real patients, findings graded by people, profiles as knowledge.

    The profiles are read with one spread for all grades (BLIND), as some of their evidence tags were given by
    comparing with these patients.
    """
    source = read_uci_dermatology(Path(folder))
    study = study_of(source, load_knowledge())
    columns = study.grades
    means = np.nanmean(columns, axis=0)
    n = len(study.disease)
    data = Embedded(
        np.where(np.isnan(columns), means, columns),
        np.arange(n),
        study.disease,
        np.full(n, "", object),
        study.diseases,
    )

    def knowing(hidden: int, patients: Ints) -> Floats:
        known = sorted(set(study.disease[patients].tolist()))
        fitted = fit(BLIND, study, known, patients)
        logs = fitted.logs(study.text.rows([hidden]), study.mimics, study.grades)
        return np.asarray(score(logs, "known+broad")[0])

    facts = {
        "features": f"{columns.shape[1]} findings graded 0 to 3",
        "inputs": {"features": "UCI Dermatology, doi:10.24432/C5FK5P"},
        "phantom": False,
        "left_out": 0,
        "science": True,
        "note": UCI_NOTE,
    }
    return _report(data, _config(config), knowing, facts, Path(out))


def embedded(manifest: Manifest, labels: ArrayLike, features: Floats) -> Embedded:
    """Return the rows as the protocol wants them; raise DataError where a patient has two labels."""
    _, patient = np.unique(manifest.cases, return_inverse=True)
    table = pd.DataFrame(
        {"patient": patient, "label": np.asarray(labels), "source": manifest.frame["source"].to_numpy()}
    )
    grouped = table.groupby("patient")
    mixed = int((grouped["label"].nunique() > 1).sum())
    if mixed:
        raise DataError(f"{mixed} patients have images of several labels; give each image its own patient_id")
    classes, label = np.unique(grouped["label"].first().to_numpy(str), return_inverse=True)
    source = grouped["source"].agg(lambda values: " + ".join(sorted(set(values)))).to_numpy(object)
    return Embedded(
        features, patient.astype(np.intp), label.astype(np.intp), source, tuple(str(c) for c in classes)
    )


def _config(path: Path | None) -> RareClassConfig:
    """Return the settings of a YAML file, the defaults where there is none."""
    if path is None:
        return RareClassConfig()
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as problem:
        raise ConfigError(f"{path}: cannot be read as YAML: {problem}") from None
    return validate(RareClassConfig, content, str(path), ConfigError)


def _knowing(path: Path, rows: Manifest, data: Embedded) -> Knowing:
    """Return the knowledge's log odds of every class, mean over each patient's images, from a table of predictions."""
    frame = read_predictions(Path(path)).frame.set_index("id").reindex(rows.frame["id"])
    scores: dict[int, Floats] = {}
    for k, name in enumerate(data.classes):
        column = KNOWLEDGE_PREFIX + name
        if (
            column in frame
            and not column.startswith(KNOWLEDGE_GROUP_PREFIX)
            and not frame[column].isna().any()
        ):
            p = frame[column].to_numpy(np.float64).clip(1e-8, 1 - 1e-8)
            counts = np.bincount(data.patient)
            scores[k] = np.bincount(data.patient, np.log(p / (1 - p))) / counts
    if not scores:
        raise DataError(
            f"{path}: no knowledge_<diagnosis> column for these classes in all rows; does the model grade findings?"
        )
    return lambda hidden, _: scores.get(hidden)


def _report(
    data: Embedded, config: RareClassConfig, knowing: Knowing | None, facts: Mapping[str, Any], out: Path
) -> Outcome:
    """Run, write the three files, say what was found."""
    outcomes = list(run(data, config, knowing))
    over, versus = bands(outcomes), against_prototype(outcomes)
    fixed = {
        "methods": dict(METHODS),
        "specificity": SPECIFICITY,
        "calibrating_share": CALIBRATING,
        "separation": SEPARATION,
        "missed": MISSED,
    }
    content = {
        "nmevision": __version__,
        **facts,
        "config": config.model_dump(mode="json"),
        "fixed": fixed,
        "classes": [asdict(o) for o in outcomes],
        "bands": [asdict(b) for b in over],
        "against_prototype": [asdict(a) for a in versus],
    }
    write_csv(out / CLASSES, pd.DataFrame([asdict(o) for o in outcomes]), DECIMALS)
    write_json(out / RECORD, json_safe(content))
    text = page(outcomes, over, versus, fixed, {**facts, "observed": config.observed})
    write_text(out / PAGE, text)
    write_text(out / HTML, page_of(text))
    return Outcome(text + f"\n{(out / HTML).resolve()}", out / HTML)
