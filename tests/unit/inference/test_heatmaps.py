"""Heat maps of a bundle: aligned with the upright image whatever its shape, and only of what the model has learned."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_bundle import TAXONOMY, grading_bundle, tiny_bundle

from nmevision.errors import ConfigError
from nmevision.inference.heatmaps import HeatMaps, kind_of, upright
from nmevision.preprocessing import Preprocessing


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("shape", [(60, 100), (100, 60), (80, 80), (31, 47), (700, 20), (2048, 1600)])
def test_a_map_lies_where_the_image_was_read(fit: str, shape: tuple[int, int]) -> None:
    frame = Preprocessing.model_validate(
        {
            "height": 64,
            "width": 64,
            "fit": fit,
            "crop_pct": 0.9,
            "fill": (0, 0, 0),
            "mean": (0,) * 3,
            "std": (1,) * 3,
        }
    )
    y, x = int(0.495 * shape[0]), int(0.6 * shape[1])
    spot = np.zeros((*shape, 3), np.uint8)
    cv2.circle(spot, (x, y), max(1, min(shape) // 12), (255, 255, 255), -1)
    heat = upright(frame.frame(spot)[..., 0].astype(np.float32), frame, shape, longest=512)
    assert max(heat.shape) == min(512, max(shape))
    rows, columns = np.indices(heat.shape)
    centre = [float((axis * heat).sum() / heat.sum()) + 0.5 for axis in (rows, columns)]
    scale = shape[0] / heat.shape[0], shape[1] / heat.shape[1]
    cell = max(shape) / 64 if fit == "pad" else min(shape) / 64  # as fine as the network sees
    assert abs(centre[0] * scale[0] - (y + 0.5)) < max(1, 0.3 * cell)
    assert abs(centre[1] * scale[1] - (x + 0.5)) < max(1, 0.3 * cell)


def test_what_the_frame_cuts_off_is_clear_and_what_speaks_against_is_no_heat() -> None:
    frame = Preprocessing(height=64, width=64, fit="crop", mean=(0, 0, 0), std=(1, 1, 1))
    heat = upright(np.ones((4, 4), np.float32), frame, (64, 128), longest=1024)
    np.testing.assert_allclose(heat[:, 33:95], 1, atol=1e-5)
    assert not heat[:, :32].any()
    assert not heat[:, 96:].any()
    assert not upright(-np.ones((4, 4), np.float32), frame, (64, 128), 1024).any()


def test_maps_are_of_the_findings_and_of_the_groups_that_were_learned(tmp_path: Path) -> None:
    bundle = grading_bundle(tmp_path / "tiny")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    findings, groups = HeatMaps(bundle, "findings"), HeatMaps(bundle, "groups")
    assert set(findings.of(pixels)) == {"parakeratosis", "spongiosis"}
    assert findings.names["parakeratosis"] == "parakeratosis"
    maps = groups.of(pixels)
    assert set(maps) == {group.key for group in TAXONOMY.groups}
    np.testing.assert_allclose(
        maps["necrolytic"], -maps["other"], atol=1e-6
    )  # of two, one's gain is the other's loss


def test_what_was_not_learned_has_no_map(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="grades no findings; use --overlays groups"):
        HeatMaps(tiny_bundle(tmp_path / "plain"), "findings")
    bundle = grading_bundle(tmp_path / "grades", unlearned=("nme",))
    with pytest.raises(ConfigError, match="has not learned to tell groups apart; use --overlays findings"):
        HeatMaps(bundle, "groups")
    with pytest.raises(ConfigError, match=r"did you mean 'findings'\?"):
        kind_of("finding")
