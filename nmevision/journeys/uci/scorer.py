"""How well a text explains a patient, against diseases that are known by their patients: every variant tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import logsumexp

from nmevision.data.uci_dermatology import Merge
from nmevision.grades import LEVELS, Floats
from nmevision.journeys.uci.study import TAG_KEYS, TAG_TAUS, TEXTBOOK_TAG, Ints, Study, Text
from nmevision.knowledge.building import LAPSE, UNKNOWN
from nmevision.knowledge.correlated import copula_logs, normal_scores, one_hot, shared_correlation
from nmevision.knowledge.learning import estimate_sigma
from nmevision.knowledge.reading import estimate_tau, grade_shares, reading_table, table_of

Reading = Literal[
    "tags", "tags, sigma 0.8", "tau 1", "tau 0.6", "tau learned", "absent -0.5", "table", "table by tag"
]
Known = Literal["posterior", "histogram"]
Dependence = Literal["independent", "correlated"]
Rivals = Literal[
    "none",
    "known max",
    "known",
    "known+other",
    "known+even",
    "known+mimics",
    "known+broad",
    "mimics",
    "broad",
]
READINGS: tuple[Reading, ...] = (
    "tags", "tags, sigma 0.8", "tau 1", "tau 0.6", "tau learned", "absent -0.5", "table", "table by tag",
)  # fmt: skip
RIVALS: tuple[Rivals, ...] = (
    "none", "known max", "known", "known+other", "known+even", "known+mimics", "known+broad", "mimics", "broad",
)  # fmt: skip
WITH_KNOWN = tuple(rivals for rivals in RIVALS if rivals.startswith("known"))
"""Scores that set a text against the known diseases too; only these answer the clinical question."""
BLIND: tuple[Reading, ...] = ("tau 1", "tau 0.6", "tau learned", "table")
"""Readings that do not look at the evidence tags. Tags `u` and `c` were given by comparing with these patients."""
PSEUDO_PATIENTS = 1.0
"""Pseudo-patients of a histogram, spread evenly over the grades."""
SHRINKAGE = 0.1
"""Share of the covariance of the first trial's model that is shrunk to a multiple of the identity."""


@dataclass(frozen=True)
class Setting:
    """One way to turn texts and patients into log likelihoods.

    merge: how several attributes make one finding. reading: how the grades of a text are read: with the spread
    of their tags, one fixed or learned spread, absent as a latent -0.5, or a learned table. known: the diseases
    with patients as updated ordinal models or as smoothed histograms. dependence: of findings within a disease.
    """

    merge: Merge = "max"
    reading: Reading = "tags"
    known: Known = "posterior"
    dependence: Dependence = "independent"


class Logs(NamedTuple):
    """Log likelihoods of N patients under the Q texts (`own`), the known diseases, mimics and broad models."""

    own: Floats
    known: Floats
    mimics: Floats
    other: Floats
    """Q x N: independent findings at the mean of the known diseases and the text: `other` of the profile model."""
    broad: Floats
    """1 x N: independent findings at the mean of the known diseases and the mimics, half each."""
    even: Floats
    """1 x N: all grades equally likely."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the known diseases taught: their own grades, the spread of findings, and how to read a text."""

    setting: Setting
    sigma: Floats
    known: Floats
    tau: float
    reading: Floats
    correlation: Floats | None

    def taus(self, text: Text) -> Floats:
        """Return the spread of every cell of a text, Q x J."""
        if self.setting.reading in ("tags", "tags, sigma 0.8", "absent -0.5"):
            return np.asarray(TAG_TAUS[text.tags])
        return np.full(text.grades.shape, self.tau)

    def table(self, text: Text) -> Floats:
        """Return the grade probabilities that a text leads to, Q x J x 4."""
        if self.setting.reading in ("table", "table by tag"):
            tags = text.tags if len(self.reading) > 1 else np.zeros_like(text.tags)
            return np.asarray((1 - LAPSE) * self.reading[tags, text.grades] + LAPSE / LEVELS)
        means = text.grades.astype(np.float64)
        if self.setting.reading == "absent -0.5":
            means = np.where(text.grades == 0, -0.5, means)
        return table_of(means, self.sigma**2 + self.taus(text) ** 2)

    def logs(self, text: Text, mimics: Text, grades: Floats) -> Logs:
        """Return the log likelihoods of patients N x J; a missing finding drops out of all of them."""
        hot = one_hot(grades)
        flat = hot.reshape(len(hot), -1).astype(np.float64)
        own, theirs = self.table(text), self.table(mimics)
        n = len(self.known)
        other = (self.known.sum(axis=0) + own) / (n + 1)
        broad = (self.known.mean(axis=0) + theirs.mean(axis=0))[None] / 2

        def log(table: Floats) -> Floats:
            return np.asarray(np.log(table).reshape(len(table), -1) @ flat.T)

        logs = Logs(
            log(own),
            log(self.known),
            log(theirs),
            log(other),
            log(broad),
            hot.sum((1, 2))[None] * np.log(0.25),
        )
        if self.correlation is None:
            return logs
        pairs = ((own, self.taus(text)), (self.known, None), (theirs, self.taus(mimics)))
        extra = [
            copula_logs(t, hot, self.correlation, None if s is None else self.sigma / np.hypot(self.sigma, s))
            for t, s in pairs
        ]
        return logs._replace(
            own=logs.own + extra[0], known=logs.known + extra[1], mimics=logs.mimics + extra[2]
        )


def fit(setting: Setting, study: Study, known: Sequence[int], patients: Ints) -> Fitted:
    """Return what some patients (row numbers) of the known diseases teach; no other patient or text is used."""
    grades, labels = study.grades[patients], study.disease[patients]
    sigma = estimate_sigma(grades, [str(label) for label in labels])
    if setting.reading == "tags, sigma 0.8":
        sigma = np.full_like(sigma, 0.8)
    seen = np.array([(~np.isnan(grades[labels == k])).sum(axis=0) for k in known])
    shares = grade_shares(grades, labels, known)
    means = np.where(seen > 0, shares @ np.arange(LEVELS), UNKNOWN.grade)
    tables = _known_tables(setting.known, grades, labels, known, means, seen, sigma)
    text = study.text.rows(list(known))
    tau = {"tau 1": 1.0, "tau 0.6": 0.6}.get(setting.reading, 0.0)
    if setting.reading == "tau learned":
        tau = estimate_tau(text.grades, np.where(seen > 0, means, np.nan), sigma**2 / np.maximum(seen, 1))
    by_tag = setting.reading == "table by tag"
    reading = reading_table(
        text.grades, text.tags if by_tag else np.zeros_like(text.tags), shares, len(TAG_KEYS) if by_tag else 1
    )
    correlation = None
    if setting.dependence == "correlated":
        hot = one_hot(grades)
        rest = [normal_scores(tables[i : i + 1], hot[labels == k])[0] for i, k in enumerate(known)]
        correlation = shared_correlation(np.concatenate(rest))
    return Fitted(setting, sigma, tables, tau, reading, correlation)


def _known_tables(
    kind: Known,
    grades: Floats,
    labels: Ints,
    known: Sequence[int],
    means: Floats,
    seen: Floats,
    sigma: Floats,
) -> Floats:
    """Return the grade probabilities of diseases known by their patients, K x J x 4."""
    if kind == "histogram":
        return np.asarray((1 - LAPSE) * grade_shares(grades, labels, known, PSEUDO_PATIENTS) + LAPSE / LEVELS)
    precision = 1 / UNKNOWN.tau**2 + seen / sigma**2
    centre = (UNKNOWN.grade / UNKNOWN.tau**2 + seen * means / sigma**2) / precision
    return table_of(centre, sigma**2 + 1 / precision)


def score(logs: Logs, rivals: Rivals) -> Floats:
    """Return how much better the texts explain the patients than their rivals do, Q x N."""
    return logs.own - rival_logs(logs, rivals)


def rival_logs(logs: Logs, rivals: Rivals) -> Floats:
    """Return the log likelihood of what competes with a text; members of a sum count the same."""
    if rivals == "none":
        return np.zeros_like(logs.own[:1])
    if rivals == "known max":
        return np.asarray(logs.known.max(axis=0, keepdims=True))
    if rivals == "known+other":
        return np.asarray(np.logaddexp(logsumexp(logs.known, axis=0, keepdims=True), logs.other))
    members = {
        "known": (logs.known,),
        "known+even": (logs.known, logs.even),
        "known+mimics": (logs.known, logs.mimics),
        "known+broad": (logs.known, logs.broad),
        "mimics": (logs.mimics,),
        "broad": (logs.broad,),
    }[rivals]
    return np.asarray(logsumexp(np.concatenate(members), axis=0, keepdims=True))


def first_trial(
    study: Study, known: Sequence[int], patients: Ints, text: Text, grades: Floats
) -> tuple[Floats, Floats]:
    """Return the log likelihoods of the first trial: normal, text or mean as centre, one shrunk covariance.

    Returns Q x N of the texts and K x N of the known diseases. Grades must be complete.
    """
    own, labels = study.grades[patients], study.disease[patients]
    centres = np.array([own[labels == k].mean(axis=0) for k in known])
    rest = np.concatenate([own[labels == k] - centre for k, centre in zip(known, centres, strict=True)])
    covariance = rest.T @ rest / (len(rest) - len(known))
    n = len(covariance)
    common = np.trace(covariance) / n
    root = np.linalg.inv(np.linalg.cholesky((1 - SHRINKAGE) * covariance + SHRINKAGE * common * np.eye(n)))

    def logs(means: Floats) -> Floats:
        gaps = (grades @ root.T)[None] - (means @ root.T)[:, None]
        return np.asarray(-0.5 * (gaps**2).sum(axis=-1) + np.log(np.diag(root)).sum())

    return logs(text.grades.astype(np.float64)), logs(centres)


ONES = Text(np.ones((1, 1), dtype=np.intp), np.full((1, 1), TEXTBOOK_TAG))
"""The profile that says 1 of every finding and knows nothing; it is stretched to the findings of a study."""
