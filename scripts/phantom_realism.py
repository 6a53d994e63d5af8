"""Measures real H&E and phantoms the same way and prints both as one Markdown table.

    python scripts/phantom_realism.py REAL_IMAGE:MPP [REAL_IMAGE:MPP ...] [--seed 0] [--n 8]

A real image is any picture (PNG, JPEG) or slide (.svs, .tif) with its micrometres per pixel; it is scaled to
one micrometre per pixel. Phantoms are of normal skin and of the diagnoses named. Nothing here is evidence
about disease: the table says how far the drawing is from a photograph of tissue.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from nmevision.phantom.histology import draw_field

TISSUE, NUCLEUS = 0.15, 0.55
"""Optical density (mean of the channels) above which a pixel is tissue, and haematoxylin above which it is
nucleus, as a share of the 99th percentile."""
PERCENTILE = 1.0  # of the angles that Macenko's method takes for pure stains
NUCLEAR_AREA = (8.0, 150.0)  # um2: smaller spots and larger heaps are not counted as nuclei

Pixels = NDArray[np.uint8]


def main() -> None:
    """Measure every real image and as many phantoms as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("real", nargs="*", help="FILE:MPP")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=4, help="phantoms of each diagnosis")
    parser.add_argument("--diagnoses", default="normal,nme,psoriasis,eczema")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows: list[dict[str, float | str]] = [
        {"image": Path(text.rpartition(":")[0]).name, **measured(read(text))} for text in options.real
    ]
    for diagnosis in options.diagnoses.split(","):
        found = []
        for index in range(options.n):
            field = draw_field(diagnosis, np.random.default_rng([options.seed, index]), 512, 1 + index % 4)
            found.append(measured(field.pixels))
        means = {str(name): float(value) for name, value in pd.DataFrame(found).mean().items()}
        rows.append({"image": f"phantom {diagnosis} (n={options.n})", **means})
    table = pd.DataFrame(rows).set_index("image").round(2)
    print(f"seed {options.seed}; one micrometre per pixel\n")
    print("| image | " + " | ".join(table.columns) + " |")
    print("|---" * (len(table.columns) + 1) + "|")
    for name, row in table.iterrows():
        print(f"| {name} | " + " | ".join(str(value) for value in row) + " |")


def read(text: str) -> Pixels:
    """Return an image FILE:MPP at one micrometre per pixel (the largest part of a slide that is 4 mm wide)."""
    name, _, mpp = text.rpartition(":")
    if Path(name).suffix in {".svs", ".tif"}:
        import openslide

        with openslide.OpenSlide(name) as slide:
            wide, high = (min(length, int(4000 / float(mpp))) for length in slide.dimensions)
            picture = slide.read_region((0, 0), 0, (wide, high)).convert("RGB")
    else:
        picture = Image.open(name).convert("RGB")
    wide, high = (max(1, round(length * float(mpp))) for length in picture.size)
    return np.asarray(picture.resize((wide, high), Image.Resampling.BOX))


def measured(pixels: Pixels) -> dict[str, float]:
    """Return what can be measured on an H&E image at one micrometre per pixel without knowing what it shows."""
    white = np.maximum(np.quantile(pixels.reshape(-1, 3), 0.99, axis=0), 180)
    density = -np.log10(np.clip(pixels / white, 1 / 255, 1)).astype(np.float32)
    mean = density.mean(-1)
    tissue = mean > TISSUE
    stains = macenko(density[tissue])
    amounts = np.clip(np.linalg.lstsq(stains.T, density.reshape(-1, 3).T, rcond=None)[0], 0, None)
    blue, pink = amounts.reshape(2, *mean.shape)
    area, number = _nuclei(blue / max(float(np.quantile(blue[tissue], 0.99)), 1e-6))
    found = {
        "tissue": float(tissue.mean()),
        "haematoxylin angle": _angle(stains[0]),
        "eosin angle": _angle(stains[1]),
        "between stains": float(np.degrees(np.arccos(np.clip(stains[0] @ stains[1], -1, 1)))),
    }
    for share in (10, 50, 90, 99):
        found[f"OD p{share}"] = float(np.percentile(mean[tissue], share))
    found |= {
        "H/E": float(blue[tissue].mean() / max(float(pink[tissue].mean()), 1e-6)),
        "nuclear area um2": area,
        "nuclei / mm2 tissue": 1e6 * number / max(int(tissue.sum()), 1),
    }
    return found


def macenko(density: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the unit absorbance directions (2, 3) of haematoxylin and eosin (doi:10.1109/ISBI.2009.5193250)."""
    vectors = np.linalg.eigh(np.cov(density.T))[1][:, [2, 1]].astype(float)
    vectors *= np.where(vectors[0] < 0, -1, 1)
    angles = np.arctan2(*(density @ vectors).T[::-1])
    ends = [np.percentile(angles, share) for share in (PERCENTILE, 100 - PERCENTILE)]
    found = [vectors @ (np.cos(angle), np.sin(angle)) for angle in ends]
    found.sort(key=lambda direction: -direction[0] / np.linalg.norm(direction))  # haematoxylin takes red
    return np.array([np.clip(d, 0, None) / np.linalg.norm(np.clip(d, 0, None)) for d in found])


def _angle(direction: NDArray[np.float64]) -> float:
    """Return the angle of a direction in the plane of red and green absorbance, degrees."""
    return float(np.degrees(np.arctan2(direction[1], direction[0])))


def _nuclei(blue: NDArray[np.float64]) -> tuple[float, int]:
    """Return the median area (um2) and the number of dark blue spots."""
    dark = (cv2.GaussianBlur(blue.astype(np.float32), (0, 0), 0.7) > NUCLEUS).astype(np.uint8)
    areas = cv2.connectedComponentsWithStats(dark, connectivity=4)[2][1:, cv2.CC_STAT_AREA]
    areas = areas[(areas >= NUCLEAR_AREA[0]) & (areas <= NUCLEAR_AREA[1])]
    return (float(np.median(areas)), len(areas)) if len(areas) else (float("nan"), 0)


if __name__ == "__main__":
    main()
