"""The body of a lesion on a synthetic photo: its outline, its ring, its redness, its height and its brown."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nmevision.phantom.body import Scene
from nmevision.phantom.canvas import (
    Canvas,
    Mask,
    ragged_union,
    signed_depth,
    smooth_step,
    soft_above,
    upper_share,
)
from nmevision.phantom.noise import Map
from nmevision.phantom.photo_grades import MEASURES


@dataclass(frozen=True)
class Style:
    """How the lesions of one disease lie and spread; lengths in millimetres.

    rounds: how many rounds fuse into the outline. radius: of a round. spread: of their centres.
    warp: how far the outline wanders. patchy: how uneven the redness is, 0 even to 1 in separate spots.
    resting: redness left where a ring has cleared, as a share of that of its edge.
    """

    rounds: tuple[int, int]
    radius: tuple[float, float]
    spread: float
    warp: float
    patchy: float = 0.3
    resting: float = 0.3


STYLES: dict[str, Style] = {
    "nme": Style((3, 7), (14, 28), 20, 3.2, 0.35, 0.32),
    "psoriasis": Style((1, 6), (8, 24), 20, 1.8, 0.12, 0.45),
    "eczema": Style((2, 6), (10, 24), 17, 6.0, 0.85, 0.45),
    "seborrheic_dermatitis": Style((1, 5), (10, 22), 17, 3.2, 0.45, 0.5),
    "tinea": Style((1, 4), (14, 27), 15, 1.6, 0.35, 0.16),
    "candidiasis_intertrigo": Style((3, 6), (11, 22), 14, 3.0, 0.18, 0.6),
}


@dataclass
class Lesion:
    """What a disease does to a patch of skin; every map is float32, H x W, zero on healthy skin.

    depth: distance inside the outline in mm (< 0 outside). alpha: 0-1, half on the outline.
    blood: added to the dermis, per cent of its volume. pigment: melanin gained (lost if < 0), as a share of
    what a marked browning adds. height: mm. lines: how much the skin's own lines deepen.
    dusk: share of the blood's oxygen lost. wet: shine of a moist surface. lack: share of the epidermis gone.
    scale, grease, crust, fluid, pus: share of the surface covered (0-1).
    redness, rise: the blood and the height of the lesion as a whole, without what lies on it.
    masks: where each finding with a shape lies. reached: the measured value of what was drawn.
    """

    style: Style
    depth: Map
    rim: float
    """Width of the active edge in mm; wider than the lesion where nothing has cleared."""
    area: Mask
    alpha: Map
    blood: Map
    pigment: Map
    height: Map
    lines: Map
    dusk: Map
    wet: Map
    lack: Map
    scale: Map
    grease: Map
    crust: Map
    fluid: Map
    pus: Map
    redness: Map
    rise: Map
    masks: dict[str, Mask] = field(init=False, default_factory=dict)
    reached: dict[str, float] = field(init=False, default_factory=dict)

    def patch(self, weight: Map, share: float, feather: float = 0.35) -> tuple[Mask, Map]:
        """Return the `share` of the lesion where `weight` is greatest, as a mask and softly."""
        edge = upper_share(weight[self.area], share)
        mask = self.area & (weight >= edge)
        return mask, soft_above(edge, feather, weight) * self.area

    def note(self, finding: str, mask: Mask, value: float) -> None:
        """Keep where a finding lies and how much of it there is, if there is any."""
        if mask.any():
            self.masks[finding] = mask
        self.reached[finding] = value

    def note_share(self, finding: str, mask: Mask) -> None:
        """Keep where a finding lies; its measure is its share of the lesion."""
        self.note(finding, mask, float(np.count_nonzero(mask & self.area) / np.count_nonzero(self.area)))


def no_lesion(canvas: Canvas) -> Lesion:
    """Return healthy skin."""
    depth = np.full((canvas.size, canvas.size), -1e3, np.float32)
    maps = [canvas.zeros() for _ in range(15)]
    return Lesion(STYLES["eczema"], depth, 0.0, depth > 0, *maps)


def outline(canvas: Canvas, scene: Scene, diagnosis: str, grades: dict[str, int]) -> Lesion:
    """Return a lesion of which only the outline, the margin and the cleared part are drawn yet."""
    style = STYLES[diagnosis]
    lesion = no_lesion(canvas)
    lesion.style = style
    mask = _shape(canvas, scene, style)
    lesion.depth = signed_depth(mask, canvas.px)
    lesion.area = (lesion.depth >= 0) & scene.skin
    steepness = MEASURES["sharp_margin"].target(grades["sharp_margin"], canvas.rng)
    width = 1 / steepness if steepness else canvas.rng.uniform(9, 14)
    lesion.alpha = smooth_step(-width / 2, width / 2, lesion.depth * np.float32(_INNER))
    lesion.alpha *= scene.skin
    lesion.reached["sharp_margin"] = 1 / width
    _clear(canvas, lesion, grades["annular_or_polycyclic"])
    return lesion


_INNER = 0.608
"""Share of a smooth step's width over which it rises from 0.1 to 0.9, which is how a margin is measured."""


def _shape(canvas: Canvas, scene: Scene, style: Style) -> Mask:
    """Return the outline of the fused rounds, on skin, of 6 to 70 per cent of the photo if it can be had."""
    rng = canvas.rng
    for attempt in range(6):
        rounds = []
        for index in range(int(rng.integers(*style.rounds))):
            radius = rng.uniform(*style.radius)
            if index == 0:
                radius = max(radius, sum(style.radius) / 2)
            x, y = scene.place(rng, style.spread)
            rounds.append((x, y, radius))
        mask = ragged_union(canvas, scene.x, scene.y, rounds, style.warp) & scene.skin
        if 0.06 < mask.mean() < 0.7 or attempt == 5:
            break
    return mask


def _clear(canvas: Canvas, lesion: Lesion, grade: int) -> None:
    """Clear the middle of the lesion, so that a ring or an arc is left."""
    if grade == 0:
        lesion.rim = 1e3
        return
    share = MEASURES["annular_or_polycyclic"].target(grade, canvas.rng)
    uneven = lesion.depth + 1.3 * canvas.noise(4) + 1.2 * canvas.noise(9)
    lesion.rim = max(upper_share(uneven[lesion.area], share), 0.8)
    lesion.note_share("annular_or_polycyclic", lesion.area & (uneven >= lesion.rim))


def redden(canvas: Canvas, lesion: Lesion, grade: int) -> None:
    """Add the blood of inflammation; a cleared middle keeps little of it."""
    style, rng = lesion.style, canvas.rng
    mottle = 1 + style.patchy * (0.28 * canvas.noise(2.0) + 0.30 * canvas.noise(0.9) + 0.3 * canvas.noise(6))
    if style.patchy > 0.6:  # eczema: streaks and islands rather than a sheet
        islands = 0.7 * canvas.noise(2.6) + 0.6 * canvas.noise(1.2) + 0.5 * canvas.noise(7)
        mottle *= 0.35 + 1.0 * smooth_step(-0.9, 0.8, islands)
    red = lesion.alpha * mottle.clip(0.08, 2.4)
    cleared = lesion.masks.get("annular_or_polycyclic")
    if cleared is not None:
        behind = canvas.blurred(cleared.astype(np.float32), 1.0)
        red *= 1 - (1 - style.resting * rng.uniform(0.6, 1.4)) * behind
        red *= 1 + 0.35 * np.exp(-(((lesion.depth - 0.3 * lesion.rim) / (0.45 * lesion.rim + 0.5)) ** 2))
    active = lesion.area if cleared is None else lesion.area & ~cleared
    value = MEASURES["erythema"].target(grade, rng)
    lesion.redness = red * np.float32(value / max(float(red[active].mean()), 1e-3))
    lesion.blood += lesion.redness
    lesion.reached["erythema"] = value


def raise_up(canvas: Canvas, lesion: Lesion, grade: int) -> None:
    """Raise the lesion over the skin around it, its edge first where it is a ring."""
    dome = np.maximum(smooth_step(-0.6, 1.6, lesion.depth), 0.6 * lesion.alpha)
    cleared = lesion.masks.get("annular_or_polycyclic")
    if cleared is not None:
        dome = dome * (1 - 0.75 * canvas.blurred(cleared.astype(np.float32), 0.8))
    dome = dome * (1 + 0.12 * canvas.noise(3))
    value = MEASURES["plaque"].target(grade, canvas.rng) or 0.04
    lesion.rise = dome * np.float32(value / max(float(dome[lesion.area].mean()), 1e-3))
    lesion.height += lesion.rise
    lesion.reached["plaque"] = value


def discolour(canvas: Canvas, lesion: Lesion, grades: dict[str, int]) -> None:
    """Leave the brown and the pale patches of inflammation that has passed; brown fills a cleared ring."""
    brown, pale = grades["brown_hyperpigmentation"], grades["hypopigmentation"]
    inside = smooth_step(0, max(0.9 * min(lesion.rim, 12.0), 1.0), lesion.depth)
    if brown:
        weight = 2.4 * inside + 0.6 * canvas.noise(5) + 0.25 * canvas.noise(1.5)
        share = MEASURES["brown_hyperpigmentation"].target(brown, canvas.rng)
        mask, soft = lesion.patch(weight, share, 0.7)
        lesion.pigment += (
            soft * (0.30 + 0.20 * brown) * (1 + 0.22 * canvas.noise(1.2) + 0.2 * canvas.noise(4))
        )
        lesion.blood *= 1 - 0.30 * soft
        lesion.note_share("brown_hyperpigmentation", mask)
    if pale:
        weight = -1.2 * inside + canvas.noise(5) - 3.0 * lesion.pigment
        mask, soft = lesion.patch(weight, MEASURES["hypopigmentation"].target(pale, canvas.rng), 0.5)
        lesion.pigment -= soft * (0.22 + 0.10 * pale)
        lesion.blood *= 1 - 0.6 * soft
        lesion.note_share("hypopigmentation", mask)
