"""Synthetic H&E fields of skin: drawings with known truth, never evidence about disease.

One pixel is one micrometre. A field is drawn as two maps, how much haematoxylin and how much eosin each
pixel holds, and then stained and scanned by a laboratory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.noise import Map, smooth_noise, smooth_step
from nmevision.phantom.profiles import Grades, draw_grades
from nmevision.phantom.section import Points, Section, at, draw_section
from nmevision.phantom.stain import laboratory as laboratory_of
from nmevision.phantom.stain import stain

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """A drawn field before staining: its truth.

    haematoxylin, eosin: amount of stain, float32 H x W, >= 0; 1 is a dark nucleus, deep pink horn.
    """

    grades: Grades
    section: Section
    haematoxylin: Map
    eosin: Map


def draw_field(
    diagnosis: str, rng: np.random.Generator, size: int = 224, laboratory: int = 0
) -> NDArray[np.uint8]:
    """Return one synthetic H&E field as RGB (uint8, size x size x 3), one micrometre per pixel.

    Args:
        diagnosis: one of `profiles.DIAGNOSES`; how marked it is, is left to chance, from early to full.
        rng: the only source of chance.
        size: side in pixels.
        laboratory: number of the laboratory (>= 0), always the same stain and scanner.

    Raises:
        DataError: the diagnosis is not one of `profiles.DIAGNOSES`.

    >>> draw_field("psoriasis", np.random.default_rng(0), size=96).shape
    (96, 96, 3)
    """
    field = draw_layers(draw_grades(diagnosis, rng), rng, size)
    return stain(field.haematoxylin, field.eosin, laboratory_of(laboratory), rng)


def draw_layers(grades: Grades, rng: np.random.Generator, size: int = 224) -> Field:
    """Return a field (size x size) with the given findings, not yet stained."""
    horn_um = rng.uniform(14, 22) + 8 * grades.parakeratosis
    section = draw_section(rng, size, grades.acanthosis, grades.regularity, horn_um)
    haematoxylin, eosin = np.zeros((2, size, size), np.float32)
    for draw, layer in ((_dermis, section.dermis), (_epidermis, section.epidermis), (_horn, section.horn)):
        drawn = draw(section, grades, rng)
        haematoxylin[layer], eosin[layer] = drawn[0][layer], drawn[1][layer]
    return Field(grades, section, haematoxylin.clip(0), eosin.clip(0))


def _ellipses(size: int, points: Points, axes: Values, angles: Values, values: Values) -> Map:
    """Return a map of filled ellipses: half-axes in pixels (N, 2), angles in radians, values 0 to 2.5."""
    canvas = np.zeros((size, size), np.uint8)
    turn = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    u, v = axes[:, :1] * np.cos(turn), axes[:, 1:] * np.sin(turn)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    outline = np.stack([cos * u - sin * v, sin * u + cos * v], axis=-1) + points[:, None]
    polygons = np.rint(outline * 16).astype(np.int32)  # the four fractional bits that `shift=4` asks for
    for polygon, grey in zip(polygons, np.clip(values * 100, 0, 255).tolist(), strict=True):
        cv2.fillConvexPoly(canvas, polygon, grey, cv2.LINE_AA, 4)
    return (canvas / np.float32(100)).astype(np.float32)


def _dermis(section: Section, grades: Grades, rng: np.random.Generator) -> tuple[Map, Map]:
    """Return both stains of the dermis: fine fibres above, wavy bundles below, vessels and lymphocytes."""
    size = section.size
    side = math.ceil(1.5 * size)
    waves = 6 * section.texture(rng, 11, 11)
    bundles = section.lay(smooth_noise(rng, side, side, 16, 2.6), waves)
    fibres = section.lay(smooth_noise(rng, side, side, 7, 1.1), 0.6 * waves)
    clefts = smooth_step(0.75, 1.35, bundles + 0.35 * fibres)
    coarse = (0.62 + 0.13 * bundles + 0.10 * fibres) * (1 - 0.85 * clefts)
    oedema = 0.10 * grades.vessels
    fine = 0.40 - oedema + 0.09 * fibres + 0.05 * bundles
    reticular = smooth_step(14, 48, section.below)
    eosin = fine + reticular * (coarse - fine)
    haematoxylin = 0.03 + 0.02 * eosin

    spindles = section.lattice(rng, 15, 12, 0.35)
    spindles = spindles[rng.random(len(spindles)) < 0.5]
    tilt = section.angle + rng.normal(0, 0.4, len(spindles))
    long = np.stack([rng.uniform(2.5, 5, len(spindles)), rng.uniform(0.8, 1.3, len(spindles))], -1)
    haematoxylin += _ellipses(size, spindles, long, tilt, rng.uniform(0.5, 0.9, len(spindles)))
    _add_vessels(section, grades, rng, haematoxylin, eosin)
    return haematoxylin, eosin


def _add_vessels(
    section: Section, grades: Grades, rng: np.random.Generator, haematoxylin: Map, eosin: Map
) -> None:
    """Draw vessels just below the epidermis, red cells in them and lymphocytes around, into both maps."""
    size = section.size
    places = section.lattice(rng, 9, 9, 0.3)
    below = at(section.below, places)
    places = places[(below > 4.5) & (below < 45)]
    count = min(len(places), rng.poisson((2 + 7 * grades.vessels) * size / 224))
    vessels = places[rng.permutation(len(places))[:count]]
    width = rng.uniform(2.0, 3.0, (count, 1)) * (1 + 0.8 * grades.vessels)
    lumen = width * np.concatenate([rng.uniform(1.0, 2.2, (count, 1)), np.ones((count, 1))], 1)
    angles = section.angle + math.pi / 2 + rng.normal(0, 0.5, count)
    wall = _ellipses(size, vessels, lumen + 1.6, angles, np.full(count, 1.0))
    hollow = _ellipses(size, vessels, lumen, angles, np.full(count, 1.0))
    filled = _ellipses(size, vessels, lumen * 0.8, angles, rng.uniform(0, 1.1, count))
    eosin *= 1 - hollow
    eosin += filled
    haematoxylin *= 1 - hollow
    haematoxylin += 0.45 * (wall - hollow).clip(0) * (rng.random(wall.shape, np.float32) + 0.3)

    cuffs = rng.poisson(2 + 26 * grades.lymphocytes, count)
    cells = np.repeat(vessels, cuffs, axis=0) + rng.normal(0, 8, (int(cuffs.sum()), 2)).astype(np.float32)
    cells = cells[np.all((cells >= 0) & (cells < size - 1), axis=1)]
    cells = cells[at(section.below, cells) > 1] if len(cells) else cells
    haematoxylin += _dots(size, cells, rng)


def _dots(size: int, points: Points, rng: np.random.Generator, radius: float = 2.1) -> Map:
    """Return small round dark nuclei: lymphocytes, or neutrophils where smaller."""
    axes = radius * rng.uniform(0.8, 1.15, (len(points), 2))
    return _ellipses(size, points, axes, np.zeros(len(points)), rng.uniform(0.9, 1.3, len(points)))


def _epidermis(section: Section, grades: Grades, rng: np.random.Generator) -> tuple[Map, Map]:
    """Return both stains of the living epidermis."""
    size, level = section.size, section.level
    wavy = level + 0.05 * section.texture(rng, 9, 5)
    share = 0.32 + 0.20 * grades.pallor
    pale = grades.pallor * smooth_step(share + 0.06, share - 0.06, wavy)
    edge = 0.26 * grades.necrosis
    dead = smooth_step(edge + 0.03, edge - 0.03, wavy) * min(1.0, 3 * grades.necrosis)
    cells, nuclei, clear, pink = _cells(section, grades, rng, pale, dead)

    gap = _gaps(section, grades, rng, cells)
    grain = smooth_noise(rng, size, size, 0.8)
    eosin = 0.62 + 0.04 * grain - 0.10 * level
    haematoxylin = 0.06 + 0.22 * smooth_step(0.35, 1.0, level) + 0.02 * grain
    haematoxylin *= 1 - 0.85 * pale
    eosin *= 1 - 0.62 * pale
    granules = (1 - grades.granular_loss) * np.exp(-(((section.depth - 5.5) / 4.5) ** 2))
    haematoxylin += granules * (0.62 + 0.26 * section.texture(rng, 1.6, 0.8))
    eosin += dead * (0.95 + 0.06 * grain - eosin)
    haematoxylin *= 1 - 0.8 * dead
    haematoxylin += nuclei
    for white in (clear, gap):
        eosin *= 1 - white
        haematoxylin *= 1 - white
    return haematoxylin, eosin + pink


def _cells(
    section: Section, grades: Grades, rng: np.random.Generator, pale: Map, dead: Map
) -> tuple[Points, Map, Map, Map]:
    """Return the cells' centres, their nuclei (haematoxylin), vacuoles (clear) and dead cells (eosin)."""
    size = section.size
    basal, upright = _basal_cells(section, rng)
    upper = section.lattice(rng, 10.5, 9.0, 0.20)
    upper = upper[at(section.epidermis, upper) & (at(section.height, upper) > 8.5)]
    level = at(section.level, upper)
    swollen = rng.random(len(upper)) < grades.vacuoles * at(pale, upper) / max(grades.pallor, 0.05)
    apoptotic = rng.random(len(upper)) < 0.07 * grades.dyskeratosis
    gone = rng.random(len(upper)) < 0.3 * at(pale, upper) + 0.95 * at(dead, upper)

    flat = np.clip(level / 0.35, 0, 1)[:, None]
    axes = (1 - flat) * np.array([3.3, 1.3]) + flat * np.array([2.9, 2.3])
    axes = axes * np.exp(rng.normal(0, 0.16, axes.shape)) * np.where(swollen | apoptotic, 0.6, 1)[:, None]
    dark = rng.normal(0.50, 0.10, len(upper)) + 0.1 * level + 0.35 * (swollen | apoptotic)
    tilt = section.angle + rng.normal(0, 0.6, len(upper))
    kept = ~gone | apoptotic
    nuclei = _ellipses(size, upper[kept], axes[kept], tilt[kept], dark[kept])
    inner = _ellipses(size, upper[kept], 0.55 * axes[kept], tilt[kept], 0.35 * dark[kept])  # vesicular
    tall = np.array([3.2, 1.8]) * np.exp(rng.normal(0, 0.10, (len(basal), 2)))
    nuclei = np.maximum(
        nuclei - inner, _ellipses(size, basal, tall, upright, rng.normal(0.78, 0.12, len(basal)))
    )

    hollow = swollen & ~apoptotic
    around = rng.uniform(2.6, 4.8, (int(hollow.sum()), 2))
    clear = _ellipses(size, upper[hollow], around, tilt[hollow], rng.uniform(0.5, 0.9, len(around)))
    round_ = np.full((int(apoptotic.sum()), 2), 4.2)
    pink = _ellipses(size, upper[apoptotic], round_, tilt[apoptotic], np.full(len(round_), 0.55))
    clear = np.where(nuclei > 0.4, 0, clear).astype(np.float32)
    return np.concatenate([basal, upper]), nuclei, clear, pink


def _basal_cells(section: Section, rng: np.random.Generator) -> tuple[Points, Values]:
    """Return the row of cells on the dermis and the direction (radians) in which each stands."""
    near = section.dermis | (section.epidermis & (section.height < 4.5))
    lines, _ = cv2.findContours(near.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    points = [line[::5, 0, :] for line in lines if len(line) > 10]
    row = np.concatenate([np.zeros((0, 2), np.float32), *points]).astype(np.float32)
    row = row[at(section.epidermis, row) & (at(section.height, row) > 3)]
    slope_x = at(cv2.Sobel(section.height, cv2.CV_32F, 1, 0), row)
    slope_y = at(cv2.Sobel(section.height, cv2.CV_32F, 0, 1), row)
    jitter = rng.normal(0, 0.5, row.shape)
    row = np.clip(row + jitter, 0, section.size - 1).astype(np.float32)
    return row, np.arctan2(slope_y, slope_x).astype(float)


def _gaps(section: Section, grades: Grades, rng: np.random.Generator, cells: Points) -> Map:
    """Return how empty (0-1) the spaces between the cells are: thin lines, wide where spongiotic."""
    size = section.size
    seeds = np.ones((size, size), np.uint8)
    x, y = np.rint(cells).astype(int).T
    seeds[y, x] = 0
    _, owner = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = np.ones_like(seeds)
    inside[:, 1:] &= owner[:, 1:] == owner[:, :-1]
    inside[1:] &= owner[1:] == owner[:-1]
    to_border = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    patches = smooth_step(-0.9, 0.9, smooth_noise(rng, size, size, 16))
    width = 0.2 + 1.5 * grades.spongiosis * patches * smooth_step(0, 0.15, section.level)
    gap = np.clip(width - to_border + 0.1, 0, 1) * 0.75

    places = cells[(at(section.level, cells) > 0.15) & (at(section.level, cells) < 0.75)]
    count = min(len(places), rng.poisson(4 * max(0.0, grades.spongiosis - 0.35)))
    vesicles = np.repeat(places[rng.permutation(len(places))[:count]], 4, axis=0)  # four lobes each
    vesicles = vesicles + rng.normal(0, 3, vesicles.shape).astype(np.float32)
    axes, angles = rng.uniform(2.5, 6.5, (len(vesicles), 2)), rng.uniform(0, math.pi, len(vesicles))
    lakes = _ellipses(size, vesicles, axes, angles, np.full(len(vesicles), 0.92))
    return np.maximum(gap, lakes).clip(0, 1).astype(np.float32)


def _horn(section: Section, grades: Grades, rng: np.random.Generator) -> tuple[Map, Map]:
    """Return both stains of the horn: an open basket weave, or compact with nuclei (parakeratosis)."""
    size = section.size
    side = math.ceil(1.5 * size)
    weave = np.minimum(
        np.abs(section.lay(smooth_noise(rng, side, side, 9, 1.7))),
        np.abs(section.lay(smooth_noise(rng, side, side, 11, 2.1))),
    )
    inner = smooth_step(0.75, 1.0, section.horn_level)
    strands = np.maximum(smooth_step(0.42, 0.12, weave), inner)
    stripes = section.texture(rng, 12, 1.0)
    packed = 0.85 + 0.13 * stripes

    where = 2.4 * grades.parakeratosis - 1.0 + 0.5 * section.texture(rng, 26, 26)
    compact = (
        smooth_step(-0.25, 0.25, where.astype(np.float32))
        if grades.parakeratosis > 0.02
        else np.zeros_like(weave)
    )
    eosin = 0.62 * strands + compact * (packed - 0.62 * strands)
    haematoxylin = 0.10 * strands * (1 - compact) + 0.10 * compact

    flat = section.lattice(rng, 9, 3.6, 0.25)
    flat = flat[rng.random(len(flat)) < 0.55 * at(compact, flat)]
    axes = np.array([3.0, 0.85]) * np.exp(rng.normal(0, 0.15, (len(flat), 2)))
    tilt = section.angle + rng.normal(0, 0.12, len(flat))
    haematoxylin += _ellipses(size, flat, axes, tilt, rng.uniform(0.4, 0.8, len(flat)))

    places = flat[at(section.horn, flat)]
    count = min(len(places), rng.poisson(2.5 * grades.neutrophils))
    heaps = np.repeat(places[rng.permutation(len(places))[:count]], 16, axis=0)
    heaps = heaps + rng.normal(0, 3.5, heaps.shape).astype(np.float32)
    heaps = heaps[np.all((heaps >= 0) & (heaps < size - 1), axis=1)]
    haematoxylin += _dots(size, heaps, rng, 1.3)
    return haematoxylin.astype(np.float32), eosin.astype(np.float32)
