"""The cameras of synthetic photos: named, seeded domains of colour, light, sharpness, noise and files."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_CAMERA_SEED = 20_041_002  # so that camera 1 is the same camera in every phantom set
_LEVELS = 16384


@dataclass(frozen=True)
class Camera:
    """How one camera sees. gain: (3,) of linear light: white balance and exposure.

    contrast: exponent around middle grey. saturation: 1 leaves colours alone. blur: standard deviation as a
    share of the side. sharpening: strength of its own unsharp mask. vignette: light lost in the corners,
    0-1. flash: light lost towards the edges of a flash's beam, 0-1. noise: grey levels. quality: of its JPEG.
    """

    name: str
    gain: NDArray[np.float32]
    contrast: float
    saturation: float
    blur: float
    sharpening: float
    vignette: float
    flash: float
    noise: float
    quality: int


def camera_of(number: int) -> Camera:
    """Return camera `number` (>= 1), always the same one.

    >>> camera_of(3).name
    'phantom-camera-3'
    """
    rng = np.random.default_rng([_CAMERA_SEED, number])
    warm, green = rng.normal(0.01, 0.05), rng.normal(-0.01, 0.012)
    gain = np.exp(rng.normal(0, 0.07) + np.array([warm, green, -warm])).astype(np.float32)
    return Camera(
        name=f"phantom-camera-{number}",
        gain=gain,
        contrast=rng.uniform(0.96, 1.18),
        saturation=rng.uniform(0.98, 1.32),
        blur=rng.uniform(0.0012, 0.0036),
        sharpening=rng.uniform(0.0, 0.7),
        vignette=rng.uniform(0.0, 0.30),
        flash=rng.uniform(0.0, 0.35),
        noise=rng.uniform(0.8, 3.5),
        quality=int(rng.integers(72, 96)),
    )


NEUTRAL = Camera(
    "neutral", np.ones(3, np.float32), 1.0, 1.0, blur=0.0012, sharpening=0, vignette=0, flash=0, noise=0, quality=98
)  # fmt: skip
"""Changes nothing but a little sharpness: for judging the skin itself."""


def photograph(light: NDArray[np.float32], camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the photo (uint8, sRGB, H x W x 3) that `camera` takes of linear light (white is 1).

    With `NEUTRAL` there is no chance in exposure and white balance either.
    """
    size = light.shape[0]
    exact = camera is NEUTRAL
    y, x = np.mgrid[:size, :size].astype(np.float32) / (size / 2) - 1
    at = rng.normal(0, 0.25, 2)
    beam = camera.flash * np.minimum((x - at[0]) ** 2 + (y - at[1]) ** 2, 3) / 2
    falloff = (1 - camera.vignette * (x**2 + y**2) / 2) * (1 - 0.7 * beam)
    metering = (0.42 / max(float(light.mean()), 0.02)) ** rng.uniform(0.15, 0.40)
    hand = np.exp(rng.normal(0, 0.08) + rng.normal(0, 0.02, 3)).astype(np.float32)
    gain = camera.gain if exact else camera.gain * hand * metering
    focus = camera.blur * size * (1 if exact else rng.uniform(0.8, 1.5))
    seen = cv2.transform(light, _colour_matrix(camera.saturation) * gain)
    seen *= cv2.merge([falloff.astype(np.float32)] * 3)
    sharp = np.asarray(cv2.GaussianBlur(seen, (0, 0), max(focus, 0.3)), np.float32)
    encoded = _encode(sharp, camera.contrast)
    if camera.sharpening:
        encoded += camera.sharpening * (encoded - cv2.GaussianBlur(encoded, (0, 0), 1.2))
    if camera.noise:
        grain = rng.standard_normal((size, size), dtype=np.float32) * camera.noise
        coarse = rng.standard_normal((size // 2 + 1,) * 2, dtype=np.float32) * (0.7 * camera.noise)
        tint = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
        encoded += cv2.merge([grain + tint, grain - 0.4 * tint, grain - tint])
    return compressed(np.rint(encoded).clip(0, 255).astype(np.uint8), camera.quality)


def compressed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return an RGB photo as it comes back from a JPEG file of a quality, 1 to 100."""
    _, file = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1], np.uint8)


def _colour_matrix(saturation: float) -> NDArray[np.float32]:
    """Return the 3 x 3 matrix that moves linear RGB away from (or towards) its own luminance (BT.709)."""
    luminance = np.array([0.2126, 0.7152, 0.0722], np.float32)
    return np.asarray((1 - saturation) * luminance + saturation * np.eye(3), np.float32)


def _encode(light: NDArray[np.float32], contrast: float) -> NDArray[np.float32]:
    """Return sRGB levels (0-255, float) of linear light, with a shoulder instead of burnt highlights."""
    levels = np.linspace(0, 2, _LEVELS, dtype=np.float32)
    curved = 0.18 * (levels / 0.18) ** contrast
    curved = np.where(curved < 0.7, curved, 0.7 + 0.3 * np.tanh((curved - 0.7) / 0.3))
    code = np.where(curved <= 0.0031308, 12.92 * curved, 1.055 * curved ** (1 / 2.4) - 0.055) * 255
    index = (light.clip(0, 2) * ((_LEVELS - 1) / 2) + 0.5).astype(np.uint16)
    return np.take(code.astype(np.float32), index)
