"""Why, and what next: weights of evidence and expected information against plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nmevision.errors import ConfigError
from nmevision.knowledge.building import model_of_profiles
from nmevision.knowledge.evidence import expected_information, weights_of_evidence
from nmevision.knowledge.novelty import tail_probabilities
from nmevision.knowledge.observations import from_grades, from_probabilities

NAN = float("nan")
TWO = model_of_profiles(
    {"a": {"f": "3a", "g": "1u", "h": "2t"}, "b": {"f": "0u", "g": "1u", "h": "1t"}}, with_other=False
)


def test_without_stages_a_weight_is_the_log_likelihood_ratio() -> None:
    found = weights_of_evidence(TWO, from_grades([[2, 0, NAN]]), TWO.even_prior, "a", "b")
    ratio = 10 * math.log10(TWO.table[0, 0, 2] / TWO.table[1, 0, 2])
    assert [w.finding for w in found] == ["f", "g"]  # the strongest first; the missing one has none
    assert found[0].decibans == pytest.approx(ratio, abs=1e-9)
    assert found[1].decibans == pytest.approx(0, abs=1e-9)  # alike in both
    assert found[0].target_expects == pytest.approx(TWO.table[0, 0] @ [0, 1, 2, 3])
    assert (found[0].grade, found[0].rival_expects < 1) == (2.0, True)


def test_a_weight_is_what_the_odds_lose_without_the_finding() -> None:
    profiles = {"n:e": {"f": "1a", "g": "2t"}, "n:a": {"f": "3a", "g": "0u"}, "p": {"f": "0t", "g": "1a"}}
    model = model_of_profiles(profiles)
    prior = np.array([0.2, 0.5, 0.3])

    def odds(grades: list[float]) -> float:
        p = model.posterior(from_grades([grades]), prior)[0]
        return float(p[0] / (p[1] + p[2]))

    found = {w.finding: w.decibans for w in weights_of_evidence(model, from_grades([[2, 2]]), prior, "n")}
    assert found["f"] == pytest.approx(10 * math.log10(odds([2, 2]) / odds([NAN, 2])), abs=1e-9)
    assert found["g"] == pytest.approx(10 * math.log10(odds([2, 2]) / odds([2, NAN])), abs=1e-9)
    with pytest.raises(ConfigError, match="no group or diagnosis"):
        weights_of_evidence(model, from_grades([[2, 2]]), prior, "nn")


def test_expected_information_is_the_mean_fall_of_entropy() -> None:
    evidence = from_grades([[2, NAN, NAN]])
    found = {i.finding: i.bits for i in expected_information(TWO, evidence, TWO.even_prior)}

    def entropy(p: np.ndarray) -> float:
        return -sum(x * math.log2(x) for x in p if x > 0)

    now = TWO.posterior(evidence)[0]
    p_grade = now @ TWO.table[:, 2]
    after = sum(p_grade[g] * entropy(TWO.posterior(from_grades([[2, NAN, g]]))[0]) for g in range(4))
    assert found["h"] == pytest.approx(entropy(now) - after, abs=1e-12)
    assert found["g"] == pytest.approx(0, abs=1e-12)  # alike in both: looking tells nothing
    assert list(found) == ["h", "g"]


def test_novelty_is_calibrated_on_cases_of_the_profile_and_finds_what_fits_none() -> None:
    rng = np.random.default_rng(0)
    keys = [f"f{i}" for i in range(20)]
    profile = {key: ("3u" if i < 5 else "0u") for i, key in enumerate(keys)}
    opposite = {key: ("0u" if i < 15 else "3u") for i, key in enumerate(keys)}
    model = model_of_profiles({"a": profile, "b": opposite}, sigma=0.5)
    below = model.table[0].cumsum(axis=-1)[:, :3]
    cases = (rng.random((1000, 20, 1)) > below).sum(axis=-1).astype(float)
    cases[::2, 3:9] = NAN
    p = tail_probabilities(model, from_grades(cases))
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p <= level) <= level + 0.03
    assert np.mean(p <= 0.5) > 0.35  # not merely large
    odd = from_grades(np.tile([[3.0, 0.0]], (1, 10)))
    assert tail_probabilities(model, odd)[0] < 0.001
    assert tail_probabilities(model, from_grades([[NAN] * 20]))[0] == 1


def test_an_uncertain_grade_gets_the_benefit_of_the_doubt() -> None:
    model = model_of_profiles({"a": {f"f{i}": "0u" for i in range(10)}}, sigma=0.4)
    sure = from_grades([[3.0] * 10])
    unsure = from_probabilities([[[0.3, 0.2, 0.2, 0.3]] * 10])
    assert tail_probabilities(model, sure)[0] < 1e-6 < tail_probabilities(model, unsure)[0]
