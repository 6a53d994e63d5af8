"""The naive test with its controls, and the double-hidden test, which is the claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedKFold

from nmevision.evaluation.intervals import Interval, percentile, resample
from nmevision.evaluation.weighted import auroc_of
from nmevision.grades import Floats
from nmevision.journeys.uci.scorer import ONES, Rivals, Setting, first_trial, fit, rival_logs
from nmevision.journeys.uci.study import Ints, Study, Text, stacked

FOLDS = 10
RESAMPLES = 1000


class Compared(NamedTuple):
    """Log likelihoods: of Q texts (Q x N), of what competes with them (1 or Q x N), of the known diseases (K x N)."""

    own: Floats
    rivals: Floats
    known: Floats

    @property
    def score(self) -> Floats:
        """Return how much better each text explains each patient than its rivals do, Q x N."""
        return self.own - self.rivals


Method = Callable[[Study, Sequence[int], Ints, Text, Floats], Compared]
"""(study, known diseases, rows of their patients, texts, grades of those asked about) -> their log likelihoods."""


def method_of(setting: Setting, rivals: Rivals) -> Method:
    """Return the profile model in one setting as a method."""

    def method(study: Study, known: Sequence[int], patients: Ints, text: Text, grades: Floats) -> Compared:
        logs = fit(setting, study, known, patients).logs(text, study.mimics, grades)
        return Compared(logs.own, rival_logs(logs, rivals), logs.known)

    return method


def first_trial_method(
    study: Study, known: Sequence[int], patients: Ints, text: Text, grades: Floats
) -> Compared:
    """Return the first trial's model: s_c against the best known disease."""
    own, others = first_trial(study, known, patients, text, grades)
    return Compared(own, others.max(axis=0, keepdims=True), others)


def row_aurocs(scores: Floats, positive: Ints, negative: Ints) -> Floats:
    """Return the AUROC of each row of scores Q x N between two sets of columns; ties count half.

    >>> row_aurocs(np.array([[0.1, 0.9, 0.5]]), np.array([1]), np.array([0, 2])).tolist()
    [1.0]
    """
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([scores[:, positive], scores[:, negative]], axis=1), axis=1)[:, :n]
    return np.asarray((ranks.sum(axis=1) - n * (n + 1) / 2) / (n * m))


def orders_of(n_findings: int, permutations: int, seed: int) -> Ints:
    """Return random orders of the findings, permutations x J: a profile's cells dealt to other findings."""
    generator = np.random.default_rng(seed)
    rows = [generator.permutation(n_findings) for _ in range(permutations)]
    return np.array(rows, dtype=np.intp).reshape(permutations, n_findings)


@dataclass(frozen=True, eq=False)
class DoubleHidden:
    """AUROC of disease c (rows) against unseen disease d (columns) by c's text; the diagonal is NaN.

    permuted: K x K x R. other_profile: by the texts of the known diseases instead, their mean. all_ones: by a
    text of 1 throughout. both: s_c - s_d where d has its text as well. p: of each c, one-sided, by permutation.
    intervals: of each c's mean over d; mean_interval: of the mean over c.
    """

    auroc: Floats
    permuted: Floats
    other_profile: Floats
    all_ones: Floats
    both: Floats
    intervals: tuple[Interval, ...]
    mean_interval: Interval

    @property
    def of_disease(self) -> Floats:
        """Return each disease's mean over the unseen others."""
        return np.asarray(np.nanmean(self.auroc, axis=1))

    @property
    def of_permuted(self) -> Floats:
        """Return the same for each permuted text, K x R."""
        return np.asarray(np.nanmean(self.permuted, axis=1))

    @property
    def limits(self) -> Floats:
        """Return the 95th percentile of the permuted texts of each disease."""
        return np.asarray(np.quantile(self.of_permuted, 0.95, axis=1))

    @property
    def p(self) -> Floats:
        """Return (1 + permuted texts that do as well) / (1 + permuted texts)."""
        as_well = (self.of_permuted >= self.of_disease[:, None]).sum(axis=1)
        return np.asarray((1 + as_well) / (1 + self.of_permuted.shape[1]))

    @property
    def beaten(self) -> int:
        """Return for how many diseases the text beats the 95th percentile of its permutations."""
        return int((self.of_disease > self.limits).sum())


def double_hidden(study: Study, method: Method, permutations: int = 100, seed: int = 0) -> DoubleHidden:
    """Hide diseases c and d, give c's text only, and tell c from d by the score; every ordered pair.

    Patients of c and d are never used to fit anything, so no cross-validation is needed. The interval resamples
    patients within disease; the models are not refitted.
    """
    k, n = len(study.diseases), study.grades.shape[1]
    auroc, other_profile, all_ones, both = (np.full((k, k), np.nan) for _ in range(4))
    permuted = np.full((k, k, permutations), np.nan)
    scores: dict[tuple[int, int], Floats] = {}
    ones = Text(np.repeat(ONES.grades, n, 1), np.repeat(ONES.tags, n, 1))
    for c in range(k):
        dealt = study.text.rows([c]).permuted(orders_of(n, permutations, seed + c))
        for d in range(k):
            if c == d:
                continue
            known = [i for i in range(k) if i not in (c, d)]
            text = stacked(study.text.rows([c, d]), ones, study.text.rows(known), dealt)
            rows = np.flatnonzero(np.isin(study.disease, (c, d)))
            patients = np.flatnonzero(np.isin(study.disease, known))
            found = method(study, known, patients, text, study.grades[rows])
            at = np.flatnonzero(study.disease[rows] == c), np.flatnonzero(study.disease[rows] == d)
            areas = row_aurocs(found.score, *at)
            first = 3 + len(known)
            auroc[c, d], all_ones[c, d] = areas[0], areas[2]
            other_profile[c, d], permuted[c, d] = areas[3:first].mean(), areas[first:]
            both[c, d] = row_aurocs(found.own[:1] - found.own[1:2], *at)[0]
            scores[c, d] = np.zeros(len(study.disease))
            scores[c, d][rows] = found.score[0]
    intervals, mean_interval = _intervals(study, scores, seed)
    return DoubleHidden(auroc, permuted, other_profile, all_ones, both, intervals, mean_interval)


def _intervals(
    study: Study, scores: dict[tuple[int, int], Floats], seed: int
) -> tuple[tuple[Interval, ...], Interval]:
    """Return the bootstrap intervals of each disease's mean AUROC, and of the mean of these."""
    k = len(study.diseases)

    def of(c: int) -> Callable[[Floats], Floats]:
        def mean(weights: Floats) -> Floats:
            areas = []
            for d in range(k):
                if d != c:
                    rows = np.flatnonzero(np.isin(study.disease, (c, d)))
                    area = auroc_of(study.disease[rows] == c, scores[c, d][rows])
                    areas.append(area(weights[:, rows]))
            return np.asarray(np.mean(areas, axis=0))

        return mean

    drawn = resample(study.disease, {str(c): of(c) for c in range(k)}, RESAMPLES, seed)
    sizes = np.bincount(study.disease, minlength=k)
    each = tuple(percentile(drawn[str(c)], int(sizes.min())) for c in range(k))
    return each, percentile(np.mean(list(drawn.values()), axis=0), int(sizes.min()))


@dataclass(frozen=True)
class NaiveRow:
    """One disease hidden alone: only its text is given, and all its patients are looked for among the others."""

    disease: str
    n_positive: int
    n_negative: int
    recall: float
    """Share of its patients that its text explains better than any rival does."""
    false_positive_rate: float
    auroc: float
    data_centroid: float
    """AUROC where the disease is known by its patients of the other folds instead, against the best of the others."""
    novelty: float
    """AUROC without any text: how badly the rivals explain a patient."""
    permuted_mean: float
    permuted_limit: float
    """95th percentile of permuted texts."""


def naive(study: Study, method: Method, permutations: int = 100, seed: int = 0) -> list[NaiveRow]:
    """Hide one disease at a time and insert its text: NOT a claim, as any odd text then collects the unlike."""
    n = study.grades.shape[1]
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(study.grades, study.disease))
    found = []
    for c, disease in enumerate(study.diseases):
        known = [i for i in range(len(study.diseases)) if i != c]
        text = stacked(
            study.text.rows([c]), study.text.rows([c]).permuted(orders_of(n, permutations, seed + c))
        )
        own = np.empty((permutations + 1, len(study.grades)))
        rivals = np.empty((1, len(study.grades)))
        by_data = np.empty((1, len(study.grades)))
        for train, test in folds:
            patients = train[study.disease[train] != c]
            given = method(study, known, patients, text, study.grades[test])
            own[:, test], rivals[:, test] = given.score, given.rivals[:1]
            taught = method(study, [c, *known], train, text.rows([0]), study.grades[test]).known
            by_data[:, test] = taught[:1] - taught[1:].max(axis=0)
        at = np.flatnonzero(study.disease == c), np.flatnonzero(study.disease != c)
        areas = row_aurocs(own, *at)
        found.append(
            NaiveRow(
                disease=disease,
                n_positive=len(at[0]),
                n_negative=len(at[1]),
                recall=float((own[0, at[0]] > 0).mean()),
                false_positive_rate=float((own[0, at[1]] > 0).mean()),
                auroc=float(areas[0]),
                data_centroid=float(row_aurocs(by_data, *at)[0]),
                novelty=float(row_aurocs(-rivals, *at)[0]),
                permuted_mean=float(areas[1:].mean()),
                permuted_limit=float(np.quantile(areas[1:], 0.95)),
            )
        )
    return found
