"""Errors survive worker processes, list every problem, and guess the word that was meant."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmevision import errors
from nmevision.errors import ConfigError, DataError, ImageError, NmevisionError, Problems, did_you_mean

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NmevisionError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_a_worker_process(kind: type[NmevisionError]) -> None:
    error = pickle.loads(pickle.dumps(kind("the whole message")))
    assert type(error) is kind
    assert str(error) == "the whole message"


def test_a_bad_image_is_bad_data() -> None:
    assert issubclass(ImageError, DataError)
    assert not issubclass(ConfigError, DataError)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("psoriassis", " (did you mean 'psoriasis'?)"),
        ("PSORIASIS", " (did you mean 'psoriasis'?)"),
        ("exzema", " (did you mean 'Eczema'?)"),  # said as it is spelt in the choices
        ("xyzzy", ""),
        ("", ""),
    ],
)
def test_did_you_mean(word: str, expected: str) -> None:
    assert did_you_mean(word, ["psoriasis", "Eczema", "nme"]) == expected


def test_did_you_mean_with_nothing_to_choose_from() -> None:
    assert did_you_mean("anything", []) == ""


@given(st.text(max_size=30), st.lists(st.text(max_size=10), max_size=5))
def test_did_you_mean_only_names_choices(word: str, choices: list[str]) -> None:
    hint = did_you_mean(word, choices)
    assert hint == "" or hint in {f" (did you mean '{choice}'?)" for choice in choices}


def test_no_problem_raises_nothing() -> None:
    Problems().raise_if_any(DataError, "table.csv")


def test_one_problem() -> None:
    problems = Problems()
    problems.add("row 2: id is empty")
    with pytest.raises(DataError) as caught:
        problems.raise_if_any(DataError, "table.csv")
    assert str(caught.value) == "table.csv: 1 problem\n  - row 2: id is empty"


def test_all_problems_up_to_a_limit_in_order_and_one_argument() -> None:
    problems = Problems()
    for number in range(7):
        problems.add(f"p{number}")
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any(ConfigError, "x", limit=5)
    lines = ["x: 7 problems", *[f"  - p{n}" for n in range(5)], "  ... and 2 more"]
    assert caught.value.args == ("\n".join(lines),)
