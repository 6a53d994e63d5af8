"""SPIDER-skin: patches of skin at 20x in 24 tissue and tumour classes, parted by slide (Nechaev et al. 2025).

Seen: README.md of github:HistAI/SPIDER at 02b2c67 (224 px patches, context, CC BY-NC 4.0, tar parts); metadata.json
with slide_id, image_name, context_info, class and split, beside a flat images/ (a third-party loader); the 24 class
names in LazySlide's source, one of them spelt Mercel. No patch was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nmevision.data.sources.source import (
    Row,
    Source,
    declare,
    find_table,
    images_by_stem,
    read_records,
)

_TISSUE = "a tissue compartment, not a diagnosis"
_TUMOUR = "a tumour: outside the question"
_NAMES = {
    _TISSUE: (
        "Apocrine glands", "Collagen", "Epidermis", "Fat", "Follicle", "Inflammation", "Keratin", "Muscle",
        "Necrosis", "Nerves", "Sebaceous gland", "Solar elastosis", "Vessels",
    ),
    _TUMOUR: (
        "Actinic keratosis", "Basal cell carcinoma", "Carcinoma in situ", "Invasive melanoma", "Kaposi’s sarcoma",
        "Melanoma in situ", "Mercel cell carcinoma", "Nevus", "Seborrheic keratosis", "Squamous cell carcinoma",
        "Wart",
    ),
}  # fmt: skip


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per labelled patch; patches of one slide are one patient_id. Context patches have no row."""
    table = find_table(folder, "metadata.json", "SPIDER-skin/metadata.json", "spider-skin/metadata.json")
    if table is None:
        return
    images = images_by_stem(folder)
    for record in read_records(table, ("slide_id", "image_name", "class", "split")):
        name = PurePosixPath(str(record["image_name"])).stem
        yield {
            "id": name,
            "path": images.get(name, ""),
            "diagnosis": str(record["class"]),
            "patient_id": str(record["slide_id"]),
            "split": str(record["split"]),
            "magnification": "20x",
        }


SOURCE = declare(
    Source(
        name="spider_skin",
        title="SPIDER-skin: patches of skin at 20x in 24 tissue and tumour classes",
        url="https://huggingface.co/datasets/histai/SPIDER-skin",
        licence="CC-BY-NC-4.0",
        citation="Nechaev D, Pchelnikov A, Ivanova E. SPIDER: a comprehensive multi-organ supervised pathology "
        "dataset. 2025. arXiv:2503.02876",
        modality="histology",
        n_images=159854,
        n_classes=24,
        layout="metadata.json and images/<name>.png, as spider-skin.tar.* unpacks",
        checked="Layout, fields and class names as in third-party code; the number of patches and the paper's "
        "arXiv number are from memory. A slide stands in for a patient: two slides of one patient cannot be told. "
        "Micrometres per pixel are not published beyond '20x'.",
        rows=rows,
        shows="nothing about NME: tissue and tumours; normal epidermis and inflammation as negatives",
        excluded={name: reason for reason, names in _NAMES.items() for name in names},
        access="CC-BY-NC-4.0, research only, after accepting its terms on the page",
    )
)
