"""Fitzpatrick17k-C: Fitzpatrick17k without its duplicates and outliers, in fixed parts (Abhishek et al. 2025).

Seen: `Fitzpatrick17k_Analysis/README.md`, the root README.md (terms) and the first and last pages of one split
table in github:kakumarabhishek/Corrected-Skin-Image-Datasets at d15d70d: the columns below; the parts train,
valid and test. That README names `SimThresh_..._FC_T_KeepOne_...csv` as Fitzpatrick17k-C; its neighbour with
`FC_T_All` is another, smaller set and is not read here. The name on Zenodo was seen in third-party notes only.

The labels are the original ones: cleaning removed images, it relabelled none. The rows that Fitzpatrick17k's
own url column contradicts are set aside here as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.fitzpatrick17k import LABELS, OTHERS, row_of
from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    find_table,
    images_by_stem,
    read_table,
    skin_tone_of,
)

_TABLES = (
    "Fitzpatrick17k-C.csv",
    "SimThresh_T_A2_T_0.99_0.70_FC_T_KeepOne_Out_T_OutThresh_None_0FST_F.csv",
)
_COLUMNS = ("md5hash", "fitzpatrick", "label", "qc", "url", "partition")
_PARTS = {"train": "train", "valid": "val", "test": "test"}


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the table; images are found by their MD5 name, anywhere below the folder."""
    table = find_table(folder, *_TABLES)
    if table is None:
        return
    images = images_by_stem(folder)
    for row in read_table(table, _COLUMNS):
        yield row_of(row, images) | {
            "skin_tone": skin_tone_of(row["fitzpatrick"]),
            "split": _PARTS.get(row["partition"], row["partition"]),
        }


SOURCE = declare(
    Source(
        name="fitzpatrick17k_c",
        title="Fitzpatrick17k-C: Fitzpatrick17k without duplicates and outliers, in train, val and test",
        url="https://doi.org/10.5281/zenodo.11101337",
        licence="CC-BY-NC-SA-3.0",
        citation="Abhishek K, Jain A, Hamarneh G. Sci Data 2025;12:196. doi:10.1038/s41597-025-04382-5",
        modality="clinical",
        n_images=11394,
        n_classes=114,
        layout=f"{_TABLES[0]} (or {_TABLES[1]}) and <md5hash>.jpg of Fitzpatrick17k in the same folder or below",
        checked="Columns and the words of `partition` read in the repository. The number of images is from "
        "memory and was not confirmed; the table itself was not stored where it was looked for. The tables "
        "are CC BY-NC 4.0, the images keep the stricter terms of Fitzpatrick17k. Patients are not published.",
        rows=rows,
        shows="as fitzpatrick17k, without images that stand in two parts; its labels are the same, so are "
        "their faults",
        labels=LABELS,
        others=OTHERS,
        passing_on=False,
        access="tables CC-BY-NC-4.0; the images from the authors of Fitzpatrick17k",
    )
)
