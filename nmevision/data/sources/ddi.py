"""DDI: 656 biopsy-proven clinical photographs in three groups of skin type (Daneshjou et al. 2022).

Seen: `ddi_dataset.py` and README.md of github:DDI-Dataset/DDI-Code at 864d146 (ddi_metadata.csv with DDI_file,
skin_tone 12/34/56 and malignant; images/000001.png). The column `disease` and its spellings were read in several
third-party loaders that list them; neither the table nor an image was seen.
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

_TABLE = "ddi_metadata.csv"


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per line of the metadata table."""
    if not (folder / _TABLE).is_file():
        return
    images = images_by_stem(folder)
    for row in read_table(folder / _TABLE, ("DDI_file", "skin_tone", "disease")):
        name = PurePosixPath(row["DDI_file"]).stem
        yield {
            "id": name,
            "path": images.get(name, ""),
            "diagnosis": row["disease"],
            "skin_tone": skin_tone_of(row["skin_tone"]),
        }


SOURCE = declare(
    Source(
        name="ddi",
        title="DDI (Diverse Dermatology Images): biopsied lesions by skin type",
        url="https://ddi-dataset.github.io",
        licence="Stanford AIMI research use agreement",
        citation="Daneshjou R, Vodrahalli K, Novoa RA, et al. Sci Adv 2022;8:eabq6147. "
        "doi:10.1126/sciadv.abq6147",
        modality="clinical",
        n_images=656,
        n_classes=78,
        layout=f"{_TABLE} (DDI_file, skin_tone, malignant, disease) and images/000001.png",
        checked="File names and columns as in the authors' loader; `disease`, its spellings and the number of "
        "classes as in third-party loaders. The agreement was not read: taken as research use only, not to be "
        "passed on. Patients are not published: several images of one patient cannot be told.",
        rows=rows,
        shows="almost nothing about NME: mostly tumours; whether a model stays silent alike on light and dark skin",
        labels={"eczema-spongiotic-dermatitis": "eczema", "tinea-pedis": "tinea"},
        others="a tumour or another biopsied condition, outside the question",
        access="Stanford AIMI, after an account and its research use agreement",
    )
)
