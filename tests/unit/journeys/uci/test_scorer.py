"""Scores of texts, against the profile model and against sums by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from nmevision.journeys.uci.scorer import (
    READINGS,
    RIVALS,
    SHRINKAGE,
    Logs,
    Setting,
    first_trial,
    fit,
    rival_logs,
    score,
)
from nmevision.journeys.uci.study import TAG_KEYS, Study, Text
from nmevision.journeys.uci.variants import settings
from nmevision.knowledge.building import model_of_profiles
from nmevision.knowledge.learning import estimate_sigma, updated
from nmevision.knowledge.observations import from_grades

KNOWN = [0, 1]


def rows(study: Study) -> np.ndarray:
    return np.flatnonzero(np.isin(study.disease, KNOWN))


def test_the_plain_setting_is_the_profile_model_of_the_package(known_truth: Study) -> None:
    grades = known_truth.grades.copy()
    grades[60, 2] = grades[70] = np.nan
    study = known_truth.with_grades(grades)
    taught = rows(study)
    sigma = estimate_sigma(grades[taught], [str(i) for i in study.disease[taught]])
    cells = {f"f{j}": f"{g}{TAG_KEYS[j % 4]}" for j, g in enumerate(study.text.grades[2])}
    model = model_of_profiles(
        {"a": {}, "b": {}, "c": cells},
        findings=list(cells),
        sigma={f: float(s) for f, s in zip(cells, sigma, strict=True)},
        with_other=False,
    )
    for i, key in enumerate("ab"):
        model = updated(model, key, from_grades(grades[study.disease == i]))
    expected = model.log_likelihoods(from_grades(grades[50:]))
    logs = fit(Setting(), study, KNOWN, taught).logs(study.text.rows([2]), study.mimics, grades[50:])
    np.testing.assert_allclose(logs.own[0], expected[:, 2])
    np.testing.assert_allclose(logs.known.T, expected[:, :2])


def test_only_the_patients_that_were_named_teach(known_truth: Study) -> None:
    other = known_truth.grades.copy()
    other[50:] = 3 - other[50:]
    for setting in (
        Setting(),
        Setting(reading="table by tag", known="histogram"),
        Setting(dependence="correlated"),
    ):
        one = fit(setting, known_truth, KNOWN, rows(known_truth))
        two = fit(setting, known_truth.with_grades(other), KNOWN, rows(known_truth))
        np.testing.assert_array_equal(one.known, two.known)
        np.testing.assert_array_equal(one.table(known_truth.text), two.table(known_truth.text))


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_gives_probabilities_and_prefers_the_right_text(
    known_truth: Study, reading: str
) -> None:
    fitted = fit(Setting(reading=reading), known_truth, KNOWN, rows(known_truth))  # type: ignore[arg-type]
    table = fitted.table(known_truth.text)
    np.testing.assert_allclose(table.sum(axis=-1), 1)
    assert table.min() > 0
    logs = fitted.logs(known_truth.text.rows([2, 3]), known_truth.mimics, known_truth.grades[50:75])
    assert (logs.own[0] > logs.own[1]).mean() > 0.9


def test_learned_readings_never_see_the_tags_unless_they_say_so(known_truth: Study) -> None:
    tagged = replace(known_truth, text=Text(known_truth.text.grades, np.zeros_like(known_truth.text.tags)))
    for setting in settings():
        same = np.array_equal(*(fit(setting, s, KNOWN, rows(s)).table(s.text) for s in (known_truth, tagged)))
        assert same == (setting.reading in ("tau 1", "tau 0.6", "tau learned", "table"))


def test_rivals_are_what_their_names_say() -> None:
    own = np.array([[-1.0, -2.0]])
    logs = Logs(own, own - [[1], [2]], own - 0.5, own - 3, own - 4, own - 5)
    np.testing.assert_allclose(score(logs, "none"), own)
    np.testing.assert_allclose(score(logs, "known max"), 1.0)
    np.testing.assert_allclose(score(logs, "known"), -logsumexp([-1, -2]))
    np.testing.assert_allclose(score(logs, "known+other"), -logsumexp([-1, -2, -3]))
    np.testing.assert_allclose(score(logs, "known+even"), -logsumexp([-1, -2, -5]))
    np.testing.assert_allclose(score(logs, "known+mimics"), -logsumexp([-1, -2, -0.5]))
    np.testing.assert_allclose(score(logs, "known+broad"), -logsumexp([-1, -2, -4]))
    assert {rival_logs(logs, kind).shape for kind in RIVALS} == {(1, 2)}


def test_the_first_trial_is_a_normal_density_with_a_shrunk_pooled_covariance(known_truth: Study) -> None:
    taught = rows(known_truth)
    own, known = first_trial(known_truth, KNOWN, taught, known_truth.text.rows([2]), known_truth.grades[50:])
    parts = [known_truth.grades[known_truth.disease == k] for k in KNOWN]
    pooled = sum(np.cov(part.T) * (len(part) - 1) for part in parts) / (50 - 2)
    shrunk = (1 - SHRINKAGE) * pooled + SHRINKAGE * np.trace(pooled) / 8 * np.eye(8)
    density = multivariate_normal(known_truth.text.grades[2], shrunk).logpdf(known_truth.grades[50:])
    data = multivariate_normal(parts[0].mean(axis=0), shrunk).logpdf(known_truth.grades[50:])
    np.testing.assert_allclose(own[0] - known[0], density - data)
