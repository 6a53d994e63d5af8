"""The same command under torchrun: the same curve, one run folder, one bundle."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from small_world import CONFIGS, World, command, environment, make_world, run_here, train_here

SETTINGS = (
    "model.backbone=test_convnext",  # no batch norm: its statistics are those of one process's share
    "data.test=0",
    "train.epochs=3",
    "train.balance=weights",
)


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Patients of which few have NME, so that the shares of a batch differ in their classes."""
    world = make_world(tmp_path_factory.mktemp("skewed"), patients=9)
    table = world.table
    rare = table["diagnosis"].eq("nme") & table["patient_id"].str[-1].astype(int).gt(2)
    table[~rare].to_csv(world.manifest, index=False)
    return world


def torchrun(world: World, name: str, cwd: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/train.py in two processes that talk through gloo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    script = command("train", CONFIGS / "histology.yaml", *world.settings(name, *more))[1:]
    return subprocess.run(
        [*launcher, *script],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def curve(run: Path) -> pd.DataFrame:
    """Return train and validation loss per epoch, from the run's CSV log."""
    (log,) = run.glob("logs/*/metrics.csv")
    return pd.read_csv(log).groupby("epoch")[["train_loss", "val_loss", "val_balanced_accuracy"]].max()


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [0, 1], ids=["whole network", "heads first"])
def test_two_processes_train_like_one(frozen: int, skewed: World, tmp_path: Path) -> None:
    settings = (*SETTINGS, f"train.freeze_epochs={frozen}")
    alone = train_here(skewed, "alone", tmp_path, *settings)
    done = torchrun(skewed, "together", tmp_path, *settings)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").glob("together-*")
    one, two = curve(alone.run), curve(run)
    assert two.shape == (3, 3)
    np.testing.assert_allclose(two, one, rtol=1e-3)
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["alone", "together"]
    assert done.stdout.count("epoch 1/3") == done.stdout.count("bundle: ") == 1
    expected = load_file(alone.bundle / "weights.safetensors")
    for name, value in load_file(tmp_path / "models" / "together" / "weights.safetensors").items():
        np.testing.assert_allclose(value, expected[name], atol=2e-3, err_msg=name)


@pytest.mark.slow
def test_a_refusal_ends_all_processes(skewed: World, tmp_path: Path) -> None:
    (tmp_path / "models" / "taken").mkdir(parents=True)
    done = torchrun(skewed, "taken", tmp_path, *SETTINGS)
    assert done.returncode != 0
    assert "models/taken exists already" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_batch_that_cannot_be_shared_is_refused(
    skewed: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    settings = skewed.settings("odd", "train.batch_size=15")
    answer = run_here("train", CONFIGS / "histology.yaml", *settings, cwd=tmp_path)
    assert answer.code == 2
    assert "train.batch_size=15 cannot be shared by 2 processes" in answer.err
