"""Run folders: never overwritten, resumed only where they match, nothing tried is forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmevision.config import ExperimentConfig, load
from nmevision.errors import RunError
from nmevision.training.run_folder import configurations_tried, open_run


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentConfig:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text("name: x\nmodality: clinical\ntaxonomy: t.yaml\ndata: {manifest: m.csv}\n")
    return load("x.yaml")


def test_a_new_run(config: ExperimentConfig) -> None:
    run = open_run(config, "abc", resume=False)
    assert run.path == Path("runs") / f"x-{config.fingerprint}"
    assert load(run.path / "config.yaml") == config
    assert json.loads((run.path / "run.json").read_text())["manifest"] == "abc"


def test_it_is_never_overwritten(config: ExperimentConfig) -> None:
    open_run(config, "abc", resume=False)
    with pytest.raises(RunError, match=r"exists already.*--resume, or remove the folder, or change the name"):
        open_run(config, "abc", resume=False)


def test_resume(config: ExperimentConfig) -> None:
    with pytest.raises(RunError, match="nothing to resume"):
        open_run(config, "abc", resume=True)
    run = open_run(config, "abc", resume=False)
    assert open_run(config, "abc", resume=True) == run
    with pytest.raises(RunError, match=r"manifest has changed.*\(abc then, abd now\)"):
        open_run(config, "abd", resume=True)
    other = config.model_copy(update={"seed": 1})
    with pytest.raises(RunError, match="nothing to resume"):
        open_run(other, "abc", resume=True)


def test_configurations_are_counted_per_manifest(config: ExperimentConfig) -> None:
    runs = Path("runs")
    assert configurations_tried(runs, "abc") == 0
    for seed in range(3):
        open_run(config.model_copy(update={"seed": seed, "name": f"n,{seed}"}), "abc", resume=False)
    open_run(config.model_copy(update={"seed": 9}), "other", resume=False)
    open_run(config.model_copy(update={"seed": 9}), "other", resume=True)  # no new one
    assert configurations_tried(runs, "abc") == 3
    assert configurations_tried(runs, "other") == 1
    assert configurations_tried(runs, "none") == 0


def test_a_manifest_fingerprint_of_digits_is_text(config: ExperimentConfig) -> None:
    open_run(config, "0012", resume=False)
    assert configurations_tried(Path("runs"), "0012") == 1


def test_every_attempt_logs_for_itself(config: ExperimentConfig) -> None:
    run = open_run(config, "abc", resume=False)
    assert run.next_log() == "part-1"
    (run.path / "logs" / "part-1").mkdir(parents=True)
    assert run.next_log() == "part-2"


def test_the_checkpoints_lie_inside(config: ExperimentConfig) -> None:
    run = open_run(config, "abc", resume=False)
    assert run.last.parent == run.best.parent == run.checkpoints
    assert run.path in run.last.parents
    assert run.last != run.best


def test_a_discarded_run_may_begin_again_and_is_still_counted(config: ExperimentConfig) -> None:
    open_run(config, "abc", resume=False).discard()
    open_run(config, "abd", resume=False)
    assert configurations_tried(Path("runs"), "abc") == 1


def test_what_is_noted_is_found_by_a_resumed_run(config: ExperimentConfig) -> None:
    open_run(config, "abc", resume=False).note(computes={"precision": "32-true"})
    facts = open_run(config, "abc", resume=True).facts
    assert (facts["manifest"], facts["computes"]) == ("abc", {"precision": "32-true"})
