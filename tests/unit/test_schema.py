"""Records refuse what they do not know, never change, and tell every mistake in words."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from nmevision.errors import BundleError, ConfigError
from nmevision.schema import Record, read_yaml, validate


class Leaf(Record):
    colour: Literal["red", "green"] = "red"
    size: int = Field(default=1, ge=1)


class Tree(Record):
    name: str
    leaf: Leaf = Leaf()
    leaves: tuple[Leaf, ...] = Field(default=(), max_length=3)
    maybe: Leaf | None = None
    pair: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _judge(self) -> Tree:
        if self.name == "weed":
            raise ValueError("a weed is no tree")
        return self


def mistakes(content: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate(Tree, content, "tree.yaml", ConfigError)
    first, *lines = str(caught.value).splitlines()
    assert first == f"tree.yaml: {len(lines)} problem" + "s" * (len(lines) > 1)
    return [line.removeprefix("  - ") for line in lines]


def test_a_right_one_is_returned() -> None:
    tree = validate(Tree, {"name": "oak", "leaves": [{"size": 3}]}, "x", ConfigError)
    assert tree == Tree(name="oak", leaves=(Leaf(size=3),))


def test_every_mistake_at_once() -> None:
    found = mistakes(
        {"nane": 1, "leaf": {"colour": "gren", "size": 0, "sise": 2}, "leaves": [{"size": "big"}, {"x": 1}]}
    )
    assert "nane: unknown key (did you mean 'name'?); known here: name, leaf, leaves, maybe, pair" in found
    assert "name: missing; it must be given" in found
    assert "leaf.colour: found 'gren'; input should be 'red' or 'green' (did you mean 'green'?)" in found
    assert "leaf.size: found 0; input should be greater than or equal to 1" in found
    assert "leaf.sise: unknown key (did you mean 'size'?); known here: colour, size" in found
    assert any(line.startswith("leaves.0.size: found 'big'; ") for line in found)
    assert "leaves.1.x: unknown key; known here: colour, size" in found
    assert len(found) == 7


def test_the_known_keys_of_an_optional_record() -> None:
    assert mistakes({"name": "oak", "maybe": {"colr": "red"}}) == [
        "maybe.colr: unknown key (did you mean 'colour'?); known here: colour, size"
    ]


def test_a_rule_of_the_whole_is_told_as_written() -> None:
    assert mistakes({"name": "weed"}) == ["a weed is no tree"]


def test_something_that_is_no_mapping() -> None:
    (line,) = mistakes([1, 2])
    assert line.startswith("(whole): found [1, 2]; ")


def test_the_asked_kind_of_error_is_raised() -> None:
    with pytest.raises(BundleError):
        validate(Tree, {}, "x", BundleError)


def test_a_record_never_changes() -> None:
    tree = Tree(name="oak")
    with pytest.raises(ValidationError):
        tree.name = "elm"  # type: ignore[misc]


class TestReadYaml:
    def test_a_mapping(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_text("a: 1\nb: {c: ü}\n", encoding="utf-8")
        assert read_yaml(tmp_path / "x.yaml", ConfigError) == {"a": 1, "b": {"c": "ü"}}

    @pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "just words\n"])
    def test_no_mapping(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"x\.yaml: expected a mapping"):
            read_yaml(tmp_path / "x.yaml", ConfigError)

    def test_broken_yaml_says_where(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_text("a: 1\nb: [1, 2\nc: 3\n")
        with pytest.raises(ConfigError, match=r"(?s)cannot be read as YAML.*line 3"):
            read_yaml(tmp_path / "x.yaml", ConfigError)

    def test_yaml_runs_no_code(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_text(f"a: !!python/object/apply:pathlib.Path.touch ['{tmp_path}/ran']\n")
        with pytest.raises(ConfigError, match="cannot be read as YAML"):
            read_yaml(tmp_path / "x.yaml", ConfigError)
        assert not (tmp_path / "ran").exists()

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_bytes(b"a: caf\xe9\n")
        with pytest.raises(ConfigError, match="cannot be read as YAML"):
            read_yaml(tmp_path / "x.yaml", ConfigError)

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            read_yaml(tmp_path, ConfigError)

    def test_a_misspelt_file(self, tmp_path: Path) -> None:
        (tmp_path / "histology.yaml").touch()
        with pytest.raises(
            ConfigError, match=r"histolgy\.yaml: no such file \(did you mean 'histology\.yaml'"
        ):
            read_yaml(tmp_path / "histolgy.yaml", ConfigError)
        with pytest.raises(ConfigError, match=r"no such file$"):
            read_yaml(tmp_path / "nowhere" / "x.yaml", ConfigError)

    def test_a_key_given_twice_is_a_mistake(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_text("train: {lr: 1}\ntrain: {lr: 2}\n")
        with pytest.raises(ConfigError, match=r"'train'.*twice"):
            read_yaml(tmp_path / "x.yaml", ConfigError)
