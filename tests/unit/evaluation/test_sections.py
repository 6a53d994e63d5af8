from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from nmevision.evaluation.attributes import attributes_of, group_of
from nmevision.evaluation.drafts import Target
from nmevision.evaluation.prevalence import ppv
from nmevision.evaluation.report import json_safe
from nmevision.evaluation.sections import Sections, sections
from nmevision.evaluation.truth import Cases
from nmevision.manifest import Manifest, manifest_of

CLASSES = ("nme", "psoriasis", "eczema")


def made(counts: tuple[int, ...] = (25, 60, 60), seed: int = 0) -> tuple[Cases, Manifest]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), counts)
    logits = generator.normal(size=(len(labels), 3)) + 1.5 * np.eye(3)[labels]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array([f"P{i:03}" for i in range(len(labels))], dtype=object)
    rows = [
        {"id": f"{name}-{image}", "patient_id": name, "diagnosis": CLASSES[label], "Sex": "fm"[i % 2]}
        | {"age": str(20 + i % 70), "fitzpatrick": "123456"[i % 6], "site": ["arm", "leg"][image]}
        for i, (name, label) in enumerate(zip(names, labels, strict=True))
        for image in range(1 + i % 2)
    ]
    sources = np.array(["a", "b"], dtype=object)[np.arange(len(labels)) % 2]
    cases = Cases(CLASSES, names, sources, labels, np.round(p, 8), np.ones(len(labels), dtype=np.intp))
    return cases, manifest_of(rows, Path())


@pytest.fixture(scope="module")
def found() -> Sections:
    return sections(made()[0], Target("nme", (0,)), made()[1], seed=0)


def test_the_table_is_of_the_most_probable_class(found: Sections) -> None:
    cases = made()[0]
    truth, called = cases.labels == 0, cases.predicted == 0
    sensitivity, specificity = called[truth].mean(), (~called[~truth]).mean()
    for row in found.prevalence:
        assert row.ppv.value == pytest.approx(ppv(sensitivity, specificity, row.prevalence).value)
    everyone = found.abstention.at_coverage[0]
    assert everyone.sensitivity.value == pytest.approx(sensitivity)
    assert everyone.n_positive_abstained == 0
    assert found.abstention.aurc.value < (cases.predicted != cases.labels).mean()


def test_calibration_parts_fit_together(found: Sections) -> None:
    parts, cases = found.calibration, made()[0]
    whole = parts.decomposition
    assert whole.miscalibration - whole.discrimination + whole.uncertainty == pytest.approx(
        whole.brier, abs=1e-12
    )
    assert sum(one.n for one in parts.bins) == len(cases)
    assert all(one.consistent_low <= one.consistent_high for one in parts.bins)
    assert (parts.no_claim, parts.band) == ("", ())
    assert len(whole.curve) <= 101
    assert set(parts.class_wise) == set(CLASSES)


def test_few_positives_claim_nothing_and_have_a_band() -> None:
    cases, manifest = made((7, 60, 60))
    found = sections(cases, Target("nme", (0,)), manifest, 0)
    assert found.calibration.no_claim == "no claim: 7 positives, fewer than 20"
    assert len(found.calibration.band) == 101
    assert all(low <= high for _, low, high in found.calibration.band)
    tones = {one.attribute: one for one in found.subgroups}["fitzpatrick"]
    assert all(group.sensitivity.value.reason.startswith("not estimable") for group in tones.groups)


def test_no_positive_and_only_positives_are_told_in_words() -> None:
    for counts in ((0, 20, 20), (20, 0, 0)):
        cases, manifest = made(counts)
        found = sections(cases, Target("nme", (0,)), manifest, 0)
        missing = "no positives" if counts[0] == 0 else "no negatives"
        assert found.prevalence[0].ppv.reason == missing
        assert found.decisions.curve[0].model.reason == missing
        assert found.calibration.slope.value.reason == missing
        json.dumps(json_safe(dataclasses.asdict(found)), allow_nan=False)


def test_subgroups_count_every_patient(found: Sections) -> None:
    cases = made()[0]
    assert [one.attribute for one in found.subgroups] == ["sex", "age", "fitzpatrick", "site", "source"]
    for one in found.subgroups:
        assert sum(g.n_positive + g.n_negative for g in one.groups) + one.n_unknown == len(cases)
    by_name = {one.attribute: one for one in found.subgroups}
    assert [group.name for group in by_name["fitzpatrick"].groups] == ["I-II", "III-IV", "V-VI"]
    assert [group.name for group in by_name["sex"].groups] == ["female", "male"]
    assert by_name["site"].n_unknown == sum(i % 2 for i in range(len(cases)))  # an arm and a leg: neither
    assert by_name["site"].groups[0].name == "arm"


def test_sections_are_json_and_the_same_again(found: Sections) -> None:
    content = json_safe(dataclasses.asdict(found))
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    cases, manifest = made()
    frame = manifest.frame.sample(frac=1, random_state=1).reset_index(drop=True)
    again = sections(cases, Target("nme", (0,)), dataclasses.replace(manifest, frame=frame), 0)
    assert json_safe(dataclasses.asdict(again)) == content


def test_net_benefit_moves_with_the_prior_not_the_set() -> None:
    """Twice as many negatives of the same kind: the curve at a fixed prevalence stays where it was."""
    cases, manifest = made((40, 100, 100))
    twice = cases.select(np.repeat([True, True], [40, 200]))
    order = np.r_[np.arange(240), np.arange(40, 240)]
    more = Cases(
        CLASSES,
        *(
            getattr(twice, name)[order]
            for name in ("names", "sources", "labels", "probabilities", "n_images")
        ),
    )
    odds = more.probabilities.copy()
    odds[:, 0] /= 2  # what a calibrated model says in a set with twice the negatives
    more = dataclasses.replace(more, probabilities=odds / odds.sum(axis=1, keepdims=True))
    one, two = (sections(c, Target("nme", (0,)), manifest, 0).decisions.curve for c in (cases, more))
    assert [row.model.value for row in two] == pytest.approx([row.model.value for row in one], abs=1e-6)


@pytest.mark.parametrize(
    ("column", "text", "group"),
    [
        ("fitzpatrick", "IV", "III-IV"),
        ("fitzpatrick", "3.0", "III-IV"),
        ("fitzpatrick", "-1", ""),
        ("skin_tone", "Type vi", "V-VI"),
        ("skin_tone", "Monk 7", "monk 7"),
        ("sex", " Female ", "female"),
        ("sex", "unknown", ""),
        ("age", "40", "40-59"),
        ("age", "nan", ""),
        ("age", "-3", ""),
        ("site", "Left  ARM", "left arm"),
    ],
)
def test_cells_name_groups(column: str, text: str, group: str) -> None:
    assert group_of(column, text) == group


def test_attributes_nobody_knows_are_left_out() -> None:
    cases, manifest = made()
    bare = manifest_of([{"id": name, "patient_id": name, "sex": ""} for name in cases.names], Path())
    alone = dataclasses.replace(cases, sources=np.full(len(cases), "a", dtype=object))
    assert attributes_of(alone, bare) == {}
    assert list(attributes_of(cases, manifest)) == ["sex", "age", "fitzpatrick", "site", "source"]
