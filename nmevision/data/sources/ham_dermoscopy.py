"""A few dermoscopy images of HAM10000 with the label in the file name. A software check, not a rash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.ham10000 import EXCLUDED
from nmevision.data.sources.source import Row, Source, declare, images_below

_NAME = re.compile(r"(?P<label>akiec|bcc|bkl|df|mel|nv|vasc)___(?P<image>ISIC_\d{7})(_\d+)*")


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per image named `<label>___ISIC_<number>_<copy>`; copies of one image are one patient_id."""
    for text, path in images_below(folder).items():
        if name := _NAME.fullmatch(path.stem):
            yield {
                "id": path.stem,
                "path": text,
                "diagnosis": name["label"],
                "patient_id": name["image"],
            }


SOURCE = declare(
    Source(
        name="ham_dermoscopy",
        title="140 dermoscopy images of HAM10000, 7 kinds of pigmented lesion x 20",
        url="https://github.com/atlan-antillia/EfficientNet-Skin-Cancer",
        licence="CC-BY-NC-4.0",
        citation="Tschandl P, Rosendahl C, Kittler H. Sci Data 2018;5:180161. doi:10.1038/sdata.2018.161",
        modality="clinical",
        n_images=140,
        n_classes=7,
        layout="mel___ISIC_0030060_108.jpg, at any depth",
        checked="Layout and counts seen on a copy. The names of the 20 df images carry two more numbers "
        "(ISIC_0031372_0_6782): the repository resampled that rare class, and four ISIC images appear twice. "
        "Lesions and patients are not in the names: two ISIC images of one lesion cannot be told. Licence: "
        "that of HAM10000.",
        rows=rows,
        shows="nothing about NME: no rash; far outside the question, to see whether a model keeps silent",
        excluded=EXCLUDED,
    )
)
