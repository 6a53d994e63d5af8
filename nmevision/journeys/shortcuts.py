"""Looking for shortcuts: what in a set of images, and in a model, tells the classes apart without the disease."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nmevision import __version__
from nmevision.errors import ConfigError, DataError, EvaluationError
from nmevision.evaluation import shortcuts, shortcuts_model
from nmevision.evaluation.report import json_safe, positive_target
from nmevision.evaluation.shortcuts import Bools, Check
from nmevision.files import sha256_of, sha256_of_text, write_json, write_text
from nmevision.inference.reader import BundleReader
from nmevision.journeys.shortcut_images import (
    Floats,
    Ints,
    answers_of,
    look_at,
    masked_variants,
    mean_by,
    questions_of,
    variants,
)
from nmevision.journeys.shortcut_rows import Patients, checks_of_rows, patients_of
from nmevision.manifest import Manifest, read_manifest
from nmevision.networks.bundle import Bundle, open_bundle
from nmevision.progress import progress_bar
from nmevision.reporting.shortcuts_page import page
from nmevision.taxonomy import Taxonomy, load_taxonomy

RECORD, PAGE = "shortcuts.json", "shortcuts.md"
MOST = 500
"""Images that the model is shown in all variants (some twenty each); more take long and change little."""
PUBLICATIONS = ("doi", "pmid", "pmcid", "publication")
"""Columns that name the publication of an image; the first that the manifest has is used."""
_LEAST = 1e-8


@dataclass(frozen=True)
class Outcome:
    """All checks, what to print, where the page lies."""

    checks: tuple[Check, ...]
    text: str
    path: Path


def find_shortcuts(
    manifest_path: Path,
    out: Path,
    bundle: Path | None = None,
    taxonomy: Path | None = None,
    positive: str | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Outcome:
    """Run the shortcut tests L1 to L13 on a set, and on a model where one is given; write shortcuts.json and .md.

    taxonomy: how labels are read; the bundle's own by default. positive: diagnosis or group; the bundle's own, or nme.

    Raises:
        ConfigError: neither bundle nor taxonomy, or no positive. DataError: the manifest cannot be used.
        EvaluationError: one class only, or `out` holds the result of something else.
    """
    manifest_path, out = Path(manifest_path), Path(out)
    model = open_bundle(bundle) if bundle is not None else None
    reading = _reading(model, taxonomy)
    target = positive_target(reading, positive or (model.info.positive if model else None))
    if target is None:
        raise ConfigError("which diagnosis or group is the positive? name it with --positive")
    manifest = read_manifest(manifest_path, purpose="audit", taxonomy=reading).labelled(reading)
    patients = patients_of(manifest, reading, [reading.keys[k] for k in target.members], target.name)
    inputs = {
        "manifest": sha256_of(manifest_path),
        "bundle": model.hash if model else None,
        "taxonomy": sha256_of_text(reading.model_dump_json()),
        "positive": target.name,
        "images_shown_to_the_model": most,
        "seed": seed,
    }
    _refuse_other(out, inputs)
    modality = _modality(manifest, model)
    own = _of_model(model, patients, modality, target.members, most, seed) if model else []
    area = next((c.value for c in own if c.name == shortcuts_model.AS_IT_IS), float("nan"))
    checks = tuple(
        _sorted([*checks_of_rows(patients, model), *_of_set(patients, modality, seed, area), *own])
    )
    return _written(out, checks, inputs, manifest, patients, model)


def _reading(model: Bundle | None, taxonomy: Path | None) -> Taxonomy:
    """Return how labels are read: as the user says, else as the model does."""
    if taxonomy is None:
        if model is None:
            raise ConfigError(
                "how are the labels read? give --taxonomy, or --bundle with a model that has one"
            )
        return model.info.taxonomy
    reading = load_taxonomy(taxonomy)
    if model is not None and reading.keys != model.info.taxonomy.keys:
        raise ConfigError(f"{taxonomy}: its diagnoses are not the model's; leave --taxonomy out")
    return reading


def _written(
    out: Path,
    checks: tuple[Check, ...],
    inputs: Mapping[str, object],
    manifest: Manifest,
    patients: Patients,
    model: Bundle | None,
) -> Outcome:
    """Write both files and return what to say."""
    facts = {
        "nmevision": __version__,
        "inputs": inputs,
        "model": model.info.name if model else None,
        "phantom": bool(manifest.phantom.any()),
        "n_images": len(manifest),
        "n_positive": int(patients.positive.sum()),
        "n_negative": int((~patients.positive).sum()),
    }
    write_json(out / RECORD, json_safe(facts | {"checks": [asdict(check) for check in checks]}))
    write_text(out / PAGE, page(checks, facts))
    worst = [f"{c.verdict}: {c.test} {c.name}: {c.words}" for c in checks if c.verdict in ("flag", "explain")]
    counts = ", ".join(f"{n} {verdict}" for verdict, n in shortcuts.tally(checks).items() if n)
    path = out / PAGE
    return Outcome(checks, "\n".join([*worst, counts, str(path.resolve())]), path)


def _modality(manifest: Manifest, model: Bundle | None) -> str:
    """Return what the images are; histology only where all say so."""
    if model is not None:
        return model.info.modality
    return "histology" if set(manifest.frame["modality"]) == {"histology"} else "clinical"


def _of_set(patients: Patients, modality: str, seed: int, model: float) -> list[Check]:
    """Return what plain readers take from the images and the sources (L4, L7, L8)."""
    samples = list(patients.manifest.samples())
    with progress_bar("looking", len(samples)) as step:
        looks = look_at([s.path for s in samples], modality, progress=step)
    if not looks:
        raise DataError("no image could be read; `nmevision data check` says why")
    questions = questions_of(looks, patients.row)
    source = shortcuts.source_question(patients.source)
    if source is not None:
        questions.insert(0, source)
    found = shortcuts.read_all(questions, patients.positive, seed, model)
    if source is None:
        found.append(shortcuts.not_tested("L4", "label from the source", "all patients come from one source"))
    found.append(shortcuts.matched_negatives(patients.positive, patients.source))
    made = mean_by(np.concatenate([looks["container"], looks["margin"]], axis=1), patients.row)
    return [*found, shortcuts.source_from("source from how it was made", made, patients.source, seed)]


def _of_model(
    model: Bundle, patients: Patients, modality: str, members: Sequence[int], most: int, seed: int
) -> list[Check]:
    """Return what the model does on altered images, within sources and under permuted labels (L5, L6, L8 to L11)."""
    chosen = _chosen(patients, most, seed)
    samples = [s for s, kept in zip(patients.manifest.samples(), chosen, strict=True) if kept]
    masked, missing = masked_variants(
        patients.manifest.select(pd.Series(chosen, index=patients.manifest.frame.index)), modality
    )
    altered = [*variants(modality), *masked]
    with progress_bar("answering", len(samples)) as step:
        answers = answers_of(BundleReader(model), [s.path for s in samples], altered, progress=step)
    read = ~np.isnan(answers.features).any(axis=1)
    kept, row = np.unique(patients.row[chosen][read], return_inverse=True)
    positive, source = patients.positive[kept], patients.source[kept]
    if positive.all() or not positive.any():
        raise EvaluationError(
            "the images that could be read and shown to the model are of one kind; raise --most"
        )
    features = mean_by(answers.features[read], row)
    as_it_is = answers.probabilities[""][read]
    scores = {name: _of_patients(p[read], row, members) for name, p in answers.probabilities.items()}
    found = [shortcuts_model.as_it_is(positive, scores[""], len(samples), len(patients.row))]
    found.append(shortcuts.source_from("source from the model's features", features, source, seed))
    found.append(shortcuts_model.within_source(positive, scores[""], source))
    found.append(shortcuts_model.leave_out("L6", "source", features, positive, source))
    for variant in altered:
        if variant.test == "L8":
            found.append(
                shortcuts_model.ablated(
                    variant.name, variant.left, variant.holds_disease, positive, scores[variant.name]
                )
            )
            continue
        before, after = as_it_is, answers.probabilities[variant.name][read]
        called = [np.isin(p.argmax(axis=1), members) for p in (before, after)]
        p = [x[:, list(members)].sum(axis=1) for x in (before, after)]
        found.append(shortcuts_model.inserted(variant.name, variant.budget, p[0], p[1], called[0], called[1]))
    found += [shortcuts.not_tested("L8", name, why) for name, why in missing.items()]
    found.append(shortcuts_model.permuted_labels(features, positive, source, seed))
    column = next((c for c in PUBLICATIONS if c in patients.manifest.frame), None)
    if column is None:
        return [
            *found,
            shortcuts.not_tested("L11", "leave one publication out", "the manifest names no publications"),
        ]
    return [
        *found,
        shortcuts_model.leave_out("L11", "publication", features, positive, patients.texts(column)[kept]),
    ]


def _chosen(patients: Patients, most: int, seed: int) -> Bools:
    """Return which rows the model is shown: all, or whole patients by lot, up to half of the images positive."""
    if len(patients.row) <= most:
        return np.ones(len(patients.row), dtype=bool)
    sizes = np.bincount(patients.row)
    kept = np.zeros(len(sizes), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(sizes))
    for kind, room in ((True, most // 2), (False, most)):
        for patient in order[patients.positive[order] == kind]:
            kept[patient] = (
                sizes[kept].sum() + sizes[patient] <= room or not kept[patients.positive == kind].any()
            )
    return np.asarray(kept[patients.row])


def _of_patients(probabilities: Floats, row: Ints, members: Sequence[int]) -> Floats:
    """Return each patient's probability of the positive: mean log-probabilities, renormalised, as in cases.csv."""
    mean = mean_by(np.log(np.clip(probabilities, _LEAST, 1)), row)
    powers = np.exp(mean - mean.max(axis=1, keepdims=True))
    return np.asarray((powers / powers.sum(axis=1, keepdims=True))[:, list(members)].sum(axis=1))


def _sorted(checks: Sequence[Check]) -> list[Check]:
    return sorted(checks, key=lambda check: int(check.test[1:]))


def _refuse_other(out: Path, inputs: Mapping[str, object]) -> None:
    """Raise EvaluationError where `out` holds the result of something else."""
    path = out / RECORD
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != inputs:
        raise EvaluationError(f"{path} is the result of another set, model or question; choose another --out")
