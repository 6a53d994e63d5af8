"""A synthetic H&E field cut into columns across the skin, which its fields and grades are measured on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.section_truth import SectionTruth, label_mask
from nmevision.phantom.window import Mask

BIN = 4.0
"""Width of the columns that the surface is cut into, micrometres."""
LEAST_FACE = 8
"""Pixels of a border of the epidermis that its direction can be told from."""


@dataclass(frozen=True)
class Frame:
    """A field cut into columns across the skin.

    bins: column of each pixel. surface: columns with living epidermis under horn or a cleft.
    open: those among them that reach the glass above. whole: those that show all of the epidermis.
    joined: columns with epidermis and, below it, papillary dermis.
    """

    truth: SectionTruth
    bins: NDArray[np.int64]
    surface: Mask
    open: Mask
    whole: Mask
    joined: Mask

    def count(self, mask: Mask) -> NDArray[np.int64]:
        """Return how many pixels of a mask each column holds."""
        return np.bincount(self.bins[mask], minlength=len(self.surface))

    def area(self, mask: Mask) -> float:
        """Return the area of a mask in square micrometres."""
        return float(np.count_nonzero(mask)) * self.truth.mpp**2

    def layer(self, name: str) -> Mask:
        """Return the mask of a layer."""
        return self.truth.masks[f"layer_{name}"]

    def length(self) -> float:
        """Return the length of the surface, micrometres."""
        return float(self.surface.sum()) * BIN

    def covered(self, mask: Mask, among: Mask) -> float | None:
        """Return the share of some columns that hold some of a mask; None of no columns."""
        return float((self.count(mask) > 0)[among].mean()) if among.any() else None


def frame_of(truth: SectionTruth) -> Frame:
    """Return the columns of a field; they run along the main direction of the epidermis's upper face.

    Where the frame cuts that face off, along the epidermis's border with the dermis.
    """
    epidermis = truth.masks["layer_epidermis"]
    above = label_mask(truth, "horn", "cleft", "pustule", "background")
    above &= ~truth.masks["full_thickness_necrosis_subepidermal_split"]
    face = epidermis & (cv2.dilate(above.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    papillary = truth.masks["layer_papillary_dermis"]
    junction = epidermis & (cv2.dilate(papillary.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    rows, columns = np.nonzero(face if face.sum() >= LEAST_FACE else junction)
    if len(rows) < LEAST_FACE:
        none = np.zeros(1, bool)
        return Frame(truth, np.zeros(truth.label.shape, np.int64), none, none, none, none)
    places = np.stack([columns, rows], -1) - np.array([columns.mean(), rows.mean()])
    direction = np.linalg.eigh(places.T @ places)[1][:, 1]
    y, x = np.mgrid[: truth.label.shape[0], : truth.label.shape[1]]
    along = (x * direction[0] + y * direction[1]) * (truth.mpp / BIN)
    bins = np.floor(along - along.min()).astype(np.int64)
    size = int(bins.max()) + 1
    dermis = label_mask(truth, "dermis", "vessel", "infiltrate")

    def holds(mask: Mask) -> Mask:
        return np.bincount(bins[mask], minlength=size) > 0

    surface = holds(face) & holds(above)
    opened = surface & holds(label_mask(truth, "background"))
    border = np.ones_like(epidermis)
    border[1:-1, 1:-1] = False  # epidermis that the picture cuts off cannot be measured
    whole = surface & holds(dermis) & ~holds(epidermis & border)
    return Frame(truth, bins, surface, opened, whole, holds(epidermis) & holds(papillary))
