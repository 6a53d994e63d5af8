"""Shares of the inputs: every file falls to exactly one, and no process becomes a shard by surprise."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmevision.errors import ConfigError, RunError
from nmevision.inference.engine_torch import _own_gpu
from nmevision.inference.inputs import Inputs
from nmevision.inference.journal import Journal
from nmevision.inference.shard_folder import ShardFolder
from nmevision.inference.shards import Shard, shard_of
from nmevision.locks import held
from nmevision.manifest import Sample

SRUN = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}
FACTS = {"bundle": "a", "input": "b"}


def inputs(*names: str) -> Inputs:
    return Inputs([Sample(name, Path(name)) for name in names], list(names), "x", "y")


@pytest.mark.parametrize(
    "wrong",
    ["", "2", "0/4", "5/4", "-1/4", "1/0", "a/b", "2/4/6", " 2/4", "2/4\n", "1.0/4", "9999999/9999999"],
)
def test_a_wrong_argument_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"expected i/n, .*counted from 1, such as --shard 2/4"):
        shard_of(wrong, {})


def test_by_hand_goes_before_the_environment() -> None:
    assert shard_of("2/4", {"RANK": "0", "WORLD_SIZE": "2"} | SRUN) == Shard(2, 4, "--shard")
    assert shard_of("1/1", SRUN).is_whole


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "1/1"),
        ({"RANK": "0", "WORLD_SIZE": "3"}, "1/3"),
        ({"RANK": "2", "WORLD_SIZE": "3"} | SRUN, "3/3"),  # torchrun inside srun
        ({"WORLD_SIZE": "3"}, "1/1"),
        (SRUN, "2/4"),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, "1/1"),
        # one process in an allocation of many: a batch script, a shell by salloc, a shell by srun --pty
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, "1/1"),
        (SRUN | {"SLURM_PROCID": "0", "SLURM_STEP_ID": "4294967290"}, "1/1"),
        (SRUN | {"SLURM_PROCID": "0", "SLURM_PTY_PORT": "40001"}, "1/1"),
    ],
)
def test_by_the_environment(environment: dict[str, str], expected: str) -> None:
    assert str(shard_of(None, environment)) == expected


@pytest.mark.parametrize("environment", [{"RANK": "3", "WORLD_SIZE": "3"}, {"RANK": "x", "WORLD_SIZE": "3"}])
def test_an_environment_that_makes_no_sense_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"RANK=. and WORLD_SIZE=3; .*--shard i/n"):
        shard_of(None, environment)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_every_file_falls_to_one_shard_in_order(count: int) -> None:
    names = [f"{i // 2}/{'slide.svs' if i % 2 else 'photo.jpg'}" for i in range(14)]
    parts = [Shard(number, count).of(inputs(*names)) for number in range(1, count + 1)]
    assert sorted(name for part in parts for name in part.names) == sorted(names)
    for part in parts:
        assert [sample.id for sample in part.samples] == part.names
        assert part.names == sorted(part.names, key=names.index)
        slides = sum(name.endswith("svs") for name in part.names)
        assert slides in (7 // count, -(-7 // count))  # not all to one, though every second file is a slide


def test_a_lock_is_had_by_one(tmp_path: Path) -> None:
    with held(tmp_path / "x") as first, held(tmp_path / "x") as second:
        assert (first, second) == (True, False)
    with held(tmp_path / "x") as again:
        assert again
    with held(tmp_path / "gone" / "x") as nowhere:
        assert not nowhere


def test_one_of_all_merges_and_none_afterwards(tmp_path: Path) -> None:
    folders = [ShardFolder(tmp_path, Shard(number, 2), FACTS) for number in (1, 2)]
    for folder in folders:
        with folder.running(resume=False):
            folder.finish({"seconds": 1.0})
    assert folders[0].missing() == []
    with folders[0].merging() as first, folders[1].merging() as second:
        assert (first, second) == (True, False)
        folders[0].remove()
    with folders[1].merging() as late:
        assert not late
    assert list(tmp_path.iterdir()) == []


def test_the_missing_are_named(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path, Shard(2, 3), FACTS)
    with folder.running(resume=False):
        folder.finish({})
    assert folder.missing() == ["1/3", "3/3"]


def test_a_shard_runs_once_at_a_time_and_is_continued_on_request(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path, Shard(2, 3), FACTS)
    with folder.running(resume=False):
        other = ShardFolder(tmp_path, Shard(2, 3), FACTS)
        with pytest.raises(RunError, match=r"shard 2/3 of .* is run by another process"), other.running(True):
            pass
    with pytest.raises(RunError, match="was begun before; continue it with --resume"), folder.running(False):
        pass
    with folder.running(resume=True):
        pass


def test_shards_of_another_prediction_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with ShardFolder(tmp_path, Shard(1, 3), FACTS).running(resume=False):
        pass
    before = sorted(path.name for path in (tmp_path / "shards").glob("*.json"))
    for shard, facts, words in (
        (Shard(2, 4), FACTS, "shards 3 there, 4 here"),
        (Shard(2, 3), {"bundle": "z", "input": "b"}, "bundle 'a' there, 'z' here"),
    ):
        with (
            pytest.raises(RunError, match=f"1-of-3 in .* another prediction .*{words}"),
            ShardFolder(tmp_path, shard, facts).running(resume=False),
        ):
            pass
    assert sorted(path.name for path in (tmp_path / "shards").glob("*.json")) == before


def test_one_process_does_not_write_among_shards(tmp_path: Path) -> None:
    with ShardFolder(tmp_path, Shard(1, 3), FACTS).running(resume=False):
        pass
    for resume in (False, True):
        with pytest.raises(RunError, match="holds shards of a prediction that are not merged yet"):
            Journal(tmp_path, "a", resume)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "3"}, 3),
        ({"LOCAL_RANK": "5"}, 1),
        ({"SLURM_LOCALID": "2"}, 2),
        ({"LOCAL_RANK": "?"}, 0),
    ],
)
def test_processes_of_a_machine_take_its_gpus_in_turn(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: int
) -> None:
    for name in ("LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _own_gpu(4) == expected
