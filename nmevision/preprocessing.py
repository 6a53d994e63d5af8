"""How an image becomes a network's input, as plain data that travels inside a bundle."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from nmevision.resize import Interpolation, resized
from nmevision.schema import Record

Level = Annotated[int, Field(ge=0, le=255)]
MAX_ASPECT = 16
"""A crop sees only the middle; a strip longer than this is cut first, for enlarging it whole takes gigabytes."""


ENOUGH = 2
"""Pixels per side that a shrunk image keeps for each of the frame: the antialiased resize then gives the picture that
the whole image gives, to half a grey level in the mean (`scripts/bench_predict.py` measures it)."""


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
        return self._padded(pixels) if self.fit == "pad" else self._cropped(pixels)

    def shrink(self, height: int, width: int, zoom: float = 1.0) -> float:
        """Return how many times smaller an image may come to `frame` with ENOUGH pixels for each of the frame's.

        height, width: of the image, pixels. zoom: how much closer than `frame` its reader looks at most; no look is
        then ever enlarged.

        >>> Preprocessing(height=224, width=224, mean=(0, 0, 0), std=(1, 1, 1)).shrink(1024, 1792)
        4.0
        """
        scales = self.height / height, self.width / width
        scale = min(scales) if self.fit == "pad" else max(scales) / self.crop_pct
        return 1 / (max(ENOUGH, zoom) * scale)

    def _padded(self, pixels: np.ndarray) -> np.ndarray:
        """Return the whole image in the middle of the frame."""
        tall, wide = pixels.shape[:2]
        scale = min(self.height / tall, self.width / wide)
        width, height = max(1, round(wide * scale)), max(1, round(tall * scale))
        image = resized(pixels, width, height, self.interpolation)
        if (width, height) == (self.width, self.height):
            return image
        canvas = np.full((self.height, self.width, 3), self.fill, np.uint8)
        left, top = (self.width - width + 1) // 2, (self.height - height + 1) // 2
        canvas[top : top + height, left : left + width] = image
        return canvas

    def _cropped(self, pixels: np.ndarray) -> np.ndarray:
        """Return the middle of the image, with torchvision's and timm's rounding of sizes and offsets."""
        pixels = _without_far_ends(pixels)
        width, height = self._enlarged(*pixels.shape[:2])
        left, top = round((width - self.width) / 2), round((height - self.height) / 2)
        image = resized(pixels, width, height, self.interpolation)
        return image[top : top + self.height, left : left + self.width]

    def _enlarged(self, tall: int, wide: int) -> tuple[int, int]:
        """Return width and height of an image brought to the size that the crop is cut from."""
        height, width = math.floor(self.height / self.crop_pct), math.floor(self.width / self.crop_pct)
        if height * wide >= width * tall:
            return height * wide // tall, height
        return width, width * tall // wide

    def window(self, tall: int, wide: int) -> tuple[float, float, float, float]:
        """Return which part of an image of tall x wide pixels the frame shows: left, top, right, bottom.

        In pixels of the image; with "pad" the frame reaches beyond it, so left or top is below 0.
        """
        if self.fit == "pad":
            scale = min(self.height / tall, self.width / wide)
            size = max(1, round(wide * scale)), max(1, round(tall * scale))
            corner = (self.width - size[0] + 1) // 2, (self.height - size[1] + 1) // 2
            per_pixel = wide / size[0], tall / size[1]
            left, top = -corner[0] * per_pixel[0], -corner[1] * per_pixel[1]
            return left, top, left + self.width * per_pixel[0], top + self.height * per_pixel[1]
        ends = _far_ends(tall, wide)
        shown = wide - 2 * ends[1], tall - 2 * ends[0]
        size = self._enlarged(shown[1], shown[0])
        per_pixel = shown[0] / size[0], shown[1] / size[1]
        left = ends[1] + round((size[0] - self.width) / 2) * per_pixel[0]
        top = ends[0] + round((size[1] - self.height) / 2) * per_pixel[1]
        return left, top, left + self.width * per_pixel[0], top + self.height * per_pixel[1]

    def normalise(self, framed: np.ndarray) -> np.ndarray:
        """Return uint8 H x W x 3 as float32 3 x H x W, scaled to 0-1, less mean, over std."""
        mean, std = (np.asarray(values, np.float32).reshape(3, 1, 1) for values in (self.mean, self.std))
        values = np.empty((3, *framed.shape[:2]), np.float32)
        np.multiply(framed.transpose(2, 0, 1), 1 / (255 * std), out=values)
        values -= mean / std
        return values

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the network's input, float32 3 x height x width, for uint8 H x W x 3."""
        return self.normalise(self.frame(pixels))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, as bundle.json holds them."""
        return self.model_dump(mode="json")


def _without_far_ends(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of a strip, at most MAX_ASPECT times as long as wide."""
    top, left = _far_ends(*pixels.shape[:2])
    return pixels[top : pixels.shape[0] - top, left : pixels.shape[1] - left]


def _far_ends(tall: int, wide: int) -> tuple[int, int]:
    """Return how many pixels are cut off above and below, and left and right."""
    most = MAX_ASPECT * min(tall, wide)
    return max(0, (tall - most) // 2), max(0, (wide - most) // 2)
