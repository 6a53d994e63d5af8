"""Masks that lie beside images: where the lesion is, where letters are. Everything else, or nothing else, is left.

A manifest names them in the columns `lesion_mask` and `text_mask`: a picture of the image's own field, 128 and more
inside. Phantom photographs have theirs in the folder truth/ beside their images.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.data.ablations import FILL
from nmevision.data.images import Pixels, read_image
from nmevision.manifest import Manifest

LESION, TEXT = "lesion_mask", "text_mask"
INSIDE = 128
"""Grey level from which a pixel of a mask is inside."""
RIM = 0.02
"""Share of the longer side by which a lesion is enlarged before it is covered: its rim is the disease, too."""
WRITTEN = ("watermark",)
"""Planted shortcuts of phantoms that are letters."""


def lesion_masks(manifest: Manifest) -> list[Path | None]:
    """Return every image's mask of its lesion, None where there is none."""
    if LESION in manifest.frame:
        return [manifest.root / name if name else None for name in manifest.frame[LESION]]
    found = [_beside(sample.path, "lesion") for sample in manifest.samples()]
    return [path if path.is_file() else None for path in found]


def text_masks(manifest: Manifest) -> list[Path | None] | None:
    """Return every image's mask of its letters, None for an image without any; None where that is not known."""
    if TEXT in manifest.frame:
        return [manifest.root / name if name else None for name in manifest.frame[TEXT]]
    if "shortcut" not in manifest.frame or not set(manifest.frame["shortcut"]) & set(WRITTEN):
        return None
    planted = manifest.frame["shortcut"].isin(WRITTEN)
    return [
        _beside(sample.path, "shortcut") if written else None
        for sample, written in zip(manifest.samples(), planted, strict=True)
    ]


def _beside(image: Path, name: str) -> Path:
    return image.parent.parent / "truth" / f"{image.stem}-{name}.png"


def without_lesion(pixels: Pixels, mask: Path) -> Pixels:
    """Return the image with its lesion and a rim about it covered with grey. Raises ImageError: no such picture."""
    width = 2 * max(1, round(RIM * max(pixels.shape[:2]))) + 1
    inside = cv2.dilate(_inside(pixels, mask).astype(np.uint8), np.ones((width, width), np.uint8))
    return np.where(inside[..., None] > 0, np.uint8(FILL), pixels)


def only_text(pixels: Pixels, mask: Path | None) -> Pixels:
    """Return the image's letters, everything else covered with grey. Raises ImageError: no such picture."""
    if mask is None:
        return np.full_like(pixels, FILL)
    return np.where(_inside(pixels, mask)[..., None], pixels, np.uint8(FILL))


def _inside(pixels: Pixels, mask: Path) -> NDArray[np.bool_]:
    """Return a mask at the image's size (bool, height x width)."""
    height, width = pixels.shape[:2]
    grey = read_image(mask).pixels[..., 0]
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_NEAREST)) >= INSIDE
