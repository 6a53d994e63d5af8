"""A registry gives back what was put in, once, and helps with a misspelt name."""

from __future__ import annotations

import re

import pytest

from nmevision.errors import ConfigError
from nmevision.registry import Registry


@pytest.fixture
def shapes() -> Registry[type]:
    registry = Registry[type]("shape")

    @registry.register("square")
    class Square:
        pass

    registry.register("circle")(int)
    return registry


def test_get_gives_the_very_thing(shapes: Registry[type]) -> None:
    assert shapes.get("circle") is int
    assert shapes.get("square").__name__ == "Square"  # the decorator returns what it decorates


def test_names_are_sorted(shapes: Registry[type]) -> None:
    assert shapes.names() == ["circle", "square"]


def test_a_name_is_registered_once(shapes: Registry[type]) -> None:
    with pytest.raises(ConfigError, match="shape 'circle' is registered already"):
        shapes.register("circle")(float)
    assert shapes.get("circle") is int


def test_an_unknown_name_is_told_with_the_nearest_and_all(shapes: Registry[type]) -> None:
    message = "unknown shape 'sqare' (did you mean 'square'?); known: circle, square"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        shapes.get("sqare")


def test_an_empty_registry_says_none() -> None:
    with pytest.raises(ConfigError, match=r"known: none$"):
        Registry[int]("thing").get("x")


def test_two_registries_share_nothing(shapes: Registry[type]) -> None:
    assert Registry[type]("shape").names() == []
    assert shapes.names()
