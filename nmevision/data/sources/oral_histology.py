"""Oral squamous epithelium, H&E: normal and carcinoma (Rahman et al. 2020). A software check, not skin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below

_NAME = re.compile(r"(?P<label>Normal|OSCC)_(?P<magnification>\d+x)_(?P<number>\d+)")


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per image whose name and folder agree; augmented copies (`aug_...`) have no such name.

    The 100x and 400x images of one number are one patient_id, so that they never stand in two splits.
    """
    for text, path in images_below(folder).items():
        name = _NAME.fullmatch(path.stem)
        if name and path.parent.name == name["label"]:
            yield {
                "id": path.stem,
                "path": text,
                "diagnosis": name["label"],
                "patient_id": f"{name['label']}-{name['number']}",
                "magnification": name["magnification"],
            }


SOURCE = declare(
    Source(
        name="oral_histology",
        title="H&E of normal oral epithelium and oral squamous cell carcinoma, 100x and 400x",
        url="https://doi.org/10.17632/ftmp4cvtmb.2",
        licence="CC-BY-4.0",
        citation="Rahman TY, Mahanta LB, Das AK, Sarma JD. Data in Brief 2020;29:105114. "
        "doi:10.1016/j.dib.2020.105114",
        modality="histology",
        n_images=1224,
        n_classes=2,
        layout="Normal/Normal_100x_12.jpg and OSCC/OSCC_400x_3.jpg, at any depth",
        checked="Layout seen on a resized copy of 1,194 images. 1,224 images of 230 patients: the paper's "
        "abstract. Which patient an image comes from is not published: a number stands in for one, so "
        "intervals resampled by it are too narrow. Licence: a survey of the field says CC BY 4.0 for the "
        "original, a mirror says CC0; the stricter is taken, the publisher's page was not seen. Micrometres "
        "per pixel are not published.",
        rows=rows,
        shows="nothing about NME: mouth, not skin; a check that the software learns from real histology",
        others="mouth, not skin; configs/taxonomies/oral-squamous.yaml reads these labels",
    )
)
