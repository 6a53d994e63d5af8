"""`nmevision sweep` with real trainings: every trial once, the failed ones told, validation figures alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from small_world import CONFIGS, TINY, Answer, World, environment, run_here

from nmevision.config import load
from nmevision.networks.bundle import open_bundle

pytest.importorskip("submitit", reason="an extra of its own: pip install submitit")

SWEEP = f"""
name: tried
config: {CONFIGS / "histology.yaml"}
objective: auroc
values:
  train.lr: [1.0e-3, 2.0e-3]
  model.backbone: [test_resnet, no_such_network]
launch: {{parallel: 2}}
"""


def sweep(world: World, cwd: Path, launcher: str, *more: str) -> Answer:
    (cwd / "s.yaml").write_text(SWEEP)
    given = [one for one in TINY if not one.startswith(("train.lr", "model.backbone"))]
    where = [f"data.manifest={world.manifest}", f"taxonomy={world.taxonomy}"]
    return run_here("sweep", "s.yaml", *given, *where, "--launcher", launcher, *more, cwd=cwd)


def table(cwd: Path) -> pd.DataFrame:
    return pd.read_csv(cwd / "sweeps" / "tried" / "trials.csv", dtype={"trial": str})


def judge(answer: Answer, cwd: Path) -> None:
    """Check what a sweep of two good and two impossible trials leaves."""
    assert answer.code == 1, answer.err + answer.out
    assert "2 of 4 trials done; 4 configurations tried" in answer.out
    found = table(cwd)
    assert found["status"].tolist() == ["done", "done", "failed", "failed"]
    assert found["auroc"][0] >= found["auroc"][1]
    assert (found["images"][:2] > 0).all()
    assert (found["patients"][:2] > 0).all()
    assert found["why"][2:].str.contains("no_such_network").all()
    assert not [name for name in found if "test" in name]
    for row in found.to_dict("records"):
        folder = cwd / "sweeps" / "tried" / row["trial"]
        config = load(folder / "config.yaml")
        assert config.train.lr == row["train.lr"]
        if row["status"] == "done":
            info = open_bundle(folder / "tried").info
            assert info.training["configurations_tried"] == 4  # also of the first that was trained
            assert info.validation["auroc"] == pytest.approx(row["auroc"])
    assert not list((cwd / "runs").glob("*/test"))  # nothing was predicted on the test split
    registered = pd.read_csv(cwd / "runs" / "configurations.csv", dtype=str)
    assert set(registered["fingerprint"]) == set(found["trial"])


@pytest.mark.slow
def test_in_process_then_again(world: World, tmp_path: Path) -> None:
    judge(sweep(world, tmp_path, "debug"), tmp_path)
    done = table(tmp_path).query("status == 'done'")["trial"]
    results = [tmp_path / "sweeps" / "tried" / one / "result.json" for one in done]
    before = [path.stat().st_mtime_ns for path in results]
    answer = sweep(world, tmp_path, "debug")
    assert "2 of 4 trials are done already" in answer.out
    assert [path.stat().st_mtime_ns for path in results] == before
    judge(answer, tmp_path)


def test_mistakes_come_before_anything_is_written(world: World, tmp_path: Path) -> None:
    answer = sweep(world, tmp_path, "debug", "train.epochs=0")
    assert answer.code == 2
    assert "train.epochs" in answer.err
    answer = sweep(world, tmp_path, "debug", "data.manifest=gone.csv")
    assert answer.code == 2
    assert "gone.csv" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


def test_slurm_where_there_is_none(world: World, tmp_path: Path) -> None:
    answer = sweep(world, tmp_path, "slurm")
    assert answer.code == 2
    assert "--launcher slurm" in answer.err


@pytest.mark.slow
def test_in_processes_of_their_own(world: World, tmp_path: Path) -> None:
    answer = sweep(world, tmp_path, "local")
    judge(answer, tmp_path)
    log = "".join(path.read_text() for path in (tmp_path / "sweeps" / "tried" / "logs").glob("*.out"))
    assert "patients/images" in log
    assert json.loads(
        (tmp_path / "sweeps" / "tried" / str(table(tmp_path)["trial"][0]) / "result.json").read_text()
    )


def trials_running(cwd: Path) -> list[int]:
    """Return the processes that run trials of a sweep in this folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            words = (one / "cmdline").read_bytes().split(b"\0")
            if b"submitit.core._submit" in words and (one / "cwd").readlink() == cwd:
                found.append(int(one.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to see other processes")
def test_sigterm_stops_the_trials_as_well(world: World, tmp_path: Path) -> None:
    text = SWEEP.replace("[test_resnet, no_such_network]", "[test_resnet]")
    (tmp_path / "s.yaml").write_text(text)
    given = [one for one in TINY if not one.startswith(("train.lr", "model.backbone", "train.epochs"))]
    where = [f"data.manifest={world.manifest}", f"taxonomy={world.taxonomy}", "train.epochs=5000"]
    line = [sys.executable, "-m", "nmevision.cli", "sweep", "s.yaml", *given, *where, "--launcher", "local"]
    with subprocess.Popen(
        line, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while len(trials_running(tmp_path)) < 2 and time.monotonic() < until:
            time.sleep(0.2)
        assert len(trials_running(tmp_path)) == 2
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "stopped; run the same command to continue" in said
    until = time.monotonic() + 60
    while trials_running(tmp_path) and time.monotonic() < until:
        time.sleep(0.2)
    assert not trials_running(tmp_path)
