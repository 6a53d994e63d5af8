from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmevision.errors import DataError
from nmevision.knowledge.loading import load_knowledge
from nmevision.phantom.histology import draw_sheet
from nmevision.phantom.section_grades import measure, measured_grades, quantity
from nmevision.phantom.section_scales import SCALES
from nmevision.phantom.section_truth import SectionTruth, read_truth, truth_of, write_truth
from nmevision.phantom.window import Window

PLUG = "follicular_plug_perifollicular_parakeratosis"
TOGETHER = (
    (
        "granular_layer_loss", "parakeratosis", "spongiosis", "dyskeratosis_single_cell",
        "perivascular_lymphocytes", "interstitial_inflammation", "eosinophils", "dermal_mucin",
        "vessel_dilatation_papillary", "pigment_basal_or_incontinence", PLUG,
    ),
    (
        "upper_epidermal_pallor", "vacuolated_ballooned_keratinocytes", "cleft_or_vesicle_upper",
        "neutrophils_corneum_or_subcorneal_pustule", "papillary_dermal_oedema", "vacuolar_interface_basal",
        "fungal_elements_corneum", "band_like_infiltrate",
    ),
    (
        "intracellular_oedema", "acantholysis", "papillary_dermal_fibrosis",
        "suprapapillary_thinning",
    ),
    ("hypergranulosis", "hyperkeratosis_ortho"),
    ("psoriasiform_acanthosis", "upper_epidermal_necrosis"),
    ("epidermal_atrophy",),
    ("full_thickness_necrosis_subepidermal_split",),
)  # fmt: skip
"""Findings that one field can show side by side."""


def truth(grades: dict[str, int], seed: int, mpp: float = 1.0, angle: float | None = None) -> SectionTruth:
    side = round(512 / mpp)
    return truth_of(draw_sheet(grades, np.random.default_rng(seed), Window(side, side, mpp), angle))


def agrees(measured: int | None, drawn: int, finding: str) -> bool:
    return measured == drawn or (finding == PLUG and drawn == 0 and measured is None)


def test_there_is_a_scale_for_every_histologic_finding_of_the_knowledge() -> None:
    assert list(SCALES) == [finding.key for finding in load_knowledge().findings_of("histology")] or set(
        SCALES
    ) == {finding.key for finding in load_knowledge().findings_of("histology")}
    assert sorted(sum(TOGETHER, ())) == sorted(SCALES)


@pytest.mark.parametrize("finding", SCALES)
def test_what_is_drawn_for_a_grade_lies_clear_of_its_bounds(finding: str) -> None:
    scale = SCALES[finding]
    assert [{scale.grade(low), scale.grade(high)} for low, high in scale.ranges] == [{0}, {1}, {2}, {3}]


@pytest.mark.parametrize("findings", TOGETHER)
@pytest.mark.parametrize("grade", range(4))
def test_grades_measured_on_the_truth_are_those_drawn(findings: tuple[str, ...], grade: int) -> None:
    found = measured_grades(truth(dict.fromkeys(findings, grade), seed=[7, grade]))
    wrong = {key: found[key] for key in findings if not agrees(found[key], grade, key)}
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("finding", SCALES)
def test_every_finding_at_every_grade_over_several_seeds(finding: str) -> None:
    for grade in range(4):
        for seed in range(3):
            measured = measure(finding, truth({finding: grade}, seed=[11, seed]))
            assert agrees(measured, grade, finding), f"grade {grade}, seed {seed}: {measured}"


@pytest.mark.parametrize("mpp", [0.5, 2.0])
def test_a_grade_does_not_depend_on_the_resolution(mpp: float) -> None:
    grades = {"parakeratosis": 2, "upper_epidermal_pallor": 2, "psoriasiform_acanthosis": 2, "eosinophils": 2}
    found = measured_grades(truth(grades, seed=5, mpp=mpp, angle=0.0))
    assert {key: found[key] for key in grades} == grades


def test_thickness_is_measured_in_micrometres() -> None:
    flat = np.zeros((200, 400), np.uint8)
    flat[40:60], flat[60:130], flat[130:] = 1, 3, 5  # horn, spinous, dermis
    rows = np.arange(200)[:, None] + np.zeros((1, 400))
    layers = {
        "epidermis": (60, 130),
        "upper_epidermis": (60, 95),
        "papillary_dermis": (130, 160),
        "upper_dermis": (130, 200),
    }
    masks = dict.fromkeys(SCALES, np.zeros(flat.shape, bool))
    masks |= {f"layer_{name}": (rows >= a) & (rows < b) for name, (a, b) in layers.items()}
    masks["parakeratosis"] = (flat == 1) & (np.arange(400) < 100)
    masks["hyperkeratosis_ortho"] = (flat == 1) & ~masks["parakeratosis"]
    made = SectionTruth(flat, masks, {"neutrophil": np.full((8, 2), 50.0, np.float32)}, mpp=2.0)
    assert quantity("psoriasiform_acanthosis", made) == pytest.approx(140)
    assert quantity("epidermal_atrophy", made) == pytest.approx(140)
    assert quantity("parakeratosis", made) == pytest.approx(0.25)
    assert quantity("hyperkeratosis_ortho", made) == pytest.approx(0.75 * 40)
    assert quantity("granular_layer_loss", made) == 1
    assert quantity("neutrophils_corneum_or_subcorneal_pustule", made) == pytest.approx(10)  # 8 on 0.8 mm
    turned = replace(made, label=flat[::-1], masks={key: mask[::-1] for key, mask in masks.items()})
    assert quantity("psoriasiform_acanthosis", turned) == pytest.approx(140)


def test_what_the_field_does_not_show_is_not_graded() -> None:
    window = Window(512, 512, 1.0)
    bare = truth_of(draw_sheet({}, np.random.default_rng(0), window, horn=False))
    assert measure("parakeratosis", bare) is None
    assert measure("hyperkeratosis_ortho", bare) is None
    assert measure("psoriasiform_acanthosis", bare) == 0
    tiny = truth_of(draw_sheet({}, np.random.default_rng(0), Window(24, 24, 1.0)))
    assert set(measured_grades(tiny).values()) <= {None, 0}


def test_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    drawn = truth({"upper_epidermal_pallor": 2, "parakeratosis": 2}, seed=3)
    write_truth(drawn, tmp_path, "one")
    read = read_truth(tmp_path, "one")
    assert np.array_equal(read.label, drawn.label)
    assert read.masks.keys() == drawn.masks.keys()
    assert all(np.array_equal(read.masks[key], drawn.masks[key]) for key in drawn.masks)
    assert read.cells.keys() == drawn.cells.keys()
    assert all(np.allclose(read.cells[kind], drawn.cells[kind], atol=1 / 16) for kind in drawn.cells)
    assert measured_grades(read) == measured_grades(drawn)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one-label.png", "one-truth.npz"]


def test_missing_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no truth of 'two' \(two-label\.png is missing\)"):
        read_truth(tmp_path, "two")
