"""How an image becomes a network's input, as plain data that travels inside a bundle."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, PositiveFloat

from nmevision.schema import Record

Level = Annotated[int, Field(ge=0, le=255)]
Interpolation = Literal["bilinear", "bicubic", "lanczos"]
_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MAX_ASPECT = 16
"""A crop sees only the middle; a strip longer than this is cut first, for enlarging it whole takes gigabytes."""


class Preprocessing(Record):
    """Resize with antialiasing, then normalise; the same code in training and in serving.

    height, width: the network's input in pixels.
    fit: "pad" keeps the whole image and fills the rest with `fill`; "crop" fills the frame and
        cuts what sticks out, after enlarging by 1/crop_pct, as timm's evaluation does.
    fill: RGB 0-255 of the padding (white for slides).
    mean, std: per channel, for values scaled to 0-1.
    """

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    fit: Literal["pad", "crop"] = "pad"
    crop_pct: float = Field(default=1.0, gt=0, le=1)
    interpolation: Interpolation = "bicubic"
    fill: tuple[Level, Level, Level] = (255, 255, 255)
    mean: tuple[float, float, float]
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat]

    def frame(self, pixels: np.ndarray) -> np.ndarray:
        """Return `pixels` (uint8, any H x W x 3) brought to uint8 height x width x 3."""
        return np.asarray(self._padded(pixels) if self.fit == "pad" else self._cropped(pixels))

    def _padded(self, pixels: np.ndarray) -> Image.Image:
        """Return the whole image in the middle of the frame."""
        tall, wide = pixels.shape[:2]
        scale = min(self.height / tall, self.width / wide)
        image = self._resized(pixels, max(1, round(wide * scale)), max(1, round(tall * scale)))
        if image.size == (self.width, self.height):
            return image
        canvas = Image.new("RGB", (self.width, self.height), self.fill)
        canvas.paste(image, ((self.width - image.width + 1) // 2, (self.height - image.height + 1) // 2))
        return canvas

    def _cropped(self, pixels: np.ndarray) -> Image.Image:
        """Return the middle of the image, with torchvision's and timm's rounding of sizes and offsets."""
        pixels = _without_far_ends(pixels)
        tall, wide = pixels.shape[:2]
        height, width = math.floor(self.height / self.crop_pct), math.floor(self.width / self.crop_pct)
        if height * wide >= width * tall:
            width = height * wide // tall
        else:
            height = width * tall // wide
        left, top = round((width - self.width) / 2), round((height - self.height) / 2)
        image = self._resized(pixels, width, height)
        return image.crop((left, top, left + self.width, top + self.height))

    def _resized(self, pixels: np.ndarray, width: int, height: int) -> Image.Image:
        image = Image.fromarray(pixels)
        if image.size == (width, height):
            return image
        return image.resize((width, height), _RESAMPLING[self.interpolation])

    def normalise(self, framed: np.ndarray) -> np.ndarray:
        """Return uint8 H x W x 3 as float32 3 x H x W, scaled to 0-1, less mean, over std."""
        scale = 1 / (255 * np.asarray(self.std, np.float32))
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        values = framed.astype(np.float32) * scale.astype(np.float32) - shift
        return np.ascontiguousarray(values.transpose(2, 0, 1))

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the network's input, float32 3 x height x width, for uint8 H x W x 3."""
        return self.normalise(self.frame(pixels))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, as bundle.json holds them."""
        return self.model_dump(mode="json")


def _without_far_ends(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of a strip, at most MAX_ASPECT times as long as wide."""
    most = MAX_ASPECT * min(pixels.shape[:2])
    top, left = (max(0, (side - most) // 2) for side in pixels.shape[:2])
    return pixels[top : pixels.shape[0] - top, left : pixels.shape[1] - left]
