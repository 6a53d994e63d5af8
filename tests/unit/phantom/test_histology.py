from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from nmevision.errors import DataError
from nmevision.phantom.histology import Field, draw_field, draw_layers
from nmevision.phantom.noise import smooth_noise
from nmevision.phantom.profiles import DIAGNOSES, PROFILES, Grades, draw_grades
from nmevision.phantom.stain import Laboratory, laboratory, stain


@cache
def fields(diagnosis: str, count: int = 10) -> list[Field]:
    rngs = [np.random.default_rng([5, seed]) for seed in range(count)]
    return [draw_layers(draw_grades(diagnosis, rng), rng) for rng in rngs]


def granular_band(field: Field) -> float:
    """Haematoxylin just below the horn, where keratohyalin lies."""
    depth = field.section.depth
    return float(field.haematoxylin[field.section.epidermis & (depth > 2) & (depth < 9)].mean())


def ridge_depth(field: Field) -> float:
    """How many micrometres below the horn the ridges reach."""
    return float(np.quantile(field.section.depth[field.section.epidermis], 0.99))


def emptiness(field: Field) -> float:
    """Share of the middle of the epidermis that holds next to no stain."""
    level = field.section.level
    middle = field.section.epidermis & (level > 0.2) & (level < 0.9)
    return float(((field.haematoxylin + field.eosin)[middle] < 0.3).mean())


def upper_to_lower(field: Field) -> float:
    """Stain of the band below the top of the epidermis as a share of that of its lower third."""
    total, level = field.haematoxylin + field.eosin, field.section.level
    living = field.section.epidermis
    return float(
        total[living & (level > 0.15) & (level < 0.4)].mean() / total[living & (level > 0.67)].mean()
    )


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
@pytest.mark.parametrize("size", [64, 97, 224])
def test_a_field_is_an_rgb_image_of_the_size_asked_for(diagnosis: str, size: int) -> None:
    image = draw_field(diagnosis, np.random.default_rng(1), size, laboratory=2)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.max() > 200, "glass and gaps are bright"
    assert image.min() < 110, "nuclei are dark"


def test_the_same_chance_draws_the_same_field() -> None:
    one, same, other = (draw_field("nme", np.random.default_rng(seed), 96) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_normal_skin_has_a_darker_granular_layer_than_nme_and_psoriasis() -> None:
    normal = min(granular_band(field) for field in fields("normal"))
    assert normal > max(granular_band(field) for field in fields("nme"))
    assert normal > max(granular_band(field) for field in fields("psoriasis"))


def test_the_upper_epidermis_is_paler_than_the_lower_third_most_of_all_in_nme() -> None:
    ratios = {name: np.mean([upper_to_lower(field) for field in fields(name)]) for name in DIAGNOSES}
    assert ratios["nme"] < 0.75
    assert all(ratios["nme"] < ratios[name] - 0.1 for name in ("psoriasis", "eczema", "normal"))


def test_pallor_follows_its_grade() -> None:
    paler = [draw_layers(Grades(pallor=grade), np.random.default_rng(0)) for grade in (0.0, 0.4, 0.9)]
    ratios = [upper_to_lower(field) for field in paler]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] - ratios[2] > 0.2


def test_a_necrotic_band_is_pink_and_has_no_nuclei() -> None:
    def top(necrosis: float) -> tuple[float, float]:
        field = draw_layers(Grades(necrosis=necrosis, granular_loss=1), np.random.default_rng(0))
        band = field.section.epidermis & (field.section.level > 0.04) & (field.section.level < 0.16)
        return float(field.haematoxylin[band].mean()), float(field.eosin[band].mean())

    assert top(1)[0] < 0.4 * top(0)[0]
    assert top(1)[1] > 1.3 * top(0)[1]


def test_only_a_parakeratotic_horn_holds_nuclei_and_is_compact() -> None:
    def horn(parakeratosis: float) -> tuple[float, float]:
        field = draw_layers(Grades(parakeratosis=parakeratosis), np.random.default_rng(0))
        inside = field.section.horn
        return float((field.haematoxylin[inside] > 0.35).mean()), float((field.eosin[inside] < 0.2).mean())

    nuclei, gaps = horn(0)
    assert nuclei == 0
    assert gaps > 0.3, "a basket weave is mostly air"
    nuclei, gaps = horn(1)
    assert nuclei > 0.08
    assert gaps < 0.02


def test_psoriasis_has_the_longest_ridges_and_normal_skin_the_shortest() -> None:
    depths = {name: np.median([ridge_depth(field) for field in fields(name)]) for name in DIAGNOSES}
    assert depths["psoriasis"] > 1.15 * depths["nme"]
    assert depths["nme"] > 1.2 * depths["normal"]


def test_eczema_opens_the_spaces_between_the_cells() -> None:
    empty = {name: np.mean([emptiness(field) for field in fields(name)]) for name in DIAGNOSES}
    assert empty["eczema"] > 0.08
    assert empty["eczema"] > 4 * max(empty["normal"], empty["psoriasis"])


def test_the_dermis_is_eosin_and_the_basal_row_is_haematoxylin() -> None:
    for field in fields("normal", 4):
        section = field.section
        deep = section.dermis & (section.below > 40)
        basal = section.epidermis & (section.height > 3) & (section.height < 7)
        assert field.eosin[deep].mean() > 4 * field.haematoxylin[deep].mean()
        assert field.haematoxylin[basal].mean() > 6 * field.haematoxylin[deep].mean()


def test_early_nme_is_subtle_and_late_nme_marked() -> None:
    pallor = [draw_grades("nme", np.random.default_rng(seed)).pallor for seed in range(200)]
    low, high = PROFILES["nme"]["pallor"]
    assert low <= min(pallor) < low + 0.1
    assert high - 0.1 < max(pallor) <= high


def test_staining_obeys_beer_and_lambert() -> None:
    lab = Laboratory(laboratory(0).vectors, laboratory(0).strength, np.ones(3), blur=0.01, noise=0)
    amount = np.full((8, 8), 0.3, np.float32)
    none = np.zeros_like(amount)
    light = [stain(times * amount, none, lab, np.random.default_rng(0))[4, 4] / 255.0 for times in (0, 1, 2)]
    assert light[0].min() > 0.97
    assert light[2] / light[0] == pytest.approx((light[1] / light[0]) ** 2, abs=0.01)


def test_a_laboratory_is_always_the_same_and_differs_from_the_next() -> None:
    assert np.array_equal(laboratory(3).vectors, laboratory(3).vectors)
    assert not np.allclose(laboratory(3).vectors, laboratory(4).vectors, atol=1e-3)
    assert np.allclose(np.linalg.norm(laboratory(3).vectors, axis=1), 1)


def test_mean_colour_alone_does_not_tell_nme() -> None:
    """A demo whose classes differ by tint would teach a network the tint."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    count = 96
    means = np.array(
        [
            draw_field(DIAGNOSES[i % 4], np.random.default_rng([9, i]), 128, 1 + (i // 4 + i) % 4).mean(
                (0, 1)
            )
            for i in range(count)
        ]
    )
    truth = np.arange(count) % 4 == 0
    model = LogisticRegression(C=100, max_iter=1000).fit(means / 255, truth)
    assert roc_auc_score(truth, model.predict_proba(means / 255)[:, 1]) < 0.85


def test_an_unknown_diagnosis_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"'psoriassis' \(did you mean 'psoriasis'\?\); there are: nme, "):
        draw_field("psoriassis", np.random.default_rng(0))


def test_noise_has_the_grain_asked_for() -> None:
    for sigma in (2.0, 12.0):
        noise = smooth_noise(np.random.default_rng(0), 400, 400, sigma)
        shifted = np.mean(noise[:, : -int(2 * sigma)] * noise[:, int(2 * sigma) :])
        assert shifted == pytest.approx(np.exp(-1), abs=0.12)  # of a Gaussian blur: exp(-(lag / 2 sigma)^2)
