"""The prior: stated, complete or even; never a frequency."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmevision.errors import ConfigError
from nmevision.knowledge.building import model_of_profiles
from nmevision.knowledge.prior import Prior, load_prior

MODEL = model_of_profiles(
    {key: {"f": "1a"} for key in ("nme:e", "nme:a", "zinc", "psoriasis")},
    group_of={"nme": "necrolytic", "zinc": "necrolytic", "psoriasis": "psoriasiform"},
)


def test_the_default_is_even_over_groups_then_within() -> None:
    assert MODEL.classes == ("nme", "zinc", "psoriasis", "other")
    assert Prior().over_classes(MODEL) == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    assert Prior().over_classes(MODEL) == pytest.approx(MODEL.even_prior)


def test_only_ratios_count() -> None:
    groups = {"necrolytic": 2, "psoriasiform": 6, "other": 2}
    prior = Prior(groups=groups, members={"necrolytic": {"nme": 1, "zinc": 3}})
    assert prior.over_classes(MODEL) == pytest.approx([0.05, 0.15, 0.6, 0.2])
    assert prior.within("necrolytic", ["nme", "zinc"]) == pytest.approx({"nme": 0.25, "zinc": 0.75})


def test_every_mistake_is_reported_at_once() -> None:
    prior = Prior(
        groups={"necrolitic": 1, "psoriasiform": 0}, members={"pustular": {}, "necrolytic": {"nme": 1}}
    )
    with pytest.raises(ConfigError) as caught:
        prior.over_classes(MODEL)
    for part in (
        "unknown 'necrolitic' (did you mean 'necrolytic'?)",
        "'psoriasiform' has the weight 0",
        "groups: 'necrolytic' is missing",
        "'other' is missing ('other' stands for what no profile describes)",
        "members: unknown group 'pustular'",
        "members of necrolytic: 'zinc' is missing",
    ):
        assert part in str(caught.value)


def test_a_file_is_read_and_a_rate_has_its_source(tmp_path: Path) -> None:
    path = tmp_path / "prior.yaml"
    path.write_text("comparison_rates: {diabetes: {k: 9, n: 99, source: own clinic}}\n", encoding="utf-8")
    assert load_prior(path).comparison_rates["diabetes"].smoothed == pytest.approx(0.095)
    path.write_text("group: {}\ncomparison_rates: {diabetes: {k: 9, n: 3, source: x}, y: {k: 1, n: 2}}\n")
    with pytest.raises(ConfigError) as caught:
        load_prior(path)
    for part in ("did you mean 'groups'", "k is at most n", "comparison_rates.y.source: missing"):
        assert part in str(caught.value)
