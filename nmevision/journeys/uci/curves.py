"""How many real patients a text is worth, and how the answer bears worse grades and missing findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nmevision.data.uci_dermatology import AGE, HISTOLOGIC, HISTORY, UciDermatology
from nmevision.grades import Floats
from nmevision.journeys.uci.designs import row_aurocs
from nmevision.journeys.uci.scorer import Fitted, Rivals, Setting, fit, rival_logs
from nmevision.journeys.uci.study import Ints, Study, study_of
from nmevision.journeys.uci.variants import pair_aurocs
from nmevision.knowledge.building import UNKNOWN
from nmevision.knowledge.correlated import one_hot
from nmevision.knowledge.reading import table_of
from nmevision.knowledge.tables import Knowledge

HIGHEST = 3
REAL_PATIENTS = (0, 1, 2, 5, 10)
DRAWS = 20
"""Random sets of k patients per disease and k."""
NOISE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
MISSING = (0.0, 0.2, 0.4, 0.6, 0.8)
REPEATS = 3
"""Random corruptions of the table per step of a sweep."""


@dataclass(frozen=True)
class LearningPoint:
    """Mean AUROC of c against unseen d after k patients of c, over pairs and draws."""

    disease: str
    k: int
    with_text: float
    data_alone: float


def learning_curve(
    study: Study, setting: Setting, rivals: Rivals, counts: Sequence[int] = REAL_PATIENTS, seed: int = 0
) -> list[LearningPoint]:
    """Return for every disease and k the AUROC with and without its text.

    The k patients update the text (or UNKNOWN, a flat expectation: data alone) by the conjugate formula of
    `learning.updated`; they are not among those tested. Both see the same k patients and the same rivals.
    """
    n_diseases = len(study.diseases)
    sums = np.zeros((n_diseases, len(counts), 2))
    for c in range(n_diseases):
        draws = _draws(np.flatnonzero(study.disease == c), max(counts), seed + c)
        for d in range(n_diseases):
            if d == c:
                continue
            known = [i for i in range(n_diseases) if i not in (c, d)]
            fitted = fit(setting, study, known, np.flatnonzero(np.isin(study.disease, known)))
            rows = np.flatnonzero(np.isin(study.disease, (c, d)))
            logs = fitted.logs(study.text.rows([c]), study.mimics, study.grades[rows])
            rival = rival_logs(logs, rivals)[0]
            for i, k in enumerate(counts):
                for drawn in draws:
                    sums[c, i] += _with_and_without(study, fitted, (c, d), rows, rival, drawn[:k])
    means = sums / (DRAWS * (n_diseases - 1))
    return [
        LearningPoint(study.diseases[c], k, float(means[c, i, 0]), float(means[c, i, 1]))
        for c in range(n_diseases)
        for i, k in enumerate(counts)
    ]


def _draws(own: Ints, k: int, seed: int) -> list[Ints]:
    generator = np.random.default_rng(seed)
    return [generator.permutation(own)[:k] for _ in range(DRAWS)]


def _with_and_without(
    study: Study, fitted: Fitted, hidden: tuple[int, int], rows: Ints, rival: Floats, cases: Ints
) -> Floats:
    """Return the AUROC of c against d with its text and without, after some cases that are left out of the test."""
    c, d = hidden
    text = study.text.rows([c])
    means = np.concatenate([text.grades.astype(float), np.full(text.grades.shape, UNKNOWN.grade)])
    taus = np.concatenate([fitted.taus(text), np.full(text.grades.shape, UNKNOWN.tau)])
    grades = study.grades[cases]
    n = (~np.isnan(grades)).sum(axis=0)
    precision = 1 / taus**2 + n / fitted.sigma**2
    centre = (means / taus**2 + np.nansum(grades, axis=0) / fitted.sigma**2) / precision
    tables = table_of(centre, fitted.sigma**2 + 1 / precision)
    hot = one_hot(study.grades[rows]).reshape(len(rows), -1).astype(float)
    scores = np.log(tables).reshape(2, -1) @ hot.T - rival
    tested = (study.disease[rows] == c) & ~np.isin(rows, cases)
    return row_aurocs(scores, np.flatnonzero(tested), np.flatnonzero(study.disease[rows] == d))


def crossing(points: Sequence[LearningPoint], disease: str) -> tuple[int | None, int | None]:
    """Return the smallest k at which data alone reach the text alone, and at which they reach text and data.

    None: at none of the k tried.
    """
    own = sorted((p for p in points if p.disease == disease), key=lambda p: p.k)
    text_alone = own[0].with_text
    first = next((p.k for p in own if p.data_alone >= text_alone), None)
    return first, next((p.k for p in own if p.data_alone >= p.with_text), None)


@dataclass(frozen=True)
class SweepPoint:
    """What is left at one share of wrong or missing grades, mean over random corruptions."""

    kind: str
    share: float
    double_hidden: float
    """Mean double-hidden AUROC: the text against unseen diseases."""
    data_alone: float
    """Accuracy of logistic regression on the 22 histologic attributes, 10-fold, all six diseases known."""


def with_noise(attributes: Floats, share: float, generator: np.random.Generator) -> Floats:
    """Return the table with a share of its grades one step off, to a neighbour that exists (1 to 0 or 2, 3 to 2)."""
    wrong = generator.random(attributes.shape) < share
    step = np.where(generator.random(attributes.shape) < 0.5, -1.0, 1.0)
    step = np.where(attributes == 0, 1.0, np.where(attributes == HIGHEST, -1.0, step))
    wrong[:, [HISTORY - 1, AGE - 1]] = False
    return np.where(wrong, attributes + step, attributes)


def with_missing(attributes: Floats, share: float, generator: np.random.Generator) -> Floats:
    """Return the table with a share of its cells missing."""
    return np.where(generator.random(attributes.shape) < share, np.nan, attributes)


def sweeps(
    table: UciDermatology, knowledge: Knowledge, setting: Setting, rivals: Rivals, seed: int = 0
) -> list[SweepPoint]:
    """Return the sweeps of wrong grades and of missing ones; both spoil patients that teach and that are tested."""
    found = []
    for kind, shares, spoil in (("noise", NOISE, with_noise), ("missing", MISSING, with_missing)):
        for share in shares:
            generator = np.random.default_rng(seed)
            areas, accuracy = [], []
            for _ in range(REPEATS if share else 1):
                spoiled = replace(table, attributes=spoil(table.attributes, share, generator))
                study = study_of(spoiled, knowledge, setting.merge)
                areas.append(np.nanmean(pair_aurocs(study, setting, (rivals,))[rivals]))
                accuracy.append(_accuracy(spoiled, seed))
            found.append(SweepPoint(kind, share, float(np.mean(areas)), float(np.mean(accuracy))))
    return found


def _accuracy(table: UciDermatology, seed: int) -> float:
    """Return the 10-fold accuracy of logistic regression on the histologic attributes."""
    pipeline = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=2000)
    )
    folds = StratifiedKFold(10, shuffle=True, random_state=seed)
    return float(cross_val_score(pipeline, table.columns(HISTOLOGIC), table.disease, cv=folds).mean())
