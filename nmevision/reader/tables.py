"""What the page reasons with: the profiles, the words and the clinical rates of one modality as plain JSON values.

The page computes with these numbers alone (assets/reasoning.js and its neighbours), so that a grade that a person
changes moves the answer there and then; tests/unit/reader holds page and Python equal.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

import numpy as np

from nmevision.grades import LEVELS
from nmevision.knowledge import answer_words as words
from nmevision.knowledge.answer import DRAWS, EITHER_FIELD, FOCUS, SEED
from nmevision.knowledge.building import model_of_knowledge
from nmevision.knowledge.clinical_data import (
    FEATURES,
    GLUCAGON_CUT,
    GLUCAGON_FEATURE,
    HIGHEST_GLUCAGON,
    NO_RATE,
    UNITS,
    is_site_or_history,
    member_rates,
)
from nmevision.knowledge.model import OTHER, ProfileModel
from nmevision.knowledge.novelty import LATTICE, NOVEL_BELOW
from nmevision.knowledge.observations import confusion_rates
from nmevision.knowledge.prior import Prior
from nmevision.knowledge.tables import FIELDS, GRADES, TAGS, Finding, Knowledge, Modality

WORDS = (
    "ABSTAINED",
    "NOTHING_GRADED",
    "BIOPSY_AGAIN",
    "NOT_SEPARABLE",
    "NO_SITES",
    "CANNOT_SEPARATE",
    "ONLY_ONE",
    "NEGATIVE",
    "UNDECIDED",
    "NOT_EXCLUDED",
    "NOT_EXCLUDED_BY_PHOTO",
    "EARLY",
    "ONE_SECTION",
)
"""Sentences of `answer_words` that the page says as well."""


def reasoning_tables(knowledge: Knowledge, modality: Modality, prior: Prior | None = None) -> dict[str, Any]:
    """Return everything that the page needs to answer a case of graded findings, as JSON values.

    Args:
        knowledge: profiles, words and clinical data.
        modality: whose findings are graded.
        prior: over groups, members and comparison rates; even by default.
    """
    chosen = prior or Prior()
    model = model_of_knowledge(knowledge, modality)
    findings = knowledge.findings_of(modality)
    return {
        "modality": modality,
        "knowledge": knowledge.fingerprint[:12],
        "findings": [_finding(finding) for finding in findings],
        "fields": FIELDS[modality],
        "grades": list(GRADES),
        "classes": [_class(knowledge, key) for key in model.classes],
        "groups": [_group(knowledge, key) for key in model.groups],
        "group_of": {key: model.group_of[key] for key in model.classes},
        "model": _model(model, DRAWS, SEED),
        "prior": chosen.over_classes(model).tolist(),
        "even_prior": model.even_prior.tolist(),
        "cells": [
            "".join(str(profile.cells[f.key]) for f in findings)
            for profile in knowledge.profiles_of(modality)
        ],
        "tags": TAGS,
        "clinical": _clinical(knowledge, modality, chosen),
        "focus": FOCUS,
        "kept_in_mind": words.KEPT_IN_MIND,
        "novel_below": NOVEL_BELOW,
        "either_field": [list(keys) for keys in EITHER_FIELD],
        "words": {name.lower(): getattr(words, name) for name in WORDS},
        "caveats": _caveats(knowledge, modality),
        "prior_in_words": chosen.in_words(),
        **_steps(knowledge),
    }


def _model(model: ProfileModel, draws: int, seed: int) -> dict[str, Any]:
    """Return a profile model as the arrays that assets/reasoning.js computes with."""
    noise = np.random.default_rng(seed).standard_normal((draws, *model.means.shape))
    owners = {stage: k for k, stages in enumerate(model.stages_of.values()) for stage in stages}
    stages = np.append(model.stage_weights, [1.0] * model.with_other)
    named = model.table[: len(model.components)]
    return {
        "components": [str(component) for component in model.components] + [OTHER] * model.with_other,
        "owner": [owners[i] for i in range(len(stages))],
        "stage": stages.tolist(),
        "group": [model.groups.index(model.group_of[key]) for key in model.classes],
        "table": model.table.tolist(),
        "steps": np.rint(-np.log(named) / LATTICE).astype(int).tolist(),
        "means": model.means.tolist(),
        "taus": model.taus.tolist(),
        "sigma": model.sigma.tolist(),
        "lapse": model.lapse,
        "with_other": model.with_other,
        "draws": draws,
        "noise": base64.b64encode(noise.astype("<f4").tobytes()).decode("ascii"),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """Return what the page says of a finding."""
    kept = {"key", "name", "definition", "layer", "needs", "remark"}
    return finding.model_dump(mode="json", include=kept) | {"site": is_site_or_history(finding)}


def _class(knowledge: Knowledge, key: str) -> dict[str, Any]:
    """Return what the page says of a diagnosis; `other` has no entry in the knowledge."""
    about = knowledge.diagnoses.get(key)
    if about is None:
        return {"key": key, "name": key, "group": key, "separates": "", "next_tests": [], "sources": []}
    return {
        "key": key,
        "name": about.name,
        "group": about.group,
        "separates": words.separates(about),
        "next_tests": list(about.next_tests),
        "sources": list(about.sources),
    }


def _group(knowledge: Knowledge, key: str) -> dict[str, str]:
    about = knowledge.groups.get(key)
    return {"key": key, "name": about.name if about else key, "note": about.note if about else ""}


def _clinical(knowledge: Knowledge, modality: Modality, prior: Prior) -> dict[str, Any]:
    """Return what tells the members of FOCUS apart: sites, histories, features and glucagon."""
    sites = [f for f in knowledge.findings_of("clinical") if is_site_or_history(f)]
    profiled = {profile.diagnosis for profile in knowledge.profiles_of("clinical")}
    members = [key for key, of in knowledge.group_of.items() if of == FOCUS and key in profiled]
    model = model_of_knowledge(
        knowledge, "clinical", findings=[f.key for f in sites], diagnoses=members, with_other=False
    )
    start = prior.within(FOCUS, members)
    rates = {
        feature: member_rates(knowledge, members, feature, prior) for feature in (*FEATURES, GLUCAGON_FEATURE)
    }
    return {
        "members": list(model.classes),
        "start": [start[key] for key in model.classes],
        "sites": [_finding(finding) for finding in sites],
        "own_sites": modality == "clinical",
        "model": _model(model, DRAWS, SEED),
        "features": FEATURES,
        "rates": {
            feature: {key: [rate.k, rate.n, rate.smoothed, rate.source] for key, rate in found.items()}
            for feature, found in rates.items()
            if found
        },
        "glucagon": {
            "feature": GLUCAGON_FEATURE,
            "cut": GLUCAGON_CUT,
            "highest": HIGHEST_GLUCAGON,
            "units": UNITS,
        },
        "no_rate": NO_RATE,
    }


def _caveats(knowledge: Knowledge, modality: Modality) -> dict[str, list[str]]:
    """Return what the reader must know where the pattern leads, is kept in mind, or neither."""
    return {
        "leads": list(words.caveats(knowledge, modality, True, True)),
        "kept": list(words.caveats(knowledge, modality, False, True)),
        "not_seen": list(words.caveats(knowledge, modality, False, False)),
    }


def _steps(knowledge: Knowledge) -> dict[str, Any]:
    """Return the next steps, when each is due, and the citations of everything that the page cites."""
    shown = (*words.SUSPECTED, *words.NOT_SEEN)
    steps = {s.key: s for s in knowledge.workup if s.key in shown}
    cited = {key for step in steps.values() for key in step.sources}
    cited |= {"cancertherapyadvisor", "xian-series2021"}  # cited by the statements on glucagon
    cited |= {key for about in knowledge.diagnoses.values() for key in about.sources}
    cited |= {row.source for row in knowledge.associations}
    return {
        "workup": [step.model_dump(mode="json") for step in steps.values()],
        "suspected": list(words.SUSPECTED),
        "not_seen": list(words.NOT_SEEN),
        "sources": {key: source.citation for key, source in knowledge.sources.items() if key in cited},
    }


def route_tables(
    model: dict[str, Any],
    diagnoses: Collection[str],
    meaning: dict[str, str | None],
    graders: list[dict[str, Any]],
    fields: Collection[str],
) -> dict[str, Any]:
    """Return how a trained model's grades are read and both routes are pooled.

    Args:
        model: of run.json, with its `fusion` and `unlearned`.
        diagnoses: keys of the taxonomy, in order.
        meaning: class of the profile model -> diagnosis of the taxonomy that it means, None where none.
        graders: of run.json: key and confusion counts of each finding that the network grades.
        fields: keys of what it looks for in the field.
    """
    keys = list(diagnoses)
    return {
        "findings": [grader["key"] for grader in graders],
        "confusion": [_rates(grader["confusion"]) for grader in graders],
        "fields": list(fields),
        "diagnoses": keys,
        "of_class": [keys.index(own) if own in keys else -1 for own in meaning.values()],
        "has_images": [key not in model["unlearned"] for key in keys],
        "fusion": {"learned": model["fusion"]["learned"], "knowledge": model["fusion"]["knowledge"]},
        "images": model["fusion"]["images"],
    }


def _rates(counts: Any) -> list[list[float]]:
    """Return counts of (true, given) grade as rates, as `KnowledgeRoute` does."""
    rates: list[list[float]] = confusion_rates(
        np.asarray(counts, np.float64).reshape(LEVELS, LEVELS)
    ).tolist()
    return rates
