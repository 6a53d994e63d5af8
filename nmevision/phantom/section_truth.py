"""What is true of a synthetic H&E field: label map, masks, nuclei; kept beside the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmevision.errors import DataError
from nmevision.files import atomic_path
from nmevision.phantom.sheet import CELLS, LABELS, Sheet
from nmevision.phantom.window import Mask, Points

LAYERS = ("epidermis", "upper_epidermis", "papillary_dermis", "upper_dermis")
"""Masks of layers that findings are measured against; in the file they are called layer_NAME."""
_COLOURS = (
    (255, 255, 255), (230, 150, 190), (70, 30, 120), (170, 120, 200), (110, 70, 170), (250, 190, 200),
    (220, 30, 40), (30, 40, 150), (240, 220, 40), (200, 240, 250), (170, 40, 90), (200, 210, 160),
    (150, 90, 60), (60, 40, 20), (240, 200, 120), (90, 160, 140), (250, 245, 220),
)  # fmt: skip


@dataclass(frozen=True)
class SectionTruth:
    """What is true of one field.

    label: numbers of `sheet.LABELS` (uint8). masks: of every finding, and layer_NAME, artefact_NAME.
    cells: pixels x, y (float32, N x 2) of the nuclei by kind of `sheet.CELLS`. mpp: micrometres per pixel.
    """

    label: NDArray[np.uint8]
    masks: dict[str, Mask]
    cells: dict[str, Points]
    mpp: float


def truth_of(sheet: Sheet) -> SectionTruth:
    """Return what is true of a drawn sheet."""
    section = sheet.section
    layers = {
        "epidermis": section.epidermis,
        "upper_epidermis": section.epidermis & (section.level < 0.5),
        "papillary_dermis": section.papillary,
        "upper_dermis": section.upper_dermis,
    }
    masks = sheet.masks | {f"layer_{name}": layers[name] for name in LAYERS}
    cells = {kind: np.concatenate(sheet.cells[kind]) for kind in CELLS if kind in sheet.cells}
    return SectionTruth(sheet.label, masks, cells, section.window.mpp)


def write_truth(truth: SectionTruth, folder: Path, stem: str) -> None:
    """Write a field's truth: STEM-label.png (numbers of LABELS with a palette) and STEM-truth.npz."""
    picture = Image.fromarray(truth.label)
    picture.putpalette([channel for colour in _COLOURS for channel in colour])
    with atomic_path(folder / f"{stem}-label.png") as temporary:
        picture.save(temporary, format="PNG", compress_level=2)
    names = sorted(name for name, mask in truth.masks.items() if mask.any())
    shape = (0, *truth.label.shape)
    stack = np.stack([truth.masks[name] for name in names]) if names else np.zeros(shape, bool)
    kinds = [kind for kind in CELLS if kind in truth.cells]
    points = np.concatenate([np.zeros((0, 2), np.float32), *(truth.cells[kind] for kind in kinds)])
    numbers = np.repeat([CELLS.index(kind) for kind in kinds], [len(truth.cells[kind]) for kind in kinds])
    with atomic_path(folder / f"{stem}-truth.npz") as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            findings=np.array(sorted(truth.masks)),
            names=np.array(names, dtype=np.str_),
            planes=np.packbits(stack, axis=-1),
            cells=np.rint(points * 16).astype(np.int32),
            kinds=numbers.astype(np.uint8),
            mpp=np.float64(truth.mpp),
        )


def read_truth(folder: Path, stem: str) -> SectionTruth:
    """Return a field's truth as `write_truth` wrote it (nuclei to a sixteenth of a pixel).

    Raises:
        DataError: a file is missing.
    """
    try:
        with Image.open(folder / f"{stem}-label.png") as picture:
            label = np.array(picture)
        with np.load(folder / f"{stem}-truth.npz", allow_pickle=False) as found:
            planes = np.unpackbits(found["planes"], axis=-1, count=label.shape[1]).astype(bool)
            masks = {str(name): np.zeros(label.shape, bool) for name in found["findings"]}
            masks |= {str(name): plane for name, plane in zip(found["names"], planes, strict=True)}
            points, kinds = (found["cells"] / 16).astype(np.float32), found["kinds"]
            mpp = float(found["mpp"])
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no truth of '{stem}' ({Path(error.filename).name} is missing); "
            "draw the phantoms again with `nmevision data phantom`"
        ) from None
    cells = {kind: points[kinds == number] for number, kind in enumerate(CELLS) if (kinds == number).any()}
    return SectionTruth(label, masks, cells, mpp)


def label_mask(truth: SectionTruth, *names: str) -> Mask:
    """Return where the label is one of those named."""
    return np.asarray(np.isin(truth.label, [LABELS.index(name) for name in names]))
