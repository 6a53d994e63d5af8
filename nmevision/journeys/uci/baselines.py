"""What patients alone teach: the accuracy of common classifiers on all six diseases, without any text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from nmevision.data.uci_dermatology import ATTRIBUTES, CLINICAL, HISTOLOGIC, UciDermatology
from nmevision.grades import Floats

FOLDS, REPEATS = 10, 3
FEATURES = {
    "all 34": tuple(range(1, ATTRIBUTES + 1)),
    "22 histologic": tuple(HISTOLOGIC),
    "12 clinical": CLINICAL,
}
PRINTED = {
    "all 34": (0.971, 0.976, 0.961, 0.962, 0.868),
    "22 histologic": (0.942, 0.944, 0.937, 0.933, 0.867),
    "12 clinical": (0.879, 0.871, 0.830, 0.824, 0.693),
}
"""Accuracies of the project's first trial (KNOWLEDGE, section 4), in the order of `classifiers`."""


@dataclass(frozen=True)
class Baseline:
    """Mean accuracy over folds, their standard deviation, and what the first trial printed."""

    features: str
    classifier: str
    n: int
    accuracy: float
    sd: float
    printed: float


def classifiers(seed: int = 0) -> dict[str, ClassifierMixin]:
    """Return the classifiers by name; median imputation and standardising come before each."""
    return {
        "logistic C=1": LogisticRegression(max_iter=2000),
        "random forest 200": RandomForestClassifier(200, random_state=seed),
        "nearest centroid": NearestCentroid(),
        "kNN-5": KNeighborsClassifier(5),
        "Gaussian NB": GaussianNB(),
    }


def prepared(classifier: ClassifierMixin) -> Pipeline:
    """Return a classifier behind median imputation and standardising, fitted with it in every fold."""
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), classifier)


def accuracies(attributes: Floats, disease: np.ndarray, classifier: ClassifierMixin, seed: int = 0) -> Floats:
    """Return the accuracy of each fold: 3 times 10-fold stratified cross-validation."""
    splitter = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    return np.asarray(cross_val_score(prepared(classifier), attributes, disease, cv=splitter))


def baselines(table: UciDermatology, seed: int = 0) -> list[Baseline]:
    """Return every classifier on every set of attributes, beside what the first trial printed."""
    found = []
    for features, numbers in FEATURES.items():
        for (name, classifier), printed in zip(classifiers(seed).items(), PRINTED[features], strict=True):
            folds = accuracies(table.columns(numbers), table.disease, classifier, seed)
            accuracy, sd = float(folds.mean()), float(folds.std(ddof=1))
            found.append(Baseline(features, name, len(table.disease), accuracy, sd, printed))
    return found
