from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from nmevision.phantom.skin import (
    ITA_LIMITS,
    RESTING_BLOOD,
    fitzpatrick_of,
    ita_of,
    ita_range_of,
    lab_of,
    melanin_of,
    reflectance,
)


def colour(melanin: float, blood: float, oxygen: float = 0.75) -> np.ndarray:
    return reflectance(np.full((1, 1), melanin, np.float32), np.full((1, 1), blood, np.float32), oxygen)


def lab(melanin: float, blood: float, oxygen: float = 0.75) -> np.ndarray:
    return np.asarray(lab_of(colour(melanin, blood, oxygen))[0, 0], np.float64)


def ita_by_the_book(linear: np.ndarray) -> float:
    """Typology angle of a linear sRGB colour, by the CIE's own formulae (D65, 2 degrees)."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ linear / (0.9505, 1.0, 1.089)
    root = [t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z)]
    return math.degrees(math.atan2(116 * root[1] - 66, 200 * (root[1] - root[2])))


@pytest.mark.parametrize("ita", [-50.0, -30.0, -10.0, 10.0, 28.0, 41.0, 55.0, 68.0])
def test_skin_has_the_typology_angle_asked_for(ita: float) -> None:
    seen = colour(melanin_of(ita), RESTING_BLOOD)
    assert ita_by_the_book(seen[0, 0]) == pytest.approx(ita, abs=1.0)
    assert float(ita_of(seen)[0, 0]) == pytest.approx(ita, abs=1.0)


@pytest.mark.parametrize(
    ("ita", "lightness", "red", "yellow"),
    # Roughly what spectrophotometers read on healthy people: Xiao et al. 2017, doi:10.1111/srt.12327, and
    # Del Bino & Bernerd 2013, doi:10.1111/bjd.12529 (light, tan and dark skin).
    [(57, (66, 76), (4, 12), (10, 18)), (20, (52, 64), (6, 14), (16, 24)), (-45, (28, 44), (6, 14), (9, 22))],
)
def test_skin_colours_lie_where_they_are_measured(
    ita: float, lightness: tuple[float, float], red: tuple[float, float], yellow: tuple[float, float]
) -> None:
    values = lab(melanin_of(ita), RESTING_BLOOD)
    for value, (low, high) in zip(values, (lightness, red, yellow), strict=True):
        assert low < value < high


def test_more_melanin_is_darker_and_more_blood_redder_and_darker() -> None:
    lightness = [lab(melanin, RESTING_BLOOD)[0] for melanin in np.linspace(0, 0.5, 12)]
    assert all(a > b for a, b in itertools.pairwise(lightness))
    for melanin in (0.0, 0.05, 0.15):
        colours = np.array([lab(melanin, blood) for blood in (0.3, 1, 3, 6)])
        assert (np.diff(colours[:, 0]) < 0).all()
        assert (np.diff(colours[:, 1]) > 0).all()


def test_blood_reddens_light_skin_and_darkens_dark_skin() -> None:
    """The same inflammation: plainly redder in light skin, in dark skin dull and towards violet."""
    change = {ita: lab(melanin_of(ita), 4.0) - lab(melanin_of(ita), RESTING_BLOOD) for ita in (60, -45)}
    assert change[60][1] > 10, "a* rises much"
    assert 0 < change[-45][1] < 0.4 * change[60][1]
    assert change[-45][0] < -1, "darker"
    assert change[-45][2] < -1, "less yellow: the hue turns from brown towards violet"
    hue = [math.atan2(*lab(melanin_of(-45), blood)[[2, 1]]) for blood in (RESTING_BLOOD, 4.0)]
    assert hue[1] < hue[0]


def test_blood_without_oxygen_is_bluer() -> None:
    fresh, dusky = lab(0.02, 4.0, 0.8), lab(0.02, 4.0, 0.2)
    assert dusky[0] < fresh[0]
    assert dusky[1] < fresh[1]


def test_fitzpatrick_types_meet_at_the_published_limits() -> None:
    for above, limit in enumerate(ITA_LIMITS, start=1):
        assert fitzpatrick_of(limit + 0.1) == above
        assert fitzpatrick_of(limit - 0.1) == above + 1
    for number in range(1, 7):
        low, high = ita_range_of(number)
        assert fitzpatrick_of((low + high) / 2) == number
