"""Configurations: merged, overridden, judged as a whole, frozen, and told apart by a fingerprint."""

from __future__ import annotations

import contextlib
import json
import operator
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from nmevision.config import ExperimentConfig, load
from nmevision.errors import ConfigError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted([*CONFIGS.glob("*.yaml"), *CONFIGS.glob("experiments/*.yaml")])
LEAST = {"name": "x", "modality": "histology", "taxonomy": "t.yaml"}


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def least(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shortest configuration, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "x.yaml", LEAST)


def mistakes(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


class TestShipped:
    def test_they_are_found(self) -> None:
        assert {"base", "clinical", "histology", "oral-histology"} <= {path.stem for path in FILES}

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_every_one_loads_and_names_files_that_exist(self, path: Path) -> None:
        partial = path.stem == "base"  # what the others extend
        given_here = ["name=x", "modality=clinical", "taxonomy=t.yaml"] if partial else []
        config = load(path, given_here)
        assert partial or Path(config.taxonomy).is_file()
        assert config.data.manifest is None or config.name.startswith("demo")  # else the user's to give
        assert load(path, given_here).fingerprint == config.fingerprint

    def test_two_of_them_differ(self) -> None:
        prints = {load(path).fingerprint for path in FILES if path.stem != "base"}
        assert len(prints) == len(FILES) - 1


class TestExtends:
    def test_nearer_files_win_and_the_rest_is_kept(self, least: Path, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", {"train": {"lr": 0.1, "epochs": 5}, "seed": 1})
        write(tmp_path / "b.yaml", {"extends": "a.yaml", "train": {"lr": 0.2, "clip": 3.0}})
        write(least, {**LEAST, "extends": "b.yaml", "train": {"clip": 4.0}})
        config = load(least)
        assert (config.train.lr, config.train.epochs, config.train.clip, config.seed) == (0.2, 5, 4.0, 1)

    def test_of_a_list_the_later_wins(self, least: Path, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", {"train": {"lr": 0.1, "epochs": 5}})
        write(tmp_path / "b.yaml", {"train": {"lr": 0.2}})
        for order, lr in ((["a.yaml", "b.yaml"], 0.2), (["b.yaml", "a.yaml"], 0.1)):
            config = load(write(least, {**LEAST, "extends": order}))
            assert (config.train.lr, config.train.epochs) == (lr, 5)

    def test_a_base_shared_by_two_is_no_cycle(self, least: Path, tmp_path: Path) -> None:
        write(tmp_path / "base.yaml", {"seed": 7})
        write(tmp_path / "a.yaml", {"extends": "base.yaml"})
        write(tmp_path / "b.yaml", {"extends": "base.yaml"})
        assert load(write(least, {**LEAST, "extends": ["a.yaml", "b.yaml"]})).seed == 7

    def test_a_cycle_is_told(self, least: Path, tmp_path: Path) -> None:
        write(tmp_path / "a.yaml", {"extends": "x.yaml"})
        write(least, {**LEAST, "extends": "a.yaml"})
        with pytest.raises(ConfigError, match=r"extends itself: x\.yaml -> a\.yaml -> x\.yaml"):
            load(least)

    def test_itself(self, least: Path) -> None:
        write(least, {**LEAST, "extends": "x.yaml"})
        with pytest.raises(ConfigError, match="extends itself"):
            load(least)

    @pytest.mark.parametrize("value", [None, 3, {"a": 1}, ["a.yaml", 3]])
    def test_something_else(self, least: Path, value: object) -> None:
        write(least, {**LEAST, "extends": value})
        with pytest.raises(ConfigError, match="extends: expected a file name or a list"):
            load(least)

    def test_a_missing_base_is_named(self, least: Path, tmp_path: Path) -> None:
        write(tmp_path / "base.yaml", {})
        write(least, {**LEAST, "extends": "bse.yaml"})
        with pytest.raises(ConfigError, match=r"bse\.yaml: no such file \(did you mean 'base\.yaml'\?\)"):
            load(least)


class TestMistakes:
    def test_all_are_told_at_once(self, least: Path) -> None:
        content: dict[str, Any] = {"name": "x", "modality": "histologie", "sed": 3}
        content["train"] = {"lr": -1, "epohcs": 3, "epochs": "many", "balance": "weight"}
        content["data"] = {"val": 1.5}
        write(least, content)
        found = mistakes(least, "model.backbon=resnet18")
        starts = (
            "modality: found 'histologie'",
            "taxonomy: missing",
            "sed: unknown key (did you mean 'seed'?)",
        )
        starts += ("train.lr: found -1", "train.epohcs: unknown key (did you mean 'epochs'?)")
        starts += ("train.epochs: found 'many'", "train.balance: found 'weight'", "data.val: found 1.5")
        starts += ("model.backbon: unknown key (did you mean 'backbone'?)",)
        assert len(found) == len(starts)
        assert all(any(line.startswith(start) for line in found) for start in starts)
        assert any("did you mean 'histology'?" in line for line in found)
        assert any("did you mean 'weights'?" in line for line in found)

    @pytest.mark.parametrize(
        "override",
        [
            "train.lr=0", "train.epochs=0", "train.layer_decay=0", "train.ema=1", "train.batch_size=0",
            "train.warmup=1", "data.val=0", "data.test=1", "data.folds=1", "data.workers=-2", "seed=-1",
            "model.image_size=16", "model.dropout=1", "augment.blur=1.1", "name=a/b", "name=../x", "name=",
            "model.mean=[0.5,0.5]", "model.fit=stretch", "model.std=[0,1,1]", "train=none", "data=[1]", "train.epochs=1.5",
        ],
    )  # fmt: skip
    def test_out_of_range_or_of_another_kind(self, least: Path, override: str) -> None:
        key = override.split("=")[0]
        assert [line for line in mistakes(least, override) if line.startswith(key)]

    def test_what_does_not_add_up(self, least: Path) -> None:
        assert "data.test + data.val = 1 leave nothing" in mistakes(least, "data.test=0.5", "data.val=0.5")[0]
        assert "0 to 4" in mistakes(least, "data.folds=5", "data.fold=5")[0]
        assert load(least, ["data.folds=5", "data.fold=4", "data.test=0.9", "data.val=0.5"]).data.fold == 4

    def test_two_ways_to_freeze_a_network(self, least: Path) -> None:
        assert "leave out mil or" in mistakes(least, "mil.bundle=models/x", "train.mode=probe")[0]
        assert "mil has no int8 graph" in mistakes(least, "mil.bundle=models/x", "model.int8=true")[0]

    def test_the_heading_says_where(self, least: Path) -> None:
        with pytest.raises(ConfigError, match=r"^x\.yaml with seed=a train\.lr=b: 2 problems"):
            load("x.yaml", ["seed=a", "train.lr=b"])

    @pytest.mark.parametrize(
        "word", ["train.lr", "=3", "--seed=3", "-seed=3", "", "[=", "train..lr=1", "train[0]=1"]
    )
    def test_a_malformed_override(self, least: Path, word: str) -> None:
        with pytest.raises(ConfigError, match=r"overrides are written key\.sub=value"):
            load(least, [word])

    @pytest.mark.parametrize(
        "word", ["seed=[1", "seed={a", "name.x=1", "train[0]=1", "a..b=1", "name=${nothing}", "name=${", "seed=${name"]
    )  # fmt: skip
    def test_an_odd_override(self, least: Path, word: str) -> None:
        with pytest.raises(ConfigError, match=r"x\.yaml|overrides"):
            load(least, [word])

    @settings(max_examples=80, deadline=None)
    @given(st.lists(st.text(alphabet="ab.=[]{}$:'\" -train0lr\n,", max_size=14), max_size=2))
    def test_any_override_is_taken_or_told(self, words: list[str]) -> None:
        with contextlib.suppress(ConfigError):  # and nothing else
            load(CONFIGS / "histology.yaml", words)

    @pytest.mark.parametrize(
        "text", ["name: ${", "name: ${a.b}", "name: ${oc.env:NOT_SET_ANYWHERE}", "name: 2024-01-01"]
    )
    def test_what_cannot_be_merged(self, least: Path, text: str) -> None:
        least.write_text(text + "\nmodality: clinical\ntaxonomy: t.yaml\n")
        with pytest.raises(ConfigError, match=r"x\.yaml"):
            load(least)


class TestValues:
    def test_overrides_win_the_last_of_them_too(self, least: Path) -> None:
        write(least, {**LEAST, "train": {"lr": 0.1}})
        config = load(least, ["train.lr=1e-4", "train.lr=2e-4", "model.std=[0.1,0.2,0.3]", "data.folds=null"])
        assert config.train.lr == 2e-4
        assert config.model.std == (0.1, 0.2, 0.3)
        assert config.data.folds is None

    def test_a_number_without_a_point_in_yaml(self, least: Path) -> None:
        least.write_text(least.read_text() + "train: {lr: 1e-4}\n")  # YAML 1.1 reads this as text
        assert load(least).train.lr == 1e-4

    def test_seed_zero_is_a_seed(self, least: Path, tmp_path: Path) -> None:
        write(tmp_path / "base.yaml", {"seed": 5})
        config = load(write(least, {**LEAST, "extends": "base.yaml", "seed": 0}))
        assert config.seed == 0
        assert config.fingerprint != load(least, ["seed=5"]).fingerprint

    def test_interpolation(self, least: Path) -> None:
        write(least, {**LEAST, "name": "${modality}-${model.backbone}"})
        assert load(least, ["model.backbone=resnet50"]).name == "histology-resnet50"

    def test_it_is_frozen_to_the_bottom(self, least: Path) -> None:
        config = load(least)
        with pytest.raises(ValidationError):
            config.seed = 1  # type: ignore[misc]
        with pytest.raises(ValidationError):
            config.train.lr = 1.0  # type: ignore[misc]


class TestPaths:
    def test_in_a_file_they_start_from_that_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        base = {"taxonomy": "taxonomies/t.yaml", "data": {"manifest": "../m.csv"}}
        write(tmp_path / "configs/base.yaml", base)
        top = {**LEAST, "extends": "../base.yaml", "model": {"weights": "w.safetensors"}}
        del top["taxonomy"]
        write(tmp_path / "configs/sub/x.yaml", top)
        config = load("configs/sub/x.yaml", ["data.root=here"])
        assert config.taxonomy == "configs/taxonomies/t.yaml"
        assert config.data.manifest == "m.csv"
        assert config.model.weights == "configs/sub/w.safetensors"
        assert config.data.root == "here"  # of an override: from the working folder

    def test_the_same_file_from_elsewhere(
        self, least: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "deep/er").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "deep/er")
        assert Path(load(least).taxonomy).resolve() == tmp_path / "t.yaml"

    def test_hub_and_none_are_no_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for word in ("hub", "none"):
            path = write(tmp_path / "sub/x.yaml", {**LEAST, "model": {"weights": word}})
            assert load(path).model.weights == word

    def test_an_absolute_path_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        taxonomy = (tmp_path / "t.yaml").as_posix()
        config = load(write(tmp_path / "sub/x.yaml", {**LEAST, "taxonomy": taxonomy}))
        assert config.taxonomy == taxonomy

    def test_nothing_is_looked_for_on_disk(self, least: Path) -> None:
        assert load(least, ["data.manifest=not/there.csv"]).data.manifest == "not/there.csv"


OTHER_VALUES = {
    "name": "y", "modality": "clinical", "taxonomy": "u.yaml", "positive": "nme", "data.manifest": "m.csv",
    "data.root": "r", "data.folds": 2, "model.backbone": "b", "model.weights": "none", "model.image_size": 64,
    "model.mean": [0.1, 0.2, 0.3], "model.std": [0.1, 0.2, 0.3], "model.fit": "crop", "train.balance": "logits",
    "model.views": 8, "train.keep": "last", "train.precision": "fp32", "train.accelerator": "cpu",
    "mil": {"bundle": "models/x"}, "data.cache": "c", "train.mode": "probe",
}  # fmt: skip
"""Where another number will not do."""


def leaves(record: BaseModel, start: str = "") -> list[str]:
    """Every key of a record, dotted."""
    found = []
    for name in type(record).model_fields:
        value = getattr(record, name)
        inner = leaves(value, f"{start}{name}.") if isinstance(value, BaseModel) else [start + name]
        found += inner
    return found


class TestFingerprint:
    def test_it_is_eight_digits(self, least: Path) -> None:
        assert len(load(least).fingerprint) == 8
        assert int(load(least).fingerprint, 16) >= 0

    @pytest.mark.parametrize("key", leaves(ExperimentConfig.model_validate(LEAST)))
    def test_every_value_counts_but_where_things_go(self, least: Path, key: str) -> None:
        place = key.startswith("output.") or key == "data.cache"
        beside = {"data.fold": ["data.folds=3"]}.get(key, [])
        before, now = load(least, beside), operator.attrgetter(key)(load(least))
        other = "elsewhere" if key.startswith("output.") else now + 1 if isinstance(now, int) else 0.123
        after = load(least, [*beside, f"{key}={json.dumps(OTHER_VALUES.get(key, other))}"])
        assert before != after
        assert (before.fingerprint == after.fingerprint) == place

    def test_the_order_of_keys_does_not_count(self, least: Path) -> None:
        first = load(write(least, {**LEAST, "train": {"lr": 0.1, "clip": 2.0}})).fingerprint
        turned = dict(reversed({**LEAST, "train": {"clip": 2.0, "lr": 0.1}}.items()))
        assert load(write(least, turned)).fingerprint == first

    def test_a_default_written_out_does_not_count(self, least: Path) -> None:
        assert load(least).fingerprint == load(least, ["train.epochs=20", "data.test=0.15"]).fingerprint

    def test_another_process_finds_the_same(self, least: Path) -> None:
        code = "from nmevision.config import load; print(load('x.yaml').fingerprint)"
        environment = {**os.environ, "PYTHONHASHSEED": "1234"}
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        assert told.stdout.strip() == load(least).fingerprint


class TestResolvedCopy:
    @pytest.mark.parametrize(
        "overrides",
        [
            [],
            ["data.manifest=m.csv", "model.weights=../w.safetensors", "seed=0"],
            ["data.manifest=./a/../m.csv", "data.root=."],
            ["data.manifest=/somewhere/else/m.csv", "model.mean=[0.1,0.2,0.3]", "positive=nme"],
            ["taxonomy=tä/x y.yaml", "train.lr=1e-05", "model.weights=none"],
        ],
    )
    def test_it_reads_back_to_the_same_from_the_run_folder(
        self, least: Path, tmp_path: Path, overrides: list[str]
    ) -> None:
        config = load(least, overrides)
        folder = tmp_path / "runs" / "x-123"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(config.to_yaml(folder), encoding="utf-8")
        again = load(folder / "config.yaml")
        assert again == config
        assert again.fingerprint == config.fingerprint

    def test_it_names_every_key(self, least: Path, tmp_path: Path) -> None:
        config = load(least)
        content = yaml.safe_load(config.to_yaml(tmp_path))
        for key in leaves(config):
            here = content
            for part in key.split("."):
                here = here[part]

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_every_shipped_one_reads_back(self, path: Path, tmp_path: Path) -> None:
        config = load(path, ["name=x", "modality=clinical", "taxonomy=t.yaml"])
        (tmp_path / "config.yaml").write_text(config.to_yaml(tmp_path), encoding="utf-8")
        assert load(tmp_path / "config.yaml") == config
