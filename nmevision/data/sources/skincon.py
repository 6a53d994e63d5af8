"""SkinCon: 48 findings marked on images of Fitzpatrick17k and DDI (Daneshjou et al. 2022).

Seen: annotations_fitzpatrick17k.csv and annotations_ddi.csv at skincon-dataset.github.io (third-party downloaders);
a nameless first column, `ImageID` = file name, a 0/1 column per finding, `Do not consider this image` (several
loaders, one of which writes a copy of the header). No table was seen; the number of images is from memory.

SkinCon marks presence only. Present becomes grade 2 (PRESENT), absent 0. Only concepts that mean the same as one
of our findings are taken; these are not: Bulla (ours is flaccid), Ulcer, Purple and Black (ours is an ulcer or a
dusky centre), Yellow (ours is greasy scale), Salmon (a colour of scale, plaque or patch), Flat topped (ours is
polygonal as well).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nmevision.data.sources import ddi, fitzpatrick17k
from nmevision.data.sources.source import LEFT_OUT, Row, Source, declare, images_by_stem, read_tables
from nmevision.manifest_checks import FINDING_PREFIX

PRESENT = "2"
"""The grade of a finding that SkinCon marks as present: the middle of 1 to 3, as it tells no degree."""

CONCEPTS = {
    "Erythema": "erythema",
    "Plaque": "plaque",
    "Papule": "papule",
    "Vesicle": "vesicle",
    "Pustule": "pustule",
    "Erosion": "erosion",
    "Crust": "crust",
    "Exudate": "exudate",
    "Scale": "scale_any",
    "Brown(Hyperpigmentation)": "brown_hyperpigmentation",
    "White(Hypopigmentation)": "hypopigmentation",
    "Fissure": "fissure",
    "Xerosis": "xerosis",
    "Lichenification": "lichenification",
    "Excoriation": "excoriation",
}
"""SkinCon's concept -> finding of nmevision."""

_TABLES = {"annotations_fitzpatrick17k.csv": fitzpatrick17k, "annotations_ddi.csv": ddi}
_SKIP = "Do not consider this image"
_GRADES = {"0": "0", "0.0": "0", "1": PRESENT, "1.0": PRESENT, "": ""}


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per marked image; what the image's own set says stands in it where its table is beside."""
    tables = [name for name in _TABLES if (folder / name).is_file()]
    if not tables:
        return
    images = images_by_stem(folder)
    needed = ("ImageID", _SKIP, *CONCEPTS)
    marked = read_tables({folder / name: needed for name in tables})
    for name, marks in zip(tables, marked, strict=True):
        known = {row["id"]: row for row in _TABLES[name].rows(folder)}
        for mark in marks:
            identity = PurePosixPath(mark["ImageID"]).stem
            row = known.get(identity, {"diagnosis": ""}) | {
                "id": identity,
                "path": images.get(identity, ""),
                "image_set": _TABLES[name].SOURCE.name,
                "licence": _TABLES[name].SOURCE.licence,
            }
            if mark[_SKIP] in ("1", "1.0"):
                yield row | {LEFT_OUT: f"marked '{_SKIP}'"}
            else:
                yield row | _findings(mark)


def _findings(mark: Row) -> Row:
    """Return the finding columns of one line; a cell that is neither 0 nor 1 is left as it is, to be refused."""
    return {
        FINDING_PREFIX + finding: _GRADES.get(mark[concept], mark[concept])
        for concept, finding in CONCEPTS.items()
    }


SOURCE = declare(
    Source(
        name="skincon",
        title="SkinCon: findings marked on photographs of Fitzpatrick17k and DDI",
        url="https://skincon-dataset.github.io",
        licence="CC-BY-NC-SA-3.0",
        citation="Daneshjou R, Yuksekgonul M, Cai ZR, et al. NeurIPS Datasets and Benchmarks 2022. "
        "arXiv:2302.00785",
        modality="clinical",
        n_images=3886,
        n_classes=48,
        layout="annotations_fitzpatrick17k.csv and/or annotations_ddi.csv, the images of these sets in any folder "
        "below and, for diagnoses, their tables fitzpatrick17k.csv and ddi_metadata.csv",
        checked="Names and header as in third-party loaders. 3,230 + 656 images is from memory. Each image keeps "
        "the terms of its own set.",
        rows=rows,
        shows="whether findings are graded as dermatologists mark them; nothing about NME as a diagnosis",
        labels=dict(fitzpatrick17k.LABELS) | dict(ddi.SOURCE.labels),
        others=fitzpatrick17k.OTHERS,
        passing_on=False,
        access="free tables; the images from Fitzpatrick17k and DDI on their terms",
    )
)
