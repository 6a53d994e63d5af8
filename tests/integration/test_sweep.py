"""`nmevision sweep` with real trainings: every trial once, the failed ones told, validation figures alone."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from small_world import CONFIGS, TINY, Answer, World, run_here

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
