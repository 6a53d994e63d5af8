"""What real cases teach the profiles, against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import ConfigError
from nmevision.knowledge.building import model_of_profiles
from nmevision.knowledge.learning import estimate_sigma, prior_sizes, updated
from nmevision.knowledge.observations import from_grades

NAN = float("nan")
seen = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from("0123"), st.sampled_from("auct"), seen, st.floats(0.3, 1.5))
def test_the_update_is_what_integration_gives(grade: str, tag: str, cases: list[int], sigma: float) -> None:
    model = model_of_profiles({"a": {"f": grade + tag}, "b": {"f": "0t"}}, sigma=sigma)
    new = updated(model, "a", from_grades([[g] for g in cases]))
    mu = np.linspace(-8, 11, 40_001)
    log_density = -((mu - model.means[0, 0]) ** 2) / (2 * model.taus[0, 0] ** 2)
    log_density -= sum((mu - x) ** 2 for x in cases) / (2 * sigma**2)
    density = np.exp(log_density - log_density.max())
    mean = np.trapezoid(mu * density, mu) / np.trapezoid(density, mu)
    variance = np.trapezoid((mu - mean) ** 2 * density, mu) / np.trapezoid(density, mu)
    assert new.means[0, 0] == pytest.approx(mean, abs=1e-6)
    assert new.taus[0, 0] == pytest.approx(variance**0.5, abs=1e-6)
    assert new.means[1].tolist() == model.means[1].tolist()  # the others learn nothing


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=1, max_size=8))
def test_more_cases_narrow_the_predictive(cases: list[list[int]]) -> None:
    model = model_of_profiles({"n:e": {"f": "1a", "g": "2t"}, "n:a": {"f": "3a", "g": "0u"}, "b": {}})
    widths = [model.taus**2 + model.sigma**2]
    for case in cases:
        model = updated(model, "n", from_grades([case]))
        widths.append(model.taus**2 + model.sigma**2)
    assert (np.diff(widths, axis=0) <= 1e-12).all()
    assert model.cases[:2].sum(axis=0) == pytest.approx(len(cases))
    assert model.stage_weights[:2].sum() == pytest.approx(1)


def test_one_case_carries_47_percent_at_tau_075_and_sigma_08() -> None:
    model = model_of_profiles({"a": {"f": "1a", "g": "1a"}})
    table = prior_sizes(updated(model, "a", from_grades([[3, NAN]]))).set_index("finding")
    assert table.loc["f", "weight_of_cases"] == pytest.approx(0.468, abs=0.001)
    assert table.loc["f", "prior_cases"] == pytest.approx(0.64 / 0.5625)
    assert table.loc["f", "grade"] == pytest.approx(1 + 2 * 0.46778, abs=1e-4)
    assert table.loc["g", "weight_of_cases"] == 0


def test_two_updates_are_one() -> None:
    model = model_of_profiles({"a": {"f": "1a"}, "b": {"f": "2t"}})
    both = updated(model, "a", from_grades([[3], [2]]))
    one_by_one = updated(updated(model, "a", from_grades([[3]])), "a", from_grades([[2]]))
    assert one_by_one.means == pytest.approx(both.means)
    assert one_by_one.taus == pytest.approx(both.taus)


def test_a_case_counts_for_the_stage_it_looks_like() -> None:
    model = model_of_profiles({"n:e": dict.fromkeys("fghi", "0u"), "n:a": dict.fromkeys("fghi", "3u")})
    new = updated(model, "n", from_grades([[3, 3, 3, 3]] * 4))
    assert new.stage_counts == pytest.approx([1, 5], abs=0.01)
    assert new.cases[1] == pytest.approx([4] * 4, abs=0.01)
    assert updated(model, "n", from_grades(np.empty((0, 4)))) is model


def test_many_cases_make_a_class_of_data_alone() -> None:
    rng = np.random.default_rng(0)
    model = model_of_profiles({"old": {"f": "0u"}, "new": {}}, with_other=False)
    new = updated(model, "new", from_grades(rng.integers(1, 4, (200, 1)).astype(float)))
    assert new.means[1, 0] == pytest.approx(2, abs=0.15)
    assert prior_sizes(new)["prior_cases"].iloc[1] == pytest.approx(0.64 / 2.25)
    with pytest.raises(ConfigError, match="did you mean 'new'"):
        updated(model, "neww", from_grades([[1]]))
    with pytest.raises(ConfigError, match="no profile of 'other'"):
        updated(model_of_profiles({"a": {"f": "1a"}}), "other", from_grades([[1]]))


def test_spread_is_found_again_and_shrunk_where_cases_are_few() -> None:
    rng = np.random.default_rng(0)
    centres = {"a": 1.0, "b": 2.0}
    labels = ["a"] * 2000 + ["b"] * 2000
    latent = np.array([centres[y] for y in labels])[:, None] + rng.normal(0, [0.5, 0.7], (4000, 2))
    found = estimate_sigma(np.clip(np.rint(latent), 0, 3), labels)
    assert found == pytest.approx([0.5, 0.7], abs=0.07)
    grades = np.array([[0, 1.0], [3, 1.0], [0, 1.0], [3, 1.0]])
    loose, tight = (
        estimate_sigma(grades, ["a"] * 4, strength=0),
        estimate_sigma(grades, ["a"] * 4, strength=1e9),
    )
    assert tight[0] == pytest.approx(tight[1])
    assert loose[0] > tight[0] > loose[1]
    with pytest.raises(ConfigError, match="at least two"):
        estimate_sigma([[1.0]], ["a"])
