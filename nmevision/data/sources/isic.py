"""ISIC Archive: dermoscopy and photographs of single lesions, each image under its own licence.

Seen: the archive's metadata columns in a data dictionary and several loaders (isic_id, copyright_license,
diagnosis_1 to _3, age_approx, sex, anatom_site_general, lesion_id, patient_id, image_type). The words in
`copyright_license` (CC-0, CC-BY, CC-BY-NC) come from earlier notes. No download was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_by_stem, read_table

_TABLE = "metadata.csv"


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the metadata table, with the licence of its image."""
    if not (folder / _TABLE).is_file():
        return
    images = images_by_stem(folder)
    for row in read_table(folder / _TABLE, ("isic_id", "copyright_license", "diagnosis_1")):
        yield {
            "id": row["isic_id"],
            "path": images.get(row["isic_id"], ""),
            "diagnosis": row.get("diagnosis_3") or row.get("diagnosis_2") or row["diagnosis_1"],
            "licence": row["copyright_license"],
            "patient_id": row.get("patient_id", "") or row.get("lesion_id", ""),
            "lesion_id": row.get("lesion_id", ""),
            "age": row.get("age_approx", ""),
            "sex": row.get("sex", ""),
            "site": row.get("anatom_site_general", ""),
            "view": row.get("image_type", ""),
            "attribution": row.get("attribution", ""),
        }


SOURCE = declare(
    Source(
        name="isic",
        title="ISIC Archive: dermoscopy and photographs of single lesions, each with its own licence",
        url="https://www.isic-archive.com",
        licence="CC-BY-NC-4.0",
        citation="ISIC Archive; for its collections see their own papers, such as doi:10.1038/sdata.2018.161",
        modality="clinical",
        n_images=500000,
        n_classes=100,
        layout=f"{_TABLE} (isic_id, copyright_license, diagnosis_1 ...) and <isic_id>.jpg in any folder below",
        checked="Column names as in third-party loaders; size and number of labels are orders of magnitude, from "
        "memory. A row without its own licence is taken as CC BY-NC. A lesion stands in for a patient where none "
        "is given.",
        rows=rows,
        shows="nothing about NME: single lesions, no rash; far outside the question",
        others="a single lesion, outside the question",
        access="each image under CC0, CC BY or CC BY-NC; the metadata say which",
    )
)
