"""Derm7pt: a clinical and a dermoscopic photograph of each of 1,011 lesions (Kawahara et al. 2019).

Seen: README.md and `derm7pt/dataset.py` of github:jeremykawahara/derm7pt at 2716174 (meta/meta.csv, the three index
files with their column `indexes`, `clinic` and `derm`, all diagnosis spellings); the table's full header in a
third-party loader. `indexes` count the rows of meta.csv from 0. No copy of the set was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below, read_tables

_META = "meta/meta.csv"
_PARTS = {"train": "meta/train_indexes.csv", "val": "meta/valid_indexes.csv", "test": "meta/test_indexes.csv"}
_LABELS = (
    "basal cell carcinoma",
    "blue nevus",
    "clark nevus",
    "combined nevus",
    "congenital nevus",
    "dermal nevus",
    "dermatofibroma",
    "lentigo",
    "melanoma",
    "melanoma (in situ)",
    "melanoma (less than 0.76 mm)",
    "melanoma (0.76 to 1.5 mm)",
    "melanoma (more than 1.5 mm)",
    "melanoma metastasis",
    "melanosis",
    "miscellaneous",
    "recurrent nevus",
    "reed or spitz nevus",
    "seborrheic keratosis",
    "vascular lesion",
)


def rows(folder: Path) -> Iterator[Row]:
    """Yield two rows per case, its clinical photograph and its dermoscopy; both are one patient_id."""
    paths = [folder / _META, *(folder / name for name in _PARTS.values())]
    if not all(path.is_file() for path in paths):
        return
    needed = ("case_num", "diagnosis", "clinic", "derm", "sex", "location")
    cases, *parts = read_tables({paths[0]: needed, **dict.fromkeys(paths[1:], ("indexes",))})
    split_of = {row["indexes"]: name for name, part in zip(_PARTS, parts, strict=True) for row in part}
    images = images_below(folder / "images") if (folder / "images").is_dir() else {}
    by_lower = {text.lower(): f"images/{text}" for text in images}
    for number, case in enumerate(cases):
        for view in ("clinic", "derm"):
            yield {
                "id": f"{case['case_num']}-{view}",
                "path": by_lower.get(case[view].lower(), ""),
                "diagnosis": case["diagnosis"],
                "patient_id": case["case_num"],
                "split": split_of.get(str(number), ""),
                "view": view,
                "sex": case["sex"],
                "site": case["location"],
            }


SOURCE = declare(
    Source(
        name="derm7pt",
        title="Derm7pt: clinical and dermoscopic photographs of pigmented lesions, in pairs",
        url="https://derm.cs.sfu.ca",
        licence="research only",
        citation="Kawahara J, Daneshvar S, Argenziano G, Hamarneh G. IEEE J Biomed Health Inform "
        "2019;23:538-546. doi:10.1109/JBHI.2018.2824327",
        modality="clinical",
        n_images=2022,
        n_classes=20,
        layout=f"{_META}, {', '.join(_PARTS.values())} and images/<folder>/<name>.jpg (release_v0)",
        checked="Columns, labels and parts as in the authors' code. Its terms were not read: taken as research "
        "use only. 1,011 cases is from memory; a case stands in for a patient. File names in the table and on "
        "disk may differ in case.",
        rows=rows,
        shows="nothing about NME: moles and tumours, no rash; outside the question",
        excluded=dict.fromkeys(_LABELS, "a mole or tumour: outside the question"),
        access="the authors' form; research use",
    )
)
