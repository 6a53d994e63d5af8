"""How an image becomes a network's input, as plain data that travels inside a bundle."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from nmevision.schema import Record

Interpolation = Literal["bilinear", "bicubic", "lanczos"]
_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


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
    fill: tuple[int, int, int] = (255, 255, 255)
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def frame(self, pixels: np.ndarray) -> np.ndarray:
        """Return `pixels` (uint8, any H x W x 3) brought to uint8 height x width x 3."""
        tall, wide = pixels.shape[:2]
        ratios = (self.height / tall, self.width / wide)
        scale = min(ratios) if self.fit == "pad" else max(ratios) / self.crop_pct
        size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
        image = Image.fromarray(pixels)
        if size != image.size:
            image = image.resize(size, _RESAMPLING[self.interpolation])
        if size == (self.width, self.height):
            return np.asarray(image)
        left, top = (size[0] - self.width) // 2, (size[1] - self.height) // 2
        if self.fit == "crop":
            return np.asarray(image.crop((left, top, left + self.width, top + self.height)))
        canvas = Image.new("RGB", (self.width, self.height), self.fill)
        canvas.paste(image, (-left, -top))
        return np.asarray(canvas)

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
