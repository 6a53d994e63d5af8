"""Two modalities as one answer: against sums by hand, against `reason`, and what must hold for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nmevision.errors import ConfigError
from nmevision.knowledge.answer import FOCUS, Reasoner
from nmevision.knowledge.answer_records import Answer, Observed
from nmevision.knowledge.combination import Combiner, joint, scaled, shared_within
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.observations import Floats, from_grades
from nmevision.knowledge.prior import Prior
from nmevision.knowledge.tables import MODALITIES, Modality

KNOWLEDGE = load_knowledge()
COMBINER = Combiner(KNOWLEDGE)
REASONERS: dict[Modality, Reasoner] = {modality: Reasoner(KNOWLEDGE, modality) for modality in MODALITIES}
LESION = {"erythema": 3.0, "annular_or_polycyclic": 3.0, "erosion": 3.0, "crust": 3.0}
SUN = {"site_photoexposed": 3.0, "site_perineal_genital_buttock": 0.0}

numbers = arrays(np.float64, (3, 5), elements=st.floats(1e-6, 1))
weights = arrays(np.float64, 5, elements=st.floats(0.05, 1)).map(lambda w: w / w.sum())


def of_profile(key: str, modality: Modality) -> dict[str, float]:
    profile = next(p for p in KNOWLEDGE.profiles_of(modality) if p.key == key)
    return {name: float(cell.grade) for name, cell in profile.cells.items()}


def evidence(grades: dict[str, float], modality: Modality) -> Floats:
    return from_grades([[grades.get(key, np.nan) for key in REASONERS[modality].model.findings]])


def likelihoods(grades: dict[str, float], modality: Modality) -> Floats:
    """Return what the model itself says, in the order of the combiner's classes."""
    model = REASONERS[modality].model
    logs = model.log_likelihoods(evidence(grades, modality))
    found = logs[:, [model.classes.index(key) for key in COMBINER.classes]]
    return np.exp(found - found.max())


def reasoned(grades: dict[str, float], modality: Modality) -> Answer:
    return REASONERS[modality].answer(Observed("case", evidence(grades, modality)))


def nothing() -> Floats:
    return np.full((1, len(COMBINER.classes)), np.nan)


def test_three_diagnoses_by_hand() -> None:
    prior, slide, photo = (
        np.array([0.5, 0.3, 0.2]),
        np.array([[0.8, 0.1, 0.1]]),
        np.array([[0.5, 0.25, 0.25]]),
    )
    found = joint(prior, slide, photo)
    assert found.posterior[0] == pytest.approx([0.2 / 0.2125, 0.0075 / 0.2125, 0.005 / 0.2125])
    assert found.support[0] == pytest.approx(0.2125 / (0.45 * 0.375))


def test_a_diagnosis_that_only_one_describes_by_hand() -> None:
    """The photo doubles a against b and does not know c: c keeps the half that the slide left it."""
    found = joint(np.array([0.25, 0.25, 0.5]), np.ones((1, 3)), np.array([[0.2, 0.1, np.nan]]))
    assert found.posterior[0] == pytest.approx([1 / 3, 1 / 6, 1 / 2])


@given(weights, numbers, st.floats(1e-6, 1))
def test_what_says_nothing_changes_nothing(prior: Floats, slide: Floats, even: float) -> None:
    alone = slide * prior / (slide * prior).sum(axis=1, keepdims=True)
    for silent in (np.full_like(slide, even), np.full_like(slide, np.nan)):
        found = joint(prior, slide, silent)
        assert found.posterior == pytest.approx(alone, rel=1e-9)
        assert found.support == pytest.approx(np.ones(3), rel=1e-9)


@given(weights, numbers, numbers, st.floats(1e-3, 1e3))
def test_order_and_scale_do_not_matter_and_the_sum_is_one(
    prior: Floats, slide: Floats, photo: Floats, scale: float
) -> None:
    one, other = joint(prior, slide, photo), joint(prior, photo * scale, slide)
    assert one.posterior == pytest.approx(other.posterior, rel=1e-9)
    assert one.support == pytest.approx(other.support, rel=1e-9)
    assert one.posterior.sum(axis=1) == pytest.approx(np.ones(3))


@given(weights, numbers, numbers)
def test_what_one_modality_does_not_describe_keeps_its_standing(
    prior: Floats, slide: Floats, photo: Floats
) -> None:
    photo[:, 3:] = np.nan
    before, after = joint(prior, slide).posterior, joint(prior, slide, photo).posterior
    assert after[:, 3] / after[:, 4] == pytest.approx(before[:, 3] / before[:, 4], rel=1e-9)
    by_photo = joint(prior, photo).posterior
    assert by_photo[:, 3:] == pytest.approx(np.broadcast_to(prior[3:], (3, 2)), rel=1e-9)
    assert (after > 0).all()


@given(weights, numbers, numbers)
def test_a_group_keeps_its_own_and_its_members_follow_what_tells_them_apart(
    prior: Floats, slide: Floats, sites: Floats
) -> None:
    own = np.array([True, True, True, False, False])
    before = joint(prior, slide).posterior
    blurred, apart = shared_within(slide, prior, own), shared_within(slide, prior, own, sites)
    for found in (joint(prior, blurred).posterior, joint(prior, apart).posterior):
        assert found[:, :3].sum(axis=1) == pytest.approx(before[:, :3].sum(axis=1), rel=1e-9)
        assert found[:, 3:] == pytest.approx(before[:, 3:], rel=1e-9)
    within = joint(prior, blurred).posterior[:, :3]
    assert within / within.sum(axis=1, keepdims=True) == pytest.approx(
        np.broadcast_to(prior[:3] / prior[:3].sum(), (3, 3)), rel=1e-9
    )
    tilted = joint(prior, apart).posterior[:, :3]
    wanted = prior[:3] * sites[:, :3]
    assert tilted / tilted.sum(axis=1, keepdims=True) == pytest.approx(
        wanted / wanted.sum(axis=1, keepdims=True), rel=1e-9
    )


def test_likelihoods_of_nothing_but_zero_are_not_divided_by_it() -> None:
    assert scaled(np.zeros((1, 2)), np.array([0.5, 0.5])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("key", ["nme", "psoriasis", "pellagra", "tinea"])
def test_one_modality_alone_answers_as_reason_does(modality: Modality, key: str) -> None:
    name = "nme:active" if (key, modality) == ("nme", "histology") else key
    grades = of_profile(name, modality)
    wanted = {group.key: group.probability for group in reasoned(grades, modality).groups}
    parts = {m: likelihoods(grades, m) if m == modality else nothing() for m in MODALITIES}
    found = COMBINER.combine(parts, nothing())
    together = found.classes @ COMBINER.members
    assert dict(zip(COMBINER.groups, together[0].tolist(), strict=True)) == pytest.approx(wanted, rel=1e-6)
    assert found.groups[modality] == pytest.approx(together)
    assert found.conflict == pytest.approx([0], abs=1e-9)


def test_place_and_history_move_the_members_as_in_reason_and_nothing_else_does() -> None:
    photo, slide = LESION | SUN, of_profile("nme:active", "histology")
    parts: dict[Modality, Floats] = {
        "histology": likelihoods(slide, "histology"),
        "clinical": likelihoods(photo, "clinical"),
    }
    with_sites = COMBINER.combine(parts, likelihoods(SUN, "clinical"))
    bare = COMBINER.combine(parts, nothing())
    assert (bool(with_sites.members_apart[0]), bool(bare.members_apart[0])) == (True, False)
    assert with_sites.classes @ COMBINER.members == pytest.approx(bare.classes @ COMBINER.members)
    own = [k for k, key in enumerate(COMBINER.classes) if COMBINER.group_of[key] == FOCUS]
    shares = with_sites.classes[0, own] / with_sites.classes[0, own].sum()
    wanted = {m.key: m.within_group for m in reasoned(photo, "clinical").members if m.group == FOCUS}
    assert dict(zip([COMBINER.classes[k] for k in own], shares.tolist(), strict=True)) == pytest.approx(
        wanted
    )
    assert max(wanted, key=lambda key: wanted[key] or 0) == "pellagra"
    assert bare.classes[0, own] == pytest.approx(np.full(5, bare.classes[0, own].mean()))


def test_a_slide_of_one_pattern_and_a_photo_of_another_are_in_conflict() -> None:
    slide = likelihoods(of_profile("nme:active", "histology"), "histology")
    found = {
        key: COMBINER.combine(
            {"histology": slide, "clinical": likelihoods(of_profile(key, "clinical"), "clinical")}, nothing()
        ).conflict[0]
        for key in ("nme", "psoriasis")
    }
    assert found["nme"] < -1
    assert found["psoriasis"] > 1


def test_the_users_prior_counts_once() -> None:
    grades = {"spongiosis": 1.0, "parakeratosis": 1.0}
    parts: dict[Modality, Floats] = {
        "histology": likelihoods(grades, "histology"),
        "clinical": likelihoods({"erythema": 1.0}, "clinical"),
    }
    own = Combiner(KNOWLEDGE, Prior(groups=dict.fromkeys(COMBINER.groups, 1.0) | {FOCUS: 50.0}))
    odds = []
    for combiner in (COMBINER, own):
        groups = dict(
            zip(
                combiner.groups,
                (combiner.combine(parts, nothing()).classes @ combiner.members)[0],
                strict=True,
            )
        )
        odds.append(groups[FOCUS] / groups["spongiotic"])
    assert odds[1] == pytest.approx(50 * odds[0], rel=1e-6)
    with pytest.raises(ConfigError, match="unknown 'necrolitic' \\(did you mean 'necrolytic'\\?\\)"):
        Combiner(KNOWLEDGE, Prior(groups={"necrolitic": 1.0}))


def test_both_modalities_have_profiles_of_the_same_diagnoses() -> None:
    described = [{p.diagnosis for p in KNOWLEDGE.profiles_of(modality)} for modality in MODALITIES]
    assert described[0] == described[1]
    assert set(COMBINER.classes) - described[0] == {"other"}
    assert COMBINER.taxonomy.keys == COMBINER.classes
