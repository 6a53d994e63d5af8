"""From how much haematoxylin, eosin and melanin a section holds to the picture a laboratory makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map

HAEMATOXYLIN = np.array([[0.65, 0.70, 0.29], [0.56, 0.72, 0.41]])
EOSIN = np.array([[0.07, 0.99, 0.11], [0.22, 0.80, 0.56]])
"""Two measured absorbance directions (R, G, B) of each stain; a laboratory lies somewhere between them.

First rows: Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291. Second rows: the reference slide in
wide use with the method of Macenko 2009, doi:10.1109/ISBI.2009.5193250."""
ABSORBANCE = np.array([1.3, 0.58])
"""Optical density of one unit of haematoxylin (a dark nucleus) and of eosin (deep pink horn)."""
MELANIN = np.array([0.42, 0.62, 0.86], np.float32)
"""Optical density (R, G, B) of one unit of melanin: brown, for it absorbs blue the most."""
_LABORATORY_SEED = 20_041_001  # so that laboratory 1 is the same laboratory in every phantom set


@dataclass(frozen=True)
class Laboratory:
    """How one laboratory stains and scans.

    vectors: (2, 3) unit absorbance directions of haematoxylin and eosin.
    strength: (2,) optical density of one unit of each. thickness: of its sections, 1 is usual.
    white: (3,) brightness of empty glass, 0-1.
    blur: standard deviation in micrometres. noise: standard deviation in grey levels. quality: of its JPEGs.
    """

    vectors: NDArray[np.float64]
    strength: NDArray[np.float64]
    white: NDArray[np.float64]
    blur: float
    noise: float
    thickness: float = 1.0
    quality: int = 92


def laboratory(number: int) -> Laboratory:
    """Return laboratory `number` (>= 0), always the same one."""
    rng = np.random.default_rng([_LABORATORY_SEED, number])
    vectors = np.stack([_between(HAEMATOXYLIN, rng), _between(EOSIN, rng)])
    return Laboratory(
        vectors=vectors,
        strength=ABSORBANCE * np.exp(rng.normal(0, (0.16, 0.20))),
        white=np.clip(rng.uniform(0.91, 0.98) + rng.normal(0, 0.007, 3), 0, 1),
        blur=rng.uniform(0.35, 0.85),
        noise=rng.uniform(1.0, 3.5),
        thickness=rng.uniform(0.85, 1.2),
        quality=int(rng.integers(78, 97)),
    )


@dataclass(frozen=True)
class Slide:
    """How one slide of a laboratory turned out: optical densities (2, 3), light of empty glass (3,), blur (um)."""

    densities: NDArray[np.float32]
    white: NDArray[np.float32]
    blur: float
    noise: float


def draw_slide(lab: Laboratory, rng: np.random.Generator) -> Slide:
    """Return one slide of a laboratory: each differs a little in thickness, stain, light and focus."""
    strength = lab.strength * lab.thickness * np.exp(rng.normal(0, 0.10) + rng.normal(0, 0.08, 2))
    white = np.clip(lab.white * np.exp(rng.normal(0, 0.006, 3)), 0, 1)
    densities = (strength[:, None] * lab.vectors).astype(np.float32)
    blur = lab.blur * float(np.exp(rng.normal(0, 0.15)))
    return Slide(densities, (255 * white).astype(np.float32), blur, lab.noise)


def scan(
    haematoxylin: Map, eosin: Map, melanin: Map, slide: Slide, mpp: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the RGB image (uint8, H x W x 3) of a section, by the law of Beer and Lambert.

    Args:
        haematoxylin, eosin, melanin: amounts (float32, H x W, >= 0; 1 is a dark nucleus, deep pink horn,
            dense pigment).
        slide: how it was stained and lit.
        mpp: micrometres per pixel.
        rng: chance of the sensor's noise.
    """
    amounts = np.stack([haematoxylin, eosin, melanin], -1)
    density = cv2.transform(amounts, np.column_stack([*slide.densities, MELANIN]))
    light = slide.white * np.exp(np.float32(-np.log(10)) * density)
    seen = cv2.GaussianBlur(light, (0, 0), max(slide.blur / mpp, 0.3))
    seen += slide.noise * rng.standard_normal(seen.shape, dtype=np.float32)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def _between(measured: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a unit direction between (or a little beyond) the two measured ones."""
    share = rng.uniform(0.0, 1.1)
    mixed = (1 - share) * measured[0] + share * measured[1] + rng.normal(0, 0.015, 3)
    mixed = np.clip(mixed, 0.01, None)
    return np.asarray(mixed / np.linalg.norm(mixed))
