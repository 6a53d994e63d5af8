"""Which licences allow training and passing on, so that what forbids it cannot get in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nmevision.schema import Record


class Licence(Record):
    """What a licence allows: training a model, giving the image away, and its conditions in words.

    restricted: commercial use or derivatives are forbidden, so a user has to say that theirs is neither
        (`--allow-nc`, `data.allow_nc=true`). It never opens what `training` closes.
    """

    training: bool
    redistribution: bool
    condition: str = ""
    restricted: bool = False


_FREE = Licence(training=True, redistribution=True)
_CREDIT = Licence(training=True, redistribution=True, condition="credit the authors")
_SHARE_ALIKE = Licence(training=True, redistribution=True, condition="credit; share alike")
_NON_COMMERCIAL = Licence(
    training=True, redistribution=True, condition="credit; non-commercial use only", restricted=True
)
_RESEARCH = Licence(
    training=True, redistribution=False, condition="research use under the set's own terms", restricted=True
)
_SCIN = Licence(
    training=True, redistribution=True, condition="credit; keep its licence with it; never re-identify"
)
_FORBIDDEN = Licence(training=False, redistribution=False, condition="all rights reserved", restricted=True)
_NO_DERIVATIVES = Licence(
    training=False, redistribution=True, condition="no derivatives: a model may be one", restricted=True
)

_KNOWN = {
    "cc0": _FREE,
    "cc 0": _FREE,
    "pddl": _FREE,
    "public domain": _FREE,
    "mit": _CREDIT,
    "apache": _CREDIT,
    "bsd": _CREDIT,
    "cc by nc sa": _NON_COMMERCIAL,
    "cc by nc nd": _NO_DERIVATIVES,
    "cc by nc": _NON_COMMERCIAL,
    "cc by nd": _NO_DERIVATIVES,
    "cc by sa": _SHARE_ALIKE,
    "cc by": _CREDIT,
    "own": Licence(training=True, redistribution=False, condition="the user's own images"),
    "research only": _RESEARCH,
    "stanford aimi": _RESEARCH,
    "passion data public license": _RESEARCH,
    "scin": _SCIN,
    "all rights reserved": _FORBIDDEN,
    "copyright": _FORBIDDEN,
    "proprietary": _FORBIDDEN,
    "no ai": _FORBIDDEN,
}
"""Longest match first: 'CC BY-NC-ND 4.0' is not 'CC BY'. Terms: the Creative Commons deeds; the SCIN Data Use
License (read whole: section 2a grants sharing and adapting, 3a asks for credit, 3b forbids re-identification);
a page about PASSION that quotes its terms (non-commercial, no re-identification, pass on only the address)."""

_RESERVATIONS = {
    "all rights reserved": _FORBIDDEN,
    "no ai": _FORBIDDEN,
    "noai": _FORBIDDEN,
    "no derivatives": _NO_DERIVATIVES,
    "noderivatives": _NO_DERIVATIVES,
}
"""Words that take back what the licence before them grants: 'CC BY 4.0, no AI training'."""


def licence_of(text: str) -> Licence | None:
    """Return what the licence called `text` allows, or None where it is not known here.

    >>> licence_of("CC-BY-NC-4.0").condition
    'credit; non-commercial use only'
    >>> licence_of("All rights reserved").training
    False
    >>> licence_of("some new licence") is None
    True
    """
    words = re.sub(r"[\s_\-:,;()]+", " ", text.casefold()).strip()
    for reservation, licence in _RESERVATIONS.items():
        if f" {reservation} " in f" {words} ":
            return licence
    for name in sorted(_KNOWN, key=len, reverse=True):
        if words == name or words.startswith(name + " "):
            return _KNOWN[name]
    return None


def known_licences() -> list[str]:
    """Return the licence names that are understood, as they may be written in a manifest."""
    return sorted(_KNOWN)


def forbidden(licences: Iterable[str]) -> list[str]:
    """Return those of the licences that forbid training, each with its condition.

    >>> forbidden(["own", "CC-BY-4.0", "all rights reserved"])
    ["'all rights reserved' (all rights reserved)"]
    """
    known = {text: licence_of(text) for text in dict.fromkeys(licences)}
    return [f"'{text}' ({found.condition})" for text, found in known.items() if found and not found.training]
