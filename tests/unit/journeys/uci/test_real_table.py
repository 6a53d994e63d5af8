"""The real table: what the first trial printed comes out again, and the page says what it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmevision.data.uci_dermatology import UciDermatology, read_uci_dermatology
from nmevision.journeys.uci.baselines import FEATURES, PRINTED, accuracies, classifiers
from nmevision.journeys.uci.designs import double_hidden, first_trial_method, naive
from nmevision.journeys.uci.experiment import METHODS, NAIVE_PRINTED, texts_alone
from nmevision.journeys.uci.study import study_of
from nmevision.knowledge.loading import load_knowledge

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def table(shared_data: Path) -> UciDermatology:
    return read_uci_dermatology(shared_data / "uci_dermatology")


def test_logistic_regression_gives_the_published_accuracies(table: UciDermatology) -> None:
    assert table.attributes.shape == (366, 34)
    for features, numbers in FEATURES.items():
        folds = accuracies(table.columns(numbers), table.disease, classifiers()["logistic C=1"])
        assert folds.mean() == pytest.approx(PRINTED[features][0], abs=0.008)


def test_texts_beat_permuted_texts_for_at_least_five_of_six_diseases(table: UciDermatology) -> None:
    study = study_of(table, load_knowledge())
    found = double_hidden(study, METHODS["profile model"], permutations=100)
    assert found.beaten >= 5
    wide = study_of(table, load_knowledge(), "max", ("histology", "clinical"))
    assert double_hidden(wide, METHODS["improved"], permutations=100).beaten >= 5


def test_the_improved_score_reaches_the_goal_and_the_first_trial_stays_what_it_was(
    table: UciDermatology,
) -> None:
    study = study_of(table, load_knowledge())
    assert double_hidden(study, METHODS["improved"], permutations=0).of_disease.mean() > 0.90
    first = double_hidden(study, METHODS["first trial"], permutations=0).of_disease
    assert first.mean() == pytest.approx(0.83, abs=0.05)
    assert first.argmin() == 1  # seborrheic dermatitis, the bad row of the first trial too


def test_the_naive_test_is_mostly_novelty_here_too(table: UciDermatology) -> None:
    rows = naive(study_of(table, load_knowledge()), first_trial_method, permutations=20)
    for row in rows:
        recall, area = NAIVE_PRINTED[row.disease]
        assert row.recall == pytest.approx(recall, abs=0.07)
        assert row.auroc == pytest.approx(area, abs=0.03)
    assert sum(row.novelty > 0.98 for row in rows) == 4


def test_six_texts_alone_tell_most_patients_apart(table: UciDermatology) -> None:
    knowledge = load_knowledge()
    found = texts_alone(study_of(table, knowledge), knowledge)
    assert found["n"] == 366
    assert found["accuracy"] > 0.7
