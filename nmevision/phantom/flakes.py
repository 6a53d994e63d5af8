"""The scale on a lesion of a synthetic photo: silvery, greasy, along the edge, fine and dry, or plain."""

from __future__ import annotations

import cv2
import numpy as np

from nmevision.phantom.canvas import Canvas, Mask, smooth_step
from nmevision.phantom.lesions import Lesion
from nmevision.phantom.photo_grades import target

Grades = dict[str, int]
KINDS = (
    "scale_silvery_psoriasiform",
    "scale_greasy_yellow",
    "collarette_or_peripheral_scale",
    "xerosis",
)
"""The findings that count as scale of any kind, beside plain scale."""


def paint_scale(canvas: Canvas, lesion: Lesion, grades: Grades) -> None:
    """Draw the kinds of scale, then as much plain scale as is still wanting."""
    _silvery(canvas, lesion, target(canvas.rng, "scale_silvery_psoriasiform", grades))
    _greasy(canvas, lesion, target(canvas.rng, "scale_greasy_yellow", grades))
    _collarette(canvas, lesion, target(canvas.rng, "collarette_or_peripheral_scale", grades))
    _dry(canvas, lesion, target(canvas.rng, "xerosis", grades))
    anywhere = np.zeros_like(lesion.area)
    for kind in KINDS:
        anywhere |= lesion.masks.get(kind, anywhere)
    missing = target(canvas.rng, "scale_any", grades) - float(anywhere[lesion.area].mean())
    if missing > 0:
        near = np.exp(-((lesion.depth / (0.6 * min(lesion.rim, 20.0))) ** 2)) if lesion.rim < 1e3 else 0.0
        heights, seams = canvas.cells(1.1)
        weight = 0.9 * canvas.noise(3) + 0.5 * canvas.noise(1.0) + 0.8 * heights + 2.0 * near - 9.0 * anywhere
        mask, soft = lesion.patch(weight.astype(np.float32), missing, 0.3)
        flakes = soft * (0.25 + 0.55 * heights) * (1 - 0.4 * seams) * (1 + 0.3 * canvas.noise(0.5)).clip(0.2)
        lesion.scale += canvas.rng.uniform(0.28, 0.55) * flakes
        lesion.height += 0.16 * flakes
        anywhere |= mask
    lesion.note_share("scale_any", anywhere & lesion.area)


def _silvery(canvas: Canvas, lesion: Lesion, share: float) -> None:
    if not share:
        return
    heights, seams = canvas.cells(3.0)
    fine, fine_seams = canvas.cells(1.2)
    weight = 0.9 * smooth_step(0.3, 2.6, lesion.depth) + 0.55 * canvas.noise(3.5) + 0.5 * heights + 0.3 * fine
    mask, soft = lesion.patch(weight, share, 0.22)
    plates = (0.35 + 0.5 * heights + 0.35 * fine) * (1 - 0.55 * seams) * (1 - 0.3 * fine_seams)
    lesion.scale += soft * (plates + 0.10 * canvas.noise(0.4)).clip(0.12, 1.0)
    lesion.height += soft * (0.22 + 0.26 * heights + 0.10 * fine - 0.18 * seams)
    lesion.note_share("scale_silvery_psoriasiform", mask)


def _greasy(canvas: Canvas, lesion: Lesion, share: float) -> None:
    if not share:
        return
    heights, seams = canvas.cells(1.6)
    weight = 0.8 * canvas.noise(4) + 0.5 * canvas.noise(1.2) + 0.6 * heights + 0.3 * lesion.alpha
    mask, soft = lesion.patch(weight, share, 0.45)
    lesion.grease += (
        soft * (0.30 + 0.40 * heights) * (1 - 0.35 * seams) * (1 + 0.25 * canvas.noise(0.6)).clip(0.2)
    )
    lesion.wet += 0.35 * soft
    lesion.height += soft * (0.10 + 0.16 * heights)
    lesion.note_share("scale_greasy_yellow", mask)


def _collarette(canvas: Canvas, lesion: Lesion, area_per_length: float) -> None:
    """Trail a broken line of scale behind the edge; measured in mm2 per mm of outline."""
    if not area_per_length:
        return
    at = min(0.75 * lesion.rim, 3.5)
    off = (lesion.depth + 0.7 * canvas.noise(2.2) + 0.25 * canvas.noise(0.8) - at) / 0.8
    broken = 0.8 * canvas.noise(5) + 0.8 * canvas.noise(1.2) + 0.4 * canvas.noise(0.6)
    weight = np.where(np.abs(off) < 1, broken, -9).astype(np.float32)
    length = outline_length(lesion.area, canvas.px)
    room = np.count_nonzero((weight > -9) & lesion.area)
    share = min(area_per_length * length * canvas.px**2, 0.97 * room) / np.count_nonzero(lesion.area)
    mask, soft = lesion.patch(weight, share, 0.25)
    free = smooth_step(-1.0, 0.5, off)  # it holds on towards the edge and comes loose towards the middle
    flakes = soft * free * (0.62 + 0.30 * canvas.noise(0.7)).clip(0.2, 1.1)
    lesion.scale += flakes
    lesion.height += 0.30 * flakes
    value = np.count_nonzero(mask) / canvas.px**2 / length
    lesion.note("collarette_or_peripheral_scale", mask, float(value))


def outline_length(area: Mask, px: float) -> float:
    """Return the length (mm) of a mask's outline, counted in pixels; `px` pixels per mm."""
    inner = cv2.erode(area.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return max(float(np.count_nonzero(area) - np.count_nonzero(inner)) / px, 1e-3)


def _dry(canvas: Canvas, lesion: Lesion, share: float) -> None:
    if not share:
        return
    heights, seams = canvas.cells(1.3)
    weight = (
        0.9 * heights + 0.5 * canvas.noise(0.5) + 0.8 * canvas.noise(4) + 0.4 * seams + 0.7 * lesion.alpha
    )
    mask, soft = lesion.patch(weight, share, 0.3)
    lesion.scale += soft * (0.22 + 0.35 * heights) * (1 - 0.4 * seams)
    lesion.height += 0.12 * soft * heights
    lesion.note_share("xerosis", mask)
