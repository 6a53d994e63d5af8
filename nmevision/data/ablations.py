"""What is left of an image when the disease is taken away: its frame, its colours, its smallest thumbnail, its glass.

Pure functions of pixels (RGB, uint8, height x width x 3) that return pixels of the same size. A model or a plain
reader that still tells the classes apart from what is left may have learned something else than the disease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.data.images import Pixels

FRAME = 0.10
"""Width of the frame as a share of each side: what a watermark, a ruler, a label and a black border lie in."""
THUMBNAIL = 16
"""Side in pixels of the thumbnail: layout and colour are left, no nucleus and no scale."""
GLASS = 0.88
"""A pixel is empty glass where every channel reaches this share of the image's own brightest (99th percentile)."""
FILL = 128
"""Grey level put where something was taken away."""


def frame_only(pixels: Pixels) -> Pixels:
    """Return the image with everything but its outer tenth filled with grey."""
    found = pixels.copy()
    height, width = pixels.shape[:2]
    y, x = (max(1, round(FRAME * side)) for side in (height, width))
    found[y : height - y, x : width - x] = FILL
    return found


def thumbnail(pixels: Pixels, side: int = THUMBNAIL) -> Pixels:
    """Return the image averaged to side x side cells and enlarged again."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (min(side, width), min(side, height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def colours_only(pixels: Pixels) -> Pixels:
    """Return the same pixels in random places (always the same ones): every colour, no shape."""
    flat = pixels.reshape(-1, 3)
    return np.ascontiguousarray(np.random.default_rng(0).permutation(flat).reshape(pixels.shape))


def grey(pixels: Pixels) -> Pixels:
    """Return the image without colour: every shape, no stain and no redness."""
    one = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return np.asarray(np.repeat(one[..., None], 3, axis=2), np.uint8)


def glass_mask(pixels: Pixels) -> NDArray[np.bool_]:
    """Return where a slide is empty (bool, height x width): as bright as its brightest in every channel."""
    brightest = np.percentile(pixels[::2, ::2].reshape(-1, 3), 99, axis=0)
    clear = np.asarray((pixels >= GLASS * brightest).all(axis=2), np.uint8)
    return np.asarray(cv2.erode(clear, np.ones((3, 3), np.uint8))) > 0


def background_only(pixels: Pixels) -> Pixels:
    """Return a slide's empty glass; the tissue is filled with grey."""
    return np.where(glass_mask(pixels)[..., None], pixels, np.uint8(FILL))


@dataclass(frozen=True)
class Ablation:
    """One way to take the disease away.

    left: what is left, in words. holds_disease: the disease itself may show in it, so that a high AUROC is no sign.
    only: the modality that it makes sense for; "" for both.
    """

    of: Callable[[Pixels], Pixels]
    left: str
    holds_disease: bool = False
    only: str = ""


ABLATIONS: dict[str, Ablation] = {
    "frame": Ablation(frame_only, "the outer tenth of the image"),
    "thumbnail": Ablation(thumbnail, f"{THUMBNAIL} x {THUMBNAIL} cells of mean colour"),
    "colours": Ablation(colours_only, "the colours, without any place"),
    "grey": Ablation(grey, "the image without colour", holds_disease=True),
    "background": Ablation(background_only, "the empty glass, without tissue", only="histology"),
}
