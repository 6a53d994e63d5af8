"""A training that was killed and continued makes the very weights of one that was not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from small_world import CONFIGS, Training, World, command, environment, run, run_here, train_here

from nmevision.files import sha256_of

EVERYTHING = (
    "train.epochs=4",
    "train.batch_size=8",
    "train.mixup=0.3",
    "train.ema=0.9",
    "train.balance=sampling",
    "train.keep=last",
    "model.dropout=0.3",
    "model.drop_path=0.2",
    "model.backbone=test_resnet",
    "data.workers=2",
    "data.test=0",
)
"""Whatever draws random numbers or keeps a state between steps."""
KILL_MID_EPOCH = """
import os, signal
from nmevision.training.task import ClassificationTask as Task

step = Task.training_step

def fatal(task, batch, number):
    if (task.current_epoch, number) == (1, 2):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(task, batch, number)

Task.training_step = fatal
from nmevision.cli import main
main("train")
"""
"""Drives the command line and dies without a word in the third step of the second epoch."""


def arguments(world: World, name: str) -> list[str]:
    return [str(CONFIGS / "histology.yaml"), *world.settings(name, *EVERYTHING)]


def kill_after_line(start: str, cwd: Path, line: list[str]) -> None:
    """Start a command and kill it at once when it prints a line that starts with `start`."""
    with subprocess.Popen(
        line, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        seen = any(text.startswith(start) for text in process.stdout)
        process.kill()
    assert seen
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_twice_and_continued_gives_the_same_bytes(world: World, tmp_path: Path) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    unbroken.mkdir()
    broken.mkdir()
    whole = run("train", *arguments(world, "model"), cwd=unbroken)
    assert whole.code == 0, whole.err

    first = subprocess.run(
        [sys.executable, "-c", KILL_MID_EPOCH, *arguments(world, "model")],
        cwd=broken,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert "epoch 1/4" in first.stdout
    assert "epoch 2/4" not in first.stdout
    kill_after_line("epoch 3/4", broken, command("train", *arguments(world, "model"), "--resume"))
    assert not (broken / "models").exists()
    last = run("train", *arguments(world, "model"), "--resume", cwd=broken)
    assert last.code == 0, last.err
    assert "epoch 1/4" not in last.out

    one, two = (folder / "models" / "model" for folder in (unbroken, broken))
    assert sha256_of(one / "weights.safetensors") == sha256_of(two / "weights.safetensors")
    facts = [json.loads((folder / "bundle.json").read_text()) for folder in (one, two)]
    assert facts[0]["temperature"] == facts[1]["temperature"]
    assert facts[0]["validation"] == facts[1]["validation"]
    assert facts[1]["training"]["configurations_tried"] == 1
    (run_folder,) = (broken / "runs").glob("model-*")
    assert len(list((run_folder / "logs").iterdir())) == 3


def interrupt(world: World, name: str, cwd: Path, where: str, *more: str) -> None:
    """Train until the function `where` is called, and stop there as Ctrl-C would."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, stop)
        answer = run_here("train", CONFIGS / "histology.yaml", *world.settings(name, *more), cwd=cwd)
    assert answer.code == 130
    assert "--resume" in answer.err


def resume(world: World, name: str, cwd: Path, *more: str) -> tuple[int, str]:
    settings = world.settings(name, *more)
    answer = run_here("train", CONFIGS / "histology.yaml", *settings, "--resume", cwd=cwd)
    return answer.code, answer.out + answer.err


@pytest.fixture(scope="module")
def straight(world: World, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train_here(world, "straight", tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize(
    "where",
    [
        "nmevision.training.preparation.assign_splits",
        "nmevision.training.task.ClassificationTask.validation_step",
        "nmevision.training.calibration.fit_temperature",
        "nmevision.training.run.save_bundle",
        "nmevision.journeys.predict_and_evaluate.Predictor",
        "nmevision.journeys.predict_and_evaluate.evaluate_files",
    ],
)
def test_stopped_anywhere_it_continues_to_the_same_end(
    where: str, straight: Training, world: World, tmp_path: Path
) -> None:
    interrupt(world, "straight", tmp_path, where)
    code, said = resume(world, "straight", tmp_path)
    assert code == 0, said
    weights = Path("models/straight/weights.safetensors")
    assert sha256_of(tmp_path / weights) == sha256_of(straight.cwd / weights)
    table = straight.run.relative_to(straight.cwd) / "test" / "predictions.csv"
    assert (tmp_path / table).read_text() == (straight.cwd / table).read_text()
    assert (tmp_path / table).with_name("report.md").is_file()


def test_an_early_stop_is_kept_over_a_resume(world: World, tmp_path: Path) -> None:
    still = ["model.backbone=test_convnext", "train.lr=1e-12", "train.epochs=9", "train.patience=2"]
    still += ["data.test=0", "train.ema=0"]
    interrupt(world, "still", tmp_path, "nmevision.training.run.save_bundle", *still)
    code, said = resume(world, "still", tmp_path, *still)
    assert code == 0, said
    assert "epoch " not in said
    facts = json.loads((tmp_path / "models" / "still" / "bundle.json").read_text())
    assert facts["validation"]["epoch"] == 1


def test_resume_needs_something_to_resume(world: World, tmp_path: Path) -> None:
    code, said = resume(world, "nothing", tmp_path)
    assert code == 2
    assert "nothing to resume" in said
    assert list(tmp_path.iterdir()) == []


def test_resume_with_another_configuration_finds_nothing(
    straight: Training, world: World, tmp_path: Path
) -> None:
    shutil.copytree(straight.cwd / "runs", tmp_path / "runs")
    code, said = resume(world, "straight", tmp_path, "train.lr=0.01")
    assert code == 2
    assert "nothing to resume" in said


def test_resume_with_a_changed_manifest_is_refused(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder, tmp_path / "images")
    copy = World(tmp_path / "images", tmp_path / "images" / "taxonomy.yaml")
    interrupt(copy, "changed", tmp_path, "nmevision.training.run.save_bundle")
    before = {path: sha256_of(path) for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    table: pd.DataFrame = copy.table
    table[table["patient_id"] != "nme-0"].to_csv(copy.manifest, index=False)
    code, said = resume(copy, "changed", tmp_path)
    assert code == 2
    assert "the manifest has changed since this run was started" in said
    assert before == {path: sha256_of(path) for path in (tmp_path / "runs").rglob("*") if path.is_file()}


def test_resume_of_a_finished_training_changes_nothing(straight: Training, world: World) -> None:
    before = sha256_of(straight.bundle / "bundle.json")
    code, said = resume(world, "straight", straight.cwd)
    assert code == 0, said
    assert "epoch " not in said
    assert sha256_of(straight.bundle / "bundle.json") == before


def test_resume_does_not_take_a_stranger_for_its_bundle(
    straight: Training, world: World, tmp_path: Path
) -> None:
    interrupt(world, "straight", tmp_path, "nmevision.training.run.save_bundle", "seed=1")
    shutil.copytree(straight.bundle, tmp_path / "models" / "straight")
    code, said = resume(world, "straight", tmp_path, "seed=1")
    assert code == 2
    assert "models/straight exists already" in said


def test_a_resume_keeps_the_precision_it_began_with(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # on a busy machine nothing is remembered
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5), raising=False)
    choice = ["train.precision=auto", "train.epochs=2", "data.test=0"]
    speeds = {"32-true contiguous": 9.0, "32-true channels_last": 5.0, "bf16-mixed channels_last": 5.0}
    monkeypatch.setattr("nmevision.training.speed.measure", lambda *_: speeds)
    interrupt(world, "kept", tmp_path, "nmevision.training.run.save_bundle", *choice)
    (run_folder,) = (tmp_path / "runs").glob("kept-*")
    expected = {"precision": "32-true", "layout": "contiguous"}
    assert json.loads((run_folder / "run.json").read_text())["computes"] == expected
    shutil.rmtree(tmp_path / "cache")
    speeds["bf16-mixed channels_last"] = 99.0
    code, said = resume(world, "kept", tmp_path, *choice)
    assert code == 0, said
    assert "on cpu, 32-true, contiguous" in said
    assert json.loads((run_folder / "run.json").read_text())["computes"] == expected
