"""A named collection: register, look up with a did-you-mean, list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from nmevision.errors import ConfigError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind by name; a name is registered once.

    >>> colours = Registry[str]("colour")
    >>> _ = colours.register("red")("#f00")
    >>> colours.get("red")
    '#f00'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that stores its argument under `name`; a second one is refused."""

        def store(item: T) -> T:
            if name in self._items:
                raise ConfigError(f"{self.kind} '{name}' is registered already; choose another name")
            self._items[name] = item
            return item

        return store

    def get(self, name: str) -> T:
        """Return the item called `name`, or raise ConfigError naming the nearest and all names."""
        if name not in self._items:
            hint = did_you_mean(name, self._items)
            known = ", ".join(self.names()) or "none"
            raise ConfigError(f"unknown {self.kind} '{name}'{hint}; known: {known}")
        return self._items[name]

    def names(self) -> list[str]:
        """Return every registered name, sorted."""
        return sorted(self._items)
