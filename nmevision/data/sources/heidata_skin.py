"""heiDATA skin: tiles of 12 tissues and 4 tumours of skin, of 386 cases (Kriegsmann et al. 2022).

Seen: tiles-v2.csv with `file` (data/tiles/...), `class`, `set` (Train, Validation, Test) and the 16 class names in
eight third-party loaders; tiles/<class>/<class>_ws_44_1.jpg in a listing of the layout, `.tif` in another: any
image format is taken. No tile was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    find_table,
    images_by_stem,
    read_table,
)

_SLIDE = re.compile(r"_(ws_\d+)_\d+$")
_TISSUE = "a tissue compartment, not a diagnosis"
_TUMOUR = "a tumour or mole: outside the question"
_CLASSES = {
    "nontumor_skin_chondraltissue_chondraltissue": _TISSUE,
    "nontumor_skin_dermis_dermis": _TISSUE,
    "nontumor_skin_elastosis_elastosis": _TISSUE,
    "nontumor_skin_epidermis_epidermis": _TISSUE,
    "nontumor_skin_hairfollicle_hairfollicle": _TISSUE,
    "nontumor_skin_muscle_skeletal": _TISSUE,
    "nontumor_skin_necrosis_necrosis": _TISSUE,
    "nontumor_skin_nerves_nerves": _TISSUE,
    "nontumor_skin_sebaceousglands_sebaceousglands": _TISSUE,
    "nontumor_skin_subcutis_subcutis": _TISSUE,
    "nontumor_skin_sweatglands_sweatglands": _TISSUE,
    "nontumor_skin_vessel_vessel": _TISSUE,
    "tumor_skin_epithelial_bcc": _TUMOUR,
    "tumor_skin_epithelial_sqcc": _TUMOUR,
    "tumor_skin_melanoma_melanoma": _TUMOUR,
    "tumor_skin_naevus_naevus": _TUMOUR,
}


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the table; tiles with one slide number in their name are one patient_id."""
    table = find_table(folder, "tiles-v2.csv", "data/tiles-v2.csv")
    if table is None:
        return
    images = images_by_stem(folder)
    for row in read_table(table, ("file", "class", "set")):
        name = PurePosixPath(row["file"]).stem
        slide = _SLIDE.search(name)
        yield {
            "id": name,
            "path": images.get(name, ""),
            "diagnosis": row["class"],
            "patient_id": slide[1] if slide else "",
            "native_split": row["set"],
        }


SOURCE = declare(
    Source(
        name="heidata_skin",
        title="heiDATA skin (Kriegsmann): tiles of 12 tissues and 4 tumours",
        url="https://doi.org/10.11588/data/7QCR8S",
        licence="research only",
        citation="Kriegsmann K, Lobers F, Zgorzelski C, et al. Front Oncol 2022;12:1022967. "
        "doi:10.3389/fonc.2022.1022967",
        modality="histology",
        n_images=129364,
        n_classes=16,
        layout="tiles-v2.csv and tiles/<class>/<class>_ws_<slide>_<tile>.jpg (or .tif), in data/ or beside",
        checked="Table and class names as in eight loaders. The terms on heiDATA were not read: taken as research "
        "use only. What `ws` counts is not documented: its number is taken as one patient, which may join "
        "several. Its own parts are kept in `native_split`, as whether patients cross them is not known.",
        rows=rows,
        shows="nothing about NME: tissue and tumours; normal skin compartments as negatives",
        excluded=_CLASSES,
        access="heiDATA, Heidelberg University; read its terms there",
    )
)
