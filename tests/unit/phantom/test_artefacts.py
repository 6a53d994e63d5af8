from __future__ import annotations

import numpy as np
import pytest

from nmevision.phantom.artefacts import ARTEFACTS, spoil
from nmevision.phantom.histology import draw_field


@pytest.mark.parametrize("kind", ARTEFACTS)
def test_an_artefact_changes_its_mask_and_nothing_else(kind: str) -> None:
    rng = np.random.default_rng(4)
    pixels = rng.integers(120, 240, (96, 128, 3)).astype(np.uint8)
    spoilt, mask = spoil(kind, pixels, 2.0, rng)
    assert spoilt.shape == pixels.shape
    assert mask.shape == (96, 128)
    assert 0.001 < mask.mean() < 0.95
    assert np.array_equal(spoilt[~mask], pixels[~mask])
    assert np.abs(spoilt[mask].astype(int) - pixels[mask]).mean() > 2


def test_a_fold_is_darker_and_blur_is_smoother() -> None:
    pixels = np.random.default_rng(0).integers(100, 200, (128, 128, 3)).astype(np.uint8)
    fold, where = spoil("fold", pixels, 2.0, np.random.default_rng(1))
    assert fold[where].mean() < 0.9 * pixels[where].mean()
    blurred, patch = spoil("out_of_focus", pixels, 1.0, np.random.default_rng(1))
    assert blurred[patch].std() < pixels[patch].std()


def test_artefacts_come_as_often_as_asked_for_and_leave_the_truth() -> None:
    none = draw_field("normal", np.random.default_rng(3), 64, artefacts=0)
    all_of_them = draw_field("normal", np.random.default_rng(3), 64, artefacts=1)
    assert not any(name.startswith("artefact_") for name in none.truth.masks)
    assert {f"artefact_{kind}" for kind in ARTEFACTS} <= all_of_them.truth.masks.keys()
    assert all_of_them.grades == none.grades
    assert np.array_equal(all_of_them.truth.label, none.truth.label)
