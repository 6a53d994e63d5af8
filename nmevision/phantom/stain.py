"""From how much haematoxylin and eosin a section holds to the colours a laboratory makes of it."""

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
ABSORBANCE = np.array([0.95, 0.42])
"""Optical density of one unit of haematoxylin (a dark nucleus) and of eosin (deep pink horn)."""
_LABORATORY_SEED = 20_041_001  # so that laboratory 1 is the same laboratory in every phantom set


@dataclass(frozen=True)
class Laboratory:
    """How one laboratory stains and scans.

    vectors: (2, 3) unit absorbance directions of haematoxylin and eosin.
    strength: (2,) optical density of one unit of each.
    white: (3,) brightness of empty glass, 0-1.
    blur: standard deviation in pixels. noise: standard deviation in grey levels.
    """

    vectors: NDArray[np.float64]
    strength: NDArray[np.float64]
    white: NDArray[np.float64]
    blur: float
    noise: float


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
    )


def stain(haematoxylin: Map, eosin: Map, lab: Laboratory, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the RGB image (uint8, H x W x 3) of a section, by the law of Beer and Lambert.

    Args:
        haematoxylin, eosin: amount of each stain (float32, H x W, >= 0; 1 is a dark nucleus, deep pink horn).
        lab: the laboratory; each slide of it differs a little in thickness, stain and light.
        rng: this slide's chance.
    """
    strength = lab.strength * np.exp(rng.normal(0, 0.10) + rng.normal(0, 0.08, 2))
    white = np.clip(lab.white * np.exp(rng.normal(0, 0.006, 3)), 0, 1)
    blue, pink = (strength[:, None] * lab.vectors).astype(np.float32)
    density = haematoxylin[..., None] * blue + eosin[..., None] * pink
    light = (255 * white).astype(np.float32) * np.float32(10) ** -density
    seen = cv2.GaussianBlur(light, (0, 0), lab.blur) + rng.normal(0, lab.noise, light.shape)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def _between(measured: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a unit direction between (or a little beyond) the two measured ones."""
    share = rng.uniform(0.0, 1.1)
    mixed = (1 - share) * measured[0] + share * measured[1] + rng.normal(0, 0.015, 3)
    mixed = np.clip(mixed, 0.01, None)
    return np.asarray(mixed / np.linalg.norm(mixed))
