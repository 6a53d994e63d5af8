"""From tiles to a slide's answer: constructed tiles whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_bundle import tiny_bundle

from nmevision.errors import ConfigError
from nmevision.inference.aggregate import aggregation_of, answer_of
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import FindingInfo
from nmevision.taxonomy import taxonomy_from

KEYS = ("nme", "psoriasis", "normal")
TAXONOMY = taxonomy_from(
    {
        "name": "with normal",
        "groups": [{"key": key, "name": key} for key in ("necrolytic", "other", "normal")],
        "diagnoses": [
            {"key": "nme", "name": "nme", "group": "necrolytic"},
            {"key": "psoriasis", "name": "psoriasis", "group": "other"},
            {"key": "normal", "name": "normal", "group": "normal"},
        ],
    },
    "test",
)
FINDINGS = ("parakeratosis", "fungal_elements_corneum", "upper_epidermal_pallor")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> AnswerMaker:
    return AnswerMaker(tiny_bundle(tmp_path_factory.mktemp("b") / "plain", taxonomy=TAXONOMY))


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> AnswerMaker:
    confusion = tuple(tuple(50 if i == j else 1 for j in range(4)) for i in range(4))
    network = {"backbone": "test_resnet", "image_size": 32, "weights_from": "none"}
    network["tasks"] = {"diagnosis": 3, "findings": 3 * len(FINDINGS), "fields": 2}  # type: ignore[assignment]
    made = [
        FindingInfo(key=key, temperature=1, confusion=confusion, train_counts=(9, 9, 9, 9))
        for key in FINDINGS
    ]
    fusion = {"learned": 0.5, "knowledge": 0.5, "images": 30}
    bundle = tiny_bundle(
        tmp_path_factory.mktemp("b") / "graded",
        taxonomy=TAXONOMY,
        network=network,
        findings=made,
        fields=("upper_epidermis", "horn"),
        fusion=fusion,
    )
    return AnswerMaker(bundle)


def tiles(shares: list[tuple[float, float, float]], prefix: str = "p_") -> dict[str, np.ndarray]:
    values = np.array(shares)
    return {prefix + key: values[:, i] for i, key in enumerate(KEYS)} | {
        "novelty": np.linspace(0, 0.5, len(values))
    }


SPARED, LESION = (0.01, 0.02, 0.97), (0.9, 0.06, 0.04)


def test_one_lesion_among_spared_skin(plain: AnswerMaker) -> None:
    columns = tiles([SPARED] * 30 + [LESION] * 2 + [SPARED] * 8)
    surface = np.ones(40)
    topk, chosen = answer_of(columns, surface, "topk", plain)
    assert topk["p_nme"] > 0.8
    assert chosen.sum() == 4  # a tenth, the lesion among them
    assert chosen[30:32].all()
    assert answer_of(columns, surface, "max", plain).values["p_nme"] == pytest.approx(0.9, abs=0.01)
    assert answer_of(columns, surface, "mean", plain).values["p_normal"] > 0.8
    for how in ("topk", "mean", "max"):
        values = answer_of(columns, surface, how, plain).values
        assert sum(values["p_" + key] for key in KEYS) == pytest.approx(1)


def test_spared_skin_stays_spared(plain: AnswerMaker) -> None:
    for how in ("topk", "mean", "max"):
        assert answer_of(tiles([SPARED] * 50), np.ones(50), how, plain).values["p_normal"] > 0.95


def test_what_shows_no_surface_has_no_say(plain: AnswerMaker) -> None:
    columns = tiles([SPARED] * 3 + [LESION] * 30)
    surface = np.r_[np.full(3, 0.9), np.full(30, 0.2)]
    for how in ("topk", "mean", "max"):
        values, chosen = answer_of(columns, surface, how, plain)
        assert values["p_normal"] > 0.95
        assert not chosen[3:].any()
    assert answer_of(columns, np.zeros(33), "topk", plain).values["p_nme"] > 0.8  # none shows any: all count


def test_one_tile(plain: AnswerMaker) -> None:
    values, chosen = answer_of(tiles([LESION]), np.zeros(1), "topk", plain)
    assert values["p_nme"] == pytest.approx(0.9, abs=1e-6)
    assert chosen.tolist() == [True]


def graded_tiles(n: int) -> dict[str, np.ndarray]:
    columns = tiles([SPARED] * n) | tiles([SPARED] * n, "learned_")
    for key in FINDINGS:
        columns |= {f"finding_{key}": np.zeros(n), f"spread_{key}": np.full(n, 0.3)}
    return columns | {"field_upper_epidermis": np.ones(n), "field_horn": np.ones(n)}


def test_findings_go_by_their_meaning(graded: AnswerMaker) -> None:
    columns = graded_tiles(20)
    for key in FINDINGS:
        columns[f"finding_{key}"][:4] = 3.0  # one tile in five, all as normal as the rest
    values = answer_of(columns, np.ones(20), "mean", graded).values
    assert values["finding_fungal_elements_corneum"] == 3  # focal: hyphae anywhere are hyphae
    assert values["finding_parakeratosis"] == pytest.approx(0.6)  # of the whole surface
    assert values["spread_parakeratosis"] == pytest.approx(0.3)


def test_a_finding_counts_as_far_as_its_structure_is_there(graded: AnswerMaker) -> None:
    columns = graded_tiles(4)
    columns["finding_parakeratosis"][:] = [3, 3, 0, 0]  # needs horn
    columns["finding_upper_epidermal_pallor"][:] = [3, 3, 0, 0]
    columns["field_horn"][:] = [1, 1, 0, 0]
    values = answer_of(columns, np.ones(4), "mean", graded).values
    assert values["finding_parakeratosis"] == pytest.approx(3)
    assert values["finding_upper_epidermal_pallor"] == pytest.approx(1.5)
    assert values["field_horn"] == 1


def test_the_knowledge_reads_the_findings_of_the_slide(graded: AnswerMaker) -> None:
    columns = graded_tiles(8)
    for key in ("parakeratosis", "upper_epidermal_pallor"):
        columns[f"finding_{key}"][:] = 2.8
    values = answer_of(columns, np.ones(8), "topk", graded).values
    alone = {name: array[:1] for name, array in columns.items()}
    expected = graded.fused(alone)  # all tiles are alike, so that the slide is like each of them
    for name in expected:
        if name != "novelty":
            assert values[name] == pytest.approx(float(expected[name][0]), abs=1e-6), name
    assert values["knowledge_nme"] > values["knowledge_psoriasis"]
    assert values["p_nme"] > answer_of(graded_tiles(8), np.ones(8), "topk", graded).values["p_nme"]


def test_names() -> None:
    assert aggregation_of("mean") == "mean"
    with pytest.raises(ConfigError, match=r"unknown --aggregate 'topK' \(did you mean 'topk'\?\)"):
        aggregation_of("topK")
