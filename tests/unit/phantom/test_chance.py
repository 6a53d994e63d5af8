from __future__ import annotations

import numpy as np

from nmevision.phantom.chance import Chance


def test_values_depend_on_name_seed_and_place_alone() -> None:
    i, j = np.arange(-50, 50), np.arange(100)
    one = Chance(1).uniform("a", i, j)
    assert np.array_equal(one, Chance(1).uniform("a", i, j))
    assert np.array_equal(one[::-1], Chance(1).uniform("a", i[::-1], j[::-1]))
    for other in (Chance(2).uniform("a", i, j), Chance(1).uniform("b", i, j), Chance(1).uniform("a", j, i)):
        assert np.abs(np.corrcoef(one, other)[0, 1]) < 0.35
        assert not np.allclose(one, other)


def test_values_are_spread_as_they_should_be() -> None:
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(200), np.arange(200)))
    uniform, normal = Chance(3).uniform("u", i, j), Chance(3).normal("n", i, j)
    counts = np.histogram(uniform, 10, (0, 1))[0]
    assert np.abs(counts - 4000).max() < 300
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    square = uniform.reshape(200, 200)
    assert abs(np.corrcoef(square[:, 1:].ravel(), square[:, :-1].ravel())[0, 1]) < 0.03


def test_texture_is_tied_to_the_place_and_has_the_grain_asked_for() -> None:
    y, x = np.mgrid[:300, :300].astype(np.float32)
    chance = Chance(5)
    whole = chance.texture("t", x, y, 4.0)
    part = chance.texture("t", x[100:200, 50:150], y[100:200, 50:150], 4.0)
    assert np.allclose(whole[100:200, 50:150], part, atol=1e-4)
    assert abs(whole.std() - 1) < 0.2
    step = [float(np.corrcoef(whole[:, d:].ravel(), whole[:, :-d].ravel())[0, 1]) for d in (4, 16)]
    assert step[0] > 0.6  # exp(-d^2 / (4 sigma^2)) is 0.78 at d = sigma
    assert step[1] < 0.3
