"""What is odd about an image's pixels: too few of them, nothing in them, a range that is not theirs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SMALL_SIDE = 64
"""An image with a side shorter than this (pixels) is noted: neither nuclei nor a lesion can be told."""

BLANK_SPREAD = 2.0
"""An image is noted as blank where all channels' standard deviation (grey levels) is below this: an empty
field's noise is 1-2, and black specks over a thousandth of a white field make it 8."""

NEARLY_BLANK = 2 * BLANK_SPREAD
"""A picture decoded smaller is decoded again, whole, where its spread is below this: averaging lessens noise, and
whether an image is noted as blank must not depend on who reads it."""

_SAMPLES = 128  # rows and columns looked at for blankness, so that it costs under a millisecond


def notes_about(pixels: npt.NDArray[np.uint8], bits: int, spread: float) -> list[str]:
    """Return what is odd about upright RGB pixels.

    bits: of each value as it was stored (8, 12 or 16). spread: theirs (`spread_of`).
    """
    height, width = pixels.shape[:2]
    notes = []
    if min(height, width) < SMALL_SIDE:
        notes.append(f"only {width} x {height} pixels")
    # the high byte of a 16-bit value below 4096 is below 16
    if bits == 16 and 0 < pixels.max() < 16:
        notes.append("16-bit values all below 4096: looks like 12-bit data, image is dark")
    if spread < BLANK_SPREAD:
        notes.append("almost uniform: nothing to see")
    return notes


def spread_of(pixels: npt.NDArray[np.uint8]) -> float:
    """Return the largest standard deviation of a channel, or the first of at least NEARLY_BLANK: one is enough."""
    height, width = pixels.shape[:2]
    sample = pixels[:: max(1, height // _SAMPLES), :: max(1, width // _SAMPLES)]
    largest = 0.0
    for channel in range(3):
        largest = max(largest, float(sample[:, :, channel].std()))
        if largest >= NEARLY_BLANK:
            break
    return largest
