"""Two routes, one answer: the pool against its formula, and diagnoses that only the profiles know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmevision.knowledge.fusion import Fusion

LEARNED = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
KNOWLEDGE = np.array([[0.2, 0.2, 0.6], [0.3, 0.6, 0.1]])
ALL = np.array([True, True, True])


def test_the_pool_follows_its_formula() -> None:
    found = Fusion(learned=1.5, knowledge=0.5, images=9).together(LEARNED, KNOWLEDGE, ALL)
    raw = LEARNED**1.5 * KNOWLEDGE**0.5
    np.testing.assert_allclose(found, raw / raw.sum(axis=1, keepdims=True))


def test_a_diagnosis_without_images_keeps_what_its_profile_gives_it() -> None:
    found = Fusion(learned=1, knowledge=1, images=9).together(
        LEARNED, KNOWLEDGE, np.array([True, True, False])
    )
    np.testing.assert_allclose(found[:, 2], KNOWLEDGE[:, 2])
    raw = (LEARNED * KNOWLEDGE)[:, :2]
    expected = raw / raw.sum(axis=1, keepdims=True) * (1 - KNOWLEDGE[:, 2:])
    np.testing.assert_allclose(found[:, :2], expected)


def test_without_any_images_the_knowledge_answers() -> None:
    found = Fusion(learned=1, knowledge=0, images=0).together(LEARNED, KNOWLEDGE, ~ALL)
    np.testing.assert_array_equal(found, KNOWLEDGE)


def test_a_diagnosis_without_a_profile_is_left_to_the_images() -> None:
    silent = np.array([[0.4, 0.6, 0.0]])
    found = Fusion(learned=1, knowledge=1, images=9).together(LEARNED[:1], silent, ALL)
    raw = LEARNED[0] * [0.4, 0.6, 1]
    np.testing.assert_allclose(found[0], raw / raw.sum())


@pytest.mark.parametrize(("good", "other"), [("learned", "knowledge"), ("knowledge", "learned")])
def test_the_fit_trusts_the_route_that_knows(good: str, other: str) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 400)
    right = np.full((400, 3), 0.1)
    right[np.arange(400), truth] = 0.8
    noise = generator.dirichlet(np.ones(3), 400)
    found = Fusion.fit(**{good: right, other: noise, "truth": truth})
    assert getattr(found, good) > 5 * getattr(found, other)
    assert found.images == 400


def test_few_images_leave_both_alike() -> None:
    found = Fusion.fit(LEARNED, KNOWLEDGE, np.array([0, 2]))
    assert (found.learned, found.knowledge, found.images) == (0.5, 0.5, 2)


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.floats(0, 5),
    st.floats(0, 5),
)
def test_any_routes_give_probabilities(
    one: list[float], other: list[float], images: list[bool], a: float, b: float
) -> None:
    learned, knowledge = ((np.array([row]) + 1e-9) / (sum(row) + 4e-9) for row in (one, other))
    found = Fusion(learned=a, knowledge=b, images=1).together(learned, knowledge, np.array(images))
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
