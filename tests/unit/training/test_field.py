"""The field of a training image in micrometres: known sizes and scales."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from nmevision.manifest import manifest_of
from nmevision.preprocessing import Preprocessing
from nmevision.training.field import median_field_um


def test_the_median_of_those_that_tell_their_scale(tmp_path: Path) -> None:
    rows = []
    for i, (width, height, mpp) in enumerate(
        [(200, 100, "0.5"), (400, 100, "1.0"), (300, 300, ""), (100, 50, "2")]
    ):
        Image.new("RGB", (width, height)).save(tmp_path / f"{i}.png")
        rows.append({"id": str(i), "path": f"{i}.png", "mpp": mpp})
    rows.append({"id": "gone", "path": "gone.png", "mpp": "1"})
    manifest = manifest_of(rows, tmp_path)
    padded = Preprocessing(height=64, width=64, mean=(0, 0, 0), std=(1, 1, 1))
    assert median_field_um(manifest, padded) == 200  # of 100, 400 and 200
    assert median_field_um(manifest, padded.model_copy(update={"fit": "crop"})) == 100  # of 50, 100 and 100
    assert median_field_um(manifest_of(rows[2:3], tmp_path), padded) is None
