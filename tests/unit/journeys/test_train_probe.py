"""Heads on frozen features through the real command line: an ordinary bundle, and features computed once for many runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_world import CONFIGS, World, make_world, run_here, train_here

from nmevision.config import load
from nmevision.errors import ConfigError
from nmevision.files import sha256_of
from nmevision.inference.features import read_features
from nmevision.inference.predictor import Predictor
from nmevision.manifest import read_manifest
from nmevision.networks.bundle import open_bundle
from nmevision.training.preparation import Asked
from nmevision.training.run import train
from nmevision.training.starting import starting_network

PROBE = ("train.mode=probe", "model.backbone=test_convnext", "train.epochs=30", "data.test=0.2")
GRADES = {"nme": (0, 2), "psoriasis": (3, 1), "eczema": (1, 3)}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Twelve patients of three looks, graded for two findings. To read, not to write."""
    world = make_world(tmp_path_factory.mktemp("graded"), patients=12)
    table = world.table
    for i, finding in enumerate(("parakeratosis", "spongiosis")):
        table[f"finding_{finding}"] = [GRADES[look][i] for look in table["diagnosis"]]
    table.to_csv(world.manifest, index=False)
    return world


@pytest.fixture(scope="module")
def folder(graded: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one trained probe."""
    folder = tmp_path_factory.mktemp("probe")
    train_here(graded, "first", folder, *PROBE)
    return folder


def counted(said: str) -> tuple[int, int]:
    """How many features were computed and reused."""
    found = re.search(r"(\d+) images computed, (\d+) reused", said)
    assert found
    return int(found[1]), int(found[2])


def test_it_is_an_ordinary_bundle(folder: Path, graded: World) -> None:
    bundle = open_bundle(folder / "models" / "first")
    info = bundle.info
    assert info.network.tasks == {"diagnosis": 3, "findings": 6}
    assert [finding.key for finding in info.findings] == ["parakeratosis", "spongiosis"]
    assert info.fusion is not None
    assert info.graph is not None
    assert info.graph.float32.largest < 1e-3
    assert info.training["config"]["train"]["mode"] == "probe"
    assert info.validation["balanced_accuracy"] > 0.5  # of thirds: the drawings differ, the network is random
    (run,) = (folder / "runs").glob("first-*")
    assert (run / "test" / "report.html").is_file()
    assert load(run / "config.yaml").train.mode == "probe"


def test_only_the_heads_have_learned(folder: Path, graded: World) -> None:
    (run,) = (folder / "runs").glob("first-*")
    config = load(run / "config.yaml")
    torch.manual_seed(config.seed)
    start = starting_network(config, 3, Asked(("parakeratosis", "spongiosis"), ())).module.state_dict()
    weights = load_file(folder / "models" / "first" / "weights.safetensors")
    assert set(weights) == set(start)
    for name, value in weights.items():
        assert torch.equal(value, start[name]) == name.startswith("backbone."), name


def test_it_answers_what_its_heads_say_of_the_features(folder: Path, graded: World, tmp_path: Path) -> None:
    bundle = open_bundle(folder / "models" / "first")
    (file,) = (folder / "runs" / "features").iterdir()
    features = read_features(file)
    manifest = read_manifest(graded.manifest)
    known = manifest.select(manifest.frame["id"].isin(features.ids[:12]))
    values, there = features.of(known.frame["id"].tolist())
    assert there.all()
    head = bundle.network().heads["diagnosis"]
    logits = head(torch.from_numpy(values)) / bundle.info.temperature
    table = Predictor.load(bundle.folder, engine="torch").predict(known, tmp_path / "out").frame
    columns = [f"learned_{key}" for key in bundle.info.taxonomy.keys]
    np.testing.assert_allclose(table[columns], logits.softmax(1).detach().numpy(), atol=2e-3)


def test_runs_share_the_features_and_test_images_stay_unread(folder: Path, graded: World) -> None:
    (file,) = (folder / "runs" / "features").iterdir()
    before = file.stat().st_mtime_ns
    again = train_here(graded, "second", folder, *PROBE, "train.lr=1e-3", "train.balance=sampling")
    splits = pd.read_csv(again.run / "splits.csv")
    used = splits.loc[splits["split"] != "test", "id"]
    assert counted(again.answer.out) == (0, len(used))
    assert file.stat().st_mtime_ns == before
    assert set(used) == set(read_features(file).ids)
    assert 0 < len(used) < 72


def test_another_start_or_look_has_features_of_its_own(folder: Path, graded: World) -> None:
    for change in ("seed=1", "model.views=4", "model.image_size=40"):
        name = "other-" + re.sub(r"\W", "-", change)
        other = train_here(graded, name, folder, *PROBE, change, "train.epochs=1", "data.test=0")
        assert counted(other.answer.out) == (72, 0)
    assert len(list((folder / "runs" / "features").iterdir())) == 4


def test_folds_compute_only_what_is_new(graded: World, tmp_path: Path) -> None:
    settings = (*PROBE, "train.epochs=1", "data.folds=3")
    first = train_here(graded, "fold-0", tmp_path, *settings)
    computed, _ = counted(first.answer.out)
    second = train_here(graded, "fold-1", tmp_path, *settings, "data.fold=1")
    assert counted(second.answer.out) == (72 - computed, counted(second.answer.out)[1])
    third = train_here(graded, "fold-2", tmp_path, *settings, "data.fold=2")
    assert counted(third.answer.out)[0] == 0


def test_interrupted_it_continues_to_the_same_weights(folder: Path, graded: World, tmp_path: Path) -> None:
    epochs = 0

    def stop(*_: object) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 12:
            raise KeyboardInterrupt

    line = ("train", CONFIGS / "histology.yaml", *graded.settings("first", *PROBE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmevision.training.task.ClassificationTask.on_train_epoch_end", stop)
        assert run_here(*line, cwd=tmp_path).code == 130
    resumed = run_here(*line, "--resume", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert "epoch 11/30" not in resumed.out
    assert "epoch 12/30" in resumed.out
    assert counted(resumed.out)[0] == 0
    weights = Path("models/first/weights.safetensors")
    assert sha256_of(tmp_path / weights) == sha256_of(folder / weights)


def test_without_a_look_it_is_refused(graded: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(CONFIGS / "histology.yaml", graded.settings("alone", *PROBE))
    with pytest.raises(ConfigError, match=r"train\.mode=probe: features are computed by `nmevision train`"):
        train(config)
