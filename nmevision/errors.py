"""What can go wrong, in words: the exceptions, the collector of problems and the did-you-mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NmevisionError(Exception):
    """Base of every error a user can cause and mend; its only argument is the whole message.

    One string argument keeps the exception picklable, so it survives worker processes.
    """


class ConfigError(NmevisionError):
    """A configuration, taxonomy or suite file that does not say what it should."""


class DataError(NmevisionError):
    """A manifest, a split or a folder that cannot be used as it is."""


class ImageError(DataError):
    """One image file that cannot be read; the message says why and what to do."""


class BundleError(NmevisionError):
    """A trained model folder that is broken, altered or of another version."""


class WeightsError(NmevisionError):
    """Pretrained weights that cannot be had or do not fit the network."""


class EvaluationError(NmevisionError):
    """Predictions and truth that cannot be scored together."""


class RunError(NmevisionError):
    """A run folder that exists already, cannot be resumed or does not match."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the choice nearest to `word`, or "" where none is near.

    >>> did_you_mean("psoriassis", ["psoriasis", "eczema"])
    " (did you mean 'psoriasis'?)"
    """
    by_folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f" (did you mean '{by_folded[near[0]]}'?)" if near else ""


class Problems:
    """Collects everything wrong with one input, so that the user hears it all at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Note one problem: what was found, where, what was expected, what to do."""
        self.lines.append(line)

    def raise_if_any(self, kind: type[NmevisionError], heading: str, limit: int = 50) -> None:
        """Raise `kind` with `heading` and one line per problem (at most `limit`, then a count)."""
        if not self.lines:
            return
        shown = [f"  - {line}" for line in self.lines[:limit]]
        if len(self.lines) > limit:
            shown.append(f"  ... and {len(self.lines) - limit} more")
        count = f"{len(self.lines)} problem" + ("s" if len(self.lines) > 1 else "")
        raise kind("\n".join([f"{heading}: {count}", *shown]))
