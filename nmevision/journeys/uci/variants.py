"""Every variant tried, the best of them, and what choosing it is worth: leave one disease out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
import pandas as pd

from nmevision.data.uci_dermatology import Merge
from nmevision.grades import Floats
from nmevision.journeys.uci.designs import first_trial_method, row_aurocs
from nmevision.journeys.uci.scorer import BLIND, READINGS, RIVALS, WITH_KNOWN, Rivals, Setting, fit, score
from nmevision.journeys.uci.study import Study

FIRST_TRIAL = "first trial"
FACTORS = [field.name for field in fields(Setting)]


def settings() -> list[Setting]:
    """Return every setting tried; shared correlation only where the text has a spread to shrink it by."""
    merges: tuple[Merge, ...] = ("main", "max", "mean", "each")
    every = product(merges, READINGS, ("posterior", "histogram"), ("independent", "correlated"))
    return [Setting(*given) for given in every if given[3] == "independent" or "table" not in given[1]]  # type: ignore[arg-type]


def pairs(study: Study) -> list[tuple[int, int]]:
    """Return every ordered pair of diseases to hide."""
    k = len(study.diseases)
    return [(c, d) for c in range(k) for d in range(k) if c != d]


def all_variants(studies: Mapping[str, Study]) -> pd.DataFrame:
    """Return one row per variant: its factors, the mean double-hidden AUROC, its worst pair, and each disease's.

    studies: the same patients with their attributes merged in each of the ways of `Merge`.
    """
    rows = []
    for merge, study in studies.items():
        areas = _first_trial(study)
        rows.append(
            _row(study, dict.fromkeys(FACTORS, FIRST_TRIAL) | {"merge": merge, "rivals": "known max"}, areas)
        )
    for setting in settings():
        study = studies[setting.merge]
        for rivals, areas in pair_aurocs(study, setting, RIVALS).items():
            rows.append(_row(study, vars(setting) | {"rivals": rivals}, areas))
    return pd.DataFrame(rows).sort_values("mean", ascending=False, ignore_index=True)


def pair_aurocs(study: Study, setting: Setting, rivals: Sequence[Rivals]) -> dict[Rivals, Floats]:
    """Return the double-hidden AUROC of every pair, K x K with NaN on the diagonal, by rivals."""
    k = len(study.diseases)
    found = {kind: np.full((k, k), np.nan) for kind in rivals}
    for low in range(k):
        for high in range(low + 1, k):  # one fit serves both directions: the same diseases are known
            known = [i for i in range(k) if i not in (low, high)]
            rows = np.flatnonzero(np.isin(study.disease, (low, high)))
            patients = np.flatnonzero(np.isin(study.disease, known))
            fitted = fit(setting, study, known, patients)
            logs = fitted.logs(study.text.rows([low, high]), study.mimics, study.grades[rows])
            at_low, at_high = (np.flatnonzero(study.disease[rows] == i) for i in (low, high))
            for kind, areas in found.items():
                scores = score(logs, kind)
                areas[low, high] = row_aurocs(scores[:1], at_low, at_high)[0]
                areas[high, low] = row_aurocs(scores[1:], at_high, at_low)[0]
    return found


def _first_trial(study: Study) -> Floats:
    """Return the AUROC of every pair by the first trial's model."""
    areas = np.full((len(study.diseases),) * 2, np.nan)
    for c, d in pairs(study):
        known = [i for i in range(len(study.diseases)) if i not in (c, d)]
        rows = np.flatnonzero(np.isin(study.disease, (c, d)))
        patients = np.flatnonzero(np.isin(study.disease, known))
        found = first_trial_method(study, known, patients, study.text.rows([c]), study.grades[rows])
        at = (np.flatnonzero(study.disease[rows] == i) for i in (c, d))
        areas[c, d] = row_aurocs(found.score, *at)[0]
    return areas


def _row(study: Study, factors: Mapping[str, str], areas: Floats) -> dict[str, object]:
    of_disease = np.nanmean(areas, axis=1)
    return {
        **factors,
        "uses_tags": factors["reading"] not in (*BLIND, FIRST_TRIAL),
        "against_known": factors["rivals"] in WITH_KNOWN,
        "mean": float(of_disease.mean()),
        "worst_pair": float(np.nanmin(areas)),
        **dict(zip(study.diseases, of_disease.tolist(), strict=True)),
    }


@dataclass(frozen=True)
class Chosen:
    """A disease, the variant that was best on the five others, and what it gives on this one."""

    disease: str
    variant: str
    on_others: float
    auroc: float


def leave_one_disease_out(variants: pd.DataFrame, diseases: tuple[str, ...]) -> list[Chosen]:
    """Return for each disease the variant with the best mean over the five others, and its AUROC here.

    Scores that leave the known diseases out are no answer to a clinical question and cannot be chosen.
    """
    eligible = variants[variants["against_known"]].reset_index(drop=True)
    chosen = []
    for disease in diseases:
        others = eligible[[d for d in diseases if d != disease]].mean(axis=1)
        best = int(others.to_numpy().argmax())
        row = eligible.iloc[best]
        chosen.append(Chosen(disease, name_of(row), float(others.iloc[best]), float(row[disease])))
    return chosen


def name_of(row: pd.Series) -> str:
    """Return a variant in words, factor by factor."""
    return " / ".join(str(row[factor]) for factor in (*FACTORS, "rivals"))
