"""The public sets in words: terms, what can be used of them, what they can show about NME."""

from __future__ import annotations

from nmevision.data.sources.source import SOURCES, Source
from nmevision.licences import licence_of


def describe_sources() -> str:
    """Return every set with its terms, n per mapped diagnosis and what it can show, a paragraph each."""
    return "\n\n".join("\n".join(_lines(SOURCES.get(name))) for name in SOURCES.names())


def describe_terms(source: Source) -> str:
    """Return a set's licence with what it allows.

    >>> describe_terms(SOURCES.get("pad_ufes_20"))
    'CC-BY-4.0: training yes, passing on yes (credit the authors)'
    """
    licence = licence_of(source.licence)
    if licence is None:
        return f"{source.licence}: not known here"
    words = {True: "yes", False: "no"}
    passing_on = words[licence.redistribution and source.passing_on]
    asks = "; needs --allow-nc" if licence.restricted else ""
    return (
        f"{source.licence}: training {words[licence.training]}, passing on {passing_on} "
        f"({licence.condition or 'no condition'}{asks})"
    )


def _lines(source: Source) -> list[str]:
    """Return the lines about one set."""
    return [
        f"{source.name}: {source.title}",
        f"  {source.modality}, {source.n_images:,} images, {source.n_classes:,} labels",
        f"  terms: {describe_terms(source)}",
        f"  usable: {_usable(source)}",
        f"  about NME: {source.shows}",
        f"  get it: {source.where}",
    ]


def _usable(source: Source) -> str:
    """Return n per mapped diagnosis where it is documented, else the diagnoses."""
    if source.counts:
        counted = ", ".join(f"{key} {count:,}" for key, count in source.counts.items())
        return f"{counted} ({source.unit})"
    keys = dict.fromkeys(source.labels.values())
    return f"{', '.join(keys)} (n not documented)" if keys else "none of the diagnoses"
