from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from nmevision.errors import DataError
from nmevision.phantom.histology import draw_field, draw_sheet
from nmevision.phantom.profiles import DIAGNOSES
from nmevision.phantom.section_truth import truth_of
from nmevision.phantom.sheet import LABEL, Sheet
from nmevision.phantom.stain import Slide, draw_slide, laboratory, scan
from nmevision.phantom.window import Placement, Window, at


@cache
def sheet(finding: str = "", grade: int = 0, seed: int = 1) -> Sheet:
    grades = {finding: grade} if finding else {}
    return draw_sheet(grades, np.random.default_rng(seed), Window(384, 384, 1.0))


def number(drawn: Sheet, *kinds: str) -> int:
    return sum(len(points) for kind in kinds for points in drawn.cells.get(kind, []))


def test_a_field_is_an_rgb_image_of_the_size_asked_for() -> None:
    for size, mpp in ((64, 1.0), (97, 2.0), (150, 0.5)):
        field = draw_field("nme", np.random.default_rng(1), size, laboratory=2, mpp=mpp)
        assert field.pixels.shape == (size, size, 3)
        assert field.pixels.dtype == np.uint8
        assert field.truth.label.shape == (size, size)
        assert field.truth.mpp == mpp


def test_the_same_chance_draws_the_same_field() -> None:
    one, same, other = (draw_field("nme", np.random.default_rng(seed), 96) for seed in (3, 3, 4))
    assert np.array_equal(one.pixels, same.pixels)
    assert one.grades == same.grades
    assert not np.array_equal(one.pixels, other.pixels)


def test_skin_lies_in_layers_from_glass_to_dermis() -> None:
    section = draw_sheet({}, np.random.default_rng(2), Window(384, 384, 1.0), angle=0.0).section
    column = 200
    order = [layer[:, column] for layer in (section.horn, section.epidermis, section.dermis)]
    tops = [int(np.flatnonzero(layer)[0]) for layer in order]
    assert 0 < tops[0] < tops[1] < tops[2]
    assert section.level[section.epidermis].max() <= 1


def test_a_field_is_the_same_skin_at_any_resolution_and_in_any_window() -> None:
    grades = {"parakeratosis": 2, "granular_layer_loss": 2}
    whole = draw_sheet(grades, np.random.default_rng(5), Window(256, 256, 2.0), angle=0.3)
    fine = draw_sheet(grades, np.random.default_rng(5), Window(512, 512, 1.0), angle=0.3)
    same = (whole.label[1:-1, 1:-1] == fine.label[1::2, 1::2][1:-1, 1:-1]).mean()
    assert same > 0.9


def test_pixels_and_skin_coordinates_are_inverse() -> None:
    place, window = Placement(100.0, 50.0, 0.7), Window(40, 60, 0.5, 90.0, 45.0)
    u, v = place.skin(window)
    points = place.pixels(u.ravel(), v.ravel(), window)
    rows, columns = np.mgrid[:40, :60]
    assert np.allclose(points, np.stack([columns.ravel(), rows.ravel()], -1), atol=1e-3)


def test_the_granular_layer_is_dark_and_the_pale_band_pale() -> None:
    normal, pale = sheet(), sheet("upper_epidermal_pallor", 3)
    blue, pink = normal.haematoxylin, normal.eosin
    spinous = normal.label == LABEL["spinous"]
    granular = normal.label == LABEL["granular"]
    assert blue[granular].mean() > 1.5 * blue[spinous].mean()
    band = pale.label == LABEL["pale"]
    assert (pale.eosin + pale.haematoxylin)[band].mean() < 0.7 * (blue + pink)[spinous].mean()


def test_a_necrotic_band_is_pink_and_has_no_nuclei() -> None:
    drawn = sheet("upper_epidermal_necrosis", 3)
    dead = drawn.label == LABEL["necrotic"]
    assert drawn.haematoxylin[dead].mean() < 0.2
    assert drawn.eosin[dead].mean() > 0.6
    assert not any(at(dead, p).any() for p in drawn.cells["keratinocyte"])


def test_horn_is_a_basket_weave_unless_it_holds_nuclei() -> None:
    plain, full = sheet(), sheet("parakeratosis", 3)
    horn = plain.section.horn & (plain.section.depth < -4)
    assert "corneocyte" not in plain.cells
    assert (plain.eosin[horn] < 0.2).mean() > 0.2, "air between the strands"
    assert number(full, "corneocyte") > 50
    retained = full.masks["parakeratosis"]
    assert (full.eosin[retained] < 0.2).mean() < 0.08


def test_nuclei_are_as_large_and_as_dense_as_in_skin() -> None:
    drawn = sheet()
    living = drawn.section.epidermis.sum() / 1e6  # mm2
    assert 5_000 < number(drawn, "basal", "keratinocyte") / living < 16_000
    assert number(drawn, "basal") > 40


def test_lymphocytes_are_dark_dots_around_vessels() -> None:
    drawn = sheet("perivascular_lymphocytes", 3)
    points = np.concatenate(drawn.cells["lymphocyte"])
    assert at(drawn.section.dermis, points).all()
    assert np.median(at(drawn.haematoxylin, points)) > 0.6
    assert len(points) > 10 * number(sheet(), "lymphocyte")


def test_truth_holds_every_layer_and_finding() -> None:
    truth = truth_of(sheet("cleft_or_vesicle_upper", 2))
    cleft = truth.masks["cleft_or_vesicle_upper"]
    assert cleft.any()
    assert (truth.label[cleft] == LABEL["cleft"]).all()
    assert not (truth.masks["layer_epidermis"] & cleft).any()
    assert truth.masks["layer_upper_epidermis"].sum() < truth.masks["layer_epidermis"].sum()


def test_staining_obeys_beer_and_lambert() -> None:
    lab = laboratory(0)
    densities = (lab.strength[:, None] * lab.vectors).astype(np.float32)
    slide = Slide(densities, np.full(3, 255, np.float32), blur=0.01, noise=0)
    amount, none = np.full((8, 8), 0.3, np.float32), np.zeros((8, 8), np.float32)
    rng = np.random.default_rng(0)
    light = [scan(k * amount, none, none, slide, 1.0, rng)[4, 4] / 255.0 for k in (0, 1, 2)]
    assert light[0].min() == 1
    assert light[2] == pytest.approx(light[1] ** 2, abs=0.01)
    expected = 10 ** (-0.3 * densities[0])
    assert light[1] == pytest.approx(expected, abs=0.01)
    brown = scan(none, none, amount, slide, 1.0, rng)[4, 4]
    assert brown[0] > brown[1] > brown[2], "melanin takes blue the most"


def test_a_laboratory_is_always_the_same_and_its_slides_differ_less_than_laboratories() -> None:
    assert np.array_equal(laboratory(3).vectors, laboratory(3).vectors)
    assert np.allclose(np.linalg.norm(laboratory(3).vectors, axis=1), 1)
    slides = {
        n: [draw_slide(laboratory(n), np.random.default_rng(s)).densities for s in range(6)] for n in range(8)
    }
    within = np.mean([np.std(np.log(found), axis=0) for found in slides.values()])
    between = np.std([np.mean(np.log(found), axis=0) for found in slides.values()], axis=0).mean()
    assert between > 1.3 * within


@pytest.mark.slow
def test_mean_colour_alone_does_not_tell_nme() -> None:
    """A demo whose classes differ by tint would teach a network the tint."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    count = 96
    labs = [1 + (i // 4 + i) % 4 for i in range(count)]
    fields = [
        draw_field(DIAGNOSES[i % 4], np.random.default_rng([9, i]), 192, labs[i], mpp=2.0)
        for i in range(count)
    ]
    means = np.array([field.pixels.mean((0, 1)) for field in fields]) / 255
    truth = np.arange(count) % 4 == 0
    model = LogisticRegression(C=100, max_iter=1000).fit(means, truth)
    assert roc_auc_score(truth, model.predict_proba(means)[:, 1]) < 0.85


def test_an_unknown_diagnosis_is_refused_with_a_hint() -> None:
    with pytest.raises(DataError, match=r"'psoriassis' \(did you mean 'psoriasis'\?\)"):
        draw_field("psoriassis", np.random.default_rng(0))
