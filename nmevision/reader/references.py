"""The nearest reference cases on the page: what they are, from where, on which terms; pictures only where these allow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nmevision.data.sources import SOURCES, Source
from nmevision.licences import licence_of
from nmevision.manifest import Manifest
from nmevision.manifest_checks import is_phantom
from nmevision.reader.cases import plain_path
from nmevision.reader.pictures import Pictures, thumbnail_of
from nmevision.taxonomy import Taxonomy

SIDE = 144
"""Longer side of a reference's picture, pixels."""
BUDGET = 4_000_000
"""Bytes of all of them before base64; the most often named come first."""
_NO = ("false", "0", "no")


@dataclass(frozen=True)
class References:
    """A reference set, and which of it is nearest to each predicted image.

    manifest: the set's rows. nearest: id of a predicted image -> (row of `manifest`, similarity -1 to 1), the nearest
    first, one row of each patient. images, patients: how many there were to choose from. name: of the set.
    """

    manifest: Manifest
    nearest: Mapping[str, Sequence[tuple[int, float]]]
    images: int
    patients: int
    name: str


def add_references(
    data: dict[str, Any], references: References, taxonomy: Taxonomy, pictures: Pictures | None
) -> None:
    """Add to the page's data the references that it names, and to its rows which are nearest.

    pictures: takes the small pictures of those that may be passed on; None: the page shows no images.
    """
    rows = [row for row in data["rows"] if row["status"] != "error"]
    named = Counter(place for row in rows for place, _ in references.nearest.get(row["id"], ()))
    shown = [_told(references.manifest, place, taxonomy) for place, _ in named.most_common()]
    if pictures is not None:
        _draw(shown, pictures)
    number = {place: i for i, (place, _) in enumerate(named.most_common())}
    for row in rows:
        near = references.nearest.get(row["id"])
        if near is not None:
            row["nearest"] = [[number[place], round(likeness, 3)] for place, likeness in near]
    data["references"] = {
        "name": references.name,
        "images": references.images,
        "patients": references.patients,
        "list": [{key: value for key, value in one.items() if key != "path"} for one in shown],
    }


def _told(manifest: Manifest, place: int, taxonomy: Taxonomy) -> dict[str, Any]:
    """Return what the page says of one row of the reference set; `path` is for `_draw` alone."""
    row = manifest.frame.iloc[place]
    names = {diagnosis.key: diagnosis.name for diagnosis in taxonomy.diagnoses}
    known = _public_set(row["source"])
    licence = licence_of(row["licence"])
    return {
        "id": plain_path(row["id"]),
        "diagnosis": names.get(taxonomy.diagnosis_of(row["diagnosis"]) or "", row["diagnosis"]),
        "source": row["source"],
        "licence": row["licence"],
        "terms": licence.condition if licence else "",
        "citation": known.citation if known else "",
        "url": known.url if known else "",
        "phantom": is_phantom(row["phantom"]),
        "may_show": may_be_shown(row["licence"], row["redistribute_allowed"], row["source"]),
        "path": manifest.root / row["path"],
    }


def may_be_shown(licence: str, redistribute_allowed: str, source: str) -> bool:
    """Tell whether a picture may be passed on with the page: the licence says so and nothing forbids it.

    >>> may_be_shown("CC-BY-4.0", "", "mine"), may_be_shown("CC-BY-4.0", "false", "mine")
    (True, False)
    >>> may_be_shown("", "", "mine"), may_be_shown("own", "true", "mine")
    (False, True)
    """
    if redistribute_allowed.casefold() in _NO:
        return False
    known, terms = _public_set(source), licence_of(licence)
    if known is not None and not known.passing_on:
        return False
    stated = redistribute_allowed != "" and (terms is None or licence.strip().casefold() == "own")
    return stated or (terms is not None and terms.redistribution)


def _public_set(name: str) -> Source | None:
    return SOURCES.get(name) if name in SOURCES.names() else None


def _draw(shown: list[dict[str, Any]], pictures: Pictures) -> None:
    """Give the references that may be shown their small pictures while there is room."""
    left = BUDGET
    for one in shown:
        webp = thumbnail_of(one["path"], SIDE) if one["may_show"] else None
        if webp is not None and len(webp) <= left:
            left -= len(webp)
            one["picture"] = pictures.add_small(webp)
