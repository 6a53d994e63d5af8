from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from nmevision.phantom.histology import draw_field, draw_sheet
from nmevision.phantom.section_fields import field_marks
from nmevision.phantom.section_truth import label_mask, truth_of
from nmevision.phantom.sheet import LABEL, Sheet
from nmevision.phantom.views import LEAST_TISSUE, ODDS, WITH_ADNEXA, View, draw_view, label_of
from nmevision.phantom.window import Window, at


def sheet_of(view: View, seed: int, side: int = 320, mpp: float = 1.0) -> Sheet:
    return draw_sheet({}, np.random.default_rng([31, seed]), Window(side, side, mpp), view=view)


def test_views_are_drawn_as_often_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    views = [draw_view(rng, "normal", 0.4) for _ in range(4000)]
    kinds = Counter(view.kind for view in views)
    assert kinds["surface"] / 4000 == pytest.approx(0.6, abs=0.03)
    off = 4000 - kinds["surface"]
    assert {kind: kinds[kind] / off for kind in ODDS} == pytest.approx(ODDS, abs=0.04)
    surface = [view for view in views if view.kind == "surface"]
    assert np.mean([view.adnexa for view in surface]) == pytest.approx(WITH_ADNEXA, abs=0.03)
    assert sum(ODDS.values()) == pytest.approx(1)


def test_only_normal_skin_is_cut_along_the_surface() -> None:
    rng = np.random.default_rng(1)
    assert all(draw_view(rng, "nme", 1.0).kind != "tangential" for _ in range(400))


@pytest.mark.parametrize("kind", ["dermis", "adnexa", "fat", "glass"])
def test_dermis_fields_hold_no_epidermis_and_no_horn(kind: str) -> None:
    drawn = sheet_of(View(kind, kind == "adnexa", kind == "glass"), seed=3)
    assert not np.isin(drawn.label, [LABEL[n] for n in ("horn", "granular", "spinous", "basal")]).any()
    assert (drawn.label == LABEL["dermis"]).any()


def test_a_cut_field_shows_the_lower_epidermis_alone() -> None:
    seen = [truth_of(sheet_of(View("cut"), seed)) for seed in range(4)]
    assert all(not label_mask(truth, "horn", "granular").any() for truth in seen)
    assert all(truth.masks["layer_epidermis"].any() for truth in seen)
    assert all(field_marks(truth)["papillary_dermis"] for truth in seen)
    assert not any(field_marks(truth)["whole_epidermis"] for truth in seen)


def test_epidermis_cut_along_the_surface_has_papillary_dermis_and_no_surface() -> None:
    truth = truth_of(sheet_of(View("tangential"), seed=2))
    assert truth.masks["layer_epidermis"].mean() > 0.1
    marks = field_marks(truth)
    assert marks["papillary_dermis"]
    assert not any(marks[key] for key in ("horn", "upper_epidermis", "whole_epidermis"))


def test_a_field_off_the_surface_is_the_same_for_the_same_chance_only() -> None:
    view = View("adnexa", True)
    one, same, other = (draw_field("normal", np.random.default_rng(s), 96, view=view) for s in (3, 3, 4))
    assert np.array_equal(one.pixels, same.pixels)
    assert np.array_equal(one.truth.label, same.truth.label)
    assert not np.array_equal(one.pixels, other.pixels)


def test_only_what_shows_it_carries_the_diagnosis() -> None:
    surface, deep = (truth_of(sheet_of(View(kind), 1, 96)) for kind in ("surface", "dermis"))
    assert label_of(View(), "nme", surface) == "nme"
    assert label_of(View("dermis"), "nme", deep) == ""
    assert label_of(View("dermis"), "normal", deep) == "normal"
    glass = truth_of(sheet_of(View("glass", edge=True), 1, 96))
    tissue = (~label_mask(glass, "background")).mean()
    assert label_of(View("glass"), "normal", glass) == ("normal" if tissue >= LEAST_TISSUE else "")


def test_appendages_take_the_place_of_dermis_and_have_their_own_nuclei() -> None:
    found: set[str] = set()
    for seed in range(10):
        drawn = sheet_of(View("adnexa", True), seed, 200, 2.0)
        for name in ("follicle", "sebaceous", "eccrine"):
            mask = drawn.label == LABEL[name]
            if mask.sum() > 300:
                found.add(name)
                assert not (mask & drawn.section.dermis).any()
                nuclei = np.concatenate(drawn.cells["adnexal"])
                assert at(mask, nuclei).any(), name
        for kind in ("lymphocyte", "fibroblast"):
            points = np.concatenate(drawn.cells.get(kind, [np.zeros((0, 2), np.float32)]))
            assert at(drawn.section.dermis, points).mean() > 0.95 if len(points) else True
    assert found == {"follicle", "sebaceous", "eccrine"}


def test_sebaceous_cells_are_paler_than_follicles_and_fat_is_empty() -> None:
    pale, dark, empty = [], [], []
    for seed in range(8):
        for view in (View("adnexa", True), View("fat")):
            drawn = sheet_of(view, seed, 160, 2.0)
            stain = drawn.eosin + drawn.haematoxylin
            pale.append(stain[drawn.label == LABEL["sebaceous"]])
            dark.append(stain[drawn.label == LABEL["follicle"]])
            empty.append(stain[drawn.label == LABEL["fat"]])
    means = [np.concatenate(values).mean() for values in (empty, pale, dark)]
    assert means[0] < 0.5 * means[1] < means[1] < 0.7 * means[2]


def test_a_plugged_follicle_is_seen_at_its_mouth_alone() -> None:
    plug = {"follicular_plug_perifollicular_parakeratosis": 2}
    for seed in range(6):
        window = Window(160, 160, 2.0)
        drawn = draw_sheet(plug, np.random.default_rng([8, seed]), window, view=View("adnexa", True))
        assert not (drawn.label == LABEL["follicle"]).any()
