"""PASSION: photographs of eczema, scabies, fungal disease and impetigo in Sub-Saharan Africa (Gottfrois et al. 2024).

Seen: `src/datasets/passion_dataset.py` and the notebook of github:Digital-Dermatology/PASSION-Evaluation at a15ded1
(label.csv by subject_id, PASSION_split.csv with Split = TRAIN or TEST, subject_id = letters and digits that begin
an image's name, `Others` with a capital); the four capitalised conditions in a third-party evaluation; 4,901
images of 1,653 patients and the terms on a data-set page that quotes them. No copy of the set was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    images_below,
    read_table,
    read_tables,
    skin_tone_of,
)

_LABELS, _SPLIT = "label.csv", "PASSION_split.csv"
_COLUMNS = ("subject_id", "country", "age", "sex", "fitzpatrick", "body_loc", "impetig", "conditions_PASSION")
_SUBJECT = re.compile(r"[A-Za-z]+[0-9]+")
_PARTS = {"TRAIN": "train", "VALIDATION": "val", "TEST": "test"}


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per image whose name begins with a subject of the table."""
    if not (folder / _LABELS).is_file():
        return
    if (folder / _SPLIT).is_file():
        labels, parts = read_tables({folder / _LABELS: _COLUMNS, folder / _SPLIT: ("subject_id", "Split")})
    else:
        labels, parts = read_table(folder / _LABELS, _COLUMNS), []
    subjects = {row["subject_id"]: row for row in labels}
    split_of = {row["subject_id"]: _PARTS.get(row["Split"].upper(), row["Split"]) for row in parts}
    for text, path in images_below(folder).items():
        name = _SUBJECT.match(path.stem)
        subject = subjects.get(name[0]) if name else None
        if subject is None:
            continue  # counted by index_source among the files that the set does not have
        yield {
            "id": path.stem,
            "path": text,
            "diagnosis": subject["conditions_PASSION"],
            "patient_id": subject["subject_id"],
            "split": split_of.get(subject["subject_id"], ""),
            "skin_tone": skin_tone_of(subject["fitzpatrick"]),
            "sex": subject["sex"].lower(),
            "age": subject["age"],
            "site": subject["body_loc"],
            "country": subject["country"],
            "impetiginised": "yes" if subject["impetig"] in ("1", "1.0") else "no",
        }


SOURCE = declare(
    Source(
        name="passion",
        title="PASSION: common skin disease of children in Sub-Saharan Africa",
        url="https://passionderm.github.io",
        licence="PASSION Data Public License",
        citation="Gottfrois P, Groger F, Andriambololoniaina FH, et al. MICCAI 2024. "
        "doi:10.1007/978-3-031-72384-1_66",
        modality="clinical",
        n_images=4901,
        n_classes=4,
        layout=f"{_LABELS} (subject_id ... conditions_PASSION), {_SPLIT} and images that begin with the subject_id",
        checked="File names, columns and parts as in the authors' code; capitals of three conditions in "
        "third-party code. Its terms as quoted on another page: non-commercial, with credit, never re-identify, "
        "pass on only the address. How sex and age are written was not seen: they are carried as they come.",
        rows=rows,
        shows="eczema on dark skin, by patient: specificity where other sets have few images; no NME",
        labels={"Eczema": "eczema"},
        excluded={
            "Fungal": "tinea, candidiasis and Malassezia under one word",
            "Scabies": "outside the question",
            "Others": "holds many diseases under one word",
        },
        access="a form that a committee answers; non-commercial",
    )
)
