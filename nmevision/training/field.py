"""How much of the tissue a training image shows, so that slides can be cut into tiles that show as much."""

from __future__ import annotations

import numpy as np
from PIL import Image

from nmevision.manifest import Manifest
from nmevision.preprocessing import Preprocessing

MOST = 200
"""Images that are measured, evenly taken; only their headers are read."""


def median_field_um(manifest: Manifest, preprocessing: Preprocessing) -> float | None:
    """Return the median width in micrometres of what the network is shown, None where no image tells its mpp.

    The whole image counts where it is padded to a square, its shorter side where it is cropped to one.
    """
    stated = [sample for sample in manifest.samples() if sample.mpp is not None]
    rows = np.linspace(0, len(stated) - 1, min(MOST, len(stated))).astype(int)
    side = max if preprocessing.fit == "pad" else min
    widths = []
    for sample in (stated[row] for row in rows):
        try:
            with Image.open(sample.path) as image:
                widths.append(float(sample.mpp or 0) * side(image.size))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # of a kind that Pillow does not open by itself
    return round(float(np.median(widths)), 2) if widths else None
