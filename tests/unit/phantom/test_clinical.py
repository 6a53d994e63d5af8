from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from nmevision.errors import DataError
from nmevision.phantom.clinical import ITA_RANGE, camera_of, draw_photo, skin_colour
from nmevision.phantom.lesions import LESIONS, Lesion, draw_lesion
from nmevision.phantom.profiles import DIAGNOSES


@cache
def lesions(diagnosis: str, count: int = 12) -> list[Lesion]:
    return [draw_lesion(diagnosis, np.random.default_rng([6, seed])) for seed in range(count)]


def ita_of(colour: np.ndarray) -> float:
    """Typology angle of a linear sRGB colour, by the CIE's own formulae (D65, 2 degrees)."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ colour / (0.9505, 1.0, 1.089)
    root = [t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in (x, y, z)]
    return math.degrees(math.atan2(116 * root[1] - 66, 200 * (root[1] - root[2])))


def test_histology_and_photos_know_the_same_diagnoses() -> None:
    assert tuple(LESIONS) == DIAGNOSES


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
@pytest.mark.parametrize("size", [64, 97, 224])
def test_a_photo_is_an_rgb_image_of_the_size_asked_for(diagnosis: str, size: int) -> None:
    image = draw_photo(diagnosis, np.random.default_rng(1), size, camera=1)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    red, green, blue = image.reshape(-1, 3).mean(0)
    assert red > green > blue, "skin is redder than it is blue"


def test_the_same_chance_takes_the_same_photo() -> None:
    one, same, other = (draw_photo("nme", np.random.default_rng(seed), 96) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("ita", [*ITA_RANGE, -30.0, 10.0, 28.0, 41.0, 55.0])
def test_skin_has_the_typology_angle_asked_for(ita: float) -> None:
    assert ita_of(skin_colour(ita)) == pytest.approx(ita, abs=0.5)


def test_nme_is_red_at_its_edge_and_brown_behind_it() -> None:
    redder = []
    for lesion in lesions("nme"):
        centre, edge = lesion.pigment > 0.6 * lesion.pigment.max(), lesion.raw + lesion.crust > 0.4
        assert lesion.pigment[centre].mean() > 2 * lesion.pigment[edge].mean()
        redder.append(lesion.blood[edge].mean() / lesion.blood[centre].mean())
    assert min(redder) > 1, "an early ring has hardly cleared"
    assert np.median(redder) > 1.5


def test_only_nme_has_an_eroded_crusted_edge_and_only_psoriasis_silvery_scale() -> None:
    def cover(name: str, part: str) -> float:
        return float(np.mean([getattr(lesion, part).mean() for lesion in lesions(name)]))

    for part in ("raw", "crust"):
        assert all(cover("nme", part) > 3 * cover(other, part) for other in ("psoriasis", "eczema", "normal"))
    assert all(
        cover("psoriasis", "scale") > 2 * cover(other, "scale") for other in ("nme", "eczema", "normal")
    )


def test_psoriasis_has_a_sharp_border_and_eczema_none() -> None:
    def sharpness(lesion: Lesion) -> float:
        """The steepest way into the redness, smoothed over its mottling, as a share of its height."""
        import cv2

        blood = cv2.GaussianBlur(lesion.blood, (0, 0), 2)
        slope = np.hypot(*np.gradient(blood))
        return float(np.quantile(slope, 0.99) / np.quantile(blood, 0.99))

    sharp = np.median([sharpness(lesion) for lesion in lesions("psoriasis")])
    assert sharp > 1.4 * np.median([sharpness(lesion) for lesion in lesions("eczema")])


def test_normal_skin_is_neither_raw_nor_crusted_nor_brown() -> None:
    for lesion in lesions("normal"):
        assert not lesion.raw.any()
        assert not lesion.crust.any()
        assert not lesion.pigment.any()
        assert lesion.blood.max() < 0.3


def test_a_camera_is_always_the_same_and_differs_from_the_next() -> None:
    assert np.array_equal(camera_of(2).gain, camera_of(2).gain)
    assert not np.allclose(camera_of(2).gain, camera_of(3).gain, atol=1e-3)


def test_mean_colour_alone_does_not_tell_nme() -> None:
    """A demo whose classes differ by tint would teach a network the tint."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    count = 96
    means = np.array(
        [
            draw_photo(DIAGNOSES[i % 4], np.random.default_rng([9, i]), 128, 1 + (i // 4 + i) % 4).mean(
                (0, 1)
            )
            for i in range(count)
        ]
    )
    truth = np.arange(count) % 4 == 0
    model = LogisticRegression(C=100, max_iter=1000).fit(means / 255, truth)
    assert roc_auc_score(truth, model.predict_proba(means / 255)[:, 1]) < 0.85


def test_an_unknown_diagnosis_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"'exzema' \(did you mean 'eczema'\?\); there are: nme, "):
        draw_photo("exzema", np.random.default_rng(0))
