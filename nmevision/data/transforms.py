"""Training-time augmentation: pixels and a seed in, a uint8 image of the network's size out.

The only file that imports albumentations. Normalisation and tensors are the caller's; inference never
comes here. The frame starts from what inference shows (the whole image, shape kept, padded), then turns,
crops and stretches it, so that training and inference see tissue and skin at like magnification.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from nmevision.data.colour import jitter_light, jitter_stain
from nmevision.errors import ConfigError, DataError, Problems
from nmevision.resize import Interpolation, resized

# The one thing done at import: albumentations asks a server for its newest version unless this is set, and
# it must be set before a worker process unpickles an Augmentation. albumentations itself is imported late.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

Modality = Literal["histology", "clinical"]
Pixels = NDArray[np.uint8]

MAX_STRETCH = 4 / 3
"""Largest ratio of the two axes' magnifications: a section's compression, a tilted camera."""
SHARP = 0.5
"""Share of looks without a small turn: turning blurs a little, and inference shows sharp images."""
BLUR_SIGMA = (0.4, 1.2)
"""Standard deviation of the blur in output pixels: a little out of focus, cells and scale still seen."""
JPEG_QUALITY = (40, 95)
"""From a phone messenger's re-compression to a scanner's good setting."""

STAIN_GAIN = np.array([0.25, 0.25, 0.10])
"""Largest log gain of haematoxylin, eosin and the rest at colour 1: about 0.78 to 1.28 of the stain."""
STAIN_OFFSET = np.array([0.02, 0.02, 0.01])
"""Largest offset of the same in optical density: the background tint between scanners."""

WARMTH, TINT = 0.16, 0.03
"""Largest log gains of the lamp at colour 1, warm-cool and green-magenta: about a shaded window to a lamp.

So chosen that erythema on pale to very dark skin turns by less than 15 degrees of CIELAB hue and stays the
redder of the two (tests/unit/data/test_transforms.py): red must not become brown."""
EXPOSURE, CONTRAST = 0.25, 0.12
"""Largest log change of light and of contrast at colour 1."""


class _Frame(NamedTuple):
    """How one image is looked at; every field is drawn before any pixel is read."""

    turn: float  # radians
    share: float  # area of the frame in that of inference's frame, (0, 1]
    stretch: float  # log of the ratio of the axes' magnifications
    place: NDArray[np.float64]  # (2, 2) in [-1, 1]: the frame in the image, the image in the frame


@dataclass(frozen=True)
class Augmentation:
    """One random look at an image; the same pixels and seed always give the same look.

    Holds nothing from one call to the next, so neither the number of workers nor a resumed run matters.
    Picklable for spawned workers; not for several threads at once. Made by `build_augmentation`.
    """

    height: int
    width: int
    fill: tuple[int, int, int]
    interpolation: Interpolation
    min_scale: float
    max_turn: float  # radians
    quarter_turns: bool
    recolour: Callable[[Pixels, np.random.Generator], Pixels] | None
    effects: Any  # albumentations.Compose: flips, blur, compression

    @property
    def zoom(self) -> float:
        """Return how much closer than inference's frame a look comes at most."""
        return math.sqrt(min(MAX_STRETCH, 1 / self.min_scale) / self.min_scale)

    def __call__(self, pixels: Pixels, seed: int) -> Pixels:
        """Return one look at `pixels`.

        Args:
            pixels: uint8 RGB image (H, W, 3) of any size.
            seed: any integer >= 0; with the pixels it alone decides the result.

        Returns:
            uint8 RGB image (height, width, 3).

        Raises:
            DataError: the array is not a uint8 RGB image.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise DataError(
                f"augmentation got an array of {pixels.dtype} {pixels.shape}, expected a uint8 RGB image "
                "(height, width, 3); decode it with nmevision.data.images first"
            )
        look, colours, chance = np.random.default_rng(seed).spawn(3)  # no step shifts another's draws
        frame = self._draw_frame(look)
        image = self._resize(pixels, frame)
        if self.recolour:  # before the corners are filled: inference pads with exactly this fill
            image = self.recolour(image, colours)
        image = self._cut_out(image, frame)
        # One generator for all effects. Compose.set_random_seed would give every one the same seed, and so
        # the same draw: the two flips would always come together, and blur with compression.
        self.effects.set_random_state(chance, random.Random(int(chance.integers(2**63))))
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # ImageCompression encodes what it gets as BGR
        return np.asarray(cv2.cvtColor(self.effects(image=bgr)["image"], cv2.COLOR_BGR2RGB), np.uint8)

    def _draw_frame(self, generator: np.random.Generator) -> _Frame:
        """Draw how to look: turn, crop, stretch (no more than the crop leaves room for) and place."""
        share = generator.uniform(self.min_scale, 1)
        most = min(math.log(MAX_STRETCH), -math.log(share))
        turn = self.max_turn * generator.uniform(-1, 1)
        stretch = most * generator.uniform(-1, 1)
        place = generator.uniform(-1, 1, (2, 2))
        if generator.random() < SHARP:
            turn = 0.0
        if self.quarter_turns:
            turn += math.pi / 2 * int(generator.integers(4))
        return _Frame(turn, share, stretch, place)

    def _resize(self, pixels: Pixels, frame: _Frame) -> Pixels:
        """Bring the whole image to the magnification of the output, by the very resize that inference uses."""
        height, width = pixels.shape[:2]
        scale = min(self.height / height, self.width / width) / math.sqrt(frame.share)
        wide = max(1, round(width * scale * math.exp(frame.stretch / 2)))
        tall = max(1, round(height * scale * math.exp(-frame.stretch / 2)))
        return resized(pixels, wide, tall, self.interpolation)

    def _cut_out(self, image: Pixels, frame: _Frame) -> Pixels:
        """Turn the image and cut out the frame.

        Where the image is too narrow for the frame there is `fill`, as inference pads. The corners that
        turning would empty are mirrored: an image that fills the frame at inference never shows the network
        a plain corner, and training on such corners costs accuracy on real fields (CHANGELOG, 0.1.0).
        """
        window = np.array([self.width, self.height])
        whole = np.array([image.shape[1], image.shape[0]])
        spare = np.maximum(0, window - whole)
        left, top = np.rint(spare * (1 + frame.place[1]) / 2).astype(int).tolist()
        right, bottom = (spare - [left, top]).tolist()
        image = np.asarray(
            cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=self.fill),
            np.uint8,
        )
        cos, sin = math.cos(frame.turn), math.sin(frame.turn)
        rotation = np.array([[cos, -sin], [sin, cos]])
        whole = whole + spare
        play = np.maximum(0, whole - np.abs(rotation.T) @ window) / 2  # of the frame in the image
        centre = whole / 2 + play * frame.place[0]
        shift = window / 2 - rotation @ centre + (rotation.sum(axis=1) - 1) / 2  # pixel centres at + 0.5
        turned = cv2.warpAffine(
            image,
            np.column_stack([rotation, shift]),
            (self.width, self.height),
            flags=cv2.INTER_CUBIC,  # bilinear loses half the fine detail that inference shows the network
            borderMode=cv2.BORDER_REFLECT,  # REFLECT_101 never returns where a side is one pixel long
        )
        return np.asarray(turned, np.uint8)


def build_augmentation(
    modality: Modality,
    height: int,
    width: int,
    fill: tuple[int, int, int],
    *,
    interpolation: Interpolation,
    min_scale: float,
    rotation: float,
    colour: float,
    blur: float,
    compression: float,
) -> Augmentation:
    """Return the augmentation of one modality for a network of height x width.

    Histology, which has no upright, is turned by quarters and gets another batch of stain; a photo gets another
    lamp and exposure. Both are turned a little, flipped both ways, cropped, stretched, blurred and re-compressed.

    Args:
        modality: "histology" or "clinical".
        height: rows of the output, pixels.
        width: columns of the output, pixels.
        fill: R, G, B (0-255) of what the frame shows beside the image; the bundle's own padding colour.
        interpolation: of the bundle's own resize.
        min_scale: smallest share of the image's area that the crop keeps, (0, 1]; turning may cut corners.
        rotation: largest turn either way, degrees, 0-180, in half of the looks; with quarters, 45 is any angle.
        colour: strength of the stain or light jitter, >= 0; 0 leaves colours alone.
        blur: probability of a slight blur, 0-1.
        compression: probability of re-compression as JPEG, 0-1.

    Raises:
        ConfigError: one line for each argument that cannot be.
    """
    _check_settings(modality, (height, width), fill, min_scale, rotation, colour, blur, compression)
    red, green, blue = (int(level) for level in fill)  # OpenCV takes no numpy integers here
    recolour = {"histology": _another_stain, "clinical": _another_light}[modality]
    return Augmentation(
        height=height,
        width=width,
        fill=(red, green, blue),
        interpolation=interpolation,
        min_scale=min_scale,
        max_turn=math.radians(rotation),
        quarter_turns=modality == "histology",
        recolour=partial(recolour, strength=colour) if colour else None,
        effects=_effects(blur, compression),
    )


def _check_settings(
    modality: str,
    size: tuple[int, int],
    fill: tuple[int, int, int],
    min_scale: float,
    rotation: float,
    colour: float,
    blur: float,
    compression: float,
) -> None:
    """Raise ConfigError with one line for each argument that cannot be."""
    problems = Problems()
    if modality not in get_args(Modality):
        problems.add(f"modality is {modality!r}, expected one of {', '.join(get_args(Modality))}")
    if min(size) < 1:
        problems.add(f"height x width is {size[0]} x {size[1]}, expected at least 1 x 1 pixels")
    if len(fill) != 3 or not all(0 <= level <= 255 for level in fill):
        problems.add(f"fill is {fill}, expected three levels (R, G, B) from 0 to 255")
    if not 0 < min_scale <= 1:
        problems.add(f"min_scale is {min_scale}, expected a share of the area above 0 and up to 1")
    if not 0 <= rotation <= 180:
        problems.add(f"rotation is {rotation}, expected degrees from 0 (none) to 180 (any angle)")
    if not (colour >= 0 and math.isfinite(colour)):
        problems.add(f"colour is {colour}, expected a strength of 0 (none) or more; 1 is usual")
    for name, probability in (("blur", blur), ("compression", compression)):
        if not 0 <= probability <= 1:
            problems.add(f"{name} is {probability}, expected a probability from 0 to 1")
    problems.raise_if_any(ConfigError, "augmentation settings")


def _another_stain(pixels: Pixels, generator: np.random.Generator, strength: float) -> Pixels:
    """Return the section as another laboratory would have stained it."""
    gains = np.exp(strength * STAIN_GAIN * generator.uniform(-1, 1, 3))
    return jitter_stain(pixels, gains, strength * STAIN_OFFSET * generator.uniform(-1, 1, 3))


def _another_light(pixels: Pixels, generator: np.random.Generator, strength: float) -> Pixels:
    """Return the skin under another lamp, exposure and contrast."""
    limits = np.array([WARMTH, TINT, EXPOSURE, CONTRAST])
    return jitter_light(pixels, *(strength * limits * generator.uniform(-1, 1, 4)))


def _effects(blur: float, compression: float) -> Any:
    """Return albumentations' pipeline of flips and, where their probability is not 0, blur and JPEG."""
    import albumentations  # 3 s: only training waits for it

    steps = [albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)]
    if blur:
        steps.append(albumentations.GaussianBlur(blur_limit=0, sigma_limit=BLUR_SIGMA, p=blur))
    if compression:
        steps.append(albumentations.ImageCompression(quality_range=JPEG_QUALITY, p=compression))
    return albumentations.Compose(steps)
