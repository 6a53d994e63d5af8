"""Synthetic photos of skin with a lesion: drawings with known truth, never evidence about disease.

Skin is a colour of the whole human range; blood and melanin darken it by the law of Beer and Lambert,
scale, crust and raw patches cover it, its relief throws shade, and a camera looks at it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.phantom.lesions import FRAME, Lesion, draw_lesion
from nmevision.phantom.noise import Map, smooth_noise, smooth_step

ITA_RANGE = (-50.0, 70.0)
"""Individual typology angle of the skin in degrees, very dark to very light: Chardon 1991,
doi:10.1111/j.1467-2494.1991.tb00561.x."""
BLOOD = np.array([0.12, 0.78, 0.60], np.float32)
"""Absorbance (R, G, B) of a unit of added blood: haemoglobin takes green and blue, little red. By eye."""
MELANIN = np.array([0.45, 0.75, 1.05], np.float32)
"""Absorbance (R, G, B) of a unit of added melanin: rising towards blue. By eye."""
SILVER = np.array([0.66, 0.62, 0.58], np.float32)
HONEY = np.array([0.28, 0.165, 0.085], np.float32)
DRIED_BLOOD = np.array([0.10, 0.025, 0.02], np.float32)
RAW = np.array([0.42, 0.055, 0.05], np.float32)
"""Reflectance (linear R, G, B) of dry scale, serous crust, haemorrhagic crust and an erosion. By eye."""
_CAMERA_SEED = 20_041_002  # so that camera 1 is the same camera in every phantom set


@dataclass(frozen=True)
class Camera:
    """How one camera sees. gain: (3,) white balance and exposure, linear light.

    blur: standard deviation in pixels at FRAME. vignette: light lost in the corners, 0-1.
    noise: standard deviation in grey levels. quality: of the JPEG it writes.
    """

    gain: NDArray[np.float32]
    blur: float
    vignette: float
    noise: float
    quality: int


def camera_of(number: int) -> Camera:
    """Return camera `number` (>= 0), always the same one."""
    rng = np.random.default_rng([_CAMERA_SEED, number])
    return Camera(
        gain=np.exp(rng.normal(0, 0.10) + rng.normal(0, 0.045, 3)).astype(np.float32),
        blur=rng.uniform(0.3, 0.9),
        vignette=rng.uniform(0.0, 0.35),
        noise=rng.uniform(1.0, 4.0),
        quality=int(rng.integers(70, 96)),
    )


def skin_colour(ita: float) -> NDArray[np.float32]:
    """Return healthy skin's reflectance (linear R, G, B, 0-1) for a typology angle in degrees.

    ITA = arctan((L* - 50) / b*); b* and a* follow from it as they do, roughly, in people: both are highest
    in the middle of the range.

    >>> light, dark = skin_colour(60), skin_colour(-45)
    >>> bool((light > dark).all())
    True
    """
    yellow = 18.5 - 8.5 * ((ita - 5) / 60) ** 2
    red = 11.5 - 3.5 * ((ita - 5) / 60) ** 2
    lightness = 50 + yellow * math.tan(math.radians(ita))
    lab = np.array([[[lightness, red, yellow]]], np.float32)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2LRGB)[0, 0], np.float32).clip(0.005, 1)


def draw_photo(
    diagnosis: str, rng: np.random.Generator, size: int = 224, camera: int = 0
) -> NDArray[np.uint8]:
    """Return one synthetic photo of skin as RGB (uint8, size x size x 3).

    Args:
        diagnosis: nme, psoriasis, eczema or normal; how marked it is, is left to chance.
        rng: the only source of chance.
        size: side in pixels; the patch of skin shown is the same at every size.
        camera: number of the camera (>= 0), always the same white balance, blur and noise.

    Raises:
        DataError: no lesion is drawn for this diagnosis.

    >>> draw_photo("eczema", np.random.default_rng(0), size=96).shape
    (96, 96, 3)
    """
    lesion = draw_lesion(diagnosis, rng, size)
    light = _lit_skin(lesion, skin_colour(rng.uniform(*ITA_RANGE)), rng)
    return _photograph(light, camera_of(camera), rng)


def _lit_skin(lesion: Lesion, colour: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the light (linear, H x W x 3) that comes back from skin with a lesion under one lamp."""
    size = lesion.blood.shape[0]
    zoom = size / FRAME

    def noise(grain: float) -> Map:
        return smooth_noise(rng, size, size, max(grain * zoom, 0.3))

    fine = -rng.uniform(0.25, 0.6) * _skin_lines(size, rng) * (1 + lesion.lines)
    blood = lesion.blood + 0.025 * noise(14) + 0.02 * noise(2.5) - 0.03 * fine
    pigment = lesion.pigment + 0.02 * noise(20) + 0.012 * noise(3) - 0.03 * fine + _moles(size, rng)
    skin = colour * 10 ** -(blood[..., None] * BLOOD + pigment[..., None] * MELANIN)

    honey = smooth_step(-0.6, 0.6, noise(5))[..., None]
    covers = (
        (lesion.raw, RAW * (0.45 + 0.75 * float(colour[0]))),
        (lesion.crust, honey * HONEY + (1 - honey) * DRIED_BLOOD),
        (lesion.scale, SILVER * (0.55 + 0.6 * float(colour[0])) * (1 + 0.08 * noise(1.2))[..., None]),
    )
    for cover, its_colour in covers:
        share = cover.clip(0, 1)[..., None]
        skin = skin + share * (its_colour - skin)

    relief = lesion.relief + fine + 0.35 * noise(9) + 0.10 * noise(0.9)
    shade, gloss = _shade(relief.astype(np.float32), lesion.raw, rng)
    hairs = _hairs(size, rng) if rng.uniform() < 0.4 else np.zeros_like(shade)
    skin = skin * (1 - 0.75 * hairs[..., None])
    return np.asarray(skin * shade[..., None] + gloss[..., None], np.float32)


def _skin_lines(size: int, rng: np.random.Generator) -> Map:
    """Return the net of fine lines that crosses all skin (0-1), its two families at an angle."""
    zoom = size / FRAME
    turn = rng.uniform(0, 180)
    net = np.zeros((size, size), np.float32)
    for angle in (turn, turn + rng.uniform(50, 90)):
        side = 2 * math.ceil(0.75 * size)
        streaks = smooth_noise(rng, side, side, max(6 * zoom, 0.3), max(1.3 * zoom, 0.3))
        around = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1)
        around[:, 2] = around[:, 2] - (side - size) / 2
        turned = cv2.warpAffine(streaks, around, (size, size), borderMode=cv2.BORDER_REFLECT)
        net = np.maximum(net, np.exp(-((turned / 0.35) ** 2)))
    return np.asarray(net, np.float32)


def _hairs(size: int, rng: np.random.Generator) -> Map:
    """Return where fine hairs cover the skin (0-1), combed one way."""
    canvas = np.zeros((size, size), np.uint8)
    direction = rng.uniform(0, 2 * math.pi)
    for _ in range(int(rng.integers(5, 45))):
        angle = direction + rng.normal(0, 0.35) + np.cumsum(rng.normal(0, 0.12) * np.ones(6))
        steps = rng.uniform(2, 6) * size / FRAME * np.stack([np.cos(angle), np.sin(angle)], -1)
        hair = rng.uniform(0, size, 2) + np.cumsum(steps, axis=0)
        grey = float(rng.uniform(60, 190))
        cv2.polylines(canvas, [np.rint(hair * 16).astype(np.int32)], False, grey, 1, cv2.LINE_AA, 4)
    return (canvas / np.float32(255)).astype(np.float32)


def _moles(size: int, rng: np.random.Generator) -> Map:
    """Return the pigment of a few moles and freckles: anyone has them, with or without a disease."""
    spots = np.zeros((size, size), np.float32)
    for _ in range(rng.poisson(1.5)):
        x, y = (rng.uniform(0, size, 2) * 16).astype(int).tolist()
        radius = round(rng.uniform(1, 3.2) * size / FRAME * 16)
        cv2.circle(spots, (x, y), radius, float(rng.uniform(0.1, 0.5)), -1, cv2.LINE_8, 4)
    return np.asarray(cv2.GaussianBlur(spots, (0, 0), max(0.8 * size / FRAME, 0.4)), np.float32)


def _shade(relief: Map, wet: Map, rng: np.random.Generator) -> tuple[Map, Map]:
    """Return how brightly each place is lit, and how much it shines, for one lamp from one side."""
    size = relief.shape[0]
    angle = rng.uniform(-math.pi, math.pi)
    slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=1 / 8) * (size / FRAME)
    slope_y = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=1 / 8) * (size / FRAME)
    towards = math.cos(angle) * slope_x + math.sin(angle) * slope_y
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    body = rng.uniform(0, math.pi)  # a limb or a trunk falls away to both sides of its axis
    across = math.cos(body) * x + math.sin(body) * y - rng.uniform(-0.2, 0.2)
    light = 1 + rng.uniform(0, 0.35) * (math.cos(angle) * x + math.sin(angle) * y)
    light = light - rng.uniform(0.1, 0.9) * across**2
    shade = light * np.clip(1 + 0.75 * towards, 0.3, 1.7)
    shine = smooth_step(0.10, 0.55, towards) * (rng.uniform(0.01, 0.05) + 0.22 * wet)
    return shade.astype(np.float32), shine.astype(np.float32)


def _photograph(light: NDArray[np.float32], camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the photo (uint8, sRGB) that `camera` takes of linear light."""
    size = light.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32) / (size / 2) - 1
    corner = 1 - camera.vignette * (x**2 + y**2) / 2
    metering = (0.30 / float(light.mean())) ** rng.uniform(0.0, 0.25)  # automatic exposure, half-hearted
    gain = camera.gain * np.exp(rng.normal(0, 0.10) + rng.normal(0, 0.02, 3)).astype(np.float32) * metering
    seen = cv2.GaussianBlur(light * gain * corner[..., None], (0, 0), max(camera.blur * size / FRAME, 0.2))
    seen = seen.clip(0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055) * 255
    encoded = encoded + rng.normal(0, camera.noise, encoded.shape)
    photo = np.clip(np.rint(encoded), 0, 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1], np.uint8)
