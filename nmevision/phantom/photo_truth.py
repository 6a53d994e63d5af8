"""What is true of a synthetic photo: outline, masks and grades, and how to measure the grades again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmevision.errors import DataError
from nmevision.files import atomic_path
from nmevision.phantom.canvas import Mask, signed_depth
from nmevision.phantom.flakes import outline_length
from nmevision.phantom.noise import Map
from nmevision.phantom.photo_grades import MEASURES

PLANES = (
    "skin",
    "annular_or_polycyclic",
    "papule",
    "vesicle",
    "flaccid_bulla",
    "pustule",
    "erosion",
    "ulcer_or_necrotic_dusky_centre",
    "crust",
    "exudate",
    "scale_any",
    "scale_silvery_psoriasiform",
    "scale_greasy_yellow",
    "collarette_or_peripheral_scale",
    "brown_hyperpigmentation",
    "hypopigmentation",
    "fissure",
    "xerosis",
    "lichenification",
    "excoriation",
    "satellite_lesions",
)
"""The masks of a photo in the order of their bits: 0 to 7 in red, 8 to 15 in green, 16 to 23 in blue.
`annular_or_polycyclic` is the part that has cleared."""


@dataclass(frozen=True)
class PhotoTruth:
    """What is true of one synthetic photo.

    grades: 0 to 3 of every finding of `MEASURES`, and 3 of a site that is depicted; the others are not known.
    lesion: uint8, 128 and more inside the outline, its margin as soft as it was drawn. masks: by finding.
    redness: blood added by the eruption (% of the dermis). rise: its height (mm). field: side in mm.
    """

    diagnosis: str
    grades: dict[str, int]
    ita: float
    fitzpatrick: int
    camera: str
    site: str
    field: float
    lesion: NDArray[np.uint8]
    skin: Mask
    masks: dict[str, Mask]
    redness: Map
    rise: Map


def findings_image(truth: PhotoTruth) -> NDArray[np.uint8]:
    """Return all masks as the bits of one RGB image, as `PLANES` says."""
    bits = np.zeros(truth.skin.shape, np.uint32)
    for place, name in enumerate(PLANES):
        mask = truth.skin if name == "skin" else truth.masks.get(name)
        if mask is not None:
            bits |= mask.astype(np.uint32) << np.uint32(place)
    return np.stack([(bits >> np.uint32(8 * k)) & np.uint32(255) for k in range(3)], -1).astype(np.uint8)


def read_findings(path: Path) -> dict[str, Mask]:
    """Return the masks of a file of `findings_image` (a lossless RGB image), those that are not empty.

    Raises:
        DataError: the file cannot be read as an RGB image.
    """
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read as an image: {problem}") from None
    if mode != "RGB":
        raise DataError(
            f"{path}: expected the RGB image of finding masks of a phantom photo, found mode {mode}"
        )
    planes = {name: (pixels[..., k // 8] >> (k % 8) & 1).astype(bool) for k, name in enumerate(PLANES)}
    return {name: mask for name, mask in planes.items() if mask.any()}


def measured(truth: PhotoTruth) -> dict[str, float]:
    """Return the value of every finding of `MEASURES` measured from the masks and maps of a photo.

    Meant for photos of 256 pixels and more: below, small things touch and margins are narrower than a pixel.
    """
    none = np.zeros_like(truth.skin)
    satellites = truth.masks.get("satellite_lesions", none)
    around = cv2.dilate(satellites.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    area = (truth.lesion >= 128) & ~around
    if not area.any():
        return dict.fromkeys(MEASURES, 0.0)
    px = truth.skin.shape[0] / truth.field
    cleared = truth.masks.get("annular_or_polycyclic", none)
    values = {
        "erythema": float(truth.redness[area & ~cleared].mean()),
        "plaque": float(truth.rise[area].mean()),
        "sharp_margin": _steepness(truth.lesion, area, truth.skin, around, px),
    }
    collarette = truth.masks.get("collarette_or_peripheral_scale", none)
    values["collarette_or_peripheral_scale"] = np.count_nonzero(collarette) / px**2 / outline_length(area, px)
    for finding, measure in MEASURES.items():
        mask = truth.masks.get(finding, none)
        if measure.kind == "share":
            values[finding] = np.count_nonzero(mask & area) / np.count_nonzero(area)
        elif measure.kind == "count":
            values[finding] = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
    return {finding: float(values[finding]) for finding in MEASURES}


def measured_grades(truth: PhotoTruth) -> dict[str, int]:
    """Return the grade of every finding of `MEASURES` recomputed from the truth of a photo."""
    return {finding: MEASURES[finding].grade(value) for finding, value in measured(truth).items()}


def _steepness(lesion: NDArray[np.uint8], area: Mask, skin: Mask, ignored: Mask, px: float) -> float:
    """Return 1 / width (mm) of the lesion's margin, where it goes from a tenth to nine tenths.

    Depths spread evenly over a band of width w around the outline are w / 4 from it on average.
    """
    margin = (lesion > 25) & (lesion < 230) & skin & ~ignored
    if not margin.any():
        return px
    return 1 / max(4 * float(np.abs(signed_depth(area, px)[margin]).mean()), 1 / px)


def write_photo_truth(truth: PhotoTruth, image: Path) -> dict[str, str]:
    """Write the masks of a photo beside its image; return its columns of the manifest.

    The files are truth/ID-lesion.png (the outline, 128 and more inside) and truth/ID-findings.png (the bits
    of `PLANES`), in the folder above the image's own.
    """
    folder = image.parent.parent / "truth"
    pictures = {"lesion": truth.lesion, "findings": findings_image(truth)}
    for name, pixels in pictures.items():
        with atomic_path(folder / f"{image.stem}-{name}.png") as temporary:
            Image.fromarray(pixels).save(temporary, format="PNG", compress_level=2)
    columns = {
        "ita": f"{truth.ita:.1f}",
        "fitzpatrick": str(truth.fitzpatrick),
        "camera": truth.camera,
        "site": truth.site,
        "side_mm": f"{truth.field:.1f}",
        "field_folds": str(int(truth.site == "fold")),
    }
    findings = (*MEASURES, "site_intertriginous")
    return columns | {f"finding_{key}": str(truth.grades.get(key, "")) for key in findings}
