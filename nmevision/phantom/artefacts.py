"""What goes wrong with a slide: folds, pen, bubbles, blur, knife lines and dust, each with its mask."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map, smooth_noise, smooth_step
from nmevision.phantom.window import Mask

Pixels = NDArray[np.uint8]
Spoilt = tuple[Map, Mask]

_INKS = np.array([[0.10, 0.45, 0.30], [0.12, 0.16, 0.55], [0.12, 0.12, 0.14], [0.70, 0.10, 0.14]], np.float32)
"""Light that pens let through (R, G, B): green, blue, black, red."""


def spoil(kind: str, pixels: Pixels, mpp: float, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Return an image (uint8 RGB) with an artefact of a kind of `ARTEFACTS`, and the mask of it.

    Nothing outside the mask changes. mpp: micrometres per pixel.
    """
    changed, mask = ARTEFACTS[kind](pixels.astype(np.float32), mpp, rng)
    kept = np.where(mask[..., None], np.clip(np.rint(changed), 0, 255), pixels)
    return kept.astype(np.uint8), mask


def _from_line(shape: tuple[int, ...], bend: float, rng: np.random.Generator) -> Map:
    """Return the distance (pixels, signed) of every pixel from a bent line across the image."""
    rows, columns = shape[:2]
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    middle = rng.uniform(0.2, 0.8, 2) * (columns, rows)
    across = (x - middle[0]) * np.sin(angle) - (y - middle[1]) * np.cos(angle)
    wave = smooth_noise(rng, rows, columns, max(columns / 5, 2))
    return np.asarray(across + bend * wave, np.float32)


def _fold(pixels: Map, mpp: float, rng: np.random.Generator) -> Spoilt:
    """Lay the tissue over itself in a narrow band: twice the density, the upper layer shifted."""
    off = np.abs(_from_line(pixels.shape, 25 / mpp, rng))
    half = rng.uniform(8, 22) / mpp
    white = np.quantile(pixels.reshape(-1, 3)[::7], 0.995, axis=0)
    shift = np.array([[1, 0, half], [0, 1, half / 2]], np.float32)
    above = cv2.warpAffine(pixels, shift, pixels.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    doubled = pixels * cv2.GaussianBlur(above, (0, 0), max(1.2 / mpp, 0.5)) / white.astype(np.float32)
    edge = smooth_step(half, half * 0.8, off)[..., None]
    return np.asarray(pixels + edge * (doubled - pixels), np.float32), off < half


def _pen(pixels: Map, mpp: float, rng: np.random.Generator) -> Spoilt:
    """Draw a stroke of a felt pen over the glass."""
    off = np.abs(_from_line(pixels.shape, 12 / mpp, rng))
    half = rng.uniform(25, 60) / mpp
    ink = _INKS[int(rng.integers(len(_INKS)))]
    uneven = 0.75 + 0.2 * smooth_noise(rng, pixels.shape[0], pixels.shape[1], 6 / mpp)
    cover = (smooth_step(half, half - 4 / mpp, off) * uneven).clip(0, 1)[..., None]
    return pixels * (1 - cover * (1 - ink)), off < half


def _bubble(pixels: Map, mpp: float, rng: np.random.Generator) -> Spoilt:
    """Put an air bubble under the cover slip: a dark and a bright rim, a hazy inside."""
    rows, columns = pixels.shape[:2]
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    radius = rng.uniform(0.12, 0.3) * min(rows, columns)
    x0, y0 = rng.uniform(0.2, 0.8, 2) * (columns, rows)
    off = np.hypot(x - x0, 1.15 * (y - y0)) / radius
    rim = np.exp(-(((off - 0.93) / 0.035) ** 2))[..., None]
    glint = np.exp(-(((off - 0.86) / 0.03) ** 2))[..., None]
    hazy = 0.35 * cv2.GaussianBlur(pixels, (0, 0), max(3 / mpp, 1)) + 0.65 * 215
    return hazy * (1 - 0.75 * rim) + 30 * glint, off < 1


def _out_of_focus(pixels: Map, mpp: float, rng: np.random.Generator) -> Spoilt:
    """Blur a patch: part of the tissue lies out of the plane of focus."""
    rows, columns = pixels.shape[:2]
    patch = smooth_noise(rng, rows, columns, min(rows, columns) / 4)
    cover = smooth_step(-0.2, 0.5, patch)[..., None]
    blurred = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(2.5, 5) / mpp)
    return pixels + cover * (blurred - pixels), cover[..., 0] > 0.02


def _knife(pixels: Map, mpp: float, rng: np.random.Generator) -> Spoilt:
    """Scratch parallel lines into the tissue, as a nick in the blade does."""
    across = _from_line(pixels.shape, 0, rng)
    cover = np.zeros_like(across)
    for _ in range(int(rng.integers(1, 5))):
        place, half = rng.normal(0, 40) / mpp, rng.uniform(1, 3.5) / mpp
        cover = np.maximum(cover, smooth_step(half + 0.7, half, np.abs(across - place)))
    white = np.quantile(pixels.reshape(-1, 3)[::7], 0.995, axis=0).astype(np.float32)
    return pixels + 0.8 * cover[..., None] * (white - pixels), cover > 0.05


def _dust(pixels: Map, mpp: float, rng: np.random.Generator) -> Spoilt:
    """Scatter dark specks, not quite in focus."""
    rows, columns = pixels.shape[:2]
    canvas = np.zeros((rows, columns), np.uint8)
    for _ in range(int(rng.integers(2, 8))):
        middle = rng.uniform(0, 1, 2) * (columns, rows)
        spokes = middle + rng.uniform(1, 6, (7, 1)) / mpp * _circle(7)
        cv2.fillPoly(canvas, [np.rint(spokes * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(canvas, (0, 0), max(0.9 / mpp, 0.5))
    cover = soft.astype(np.float32)[..., None] / np.float32(255)
    return pixels * (1 - 0.85 * cover), cover[..., 0] > 0.02


def _circle(count: int) -> NDArray[np.float64]:
    """Return points (count, 2) around the unit circle."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], -1)


ARTEFACTS: dict[str, Callable[[Map, float, np.random.Generator], Spoilt]] = {
    "fold": _fold,
    "pen": _pen,
    "bubble": _bubble,
    "out_of_focus": _out_of_focus,
    "knife": _knife,
    "dust": _dust,
}
"""How each kind of artefact changes an image."""
