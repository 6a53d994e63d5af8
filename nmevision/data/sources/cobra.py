"""COBRA: whole slides of skin biopsies with and without basal cell carcinoma (Geijs et al.; Radboud).

Seen: docs of github:daangeijs/cobra at e90f62d (groups, CC BY-NC-SA 4.0; its pages on structure and metadata are
empty) and the registry's text; packages/bcc/{images,annotations} and packages/ood/images in the README of a project
of the same group, .tif in a download script. The table of labels was not seen, so slides carry no label of their own:
only the package is known. Join the set's own table with `data index TABLE.csv --column diagnosis=...`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nmevision.data.sources.source import Row, Source, declare, images_below

_PACKAGES = {"bcc": "bcc package", "ood": "ood package"}


def rows(folder: Path) -> Iterator[Row]:
    """Yield a row per slide in <package>/images/."""
    for text, path in images_below(folder).items():
        if len(path.parts) > 2 and path.parts[-2] == "images" and path.parts[-3] in _PACKAGES:
            yield {
                "id": f"{path.parts[-3]}/{path.stem}",
                "path": text,
                "diagnosis": _PACKAGES[path.parts[-3]],
            }


SOURCE = declare(
    Source(
        name="cobra",
        title="COBRA: whole slides of skin biopsies with and without basal cell carcinoma",
        url="https://registry.opendata.aws/cobra",
        licence="CC-BY-NC-SA-4.0",
        citation="Geijs DJ, Dooper S, Aswolinskiy W, et al. Med Image Anal 2024;94:103063. "
        "doi:10.1016/j.media.2023.103063",
        modality="histology",
        n_images=7000,
        n_classes=2,
        layout="packages/bcc/images/<name>.tif and packages/ood/images/<name>.tif",
        checked="Folders as in a project of the same group; 'over 7,000' slides and the terms as in the registry. "
        "The citation is from memory. Labels and patients could not be confirmed: every slide stands for itself, "
        "so intervals are too narrow where a patient has several.",
        rows=rows,
        shows="nothing about NME: tumour biopsies; inflamed non-tumour biopsies may stand among its negatives",
        excluded=dict.fromkeys(
            _PACKAGES.values(),
            "tells the package, not a diagnosis; with or without a tumour is outside the question",
        ),
        access="AWS open data, CC-BY-NC-SA-4.0",
    )
)
