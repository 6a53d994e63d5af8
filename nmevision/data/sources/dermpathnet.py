"""DermpathNet: figures of open articles that show skin histology, sorted by diagnosis (2024).

Seen: docs/download-page.html of github:bionlplab/DermpathNet at 3468244 (166 categories, 7,772 images, terms) and
the tree: derm/images/<diagnosis>/<PMCID>-<figure>.jpg, docs/image_filtered/<diagnosis>/..., and a page per image
under docs/image_filtered/Webpages_for_image. The archive on Zenodo was not seen.

All figures of one article are one patient_id. Figures are cut from print: labels, arrows and several panels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below

_NAME = re.compile(r"(?P<article>PMC\d+)-(?P<figure>.+)")


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per image named <PMCID>-<figure>; its folder's name is its label."""
    for text, path in images_below(folder).items():
        name = _NAME.fullmatch(path.stem)
        if name and len(path.parts) > 1:
            yield {
                "id": f"{path.parent.name}/{path.stem}",
                "path": text,
                "diagnosis": path.parent.name,
                "patient_id": name["article"],
                "publication": name["article"],
            }


SOURCE = declare(
    Source(
        name="dermpathnet",
        title="DermpathNet: figures of skin histology from open articles, 166 diagnoses",
        url="https://doi.org/10.5281/zenodo.17288670",
        licence="research only",
        citation="DermpathNet, Weill Cornell Medicine and New York University. doi:10.5281/zenodo.17288670",
        modality="histology",
        n_images=7772,
        n_classes=166,
        layout="<diagnosis>/<PMCID>-<figure>.jpg, at any depth",
        checked="Counts, terms (non-commercial research and teaching; colleagues who agree to them) and file names "
        "as in the repository. Each figure also has its article's own licence, which is not recorded there. A "
        "figure may stand under two diagnoses.",
        rows=rows,
        shows="mostly tumours; no NME among its 166 diagnoses; figures of print as an odd input",
        others="another of its 166 diagnoses, mostly tumours",
        access="non-commercial research, under the terms on its download page",
    )
)
