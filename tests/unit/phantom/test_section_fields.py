from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import FIELDS
from nmevision.phantom.histology import draw_field, draw_sheet
from nmevision.phantom.section_fields import MEASURES, PLUG, epidermis_um, field_marks
from nmevision.phantom.section_grades import measure, measured_grades
from nmevision.phantom.section_scales import SCALES
from nmevision.phantom.section_truth import SectionTruth, truth_of
from nmevision.phantom.views import KINDS, View
from nmevision.phantom.window import Window

NEEDS = {finding.key: finding.needs for finding in load_knowledge().findings_of("histology")}
LEFT_OVER = {
    "suprapapillary_thinning",  # no papillae under an epidermis that is thin throughout
    "vacuolated_ballooned_keratinocytes", "intracellular_oedema", "dyskeratosis_single_cell", "acantholysis",
    "vacuolar_interface_basal", "pigment_basal_or_incontinence",  # no cells in one that is dead throughout
    "upper_epidermal_pallor",  # no upper half beside the granular layer and what is dead
    "dermal_mucin",  # no dermis below the papillae
}  # fmt: skip
"""Findings that a disease can leave nothing of to judge."""


def drawn(layers: dict[str, slice], below: str = "dermis", rows: int = 200) -> SectionTruth:
    """Return a truth whose layers run straight across the picture: rows of horn, epidermis, and the rest."""
    names = ("background", "horn", "granular", "spinous", "basal", "dermis")
    label = np.full((rows, 400), names.index(below), np.uint8)
    masks = dict.fromkeys(SCALES, np.zeros(label.shape, bool))
    masks |= {f"layer_{name}": np.zeros(label.shape, bool) for name in
              ("epidermis", "upper_epidermis", "papillary_dermis", "upper_dermis")}  # fmt: skip
    for name, place in layers.items():
        if name in names:
            label[place] = names.index(name)
        else:
            masks[f"layer_{name}"] = masks[f"layer_{name}"].copy()
            masks[f"layer_{name}"][place] = True
    return SectionTruth(label, masks, {}, mpp=1.0)


WHOLE = {
    "background": slice(0, 30), "horn": slice(30, 45), "spinous": slice(45, 105), "epidermis": slice(45, 105),
    "upper_epidermis": slice(45, 75), "papillary_dermis": slice(105, 140), "upper_dermis": slice(105, 200),
}  # fmt: skip


def test_a_field_of_the_whole_skin_shows_all_but_a_follicle() -> None:
    truth = drawn(WHOLE)
    assert field_marks(truth) == {key: key != "follicle" for key in FIELDS["histology"]}
    assert epidermis_um(truth) == pytest.approx(400, abs=8)


@pytest.mark.parametrize(
    ("gone", "absent"),
    [
        ({"horn": slice(0, 0), "background": slice(0, 45)}, {"horn"}),
        ({"background": slice(0, 0), "horn": slice(0, 45)}, {"horn"}),  # cut off by the frame: nobody knows how thick
        (
            {"background": slice(0, 0), "horn": slice(0, 0), "spinous": slice(0, 30), "epidermis": slice(0, 30),
             "upper_epidermis": slice(0, 0), "papillary_dermis": slice(30, 65)},
            {"horn", "upper_epidermis", "whole_epidermis"},
        ),
    ],
)  # fmt: skip
def test_what_the_frame_cuts_off_is_not_in_the_field(gone: dict[str, slice], absent: set[str]) -> None:
    marks = field_marks(drawn(WHOLE | gone))
    assert {key for key, seen in marks.items() if not seen} == absent | {"follicle"}


def test_dermis_alone_shows_nothing_of_the_epidermis() -> None:
    assert not any(field_marks(drawn({})).values())
    assert epidermis_um(drawn({})) == 0
    upper = field_marks(drawn({"upper_dermis": slice(0, 100)}))
    assert {key for key, seen in upper.items() if seen} == {"upper_dermis"}


def test_a_follicle_counts_by_its_label_or_by_its_mouth() -> None:
    plain = drawn(WHOLE)
    label = plain.label.copy()
    label[150:190, 100:150] = 12
    assert field_marks(replace(plain, label=label))["follicle"]
    mouth = np.zeros(label.shape, bool)
    mouth[30:45, 10:40] = True
    assert field_marks(replace(plain, masks=plain.masks | {PLUG: mouth}))["follicle"]
    assert measure(PLUG, replace(plain, label=label)) == 0
    assert measure(PLUG, plain) is None


def test_every_field_of_the_knowledge_has_a_stated_measure() -> None:
    assert set(MEASURES) == set(FIELDS["histology"]) == set(field_marks(drawn({})))


@cache
def fields() -> list[tuple[dict[str, bool], dict[str, int | None]]]:
    found = []
    for number, kind in enumerate(KINDS):
        for name in ("normal", "nme", "sjs_ten") if kind != "tangential" else ("normal",):
            rng = np.random.default_rng([5, number])
            field = draw_field(name, rng, 192, mpp=2.0, view=View(kind, kind == "adnexa", kind == "glass"))
            found.append((field_marks(field.truth), field.grades))
    return found


def test_a_finding_is_graded_where_what_it_needs_is_in_the_field_and_nowhere_else() -> None:
    for marks, grades in fields():
        for finding, grade in grades.items():
            there = all(marks[need] for need in NEEDS[finding])
            assert there or grade is None, finding
            assert grade is not None or not there or finding in LEFT_OVER, finding


def test_a_field_without_epidermis_has_no_grade_of_the_epidermis_but_may_have_one_of_the_dermis() -> None:
    grades = {"perivascular_lymphocytes": 3, "parakeratosis": 3, "dermal_mucin": 2}
    for seed in range(6):
        view = View("dermis")
        sheet = draw_sheet(grades, np.random.default_rng([1, seed]), Window(384, 384, 1.0), view=view)
        found = measured_grades(truth_of(sheet))
        assert found["parakeratosis"] is None
        assert found["psoriasiform_acanthosis"] is None
        if field_marks(truth_of(sheet))["upper_dermis"]:
            assert found["perivascular_lymphocytes"] == 3
            assert found["dermal_mucin"] == 2
            return
    pytest.fail("no field of the dermis began in its upper part")
