"""Synthetic photos of skin with a lesion: drawings with known truth, never evidence about disease.

A scene (a limb, a fold or open skin) has a person's skin; an eruption adds blood, pigment, height and what
lies on the surface; light comes back from melanin over blood, from scale, crust and fluid; a camera looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.errors import DataError, Problems
from nmevision.phantom.body import Scene, Site, Texture, background, scene_of, texture_of
from nmevision.phantom.camera import Camera, camera_of, photograph
from nmevision.phantom.canvas import Canvas, smooth_step
from nmevision.phantom.lesions import Lesion, discolour, no_lesion, outline, raise_up, redden
from nmevision.phantom.noise import Map
from nmevision.phantom.photo_grades import (
    MEASURES,
    check_diagnosis,
    check_grades,
    draw_grades,
    typical_grade,
)
from nmevision.phantom.photo_truth import PhotoTruth
from nmevision.phantom.signs import paint_signs
from nmevision.phantom.skin import (
    RESTING_BLOOD,
    Colours,
    fitzpatrick_of,
    ita_range_of,
    melanin_of,
    reflectance,
)

FIELD_RANGE = (78.0, 125.0)
"""Side of the skin in the photo in millimetres."""
LEAST_SIZE = 48
_ARTERIAL, _DUSKY = 0.80, 0.25
"""Oxygen saturation of the blood of inflamed and of dying skin."""
_BROWNING = (0.045, 0.75)
"""Melanin that a marked browning adds: a constant, and a share of what the skin has. By eye."""
_INFLAMED = 0.60
"""Share by which inflammation darkens melanin at once: unseen in light skin, much of its look in dark. By eye."""
_RAW_BLOOD = 12.0
"""Blood (per cent) that shines through where the epidermis is gone. By eye."""
SILVER, SEBUM, HONEY, DRIED_BLOOD, PUS, SERUM = (
    np.array(colour, np.float32)
    for colour in (
        (0.72, 0.70, 0.67), (0.62, 0.49, 0.26), (0.36, 0.20, 0.075), (0.11, 0.045, 0.028), (0.80, 0.72, 0.45),
        (0.66, 0.48, 0.25),
    )
)  # fmt: skip
"""Reflectance (linear RGB) of dry scale, greasy scale, serous and haemorrhagic crust, pus, serum. By eye."""


@dataclass(frozen=True)
class Photo:
    """A synthetic photo (uint8 RGB, size x size x 3) and what is true of it."""

    pixels: NDArray[np.uint8]
    truth: PhotoTruth


def draw_photo(
    diagnosis: str,
    rng: np.random.Generator,
    size: int = 224,
    camera: int | Camera = 1,
    *,
    ita: float | None = None,
    grades: dict[str, int] | None = None,
    site: Site | None = None,
) -> Photo:
    """Return one synthetic photo of skin with its truth.

    Args:
        diagnosis: one of `photo_grades.DIAGNOSES`.
        rng: the only source of chance.
        size: side in pixels, at least 48; the millimetres shown do not depend on it.
        camera: number (>= 1) of a camera, always the same one, or a camera.
        ita: typology angle of the healthy skin in degrees; drawn evenly over Fitzpatrick types by default.
        grades: sliders 0 to 3 for findings of `photo_grades.MEASURES`; the others are drawn from the profile.
        site: open, limb or fold; drawn by how typical folds are of the diagnosis by default.

    Raises:
        DataError: an argument that cannot be drawn.

    >>> draw_photo("eczema", np.random.default_rng(0), size=96).pixels.shape
    (96, 96, 3)
    """
    _check(diagnosis, size, camera, ita, grades, site)
    seen_by = camera if isinstance(camera, Camera) else camera_of(camera)
    if ita is None:
        ita = draw_ita(rng, int(rng.integers(1, 7)))
    asked = draw_grades(diagnosis, rng) | (grades or {})
    canvas = Canvas(rng, size, rng.uniform(*FIELD_RANGE))
    scene = scene_of(canvas, site or _draw_site(diagnosis, rng))
    lesion = _erupt(canvas, scene, diagnosis, asked)
    light = _lit(canvas, scene, lesion, texture_of(canvas, scene.site, ita), ita)
    if scene.site == "limb":
        light = light + (1 - scene.cover[..., None]) * (background(canvas) - light)
    truth = _truth(diagnosis, scene, lesion, ita, seen_by, canvas.field)
    return Photo(photograph(light, seen_by, rng), truth)


def draw_ita(rng: np.random.Generator, fitzpatrick: int) -> float:
    """Return a typology angle in degrees of a Fitzpatrick type, 1 to 6."""
    return float(rng.uniform(*ita_range_of(fitzpatrick)))


def _check(
    diagnosis: str,
    size: int,
    camera: int | Camera,
    ita: float | None,
    grades: dict[str, int] | None,
    site: str | None,
) -> None:
    """Raise DataError for the first kind of argument that cannot be drawn."""
    check_diagnosis(diagnosis)
    check_grades(grades or {})
    problems = Problems()
    if size < LEAST_SIZE:
        problems.add(f"size (pixels) is {size}; expected at least {LEAST_SIZE}")
    if isinstance(camera, int) and camera < 1:
        problems.add(f"camera is {camera}; expected a number from 1")
    if ita is not None and not -60 <= ita <= 72:
        problems.add(f"ita is {ita}; expected -60 to 72 degrees")
    if site is not None and site not in get_args(Site):
        problems.add(f"site '{site}'; expected {', '.join(get_args(Site))}")
    problems.raise_if_any(DataError, "phantom photo")


def _draw_site(diagnosis: str, rng: np.random.Generator) -> Site:
    """Return where the photo looks: folds oftener where they are typical, but never in one disease alone."""
    fold = 0.10 + 0.10 * typical_grade(diagnosis, "site_intertriginous")
    chance = rng.uniform()
    if chance < fold:
        return "fold"
    return "limb" if chance < fold + 0.30 else "open"


def _erupt(canvas: Canvas, scene: Scene, diagnosis: str, grades: dict[str, int]) -> Lesion:
    """Return the lesion that the grades ask for; healthy skin where they are all 0."""
    if not any(grades.values()):
        return no_lesion(canvas)
    lesion = outline(canvas, scene, diagnosis, grades)
    redden(canvas, lesion, grades["erythema"])
    raise_up(canvas, lesion, grades["plaque"])
    discolour(canvas, lesion, grades)
    paint_signs(canvas, scene, lesion, grades)
    return lesion


def _lit(canvas: Canvas, scene: Scene, lesion: Lesion, texture: Texture, ita: float) -> Colours:
    """Return the light (linear RGB) that comes back from the skin under one lamp."""
    skin = _bare(canvas, scene, lesion, texture, ita)
    planes = [np.ascontiguousarray(skin[..., k], np.float32) for k in range(3)]
    _cover(canvas, lesion, planes)
    height = canvas.blurred(lesion.height, 0.16) + _relief(canvas, lesion, texture)
    shade, gloss = _shading(canvas, scene, lesion, height)
    bright = gloss + 0.10 * texture.light_hair * shade
    shade *= 1 - 0.80 * texture.dark_hair
    for plane, lamp in zip(planes, (1.0, 0.98, 0.94), strict=True):
        plane *= shade
        plane += np.float32(lamp) * bright
    return np.asarray(cv2.merge(planes), np.float32)


def _bare(canvas: Canvas, scene: Scene, lesion: Lesion, texture: Texture, ita: float) -> Colours:
    """Return the colour of the living skin: melanin over blood, each with its natural mottling."""
    base = melanin_of(ita)
    cloud = 0.07 * canvas.noise(1.0) + 0.06 * canvas.noise(4) + 0.08 * canvas.noise(18)
    fine = 0.05 * texture.grain + 0.10 * (texture.seams - 0.25) * (1 + lesion.lines) + 0.25 * texture.pores
    melanin = base * np.exp(cloud + fine + 0.25 * scene.blush)
    gained = _BROWNING[0] + _BROWNING[1] * base
    melanin = melanin + gained * lesion.pigment.clip(0, 2) + 0.9 * gained * texture.spots
    melanin = melanin + _INFLAMED * base * (1 - np.exp(-0.5 * lesion.redness))
    melanin = melanin * (1 + lesion.pigment.clip(-0.9, 0)) * (1 - 0.93 * lesion.lack.clip(0, 1))
    flush = 0.16 * canvas.noise(2.2) + 0.14 * canvas.noise(0.8) + 0.22 * canvas.noise(14)
    blood = (
        RESTING_BLOOD * np.exp(flush + 0.5 * scene.blush) + lesion.blood.clip(0) + _RAW_BLOOD * lesion.lack
    )
    melanin, blood = melanin.astype(np.float32), blood.astype(np.float32)
    skin = reflectance(melanin, blood, _ARTERIAL)
    if lesion.dusk.any():
        skin = skin + lesion.dusk.clip(0, 1)[..., None] * (reflectance(melanin, blood, _DUSKY) - skin)
    return skin


def _cover(canvas: Canvas, lesion: Lesion, skin: list[Map]) -> None:
    """Lay fluid, pus, grease, crust and scale over the three colour planes of the skin."""
    if not lesion.area.any():
        return
    honey = smooth_step(-1.4, 1.4, canvas.noise(3.5) + 0.5 * canvas.noise(0.7))
    tone = 0.42 + 0.80 * math.sqrt(float(skin[0].mean()))  # horn holds some of the melanin it grew from
    flaky = 1 + 0.07 * canvas.noise(0.35)
    layers = (0.50 * lesion.fluid, lesion.pus, lesion.grease, lesion.crust, lesion.scale)
    boxes = [_box(share) for share in layers]
    for k, plane in enumerate(skin):
        crust = DRIED_BLOOD[k] + honey * (HONEY[k] - DRIED_BLOOD[k])
        colours = (
            SERUM[k] * (0.30 + 1.2 * plane),
            flaky * (PUS[k] * tone),
            flaky * (SEBUM[k] * tone),
            flaky * crust,
            flaky * (SILVER[k] * tone),
        )
        for share, box, colour in zip(layers, boxes, colours, strict=True):
            plane[box] += share[box].clip(0, 0.96) * (colour[box] - plane[box])


def _box(values: Map) -> tuple[slice, slice]:
    """Return the rows and columns that hold all values above 0."""
    x, y, width, height = cv2.boundingRect((values > 0).view(np.uint8))
    return slice(y, y + height), slice(x, x + width)


def _relief(canvas: Canvas, lesion: Lesion, texture: Texture) -> Map:
    """Return the fine relief of the skin in mm; a thin stretched roof or a raw floor is smooth."""
    smooth = 1 - 0.8 * (lesion.lack + lesion.fluid).clip(0, 1)
    fine = -0.060 * texture.seams * (1 + lesion.lines) - 0.07 * texture.pores + 0.012 * texture.grain
    return np.asarray(fine * smooth + 0.05 * canvas.noise(2.5) + 0.16 * canvas.noise(7), np.float32)


def _shading(canvas: Canvas, scene: Scene, lesion: Lesion, height: Map) -> tuple[Map, Map]:
    """Return how brightly each place is lit, and how much it shines, for one lamp from one side."""
    rng = canvas.rng
    angle, low = rng.uniform(-math.pi, math.pi), rng.uniform(0.25, 0.6)
    own_y, own_x = np.gradient(height * np.float32(canvas.px))
    lean_x, lean_y = (own_x + scene.lean_x).astype(np.float32), (own_y + scene.lean_y).astype(np.float32)
    to_x, to_y = math.cos(angle), math.sin(angle)
    steep = np.sqrt(1 + lean_x**2 + lean_y**2)
    # Slopes fall away from the lamp where they rise towards it, seen from above.
    facing = (1 - low * (to_x * lean_x + to_y * lean_y)) / steep
    direct = np.clip(facing, 0, None)
    light = (0.42 + 0.58 * direct) * scene.shade
    across = (to_x * canvas.x + to_y * canvas.y) / canvas.field
    light = light * (1 + rng.uniform(0, 0.30) * across)
    glance = cv2.magnitude(lean_x + 0.5 * low * to_x, lean_y + 0.5 * low * to_y)
    oily = rng.uniform(0.0, 0.05) * np.exp(-((glance / 0.30) ** 2))
    if lesion.wet.any():
        glint = 0.30 * np.exp(-((glance / 0.12) ** 2)) + 0.05 * np.exp(-((glance / 0.5) ** 2))
        oily = oily + lesion.wet.clip(0, 1.2) * glint
    return light.astype(np.float32), (oily * scene.shade).astype(np.float32)


def _truth(
    diagnosis: str, scene: Scene, lesion: Lesion, ita: float, camera: Camera, field: float
) -> PhotoTruth:
    """Return what is true of the photo; a finding's grade is that of the value that was drawn."""
    drawn = lesion.reached if lesion.area.any() else {}
    grades = {finding: measure.grade(drawn.get(finding, 0.0)) for finding, measure in MEASURES.items()}
    if scene.site == "fold":
        grades["site_intertriginous"] = 3
    return PhotoTruth(
        diagnosis=diagnosis,
        grades=grades,
        ita=ita,
        fitzpatrick=fitzpatrick_of(ita),
        camera=camera.name,
        site=scene.site,
        field=field,
        lesion=np.rint(lesion.alpha.clip(0, 1) * 255).astype(np.uint8),
        skin=scene.skin,
        masks=lesion.masks,
        redness=lesion.redness,
        rise=lesion.rise,
    )
