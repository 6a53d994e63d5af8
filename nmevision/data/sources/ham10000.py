"""HAM10000 as published: dermoscopy of pigmented lesions (Tschandl et al. 2018). A software check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_by_stem, read_table

_TABLE = "HAM10000_metadata.csv"
EXCLUDED = dict.fromkeys(
    ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"),
    "a pigmented lesion under the dermatoscope, not a rash; configs/taxonomies/ham10000.yaml reads it",
)


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the metadata table; all images of one lesion are one patient_id."""
    images = images_by_stem(folder)
    if not (folder / _TABLE).is_file():
        return
    for row in read_table(folder / _TABLE, ("lesion_id", "image_id", "dx")):
        yield {
            "id": row["image_id"],
            "path": images.get(row["image_id"], ""),
            "diagnosis": row["dx"],
            "patient_id": row["lesion_id"],
            "lesion_id": row["lesion_id"],
            "age": row.get("age", ""),
            "sex": row.get("sex", ""),
            "site": row.get("localization", ""),
        }


SOURCE = declare(
    Source(
        name="ham10000",
        title="HAM10000: dermoscopy of 7 kinds of pigmented lesion",
        url="https://doi.org/10.7910/DVN/DBW86T",
        licence="CC-BY-NC-4.0",
        citation="Tschandl P, Rosendahl C, Kittler H. Sci Data 2018;5:180161. doi:10.1038/sdata.2018.161",
        modality="clinical",
        n_images=10015,
        n_classes=7,
        layout=f"{_TABLE} (lesion_id, image_id, dx ...) and <image_id>.jpg, in HAM10000_images_part_1 and "
        "_part_2 or in any folder below",
        checked="Column and folder names read in several public loaders; no copy of the set was seen. "
        "Patients are not published: a lesion stands in for one.",
        rows=rows,
        shows="nothing about NME: no rash; far outside the question, to see whether a model keeps silent",
        excluded=EXCLUDED,
    )
)
