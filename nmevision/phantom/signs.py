"""What lies on a lesion of a synthetic photo: erosion, crust, scale, blisters, pustules, cracks, scratches."""

from __future__ import annotations

import math

import cv2
import numpy as np

from nmevision.phantom.body import Scene
from nmevision.phantom.canvas import Canvas, signed_depth, smooth_step
from nmevision.phantom.flakes import Grades, paint_scale
from nmevision.phantom.lesions import Lesion
from nmevision.phantom.noise import Map
from nmevision.phantom.photo_grades import target

HEALTHY_GAP = 1.5
"""Least healthy skin between a lesion and its satellites in mm."""


def paint_signs(canvas: Canvas, scene: Scene, lesion: Lesion, grades: Grades) -> None:
    """Draw every graded sign on the lesion, those that lie below first."""
    edge = _edge(canvas, lesion)
    _dusky(canvas, lesion, grades)
    _erosion(canvas, lesion, grades, edge)
    _coarse_lines(canvas, lesion, grades)
    _papules(canvas, lesion, grades)
    paint_scale(canvas, lesion, grades)
    _crust(canvas, lesion, grades, edge)
    _exudate(canvas, lesion, grades)
    _blisters(canvas, lesion, grades, edge)
    _cracks(canvas, lesion, grades)
    _satellites(canvas, scene, lesion, grades)


def _edge(canvas: Canvas, lesion: Lesion) -> Map:
    """Return how near (0-1) a place is to the active edge: all of the lesion where it has not cleared."""
    rim = min(lesion.rim, 14.0)
    return np.exp(-(((lesion.depth - 0.45 * rim) / (0.42 * rim + 0.4)) ** 2)).astype(np.float32)


def _dusky(canvas: Canvas, lesion: Lesion, grades: Grades) -> None:
    share = target(canvas.rng, "ulcer_or_necrotic_dusky_centre", grades)
    if share:
        weight = 0.12 * lesion.depth.clip(0, 12) + 0.7 * canvas.noise(4) + 0.2 * canvas.noise(1)
        mask, soft = lesion.patch(weight, share)
        lesion.dusk += 0.9 * soft
        lesion.blood += 4 * soft
        lesion.pigment += 0.5 * soft
        lesion.note_share("ulcer_or_necrotic_dusky_centre", mask)


def _erosion(canvas: Canvas, lesion: Lesion, grades: Grades, edge: Map) -> None:
    share = target(canvas.rng, "erosion", grades)
    if not share:
        return
    weight = 2.2 * edge + 0.8 * canvas.noise(2.6) + 0.30 * canvas.noise(0.9)
    mask, soft = lesion.patch(weight, share, 0.14)
    lesion.lack += soft
    lesion.wet += soft * (0.8 + 0.2 * canvas.noise(1.5))
    lesion.height -= 0.25 * soft
    lesion.note_share("erosion", mask)
    # The loose roof of the epidermis curls up where it still holds.
    curl = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~mask
    torn = canvas.blurred(curl * smooth_step(0.2, 1.3, canvas.noise(1.4)), 0.12)
    lesion.scale += 0.7 * torn
    lesion.height += 0.3 * torn


def _coarse_lines(canvas: Canvas, lesion: Lesion, grades: Grades) -> None:
    share = target(canvas.rng, "lichenification", grades)
    if not share:
        return
    mask, soft = lesion.patch(0.10 * lesion.depth.clip(-5, 15) + 0.6 * canvas.noise(8), share, 0.4)
    heights, seams = canvas.cells(canvas.rng.uniform(1.9, 2.8))
    lesion.height += soft * (0.22 * (1 - seams) + 0.10 * canvas.blurred(heights, 0.2))
    lesion.lines += soft * (1.0 + 2.0 * seams)
    lesion.pigment += soft * (0.16 + 0.25 * seams)
    lesion.note_share("lichenification", mask)


def _papules(canvas: Canvas, lesion: Lesion, grades: Grades) -> None:
    count = int(target(canvas.rng, "papule", grades))
    domes = _domes(canvas, lesion, "papule", lesion.alpha**2, count, (0.9, 1.8), 3.2)
    if domes is not None:
        lesion.height += 0.42 * np.sqrt(domes)
        lesion.blood += smooth_step(0, 0.8, domes) * (0.6 + 0.5 * lesion.reached["erythema"])


def _domes(
    canvas: Canvas,
    lesion: Lesion,
    finding: str,
    where: Map,
    count: int,
    radius: tuple[float, float],
    gap: float,
) -> Map | None:
    """Return separate round domes (0-1) on the lesion and keep their mask and number, or None for none."""
    if count == 0:
        return None
    kernel = max(1, round(0.6 * radius[1] * canvas.px))
    inner = cv2.erode(lesion.area.astype(np.uint8), np.ones((kernel, kernel), np.uint8))
    places = canvas.scatter(where * inner, count, gap)
    if not places:
        lesion.reached[finding] = 0.0
        return None
    domes = canvas.zeros()
    for at in places:
        canvas.dome(domes, at, canvas.rng.uniform(*radius), 1 + abs(canvas.rng.normal(0, 0.08)))
    lesion.note(finding, domes > 0, float(len(places)))
    return domes


def _crust(canvas: Canvas, lesion: Lesion, grades: Grades, edge: Map) -> None:
    share = target(canvas.rng, "crust", grades)
    if not share:
        return
    heights, seams = canvas.cells(1.9)
    weight = 1.6 * edge + 0.9 * canvas.noise(2.0) + 0.45 * heights + 0.6 * lesion.lack.clip(0, 1)
    mask, soft = lesion.patch(weight, share, 0.16)
    lesion.crust += soft * (0.72 + 0.25 * heights) * (1 - 0.15 * seams)
    lesion.height += soft * (0.25 + 0.22 * heights - 0.15 * seams)
    lesion.wet *= 1 - 0.8 * soft
    lesion.note_share("crust", mask)


def _exudate(canvas: Canvas, lesion: Lesion, grades: Grades) -> None:
    share = target(canvas.rng, "exudate", grades)
    if share:
        source = canvas.blurred((lesion.lack + lesion.crust).clip(0, 1), 0.8)
        mask, soft = lesion.patch(2.5 * source + 0.5 * canvas.noise(1.5), share, 0.2)
        lesion.wet += 0.9 * soft
        lesion.fluid += 0.20 * soft
        lesion.note_share("exudate", mask)


def _blisters(canvas: Canvas, lesion: Lesion, grades: Grades, edge: Map) -> None:
    """Draw vesicles, pustules and flaccid bullae: clear, yellow, and large with a slack roof."""
    where = lesion.alpha * (0.05 + edge)
    vesicles = _domes(
        canvas, lesion, "vesicle", where * smooth_step(-0.3, 1.2, canvas.noise(7)), int(target(canvas.rng, "vesicle", grades)), (0.6, 1.1), 2.0
    )  # fmt: skip
    if vesicles is not None:
        lesion.height += 0.55 * np.sqrt(vesicles)
        lesion.fluid += 0.5 * smooth_step(0, 0.5, vesicles)
        lesion.wet += 0.7 * smooth_step(0, 0.3, vesicles)
    pustules = _domes(
        canvas, lesion, "pustule", where, int(target(canvas.rng, "pustule", grades)), (0.6, 1.1), 2.6
    )
    if pustules is not None:
        lesion.height += 0.5 * np.sqrt(pustules)
        lesion.pus += smooth_step(0.05, 0.45, pustules)
        lesion.blood += 1.5 * canvas.blurred((pustules > 0).astype(np.float32), 0.8)
    bullae = _domes(
        canvas,
        lesion,
        "flaccid_bulla",
        where,
        int(target(canvas.rng, "flaccid_bulla", grades)),
        (2.6, 5.2),
        11.5,
    )
    if bullae is not None:
        slack = 0.5 + 0.5 * np.sin(2.2 * canvas.noise(2.2))
        lesion.height += np.sqrt(bullae) * (0.9 + 0.30 * slack)
        lesion.fluid += smooth_step(0, 0.25, bullae) * (0.55 + 0.12 * slack)
        lesion.wet += 0.5 * smooth_step(0, 0.2, bullae)
        lesion.scale *= 1 - smooth_step(0, 0.2, bullae)


def _cracks(canvas: Canvas, lesion: Lesion, grades: Grades) -> None:
    """Draw fissures (deep, red, across the lines of the skin) and scratch marks (crusted, side by side)."""
    cracks = _lines(canvas, lesion, "fissure", int(target(canvas.rng, "fissure", grades)), (5, 11), 0.35, 0.9)
    if cracks is not None:
        lesion.height -= 0.35 * cracks
        lesion.lack += 0.55 * cracks
        lesion.blood += 2 * cracks
        lesion.scale += 0.35 * (canvas.blurred(cracks, 0.6) - cracks).clip(0, 1)
    marks = _lines(
        canvas, lesion, "excoriation", int(target(canvas.rng, "excoriation", grades)), (6, 15), 0.45, 0.25
    )
    if marks is not None:
        torn = marks * smooth_step(-0.6, 0.8, canvas.noise(1.2))
        lesion.lack += 0.35 * torn
        lesion.crust += 0.85 * marks * smooth_step(0.0, 0.7, canvas.noise(0.8))
        lesion.blood += 2.5 * canvas.blurred(marks, 0.4)


def _lines(
    canvas: Canvas,
    lesion: Lesion,
    finding: str,
    count: int,
    length: tuple[float, float],
    width: float,
    spread: float,
) -> Map | None:
    """Return `count` lines apart from one another on the lesion, or None for none; keep mask and number."""
    rng, drawn, outside, number = canvas.rng, canvas.zeros(), ~lesion.area, 0
    angle = rng.uniform(0, math.pi)
    kernel = np.ones((2 * max(1, round(0.8 * canvas.px)) + 1,) * 2, np.uint8)
    for at in canvas.scatter(lesion.alpha**2 * lesion.area, 4 * count, 1.5):
        if number == count:
            break
        bend = rng.normal(0, 0.3)
        rows, columns, line = canvas.line(
            at, angle + rng.normal(0, spread), rng.uniform(*length), width, bend
        )
        here = (line > 0.25).astype(np.uint8)
        if (cv2.dilate(here, kernel).astype(bool) & (drawn[rows, columns] > 0.25)).any():
            continue
        if (here.astype(bool) & outside[rows, columns]).any():
            continue
        drawn[rows, columns] = np.maximum(drawn[rows, columns], line)
        number += 1
    lesion.note(finding, drawn > 0.25, float(number))
    return drawn if number else None


def _satellites(canvas: Canvas, scene: Scene, lesion: Lesion, grades: Grades) -> None:
    """Scatter small red papules and pustules outside the main lesion; they join its mask."""
    count = int(target(canvas.rng, "satellite_lesions", grades))
    if not count:
        return
    radius = (0.9, 2.1)
    outside = -signed_depth(lesion.area, canvas.px)
    ring = smooth_step(HEALTHY_GAP + radius[1], HEALTHY_GAP + radius[1] + 0.5, outside) * np.exp(-outside / 9)
    places = canvas.scatter(ring.astype(np.float32) * scene.skin, count, 2 * radius[1] + 1.2)
    domes, heads = canvas.zeros(), canvas.zeros()
    for at in places:
        own = canvas.rng.uniform(*radius)
        canvas.dome(domes, at, own)
        if canvas.rng.uniform() < 0.45:
            canvas.dome(heads, at, 0.55 * own)
    red = smooth_step(0, 0.35, domes)
    lesion.blood += red * max(2.0, lesion.reached["erythema"])
    lesion.height += 0.40 * np.sqrt(domes)
    lesion.pus += 0.9 * smooth_step(0, 0.4, heads)
    lesion.scale += 0.35 * ((domes > 0) & (domes < 0.3)) * smooth_step(-0.3, 0.6, canvas.noise(1))
    lesion.alpha = np.maximum(lesion.alpha, smooth_step(0, 0.2, domes))
    lesion.note("satellite_lesions", (domes > 0) & scene.skin, float(len(places)))
