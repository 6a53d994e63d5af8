from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nmevision.errors import DataError
from nmevision.phantom.camera import NEUTRAL, camera_of
from nmevision.phantom.clinical import Photo, draw_photo
from nmevision.phantom.photo_grades import DIAGNOSES, MEASURES, draw_grades, typical_grade
from nmevision.phantom.photo_truth import (
    PLANES,
    findings_image,
    measured,
    measured_grades,
    read_findings,
    write_photo_truth,
)
from nmevision.phantom.skin import ita_of, lab_of

SIZE = 288  # grades can be measured from 256 pixels on


@cache
def photo(diagnosis: str, seed: int = 0, ita: float = 40.0) -> Photo:
    return draw_photo(diagnosis, np.random.default_rng([3, seed]), SIZE, NEUTRAL, ita=ita, site="open")


def linear(pixels: np.ndarray) -> np.ndarray:
    code = pixels.astype(np.float32) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


def away_from_everything(shot: Photo) -> np.ndarray:
    return cv2.dilate(shot.truth.lesion, np.ones((9, 9), np.uint8)) == 0


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
@pytest.mark.parametrize("size", [48, 97])
def test_a_photo_is_an_rgb_image_of_the_size_asked_for(diagnosis: str, size: int) -> None:
    shot = draw_photo(diagnosis, np.random.default_rng(1), size, camera=1)
    assert shot.pixels.shape == (size, size, 3)
    assert shot.pixels.dtype == np.uint8
    assert shot.truth.lesion.shape == shot.truth.skin.shape == (size, size)
    assert all(mask.shape == (size, size) for mask in shot.truth.masks.values())
    red, green, blue = shot.pixels[shot.truth.skin].mean(0)
    assert red > green > blue, "skin is redder than it is blue"


def test_the_same_chance_takes_the_same_photo() -> None:
    one, same, other = (draw_photo("nme", np.random.default_rng(seed), 96) for seed in (3, 3, 4))
    assert np.array_equal(one.pixels, same.pixels)
    assert one.truth.grades == same.truth.grades
    assert not np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_every_grade_can_be_measured_again_from_the_masks(diagnosis: str) -> None:
    for seed in range(2):
        truth = photo(diagnosis, seed).truth
        wrong = {
            finding: (truth.grades[finding], grade, measured(truth)[finding])
            for finding, grade in measured_grades(truth).items()
            if grade != truth.grades[finding]
        }
        assert not wrong, f"{diagnosis}, seed {seed}: (asked, measured, value) {wrong}"


@pytest.mark.parametrize("finding", [f for f in MEASURES if f != "satellite_lesions"])
def test_a_slider_does_what_it_says(finding: str) -> None:
    """Each finding is asked for at its highest grade, alone with a red, sharp patch to lie on."""
    kinds_of_scale = {"scale_any", "scale_silvery_psoriasiform", "scale_greasy_yellow"}
    sliders = dict.fromkeys(MEASURES, 0) | {"erythema": 2, "sharp_margin": 2, finding: 3}
    shot = draw_photo("nme", np.random.default_rng(5), SIZE, NEUTRAL, grades=sliders, site="open")
    got = measured_grades(shot.truth)
    assert got == shot.truth.grades
    assert got[finding] == 3
    follows = (
        {"scale_any"} if finding in kinds_of_scale | {"collarette_or_peripheral_scale", "xerosis"} else set()
    )
    assert {f for f, grade in got.items() if grade} <= {"erythema", "sharp_margin", finding} | follows


def test_masks_and_image_lie_upon_each_other() -> None:
    """The picture changes where the masks say: raw patches are redder, scale lighter than the lesion around."""
    seen: dict[str, list[bool]] = {
        "erosion": [],
        "scale_silvery_psoriasiform": [],
        "brown_hyperpigmentation": [],
    }
    for diagnosis in ("nme", "psoriasis"):
        for seed in range(2):
            shot = photo(diagnosis, seed, 55.0)
            lab = lab_of(linear(shot.pixels))
            plain = (shot.truth.lesion > 128) & ~np.logical_or.reduce(list(shot.truth.masks.values()))
            healthy = away_from_everything(shot)
            masks = shot.truth.masks
            if "erosion" in masks:
                bare = masks["erosion"] & ~masks["scale_any"] & ~masks.get("crust", np.zeros_like(healthy))
                seen["erosion"].append(bool(np.median(lab[bare, 1]) > np.median(lab[healthy, 1]) + 6))
            if "scale_silvery_psoriasiform" in masks and plain.sum() > 200:
                white = masks["scale_silvery_psoriasiform"]
                seen["scale_silvery_psoriasiform"].append(
                    bool(np.median(lab[white, 0]) > np.median(lab[plain, 0]) + 5)
                )
            if "brown_hyperpigmentation" in masks:
                brown = masks["brown_hyperpigmentation"]
                seen["brown_hyperpigmentation"].append(
                    bool(np.median(lab[brown, 0]) < np.median(lab[healthy, 0]) - 3)
                )
    for finding, agreed in seen.items():
        assert agreed, f"{finding} was never drawn"
        assert all(agreed), finding


@pytest.mark.parametrize("ita", [65.0, 48.0, 34.0, 18.0, -10.0, -42.0])
def test_healthy_skin_in_the_photo_has_the_tone_asked_for(ita: float) -> None:
    shot = photo("normal", 1, ita)
    light = linear(shot.pixels)
    lit = (
        light / np.quantile(light.mean(-1), 0.5) * float(np.median(_flat(ita).mean(-1)))
    )  # the lamp's strength
    assert float(np.median(ita_of(lit))) == pytest.approx(ita, abs=7)


def _flat(ita: float) -> np.ndarray:
    from nmevision.phantom.skin import RESTING_BLOOD, melanin_of, reflectance

    one = np.ones((1, 1), np.float32)
    return reflectance(one * melanin_of(ita), one * RESTING_BLOOD)


def test_photos_darken_with_the_tone() -> None:
    lightness = [
        lab_of(linear(photo("normal", 1, ita).pixels))[..., 0].mean() for ita in (65, 48, 34, 18, -10, -42)
    ]
    assert all(a > b for a, b in itertools.pairwise(lightness))


def test_erythema_is_red_on_light_skin_and_dark_on_dark_skin() -> None:
    sliders = dict.fromkeys(MEASURES, 0) | {"erythema": 3, "sharp_margin": 3}
    change = {}
    for ita in (62.0, -42.0):
        shot = draw_photo(
            "tinea", np.random.default_rng(8), SIZE, NEUTRAL, ita=ita, grades=sliders, site="open"
        )
        lab = lab_of(linear(shot.pixels))
        change[ita] = np.median(lab[shot.truth.lesion > 200], 0) - np.median(
            lab[away_from_everything(shot)], 0
        )
    light, dark = change[62.0], change[-42.0]
    assert light[1] > 9, "a* rises: red"
    assert dark[1] < 0.5 * light[1], "not bright red"
    assert dark[0] < -2, "darker"
    assert dark[2] < -1, "less yellow: violaceous"


def test_normal_skin_has_no_lesion() -> None:
    for seed in range(4):
        truth = draw_photo("normal", np.random.default_rng(seed), 96).truth
        assert not truth.lesion.any()
        assert not truth.masks
        assert {truth.grades[finding] for finding in MEASURES} == {0}


@pytest.mark.parametrize("diagnosis", [d for d in DIAGNOSES if d != "normal"])
def test_every_lesion_can_be_seen(diagnosis: str) -> None:
    """A label that cannot be seen is noise: each lesion is red, and of some size."""
    for seed in range(6):
        truth = draw_photo(diagnosis, np.random.default_rng(seed), 96).truth
        assert truth.grades["erythema"] >= 1
        assert (truth.lesion >= 128).mean() > 0.02


def test_grades_follow_the_profile() -> None:
    rng = np.random.default_rng(0)
    for diagnosis in DIAGNOSES:
        drawn = [draw_grades(diagnosis, rng) for _ in range(400)]
        for finding in MEASURES:
            mean = np.mean([grades[finding] for grades in drawn])
            low, high = {0: (0, 0), 1: (0.3, 0.9), 2: (1.3, 2.0), 3: (2.1, 2.7)}[
                typical_grade(diagnosis, finding)
            ]
            assert mean >= low - 1e-9
            least_or_one_of = mean > high  # some findings have a least grade, so that the lesion is seen
            assert not least_or_one_of or typical_grade(diagnosis, finding) in (1, 2)


def test_sites_are_recorded_only_where_they_are_depicted() -> None:
    for site, grade in (("fold", 3), ("open", None), ("limb", None)):
        truth = draw_photo("nme", np.random.default_rng(2), 96, site=site).truth  # type: ignore[arg-type]
        assert truth.grades.get("site_intertriginous") == grade
        assert truth.site == site
        assert not any(
            key.startswith("symptom") or key == "migrating_border_central_clearing" for key in truth.grades
        )


def test_a_limb_stands_before_a_background_and_holds_its_lesion() -> None:
    truth = draw_photo("eczema", np.random.default_rng(4), 128, site="limb").truth
    assert 0.4 < truth.skin.mean() < 0.99
    assert not (truth.lesion[~truth.skin] > 128).any()


def test_a_camera_is_always_the_same_and_differs_from_the_next() -> None:
    assert np.array_equal(camera_of(2).gain, camera_of(2).gain)
    assert not np.allclose(camera_of(2).gain, camera_of(3).gain, atol=1e-3)
    same_skin = [draw_photo("normal", np.random.default_rng(1), 96, camera).pixels for camera in (1, 2)]
    assert np.abs(same_skin[0].mean((0, 1)) - same_skin[1].mean((0, 1))).max() > 3


def test_truth_files_hold_the_masks_and_the_manifest_the_grades(tmp_path: Path) -> None:
    shot = photo("nme", 1)
    columns = write_photo_truth(shot.truth, tmp_path / "images" / "a.jpg")
    read = read_findings(tmp_path / "truth" / "a-findings.png")
    assert read.keys() == shot.truth.masks.keys() | {"skin"}
    assert all(np.array_equal(read[name], mask) for name, mask in shot.truth.masks.items())
    with Image.open(tmp_path / "truth" / "a-lesion.png") as image:
        assert np.array_equal(np.asarray(image), shot.truth.lesion)
    assert columns["fitzpatrick"] == "3"
    assert columns["ita"] == "40.0"
    assert columns["finding_erosion"] == str(shot.truth.grades["erosion"])
    assert columns["finding_site_intertriginous"] == ""


def test_every_shaped_finding_has_its_bit() -> None:
    shaped = {f for f, m in MEASURES.items() if m.kind != "other"} | {"collarette_or_peripheral_scale"}
    assert shaped == set(PLANES) - {"skin"}
    assert len(PLANES) <= 24
    assert findings_image(photo("normal").truth).max() == 1


def test_a_file_that_holds_no_masks_is_refused(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "grey.png")
    with pytest.raises(DataError, match="expected the RGB image of finding masks"):
        read_findings(tmp_path / "grey.png")
    with pytest.raises(DataError, match="cannot be read as an image"):
        read_findings(tmp_path / "none.png")


def test_bad_arguments_are_refused_in_words() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match=r"'exzema' \(did you mean 'eczema'\?\); there are: nme, "):
        draw_photo("exzema", rng)
    with pytest.raises(DataError, match=r"'erosoin' is not drawn on photos \(did you mean 'erosion'\?\)"):
        draw_photo("nme", rng, grades={"erosoin": 1})
    with pytest.raises(DataError, match="grade 4 of erosion; expected 0, 1, 2 or 3"):
        draw_photo("nme", rng, grades={"erosion": 4})
    with pytest.raises(DataError) as caught:
        draw_photo("nme", rng, 20, 0, ita=99, site="head")  # type: ignore[arg-type]
    assert "4 problems" in str(caught.value)
