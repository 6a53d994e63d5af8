"""Things that come with a picture and not with a disease, put onto any image: labels, frames, hair, blur, colour.

Pure functions of pixels (RGB, uint8, height x width x 3) and a random generator. A model that changes its answer
for one of these has learned it, or is not robust against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from nmevision.data.colour import jitter_stain
from nmevision.data.images import Pixels

Artefact = Callable[[Pixels, np.random.Generator], Pixels]
MILD, MODERATE, STRONG = 0.02, 0.05, 0.10
"""Share of images that may change sides, by how much an artefact takes from the picture. Our choice."""


def panel_label(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Write the letter of a figure's panel on white into the upper left corner, and an arrow into the middle."""
    found = np.ascontiguousarray(pixels).copy()
    height, width = pixels.shape[:2]
    side = max(8, round(0.10 * min(height, width)))
    cv2.rectangle(found, (0, 0), (side, side), (255, 255, 255), -1)
    letter = "ABCD"[int(rng.integers(4))]
    stroke = max(1, side // 10)
    cv2.putText(
        found,
        letter,
        (side // 5, round(0.85 * side)),
        cv2.FONT_HERSHEY_SIMPLEX,
        side / 28,
        (0, 0, 0),
        stroke,
        cv2.LINE_AA,
    )
    tip = np.array([width, height]) * rng.uniform(0.4, 0.6, 2)
    tail = tip + 0.12 * min(height, width) * np.array([1, -1])
    cv2.arrowedLine(
        found, tuple(np.rint(tail).astype(int).tolist()), tuple(np.rint(tip).astype(int).tolist()), (0, 0, 0), 2 * stroke,
        cv2.LINE_AA, tipLength=0.4,
    )  # fmt: skip
    return found


def figure_frame(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Lay the white margin and thin black line of a printed figure around the image."""
    found = pixels.copy()
    margin = max(2, round(rng.uniform(0.02, 0.04) * min(pixels.shape[:2])))
    for depth, level in ((margin, 255), (max(1, margin // 4), 0)):
        start = 0 if level == 255 else margin
        for edge in (found[start : start + depth], found[-start - depth : len(found) - start]):
            edge[:] = level
        for edge in (found[:, start : start + depth], found[:, -start - depth : found.shape[1] - start]):
            edge[:] = level
    return found


def hair(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Lay a dozen dark, slightly bent hairs over the image."""
    height, width = pixels.shape[:2]
    ink = np.zeros((height, width), np.uint8)
    t = np.linspace(-1, 1, 40)[:, None]
    for _ in range(12):
        centre, angle = rng.uniform(0, 1, 2), rng.uniform(0, np.pi)
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        path = (centre + 0.35 * t * along + rng.normal(0, 0.06) * t**2 * across) * (width, height)
        cv2.polylines(
            ink, [np.rint(path * 16).astype(np.int32)], False, 255, max(1, width // 200), cv2.LINE_AA, 4
        )
    share = 0.85 * ink[..., None] / 255.0
    return np.rint(pixels * (1 - share) + share * np.array([45, 32, 28])).astype(np.uint8)


def blur(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the image out of focus by a hundredth of its side."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), max(0.8, 0.01 * min(pixels.shape[:2]))), np.uint8)


def jpeg(pixels: Pixels, rng: np.random.Generator, quality: int) -> Pixels:
    """Return the image after one more JPEG of a quality, 1 to 100."""
    _, code = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return np.ascontiguousarray(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def white_balance(pixels: Pixels, rng: np.random.Generator, warmth: float) -> Pixels:
    """Return the image with red times `warmth` and blue divided by it."""
    factors = np.array([warmth, 1.0, 1 / warmth])
    return np.rint(pixels * factors).clip(0, 255).astype(np.uint8)


def stain(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a slide as another batch of haematoxylin and eosin would have coloured it."""
    return jitter_stain(pixels, gains=(*rng.choice([0.8, 1.25], 2), 1.0))


@dataclass(frozen=True)
class Insertion:
    """One artefact, the share of images that may change sides for it, and the modality it belongs to ("": both)."""

    of: Artefact
    budget: float
    only: str = ""


INSERTIONS: dict[str, Insertion] = {
    "panel label": Insertion(panel_label, MODERATE),
    "figure frame": Insertion(figure_frame, MODERATE),
    "hair": Insertion(hair, MODERATE, only="clinical"),
    "blur": Insertion(blur, STRONG),
    "JPEG 90": Insertion(partial(jpeg, quality=90), MILD),
    "JPEG 60": Insertion(partial(jpeg, quality=60), MODERATE),
    "JPEG 30": Insertion(partial(jpeg, quality=30), STRONG),
    "warmer light": Insertion(partial(white_balance, warmth=1.08), STRONG),
    "colder light": Insertion(partial(white_balance, warmth=1 / 1.08), STRONG),
    "stain": Insertion(stain, STRONG, only="histology"),
}
