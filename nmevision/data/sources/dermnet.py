"""Dermnet: 23 folders of photographs from a web atlas, as copied to Kaggle (shubhamgoel27/dermnet).

Seen: the 23 folder names in eight public programs that use the copy; train/ and test/. No folder was seen. The atlas
is not DermNet NZ. Its photographs are the atlas owner's; a copy on Kaggle grants nothing, so they may not train
a model here. They may be looked at and evaluated on where their owner, or the law, permits it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below

_PARTS = {"train", "test"}
_MIXED = "holds several diseases under one name"
_OUTSIDE = "outside the question"


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per image in train/<class>/ or test/<class>/."""
    for text, path in images_below(folder).items():
        if len(path.parts) > 2 and path.parts[0] in _PARTS:
            yield {"id": text, "path": text, "diagnosis": path.parts[1], "native_split": path.parts[0]}


SOURCE = declare(
    Source(
        name="dermnet",
        title="Dermnet: 23 folders of photographs from a web atlas (copy on Kaggle)",
        url="https://www.kaggle.com/datasets/shubhamgoel27/dermnet",
        licence="all rights reserved (Dermnet)",
        citation="no paper describes the atlas or the copy; name the address",
        modality="clinical",
        n_images=19500,
        n_classes=23,
        layout="train/<class>/<name>.jpg and test/<class>/<name>.jpg, with the 23 class names of the copy",
        checked="Folder names confirmed by eight programs; the number of images is approximate, as the copy's "
        "page gives it. Most folders mix diseases. Patients are not published and the copy's parts share "
        "patients: its train/test is kept in `native_split` only. An overlap with Fitzpatrick17k is possible "
        "and unmeasured.",
        rows=rows,
        shows="eczema against everything else, with atlas photographs; `Systemic Disease` may hold NME, unlabelled",
        labels={"Eczema Photos": "eczema", "Atopic Dermatitis Photos": "eczema"},
        excluded={
            "Psoriasis pictures Lichen Planus and related diseases": _MIXED,
            "Poison Ivy Photos and other Contact Dermatitis": _MIXED,
            "Lupus and other Connective Tissue diseases": _MIXED,
            "Tinea Ringworm Candidiasis and other Fungal Infections": _MIXED,
            "Bullous Disease Photos": _MIXED,
            "Exanthems and Drug Eruptions": _MIXED,
            "Systemic Disease": "holds many diseases; may hold NME, unlabelled",
            "Cellulitis Impetigo and other Bacterial Infections": _MIXED,
            "Acne and Rosacea Photos": _OUTSIDE,
            "Actinic Keratosis Basal Cell Carcinoma and other Malignant Lesions": _OUTSIDE,
            "Hair Loss Photos Alopecia and other Hair Diseases": _OUTSIDE,
            "Herpes HPV and other STDs Photos": _OUTSIDE,
            "Light Diseases and Disorders of Pigmentation": _OUTSIDE,
            "Melanoma Skin Cancer Nevi and Moles": _OUTSIDE,
            "Nail Fungus and other Nail Disease": _OUTSIDE,
            "Scabies Lyme Disease and other Infestations and Bites": _OUTSIDE,
            "Seborrheic Keratoses and other Benign Tumors": _OUTSIDE,
            "Urticaria Hives": _OUTSIDE,
            "Vascular Tumors": _OUTSIDE,
            "Vasculitis Photos": _OUTSIDE,
            "Warts Molluscum and other Viral Infections": _OUTSIDE,
        },
        access="the atlas owner's copyright: no training, no passing on",
    )
)
