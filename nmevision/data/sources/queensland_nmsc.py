"""Queensland NMSC: sections of three keratinocyte cancers with masks of 12 tissues (Thomas et al. 2021).

Seen: data/<1x|2x|5x|10x>/Images and Masks, MarginData and the mask colours in a third-party README; the colours in
four programs, one of which names the authors' own (github:smthomas-sci/SkinCancerSegmentation) as its source. That
a file's name begins with BCC, SCC or IEC was not confirmed: an image whose name has none of them has no label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below

_MAGNIFICATIONS = ("1x", "2x", "5x", "10x")
_LABEL = re.compile(r"(?:^|[^A-Za-z])(BCC|SCC|IEC)(?:[^A-Za-z]|$)")
MASK_COLOURS = {
    "epidermis": (73, 0, 106),
    "glands": (108, 0, 115),
    "inflammation": (145, 1, 122),
    "reticular dermis": (181, 9, 130),
    "hair follicles": (216, 47, 148),
    "papillary dermis": (236, 85, 157),
    "hypodermis": (254, 246, 242),
    "keratin": (248, 123, 168),
    "background": (0, 0, 0),
    "basal cell carcinoma": (127, 255, 255),
    "squamous cell carcinoma": (127, 255, 142),
    "intraepidermal carcinoma": (255, 127, 127),
}
"""Tissue -> its RGB in the masks."""


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per section and magnification; all magnifications of a section are one patient_id."""
    images = images_below(folder)
    masks = {
        (p.parts[-3], p.stem): t
        for t, p in images.items()
        if p.parts[-2:-1] == ("Masks",) and len(p.parts) > 2
    }
    for text, path in images.items():
        if len(path.parts) < 3 or path.parts[-2] != "Images" or path.parts[-3] not in _MAGNIFICATIONS:
            continue
        label = _LABEL.search(path.stem)
        yield {
            "id": f"{path.parts[-3]}-{path.stem}",
            "path": text,
            "diagnosis": label[1] if label else "",
            "patient_id": path.stem,
            "magnification": path.parts[-3],
            "mask": masks.get((path.parts[-3], path.stem), ""),
        }


SOURCE = declare(
    Source(
        name="queensland_nmsc",
        title="Queensland NMSC: sections of keratinocyte cancer with masks of 12 tissues",
        url="https://doi.org/10.14264/8be4bd0",
        licence="research only",
        citation="Thomas SM, Lefevre JG, Baxter G, Hamilton NA. Data in Brief 2021;39:107587. "
        "doi:10.1016/j.dib.2021.107587",
        modality="histology",
        n_images=1160,
        n_classes=3,
        layout="data/10x/Images/<name>.tif with data/10x/Masks/<name>.png, and so for 1x, 2x and 5x",
        checked="Layout and colours as in third-party code: 290 sections at four magnifications. The University's "
        "own terms were not read: taken as research use only. Patients are not published: a section stands in for "
        "one. Micrometres per pixel are not in the files' names.",
        rows=rows,
        shows="nothing about NME; pixel truth of epidermis and keratin, to see whether a heat map looks there",
        excluded=dict.fromkeys(("BCC", "SCC", "IEC"), "a tumour: outside the question"),
        access="UQ eSpace, in a browser, under the University's terms",
    )
)
