"""Where on the body a synthetic photo looks: open skin, a limb before a background, or a fold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.canvas import Canvas, Mask, smooth_step
from nmevision.phantom.noise import Map

Site = Literal["open", "limb", "fold"]

BACKGROUNDS = (
    (0.62, 0.64, 0.63), (0.10, 0.20, 0.30), (0.12, 0.26, 0.20), (0.28, 0.29, 0.30), (0.05, 0.05, 0.06),
    (0.42, 0.34, 0.25), (0.30, 0.40, 0.52),
)  # fmt: skip
"""Linear RGB of sheets, drapes, couches and clothes."""


@dataclass
class Scene:
    """The body in the photo; maps are float32, H x W.

    skin: where there is skin. cover: the same softly, 0-1. x, y: millimetres along the surface.
    lean_x, lean_y: how far the surface leans towards right and down (slope, no unit).
    shade: light kept from it by its own shape (0-1). axis: radians, of the limb or of the fold.
    """

    site: Site
    skin: Mask
    cover: Map
    x: Map
    y: Map
    lean_x: Map
    lean_y: Map
    shade: Map
    axis: float
    blush: Map
    """More blood and melanin where skin lies on skin (0-1)."""

    def place(self, rng: np.random.Generator, spread: float) -> tuple[float, float]:
        """Return a place for part of a lesion (mm), near the middle; along the fold where there is one."""
        along, across = rng.normal(0, spread), rng.normal(0, spread)
        if self.site == "fold":
            along, across = 1.2 * along, 0.35 * across
        elif self.site == "limb":
            along, across = 1.2 * along, 0.6 * across
        cos, sin = math.cos(self.axis), math.sin(self.axis)
        return cos * along - sin * across, sin * along + cos * across


def scene_of(canvas: Canvas, site: Site) -> Scene:
    """Return the shape of the body part in the photo."""
    size = canvas.size
    skin = np.ones((size, size), bool)
    ones = np.ones((size, size), np.float32)
    axis = canvas.rng.uniform(0, math.pi)
    scene = Scene(
        site, skin, ones, canvas.x, canvas.y, canvas.zeros(), canvas.zeros(), ones, axis, canvas.zeros()
    )
    {"open": _open, "limb": _limb, "fold": _fold}[site](canvas, scene)
    return scene


def _open(canvas: Canvas, scene: Scene) -> None:
    """Trunk or thigh: skin all over, gently vaulted."""
    rng, axis = canvas.rng, scene.axis
    across = (math.cos(axis) * canvas.y - math.sin(axis) * canvas.x) / canvas.field
    lean = rng.uniform(0.2, 1.1) * (across - rng.uniform(-0.25, 0.25)) + 0.05 * canvas.noise(22)
    _lean(scene, lean.astype(np.float32))


def _lean(scene: Scene, lean: Map) -> None:
    """Let the surface lean across the scene's axis."""
    scene.lean_x = scene.lean_x - np.float32(math.sin(scene.axis)) * lean
    scene.lean_y = scene.lean_y + np.float32(math.cos(scene.axis)) * lean


def _limb(canvas: Canvas, scene: Scene) -> None:
    """An arm or a leg: a slightly tapering, slightly bent cylinder before a background."""
    rng = canvas.rng
    along, across = canvas.turned(np.zeros(2), scene.axis)
    across = across - rng.normal(0, 0.04) * canvas.field - rng.normal(0, 0.0006) * along**2
    half = canvas.field * (rng.uniform(0.34, 0.44) + rng.normal(0, 0.04) * along / canvas.field)
    ratio = (across / half + 0.012 * canvas.noise(14)).astype(np.float32)
    scene.cover = smooth_step(1.0, 1.0 - 1.2 / (canvas.px * canvas.field * 0.4), np.abs(ratio))
    scene.skin = scene.cover > 0.5
    inside = ratio.clip(-0.985, 0.985)
    around = half * np.arcsin(inside)  # millimetres along the skin, not across the photo
    cos, sin = math.cos(scene.axis), math.sin(scene.axis)
    scene.x = (cos * along - sin * around).astype(np.float32)
    scene.y = (sin * along + cos * around).astype(np.float32)
    _lean(scene, (0.75 * inside / np.sqrt(1 - 0.93 * inside**2)).astype(np.float32))
    scene.shade = np.asarray(0.42 + 0.58 * np.sqrt(1 - 0.985 * inside**2), np.float32)


def _fold(canvas: Canvas, scene: Scene) -> None:
    """Groin, armpit or under the breast: two bulges of skin that meet in a dark crease."""
    rng = canvas.rng
    along, across = canvas.turned(np.zeros(2), scene.axis)
    across = across - rng.normal(0, 4) - rng.normal(0, 0.004) * along**2 + 0.7 * canvas.noise(9)
    away = np.abs(across)
    near = np.exp(-away / rng.uniform(7, 13)).astype(np.float32)
    depth = rng.uniform(0.65, 1.0)
    _lean(scene, (-1.4 * depth * np.tanh(across / 2.0) * near).astype(np.float32))
    wide = rng.uniform(0.5, 1.0) * np.exp(0.45 * canvas.noise(6))
    crease = np.exp(-((across / wide) ** 2)) * smooth_step(-2.0, 0.2, canvas.noise(12))
    hollow = np.exp(-away / rng.uniform(2.0, 3.5))
    scene.shade = np.asarray((1 - 0.62 * depth * hollow) * (1 - 0.45 * crease), np.float32)
    scene.blush = near


def background(canvas: Canvas) -> NDArray[np.float32]:
    """Return what lies behind a limb (linear RGB): cloth or couch, out of focus."""
    rng = canvas.rng
    colour = np.array(BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))], np.float32)
    colour = (colour * np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.06, 3))).astype(np.float32)
    folds = 1 + 0.10 * canvas.noise(16) + 0.05 * canvas.noise(5)
    weave = 1 + 0.03 * canvas.noise(0.5)
    return np.asarray(colour * (folds * weave).clip(0.3, 1.7)[..., None], np.float32)


@dataclass(frozen=True)
class Texture:
    """What healthy skin has of its own: seams of its fine lines (0-1), pores, hairs and spots of pigment.

    dark_hair: share of a pixel under a dark hair. light_hair: under a pale, fine one.
    """

    seams: Map
    grain: Map
    pores: Map
    spots: Map
    dark_hair: Map
    light_hair: Map


def texture_of(canvas: Canvas, site: Site, ita: float) -> Texture:
    """Return the fine structure of one person's skin at one site."""
    rng = canvas.rng
    _, seams = canvas.cells(rng.uniform(0.9, 1.5))
    seams = seams * (0.55 + 0.45 * smooth_step(-1, 1, canvas.noise(6)))
    hairy = {"open": 0.5, "limb": 0.75, "fold": 0.45}[site]
    dark = rng.uniform() < hairy * 0.7
    count = int(rng.integers(15, 90)) if dark else 0
    return Texture(
        seams=seams,
        grain=canvas.noise(0.35),
        pores=_pores(canvas),
        spots=_spots(canvas, ita),
        dark_hair=_hairs(canvas, count, (4, 14), 0.085),
        light_hair=_hairs(canvas, int(rng.integers(0, 110)), (2, 6), 0.05),
    )


def _pores(canvas: Canvas) -> Map:
    """Return faint dots where hairs and glands open, about one in two to four millimetres."""
    rng, size = canvas.rng, canvas.size
    dots = canvas.zeros()
    count = int((canvas.field / rng.uniform(1.8, 4.0)) ** 2)
    dots[rng.integers(0, size, count), rng.integers(0, size, count)] = rng.uniform(0.3, 1, count)
    spread = canvas.blurred(dots, 0.22)
    return np.asarray(spread / max(float(spread.max()), 1e-6), np.float32)


def _spots(canvas: Canvas, ita: float) -> Map:
    """Return the pigment of moles and freckles: anyone has them, with or without a disease."""
    rng, spots = canvas.rng, canvas.zeros()
    everywhere = np.ones((canvas.size, canvas.size), np.float32)
    for at in canvas.scatter(everywhere, int(rng.poisson(1.2)), 6):
        canvas.dome(spots, at, rng.uniform(0.8, 2.2), 1.1)
    spots = smooth_step(0, 0.5, spots) * rng.uniform(0.4, 1.2)
    if ita > 20 and rng.uniform() < 0.3:  # freckles and sun spots of light skin
        freckles = smooth_step(1.5, 2.6, canvas.noise(0.8)) * smooth_step(-0.3, 1.5, canvas.noise(15))
        spots = np.maximum(spots, 0.35 * freckles)
    return np.asarray(canvas.blurred(spots * (1 + 0.2 * canvas.noise(0.6)), 0.2), np.float32)


def _hairs(canvas: Canvas, count: int, length: tuple[float, float], width: float) -> Map:
    """Return where hairs lie over the skin (0-1), combed one way; lengths in mm."""
    rng, size, px = canvas.rng, canvas.size, canvas.px
    drawn = np.zeros((size, size), np.uint8)
    direction, strength = rng.uniform(0, 2 * math.pi), min(255.0, 255 * width * px * 1.6)
    turn = direction + rng.normal(0, 0.30, (count, 1)) + rng.normal(0, 0.10, (count, 1)) * np.arange(8)
    steps = np.stack([np.cos(turn), np.sin(turn)], -1) * (rng.uniform(*length, (count, 1, 1)) * px / 8)
    paths = rng.uniform(-0.05, 1.05, (count, 1, 2)) * size + np.cumsum(steps, axis=1)
    shades = strength * rng.uniform(0.5, 1, count)
    for path, shade in zip(np.rint(paths * 16).astype(np.int32), shades.tolist(), strict=True):
        cv2.polylines(drawn, [path], False, shade, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(drawn, (3, 3), 0.5) / np.float32(255), np.float32)
