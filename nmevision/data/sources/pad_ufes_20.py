"""PAD-UFES-20: smartphone photographs of six kinds of skin lesion, with patients (Pacheco et al. 2020).

Seen: the table's header with a row of it, and patient_id `PAT_46`, image `PAT_46_881_14.png` (a third-party
prediction script); imgs_part_1 to imgs_part_3 and metadata.csv (several loaders); 2,298 samples and CC BY 4.0
(github:Med-AI-Lab/polygon, PadUfes20.md, quoting the Mendeley page). The spellings `fitspatrick` and `biopsed`
are the set's own. No copy of the set was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    images_by_stem,
    read_table,
    skin_tone_of,
)

_TABLE = "metadata.csv"
_COLUMNS = (
    "patient_id",
    "lesion_id",
    "img_id",
    "diagnostic",
    "fitspatrick",
    "region",
    "age",
    "gender",
    "biopsed",
)


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the metadata table."""
    if not (folder / _TABLE).is_file():
        return
    images = images_by_stem(folder)
    for row in read_table(folder / _TABLE, _COLUMNS):
        name = PurePosixPath(row["img_id"]).stem
        yield {
            "id": name,
            "path": images.get(name, ""),
            "diagnosis": row["diagnostic"],
            "patient_id": row["patient_id"],
            "lesion_id": f"{row['patient_id']}-{row['lesion_id']}" if row["lesion_id"] else "",
            "skin_tone": skin_tone_of(row["fitspatrick"]),
            "sex": row["gender"].lower(),
            "age": row["age"],
            "site": row["region"].lower(),
            "biopsied": row["biopsed"].lower(),
        }


SOURCE = declare(
    Source(
        name="pad_ufes_20",
        title="PAD-UFES-20: smartphone photographs of six kinds of skin lesion",
        url="https://doi.org/10.17632/zr7vgbcyr2.1",
        licence="CC-BY-4.0",
        citation="Pacheco AGC, Lima GR, Salomao AS, et al. Data in Brief 2020;32:106221. "
        "doi:10.1016/j.dib.2020.106221",
        modality="clinical",
        n_images=2298,
        n_classes=6,
        layout=f"{_TABLE} (patient_id, lesion_id, img_id, diagnostic ...) and PAT_46_881_14.png in imgs_part_1 "
        "to imgs_part_3 or in any folder below",
        checked="Header, names and terms as in third-party loaders and a page that quotes the publisher. The "
        "tumours are biopsied, the other lesions are an opinion. SCC holds Bowen's disease too.",
        rows=rows,
        shows="nothing about NME: single lesions, no rash; outside the question, by skin type and by patient",
        excluded=dict.fromkeys(
            ("ACK", "BCC", "MEL", "NEV", "SCC", "SEK"), "a tumour, mole or keratosis: outside the question"
        ),
    )
)
