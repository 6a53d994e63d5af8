"""The profile model against posteriors worked out by hand, and what must hold for any profiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import ConfigError
from nmevision.knowledge.building import LAPSE, TAU, Expectation, model_of_knowledge, model_of_profiles
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.model import OTHER, ProfileModel
from nmevision.knowledge.observations import from_grades, from_probabilities, misread

NAN = float("nan")


def phi(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def p_grade(grade: int, mean: float, tau: float, sigma: float = 0.8, lapse: float = 0.01) -> float:
    """P(grade) in plain arithmetic, independent of the module."""
    sd = math.sqrt(sigma * sigma + tau * tau)
    low = phi((grade - 0.5 - mean) / sd) if grade > 0 else 0.0
    high = phi((grade + 0.5 - mean) / sd) if grade < 3 else 1.0
    return (1 - lapse) * (high - low) + lapse / 4


# -- three small examples by hand ----------------------------------------------------------------------


def test_two_diagnoses_and_one_finding_by_hand() -> None:
    model = model_of_profiles({"a": {"f": "3a"}, "b": {"f": "0u"}}, with_other=False)
    a, b = p_grade(2, 3, 0.75), p_grade(2, 0, 0.5)
    found = model.posterior(from_grades([[2]]))[0]
    assert found == pytest.approx([a / (a + b), b / (a + b)], abs=1e-12)


def test_stages_groups_other_and_a_missing_finding_by_hand() -> None:
    profiles = {
        "nme:early": {"pallor": "1a", "spongiosis": "2t", "mucin": "0t"},
        "nme:active": {"pallor": "3a", "spongiosis": "1a", "mucin": "0t"},
        "zinc": {"pallor": "3a", "spongiosis": "1a", "mucin": "0t"},
        "eczema": {"pallor": "0t", "spongiosis": "3t", "mucin": "0t"},
    }
    groups = {"nme": "necrolytic", "zinc": "necrolytic", "eczema": "spongiotic"}
    model = model_of_profiles(profiles, group_of=groups)
    early = p_grade(2, 1, 0.75) * p_grade(1, 2, 1.25)
    active = p_grade(2, 3, 0.75) * p_grade(1, 1, 0.75)
    nme = 0.5 * early + 0.5 * active
    zinc = active
    eczema = p_grade(2, 0, 1.25) * p_grade(1, 3, 1.25)
    # other: groups half and half; within necrolytic nme and zinc half each; stages of nme half each
    pallor = 0.125 * p_grade(2, 1, 0.75) + 0.375 * p_grade(2, 3, 0.75) + 0.5 * p_grade(2, 0, 1.25)
    spongiosis = 0.125 * p_grade(1, 2, 1.25) + 0.375 * p_grade(1, 1, 0.75) + 0.5 * p_grade(1, 3, 1.25)
    other = pallor * spongiosis
    joint = [nme / 6, zinc / 6, eczema / 3, other / 3]  # three groups; necrolytic has two members
    expected = [x / sum(joint) for x in joint]
    evidence = from_grades([[2, 1, NAN]])
    assert model.classes == ("nme", "zinc", "eczema", OTHER)
    assert model.posterior(evidence)[0] == pytest.approx(expected, abs=1e-12)
    by_group = (model.posterior(evidence) @ model.members)[0]
    assert model.groups == ("necrolytic", "spongiotic", OTHER)
    assert by_group == pytest.approx([expected[0] + expected[1], expected[2], expected[3]], abs=1e-12)


def test_an_erring_grader_and_a_soft_grade_by_hand() -> None:
    model = model_of_profiles({"a": {"f": "3a", "g": "1u"}, "b": {"f": "1t", "g": "1u"}}, with_other=False)
    confusion = np.array([[0.7, 0.3, 0, 0], [0.1, 0.6, 0.3, 0], [0, 0.2, 0.6, 0.2], [0, 0, 0.25, 0.75]])
    like = [
        sum(confusion[t, 2] * p_grade(t, m, tau) for t in range(4)) for m, tau in ((3.0, 0.75), (1.0, 1.25))
    ]
    hard = misread(from_grades([[2, NAN]]), np.stack([confusion, np.eye(4)]))
    expected = [x * 0.5 / (0.5 * sum(like)) for x in like]
    assert model.posterior(hard)[0] == pytest.approx(expected, abs=1e-12)

    q = [0.1, 0.2, 0.3, 0.4]
    like = [sum(q[t] * p_grade(t, m, tau) for t in range(4)) for m, tau in ((3.0, 0.75), (1.0, 1.25))]
    soft = from_probabilities([[q, [NAN] * 4]])
    prior = [0.2, 0.8]
    joint = [x * p for x, p in zip(like, prior, strict=True)]
    assert model.posterior(soft, prior)[0] == pytest.approx([x / sum(joint) for x in joint], abs=1e-12)


# -- what must hold ------------------------------------------------------------------------------------

FINDINGS = tuple("fghij")
cells = st.sampled_from([f"{g}{tag}" for g in range(4) for tag in TAU])
grades = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, NAN]), min_size=5, max_size=5)


@st.composite
def models(draw: st.DrawFn) -> ProfileModel:
    heads = ["n:e", "n:a", "z", "p", "q"][: draw(st.integers(2, 5))]
    profiles = {head: {f: draw(cells) for f in FINDINGS} for head in heads}
    sigma = {f: draw(st.floats(0.2, 2.0)) for f in FINDINGS}
    groups = {"n": "N", "z": "N", "p": "P", "q": "Q"}
    return model_of_profiles(profiles, group_of=groups, sigma=sigma, with_other=draw(st.booleans()))


@settings(max_examples=40, deadline=None)
@given(models(), grades)
def test_posteriors_sum_to_one(model: ProfileModel, given_grades: list[float]) -> None:
    p = model.posterior(from_grades([given_grades]))
    assert p.shape == (1, len(model.classes))
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert model.table.sum(axis=-1) == pytest.approx(1, abs=1e-12)
    assert model.even_prior.sum() == pytest.approx(1, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(models(), grades, st.integers(0, 4))
def test_an_unassessable_finding_changes_nothing(
    model: ProfileModel, given_grades: list[float], j: int
) -> None:
    with_gap = [NAN if i == j else g for i, g in enumerate(given_grades)]
    kept = [f for i, f in enumerate(FINDINGS) if i != j]
    profiles = {
        str(c): {f: tuple(pair) for f, pair in zip(FINDINGS, zip(m, t, strict=True), strict=True)}
        for c, m, t in zip(model.components, model.means, model.taus, strict=True)
    }
    sigma = dict(zip(FINDINGS, model.sigma, strict=True))
    shorter = model_of_profiles(
        profiles, findings=kept, group_of=model.group_of, sigma=sigma, with_other=model.with_other
    )
    without = from_grades([[g for i, g in enumerate(given_grades) if i != j]])
    assert model.posterior(from_grades([with_gap])) == pytest.approx(shorter.posterior(without), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(models(), grades, st.permutations(range(5)))
def test_the_order_of_findings_does_not_matter(
    model: ProfileModel, given_grades: list[float], order: list[int]
) -> None:
    profiles = {
        str(c): {FINDINGS[i]: (model.means[k, i], model.taus[k, i]) for i in order}
        for k, c in enumerate(model.components)
    }
    sigma = dict(zip(FINDINGS, model.sigma, strict=True))
    turned = model_of_profiles(profiles, group_of=model.group_of, sigma=sigma, with_other=model.with_other)
    assert turned.findings == tuple(FINDINGS[i] for i in order)
    p = model.posterior(from_grades([given_grades]))
    assert turned.posterior(from_grades([[given_grades[i] for i in order]])) == pytest.approx(p, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(cells, min_size=5, max_size=5), grades, st.booleans())
def test_a_profile_that_all_share_moves_nothing(
    shared: list[str], given_grades: list[float], with_other: bool
) -> None:
    profile = dict(zip(FINDINGS, shared, strict=True))
    model = model_of_profiles(
        {"n:e": profile, "n:a": profile, "p": profile}, group_of={"n": "N", "p": "P"}, with_other=with_other
    )
    prior = np.linspace(1, 2, len(model.classes))
    expected = prior / prior.sum()
    assert model.posterior(from_grades([given_grades]), prior)[0] == pytest.approx(expected, abs=1e-9)


def test_no_single_grade_decides() -> None:
    """Slips bound what one finding can say, however sharp the profiles."""
    model = model_of_profiles({"a": {"f": (3, 0.01)}, "b": {"f": (0, 0.01)}}, sigma=0.05, with_other=False)
    odds = np.exp(np.diff(model.log_likelihoods(from_grades([[3]]))[0]))[0]
    assert 1 / odds == pytest.approx((1 - LAPSE + LAPSE / 4) / (LAPSE / 4), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_ranges_come_from_the_tau_of_the_profiles(seed: int) -> None:
    sharp = model_of_profiles({"a": {"f": (3, 1e-6)}, "b": {"f": (0, 1e-6)}}, with_other=False)
    evidence = from_grades([[2]])
    drawn = sharp.posterior_draws(evidence, sharp.even_prior, sharp.draw_tables(20, seed))
    assert drawn == pytest.approx(np.tile(sharp.posterior(evidence), (20, 1)), abs=1e-4)
    vague = model_of_profiles({"a": {"f": "3t"}, "b": {"f": "0t"}}, with_other=False)
    spread = vague.posterior_draws(evidence, vague.even_prior, vague.draw_tables(200, seed))[:, 0]
    assert np.ptp(spread) > 0.5


def test_early_nme_is_visibly_close_to_its_mimics_and_active_nme_is_not() -> None:
    model = model_of_knowledge(load_knowledge(), "histology")
    row = {str(c): m for c, m in zip(model.components, model.means, strict=True)}
    group = {key: i for i, key in enumerate(model.groups)}
    early, active, chronic = (
        (model.posterior(from_grades([row[f"nme:{stage}"]])) @ model.members)[0]
        for stage in ("early", "active", "chronic")
    )
    assert active[group["necrolytic"]] > 0.99
    assert chronic[group["necrolytic"]] > 0.99
    assert early[group["spongiotic"]] > 0.5
    assert 0.05 < early[group["necrolytic"]] < 0.5


def test_h_and_e_profiles_barely_separate_nme_from_zinc_deficiency() -> None:
    """Cases drawn from either profile: the model itself must not claim to tell the two apart by much."""
    model = model_of_knowledge(load_knowledge(), "histology")
    nme = next(i for i, c in enumerate(model.components) if str(c) == "nme:active")
    below = model.table[nme].cumsum(axis=-1)[:, :3]
    u = np.random.default_rng(0).random((400, len(model.findings), 1))
    p = model.posterior(from_grades((u > below).sum(axis=-1).astype(float)))
    members = p[:, [model.classes.index("nme"), model.classes.index("acrodermatitis_enteropathica")]]
    share = members[:, 0] / members.sum(axis=1)
    assert 0.1 < np.median(share) < 0.9


@settings(max_examples=40, deadline=None)
@given(models(), st.lists(grades, min_size=2, max_size=6))
def test_cases_do_not_touch_one_another(model: ProfileModel, many: list[list[float]]) -> None:
    together = model.log_likelihoods(from_grades(many))
    alone = np.concatenate([model.log_likelihoods(from_grades([one])) for one in many])
    assert together == pytest.approx(alone, abs=1e-12)


def test_bad_profiles_are_reported_all_at_once() -> None:
    profiles = {"a": {"f": "3a", "gg": "9z"}, "b": {"f": (1.0, -1.0)}, "other": {}}
    with pytest.raises(ConfigError) as caught:
        model_of_profiles(profiles, group_of={"a": "A", "other": "B"}, sigma={"f": 0.0}, lapse=0.0)
    message = str(caught.value)
    for part in (
        "'gg': found '9z'",
        "profile 'b', 'f': found the grade 1 with tau -1",
        "profile 'b': 'gg' is missing",
        "sigma of 'f': found 0",
        "sigma: 'gg' is missing",
        "'b' has no group",
        "'other' stands for what has no profile",
        "lapse: found 0",
    ):
        assert part in message


def test_a_profile_without_cells_is_unknown_throughout() -> None:
    model = model_of_profiles({"a": {"f": "3a"}, "new": {}}, with_other=False)
    assert model.table[1, 0] == pytest.approx([0.28, 0.22, 0.22, 0.28], abs=0.005)
    assert Expectation(model.means[1, 0], model.taus[1, 0]) == Expectation(1.5, 1.5)
