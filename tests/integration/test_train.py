"""`nmevision train` from a real configuration to a bundle, and every way it declines."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from small_world import CONFIGS, EPOCHS, LOOKS, SHARED, Training, World, make_world, run, run_here, train_here

from nmevision.config import load
from nmevision.files import sha256_of
from nmevision.networks.bundle import open_bundle
from nmevision.training.preparation import Asked
from nmevision.training.starting import starting_network

PLAIN = (
    "data.test=0",
    "train.balance=none",
    "train.ema=0",
    "train.label_smoothing=0",
    "train.layer_decay=1",
    "train.batch_size=8",
)
"""Nothing but cross-entropy: each option below must change what comes out."""


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Patients of which few have NME."""
    world = make_world(tmp_path_factory.mktemp("skewed"), patients=6)
    table = world.table
    rare = table["diagnosis"].eq("nme") & table["patient_id"].str[-1].astype(int).gt(2)
    table[~rare].to_csv(world.manifest, index=False)
    return world


@pytest.fixture(scope="module")
def plain(skewed: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The weights of one epoch without any option."""
    return weights(train_here(skewed, "plain", tmp_path_factory.mktemp("plain"), *PLAIN))


def weights(training: Training) -> dict[str, np.ndarray]:
    return load_file(training.bundle / "weights.safetensors")


def epochs(training: Training) -> pd.DataFrame:
    """Return the CSV log's figures, one row per epoch."""
    log = pd.concat(pd.read_csv(path) for path in sorted((training.run / "logs").glob("*/metrics.csv")))
    return log.groupby("epoch")[["train_loss", "val_loss"]].max()


def differ(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    assert one.keys() == other.keys()
    return any(not np.array_equal(one[name], other[name]) for name in one)


def test_bundle_holds_weights_a_record_and_a_card_but_no_pickle(trained: Training, world: World) -> None:
    files = {path.name: path for path in trained.bundle.iterdir()}
    assert set(files) == {
        "weights.safetensors",
        "network.onnx",
        "novelty.safetensors",
        "bundle.json",
        "README.md",
        "seen.txt",
    }
    record = json.loads(files["bundle.json"].read_text(encoding="utf-8"))
    for name, digest in record["files"].items():
        assert sha256_of(files[name]) == digest
    assert all(np.isfinite(array).all() for array in weights(trained).values())
    for name in ("bundle.json", "README.md", "seen.txt"):
        text = files[name].read_text(encoding="utf-8")
        assert str(world.folder) not in text
        assert str(trained.cwd) not in text
    assert [d["key"] for d in record["taxonomy"]["diagnoses"]] == list(LOOKS)
    assert record["training"]["sources"].keys() == {"north", "south"}
    assert record["training"]["config"]["data"]["manifest"] == "manifest.csv"
    card = files["README.md"].read_text(encoding="utf-8")
    assert card.startswith("---\nlicense:")
    assert "\n# shared\n" in card
    assert "| train | nme | 6 | 12 |" in card
    assert "Not a medical device" in card


def test_run_folder_tells_the_whole_story(trained: Training, world: World) -> None:
    with chdir(trained.cwd):
        wanted = load(CONFIGS / "histology.yaml", world.settings("shared", *SHARED))
    with chdir(trained.run):
        stored = load("config.yaml")
    assert stored.train == wanted.train
    assert stored.model == wanted.model
    assert Path(trained.run / str(stored.data.manifest)).resolve() == world.manifest.resolve()
    splits = pd.read_csv(trained.run / "splits.csv", dtype=str, keep_default_na=False)
    assert len(splits) == len(world.table)
    assert splits.groupby("patient_id")["split"].nunique().max() == 1
    assert set(splits["split"]) == {"train", "val", "test"}
    files = pd.read_csv(trained.run / "files.csv")
    assert files["readable"].all()
    digests = dict(
        zip(world.table["id"], [sha256_of(world.folder / p) for p in world.table["path"]], strict=True)
    )
    assert dict(zip(files["id"], files["sha256"], strict=True)) == digests
    seen = (trained.bundle / "seen.txt").read_text().split()
    learned = splits.loc[splits["split"] != "test", "id"]
    assert sorted(seen) == sorted({digests[identity][:16] for identity in learned})
    assert len(epochs(trained)) == EPOCHS
    assert list((trained.run / "logs").glob("*/events.out.tfevents.*"))
    assert {p.name for p in (trained.run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    tried = pd.read_csv(trained.run.parent / "configurations.csv", dtype=str)
    assert tried["fingerprint"].tolist() == [trained.run.name.removeprefix("shared-")]


def test_test_rows_are_reported_on_by_the_path_a_user_takes(trained: Training) -> None:
    splits = pd.read_csv(trained.run / "splits.csv", dtype=str)
    predicted = pd.read_csv(trained.run / "test" / "predictions.csv", dtype=str)
    assert set(predicted["id"]) == set(splits.loc[splits["split"] == "test", "id"])
    report = json.loads((trained.run / "test" / "report.json").read_text(encoding="utf-8"))
    assert report["counts"]["patients_scored"] == 6
    assert report["bundle"]["configurations_tried"] == 1
    page = (trained.run / "test" / "report.md").read_text(encoding="utf-8")
    assert "2 positive and 4 negative patients" in page


def test_terminal_shows_splits_one_line_per_epoch_and_where_things_lie(trained: Training) -> None:
    lines = trained.answer.out.splitlines()
    assert "nme                      6/12           2/4           2/4" in trained.answer.out
    assert sum(line.startswith("epoch ") for line in lines) == EPOCHS
    assert all("images/s" in line for line in lines if line.startswith("epoch "))
    assert lines[-2] == f"bundle: {trained.bundle.resolve()}"
    assert lines[-1] == f"test report: {(trained.run / 'test' / 'report.html').resolve()}"


def test_the_drawn_looks_are_learned(trained: Training) -> None:
    losses = epochs(trained)
    assert losses["train_loss"].iloc[-1] < 0.7 * losses["train_loss"].iloc[0]
    assert losses["val_loss"].min() < math.log(3)


@pytest.mark.slow
def test_script_trains_a_model_of_photographs_in_its_own_process(world: World, tmp_path: Path) -> None:
    answer = run("train", CONFIGS / "clinical.yaml", *world.settings("photos"), cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    assert open_bundle(tmp_path / "models" / "photos").info.modality == "clinical"


def test_no_run_folder_and_no_bundle_is_ever_overwritten(
    trained: Training, world: World, tmp_path: Path
) -> None:
    for kind in ("models", "runs"):
        shutil.copytree(trained.cwd / kind, tmp_path / kind)
    before = {path: sha256_of(path) for path in tmp_path.rglob("*") if path.is_file()}
    command: tuple[str | Path, ...] = (CONFIGS / "histology.yaml", *world.settings("shared", *SHARED))
    again = run_here("train", *command, cwd=tmp_path)
    assert again.code == 2
    assert "models/shared exists already; choose another name" in again.err
    shutil.move(tmp_path / "models", tmp_path / "elsewhere")
    again = run_here("train", *command, cwd=tmp_path)
    assert again.code == 2
    assert f"runs/{trained.run.name} exists already" in again.err
    assert "--resume" in again.err
    shutil.move(tmp_path / "elsewhere", tmp_path / "models")
    assert before == {path: sha256_of(path) for path in tmp_path.rglob("*") if path.is_file()}


def test_print_config_shows_every_key_and_starts_nothing(world: World, tmp_path: Path) -> None:
    overrides = world.settings("shown", "train.mixup=0.2")
    answer = run_here("train", CONFIGS / "clinical.yaml", *overrides, "--print-config", cwd=tmp_path)
    assert answer.code == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "shown.yaml").write_text(answer.out, encoding="utf-8")
    with chdir(tmp_path):
        assert load("shown.yaml") == load(CONFIGS / "clinical.yaml", overrides)
        assert load("shown.yaml").fingerprint == load(CONFIGS / "clinical.yaml", overrides).fingerprint
    for key in ("mixup: 0.2", "seed: 0", "compression: 0.2", "runs: runs"):
        assert key in answer.out


def test_all_mistakes_of_a_configuration_are_told_at_once(world: World, tmp_path: Path) -> None:
    wrong = ["train.epoch=3", "modle.backbone=x", "train.lr=-1", "train.balance=weight", "data.val=much"]
    answer = run_here("train", CONFIGS / "histology.yaml", *world.settings("wrong", *wrong), cwd=tmp_path)
    assert answer.code == 2
    assert "5 problems" in answer.err
    for words in ("did you mean 'epochs'", "did you mean 'model'", "train.lr", "train.balance", "data.val"):
        assert words in answer.err
    assert list(tmp_path.iterdir()) == []


OPTIONS = (
    "train.balance=weights",
    "train.balance=sampling",
    "train.balance=logits",
    "train.ema=0.5",
    "train.mixup=0.4",
    "train.label_smoothing=0.2",
    "train.accumulate=2",
    "train.layer_decay=0.5",
    "train.weight_decay=0.9",
    "train.clip=0.01",
    "train.warmup=0.9",
    "train.precision=bf16",
    "model.dropout=0.5",
    "augment.colour=0",
    "seed=1",
)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains_and_matters(
    option: str, skewed: World, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    training = train_here(skewed, "option", tmp_path, *PLAIN, option)
    assert np.isfinite(epochs(training)).all(axis=None)
    assert differ(weights(training), plain)


def test_the_same_command_makes_the_same_weights(
    skewed: World, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    assert not differ(weights(train_here(skewed, "twin", tmp_path, *PLAIN)), plain)


def test_only_the_heads_learn_while_the_backbone_is_frozen(skewed: World, tmp_path: Path) -> None:
    training = train_here(skewed, "frozen", tmp_path, *PLAIN, "train.freeze_epochs=1", "train.lr=0.1")
    with chdir(training.run):
        config = load("config.yaml")
    torch.manual_seed(config.seed)
    start = {
        name: value.numpy()
        for name, value in starting_network(config, 3, Asked((), ())).module.state_dict().items()
    }
    for name, value in weights(training).items():
        unchanged = np.array_equal(value, start[name])
        assert unchanged == name.startswith("backbone."), name


def test_patience_ends_a_training_that_no_longer_improves(skewed: World, tmp_path: Path) -> None:
    still = ("model.backbone=test_convnext", "train.lr=1e-12", "train.epochs=9", "train.patience=2")
    training = train_here(skewed, "patient", tmp_path, *PLAIN, *still)
    assert len(epochs(training)) == 3
    assert open_bundle(training.bundle).info.validation["epoch"] == 1


@pytest.mark.parametrize("keep", ["best", "last"])
def test_keep_chooses_the_epoch(keep: str, skewed: World, tmp_path: Path) -> None:
    rough = (
        "model.backbone=test_convnext",
        "model.views=1",
        "train.lr=0.02",
        "train.epochs=4",
        "train.warmup=0.9",
    )
    training = train_here(skewed, "kept", tmp_path, *PLAIN, *rough, f"train.keep={keep}")
    losses = epochs(training)["val_loss"]
    best = int(losses.to_numpy().argmin()) + 1
    assert best < 4, "this test needs a training that gets worse again"
    facts = open_bundle(training.bundle).info.validation
    assert facts["epoch"] == {"best": best, "last": 4}[keep]
    assert facts["loss"] == pytest.approx(losses.iloc[facts["epoch"] - 1], rel=1e-4)  # balance=none


def test_a_training_that_diverges_says_so(skewed: World, tmp_path: Path) -> None:
    wild = ("model.backbone=test_convnext", "train.lr=1e30", "train.epochs=3", "train.clip=0")
    answer = run_here(
        "train", CONFIGS / "histology.yaml", *skewed.settings("wild", *PLAIN, *wild), cwd=tmp_path
    )
    assert answer.code == 2
    assert "validation loss of epoch 1 is not a number" in answer.err
    assert "lower train.lr (now 1e+30)" in answer.err
    assert not (tmp_path / "models").exists()


def spoil(world: World, change: Callable[[World, pd.DataFrame], None], folder: Path) -> World:
    """Return a copy of a world with something done to it."""
    shutil.copytree(world.folder, folder)
    copy = World(folder, folder / "taxonomy.yaml")
    change(copy, copy.table)
    return copy


def cut_a_file(world: World, table: pd.DataFrame) -> None:
    path = world.folder / table["path"][0]
    path.write_bytes(path.read_bytes()[:500])


def same_file_twice(world: World, table: pd.DataFrame) -> None:
    first, last = world.folder / table["path"].iloc[0], world.folder / table["path"].iloc[-1]
    shutil.copy(first, last)


def test_a_broken_image_is_left_out_and_listed(skewed: World, tmp_path: Path) -> None:
    broken = spoil(skewed, cut_a_file, tmp_path / "images")
    training = train_here(broken, "broken", tmp_path, *PLAIN)
    name = broken.table["id"][0]
    assert f"left out, unreadable: {name}: " in training.answer.out
    assert "1 unreadable files are left out" in training.answer.out
    files = pd.read_csv(training.run / "files.csv", keep_default_na=False).set_index("id")
    assert files.index[~files["readable"]].tolist() == [name]
    assert "cut short" in files.loc[name, "message"]
    splits = pd.read_csv(training.run / "splits.csv")
    assert len(splits) == len(broken.table) - 1
    assert name not in set(splits["id"])


def test_identical_files_with_different_labels_are_refused_and_can_be_mended(
    skewed: World, tmp_path: Path
) -> None:
    twins = spoil(skewed, same_file_twice, tmp_path / "images")
    command: tuple[str | Path, ...] = (CONFIGS / "histology.yaml", *twins.settings("twins", *PLAIN))
    answer = run_here("train", *command, cwd=tmp_path)
    assert answer.code == 2
    first, last = twins.table["id"].iloc[0], twins.table["id"].iloc[-1]
    assert f"'{first}' = nme, '{last}' = eczema" in answer.err
    twins.table.iloc[:-1].to_csv(twins.manifest, index=False)
    assert run_here("train", *command, cwd=tmp_path).code == 0


def test_a_class_without_training_images_is_refused_and_leaves_no_run(skewed: World, tmp_path: Path) -> None:
    def no_eczema(world: World, table: pd.DataFrame) -> None:
        table[table["diagnosis"] != "eczema"].to_csv(world.manifest, index=False)

    world = spoil(skewed, no_eczema, tmp_path / "images")
    answer = run_here("train", CONFIGS / "histology.yaml", *world.settings("two"), cwd=tmp_path)
    assert answer.code == 2
    assert "no training image of: eczema" in answer.err
    assert not list((tmp_path / "runs").glob("two-*"))


def test_one_patient_of_a_class_is_enough_to_train_on(skewed: World, tmp_path: Path) -> None:
    def one_nme(world: World, table: pd.DataFrame) -> None:
        table[~table["diagnosis"].eq("nme") | table["patient_id"].eq("nme-0")].to_csv(
            world.manifest, index=False
        )

    training = train_here(spoil(skewed, one_nme, tmp_path / "images"), "one", tmp_path)
    assert training.answer.err == ""
    assert open_bundle(training.bundle).info.training["counts"]["train"]["nme"] == {
        "patients": 1,
        "images": 2,
    }


@pytest.mark.slow
def test_offline_weights_name_both_ways_out_and_leave_no_trace(world: World, tmp_path: Path) -> None:
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "cache")}
    offline |= dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "")
    offline |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "")
    wanted = world.settings("offline", "model.weights=hub", "model.backbone=resnet18")
    answer = run("train", CONFIGS / "histology.yaml", *wanted, cwd=tmp_path, **offline)
    assert answer.code == 2
    for words in ("could not be had from the hub", "model.weights=PATH.safetensors", "model.weights=none"):
        assert words in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "models").exists()


def test_weights_of_a_local_file_are_the_start(trained: Training, skewed: World, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    backbone = {
        name.removeprefix("backbone."): value
        for name, value in weights(trained).items()
        if name.startswith("backbone.")
    }
    save_file(backbone, tmp_path / "start.safetensors")
    local = ("model.backbone=test_convnext", f"model.weights={tmp_path / 'start.safetensors'}")
    training = train_here(skewed, "local", tmp_path, *PLAIN, *local, "train.freeze_epochs=1")
    found = weights(training)
    assert all(np.array_equal(found[f"backbone.{name}"], value) for name, value in backbone.items())
    assert open_bundle(training.bundle).info.network.weights_from == "start.safetensors"
