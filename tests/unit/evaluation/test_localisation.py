from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmevision.errors import EvaluationError
from nmevision.evaluation.localisation import judge_maps, point, tolerance_of


def disc(row: int, column: int, radius: float, side: int = 40) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.hypot(y - row, x - column) <= radius


def spot(row: int, column: int, side: int = 40) -> np.ndarray:
    heat = np.zeros((side, side))
    heat[row, column] = 2.0
    return heat


def test_a_point_inside_hits_and_outside_misses() -> None:
    mask = disc(20, 20, 5)
    assert point(spot(20, 24), mask, 0).hit == 1
    assert point(spot(20, 26), mask, 0).hit == 0
    assert point(spot(20, 26), mask, 1).hit == 1
    assert point(spot(20, 27), mask, 1.9).hit == 0
    assert point(spot(20, 20), mask, 0).energy == 1
    assert point(spot(2, 2), mask, 0).energy == 0


def test_a_uniform_map_is_a_random_point() -> None:
    mask = disc(10, 12, 6)
    for tolerance in (0, 3):
        found = point(np.ones((40, 40)), mask, tolerance)
        assert found.hit == found.area
        assert found.energy == found.mask_area == mask.mean()
    assert point(np.ones((40, 40)), disc(10, 12, 0), 3).area == disc(10, 12, 3).mean()


@given(st.integers(0, 10_000), st.floats(0.1, 10), st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_scale_and_turns_play_no_part(seed: int, scale: float, offset: float) -> None:
    generator = np.random.default_rng(seed)
    heat, mask = generator.normal(size=(12, 15)), generator.random((12, 15)) < 0.2
    mask[3, 4] = True
    found = point(heat, mask, 1)
    assert point(heat * scale + offset, mask, 1).hit == found.hit
    assert point(heat * scale, mask, 1).energy == pytest.approx(found.energy)
    turned = point(np.rot90(heat), np.rot90(mask), 1)
    assert (turned.hit, turned.area) == (found.hit, found.area)
    assert turned.energy == pytest.approx(found.energy)


def test_shuffled_maps_score_at_chance_and_true_ones_do_not() -> None:
    """Phantoms with a known mask: a map of the mask is perfect, one of noise 0 after adjustment."""
    generator = np.random.default_rng(0)
    masks = [disc(*generator.integers(8, 32, 2), radius) for radius in generator.uniform(3, 8, 300)]
    blurred = [mask + generator.normal(0, 0.1, mask.shape) for mask in masks]
    noise = [generator.random(mask.shape) for mask in masks]
    patients = np.arange(300) // 3
    good, chance = (
        judge_maps([point(heat, mask, 1) for heat, mask in zip(maps, masks, strict=True)], patients)
        for maps in (blurred, noise)
    )
    assert good.hit.value == good.adjusted.value == 1
    assert "nothing of the uncertainty" in good.hit_interval.reason
    assert "of patients, B=" in chance.hit_interval.method
    assert good.energy_adjusted.value > 0.5
    assert chance.adjusted_interval.low < 0 < chance.adjusted_interval.high
    assert chance.energy_adjusted.value == pytest.approx(0, abs=0.01)
    assert chance.hit.value == pytest.approx(chance.area.value, abs=0.08)
    assert (chance.n_images, chance.n_patients) == (300, 100)


def test_the_adjustment_by_hand_and_the_patients_behind_it() -> None:
    mask = disc(20, 20, 5)
    maps = [point(spot(20, 20), mask, 0)] * 6 + [point(spot(1, 1), mask, 0)] * 2
    found = judge_maps(maps, [0, 0, 0, 1, 1, 1, 2, 2])
    area = mask.mean()
    assert found.hit.value == 0.75
    assert found.adjusted.value == pytest.approx((0.75 - area) / (1 - area))
    own = judge_maps(maps, np.arange(8))
    assert found.hit_interval.low < own.hit_interval.low  # 3 patients tell less than 8


def test_what_has_no_mask_is_left_out_and_counted() -> None:
    mask, empty = disc(20, 20, 5), np.zeros((40, 40), bool)
    maps = [point(spot(20, 20), mask, 0), point(spot(2, 2), empty, 0), point(np.zeros((40, 40)), mask, 0)]
    assert maps[1].reason == "the mask is empty"
    assert maps[2].reason.startswith("no energy")
    assert maps[2].hit == maps[2].area
    found = judge_maps(maps, ["a", "b", "c"])
    assert (found.n_images, found.n_left_out) == (2, 1)
    assert found.energy.value == 1
    none = judge_maps(maps[1:2], ["b"])
    assert none.hit.reason == "no image with a mask"
    full = judge_maps([point(np.ones((4, 4)), np.ones((4, 4)), 0)], ["a"])
    assert full.adjusted.reason == "the masks cover everything"
    with pytest.raises(EvaluationError):
        point(np.ones((3, 3)), np.ones((4, 4)), 0)
    with pytest.raises(EvaluationError, match="mpp"):
        tolerance_of((10, 10), 0)
