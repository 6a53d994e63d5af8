"""Foundation backbones: the table builds what it says, and the real hub client loads from a hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hub_server import Hub, small_hub
from huggingface_hub import constants
from safetensors.torch import load_file

from nmevision.config import ExperimentConfig
from nmevision.errors import ConfigError, WeightsError
from nmevision.networks import backbones
from nmevision.networks.backbones import backbone_preprocessing, build_backbone, check_backbone
from nmevision.networks.foundation import Foundation, config_beside, foundations, without_tokens

SECRET = "hf_abcdefghijklmnopqrstuvwxyz"
MEAN = (0.3, 0.2, 0.1)
TINY = Foundation(
    hub="lab/tiny-vit",
    architecture="test_vit",
    arguments={"init_values": 1e-5, "dynamic_img_size": True},
    image_size=96,
    modality="histology",
    licence="CC-BY-NC-ND-4.0",
    gated=True,
    permits="research",
    seen=("here",),
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The files of a tiny random network as timm pushes them to a hub."""
    torch.manual_seed(3)
    network = timm.create_model("test_vit", num_classes=0, init_values=1e-5, img_size=96)
    folder = tmp_path / "hub" / "lab" / "tiny-vit"
    network.pretrained_cfg.update({"mean": MEAN, "interpolation": "bilinear", "num_classes": 0})
    timm.models.save_for_hf(network, folder, safe_serialization=True)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    return folder


@pytest.fixture
def hub(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that gates the tiny network, with the client pointed at it."""
    monkeypatch.setitem(foundations(), "tiny", TINY)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with small_hub(tmp_path / "hub", gated={TINY.hub: SECRET}) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(backbones, "getproxies", dict)
        yield running


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was touched")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def is_the_published(built: Any, published: Path) -> bool:
    stored = load_file(published / "model.safetensors")
    state = built.module.state_dict()
    return state.keys() == stored.keys() and all(torch.equal(state[key], stored[key]) for key in stored)


def test_the_hub_client_brings_weights_and_what_they_expect(hub: Hub, published: Path) -> None:
    built = build_backbone("tiny", "hub", image_size=96)
    assert is_the_published(built, published)
    assert (built.weights, built.licence) == ("hub:lab/tiny-vit", "CC-BY-NC-ND-4.0")
    recipe = backbone_preprocessing(built.module, image_size=None, fit="pad", fill=None)
    assert (recipe.mean, recipe.interpolation, recipe.height) == (MEAN, "bilinear", 96)
    asked = len(hub.asked)
    assert asked > 0
    again = build_backbone("tiny", "none", image_size=96)  # as a bundle does, without any network
    assert len(hub.asked) == asked
    assert again.module.state_dict().keys() == built.module.state_dict().keys()


def test_a_gate_is_explained_and_no_token_is_shown(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "hf_zyxwvutsrqponmlkjihgfedcba"
    monkeypatch.setenv("HF_TOKEN", other)
    with pytest.raises(
        WeightsError, match="terms must be accepted on the network's page, and HF_TOKEN"
    ) as caught:
        build_backbone("tiny", "hub")
    assert other not in str(caught.value)
    assert "folder that was downloaded elsewhere" in str(caught.value)


def test_a_repository_that_is_not_there_is_said(hub: Hub, published: Path) -> None:
    shutil.rmtree(published)
    with pytest.raises(WeightsError, match="could not be had from the hub"):
        build_backbone("tiny", "hub")


@pytest.mark.parametrize("pickled", [False, True])
def test_a_downloaded_folder_needs_no_network(
    pickled: bool, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(foundations(), "tiny", TINY)
    no_network(monkeypatch)
    stored = load_file(published / "model.safetensors")
    folder = published.parent / "copy"
    shutil.copytree(published, folder)
    if pickled:
        (folder / "model.safetensors").unlink()
        torch.save(stored, folder / "pytorch_model.bin")
    built = build_backbone("tiny", str(folder))
    assert is_the_published(built, published)
    assert (built.weights, built.licence) == ("copy", "CC-BY-NC-ND-4.0")
    assert backbone_preprocessing(built.module, image_size=None, fit="pad", fill=None).mean == MEAN


def test_a_plain_name_takes_a_folder_too_but_not_more_tensors_than_it_has(
    published: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        WeightsError, match=r"tensors that 'test_vit' has no place for, such as blocks\.0\.ls1"
    ):
        build_backbone("test_vit", str(published), image_size=96)
    network = timm.create_model("test_resnet", num_classes=0)
    network.pretrained_cfg.update({"mean": MEAN, "num_classes": 0})
    timm.models.save_for_hf(network, tmp_path / "plain", safe_serialization=True)
    built = build_backbone("test_resnet", str(tmp_path / "plain"))
    assert tuple(built.module.pretrained_cfg["mean"]) == MEAN


def test_a_folder_of_another_network_or_without_weights_is_refused(published: Path) -> None:
    with pytest.raises(WeightsError, match="belongs to 'test_vit', not to 'test_resnet'"):
        build_backbone("test_resnet", str(published))
    (published / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        build_backbone("test_vit", str(published))
    (published / "config.json").write_text("[]")
    with pytest.raises(WeightsError, match="not a configuration as timm writes it"):
        config_beside(published / "config.json", "test_vit")


def test_a_pickle_that_runs_something_is_not_opened(published: Path) -> None:
    (published / "model.safetensors").unlink()
    torch.save({"a": Path("x")}, published / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be read as bin"):
        build_backbone("test_vit", str(published))


@pytest.mark.parametrize("name", list(foundations()))
def test_every_name_is_what_timm_builds(name: str) -> None:
    row = foundations()[name]
    check_backbone(name)
    with torch.device("meta"):
        network = timm.create_model(
            row.architecture, pretrained_cfg_overlay=row.pretrained(), **row.options(None)
        )
        features = network(torch.zeros(1, 3, row.image_size, row.image_size))
    widths = {"uni2-h": 1536, "virchow2": 1280, "h-optimus-1": 1536, "prov-gigapath": 1536, "phikon": 768}
    assert features.shape == (1, widths.get(name, features.shape[1]))
    assert network.pretrained_cfg["hf_hub_id"] == row.hub
    assert row.licence
    assert row.permits
    assert row.seen


@pytest.mark.parametrize(
    ("name", "millions"),
    [("uni2-h", 681), ("virchow2", 631), ("h-optimus-0", 1135), ("prov-gigapath", 1135), ("phikon", 86)],
)
def test_sizes_are_those_published(name: str, millions: int) -> None:
    row = foundations()[name]
    with torch.device("meta"):
        network = timm.create_model(row.architecture, **row.options(None))
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_a_name_nearly_right_is_named() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'virchow2'\?"):
        check_backbone("virchov2")


def test_tokens_are_taken_out_of_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "not-of-the-usual-form")
    assert without_tokens(f"a not-of-the-usual-form b {SECRET}.") == "a (token) b (token)."


def test_a_folder_of_weights_is_found_from_the_config(tmp_path: Path) -> None:
    from nmevision.config import load

    (tmp_path / "c.yaml").write_text(
        json.dumps(
            {
                "name": "x",
                "modality": "histology",
                "taxonomy": "t.yaml",
                "model": {"backbone": "uni2-h", "weights": "downloads/uni2-h"},
            }
        )
    )
    loaded: ExperimentConfig = load(tmp_path / "c.yaml")
    assert Path(loaded.model.weights).resolve() == tmp_path / "downloads" / "uni2-h"


@pytest.mark.slow
def test_doctor_says_which_are_reachable_and_shows_no_token(tmp_path: Path) -> None:
    open_one, closed = foundations()["phikon"].hub, foundations()["uni2-h"].hub
    for repository in ("timm/resnet18.a1_in1k", open_one, closed):
        (tmp_path / "hub" / repository).mkdir(parents=True)
        (tmp_path / "hub" / repository / "config.json").write_text("{}")
    with small_hub(tmp_path / "hub", gated={closed: "another"}) as hub:
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": SECRET,
            "HF_HOME": str(tmp_path / "home"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "nmevision.cli", "doctor", "--hub"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    lines = {line.split()[2]: line for line in done.stdout.splitlines() if "  backbone " in line}
    assert set(lines) == set(foundations())
    assert lines["phikon"].startswith("PASS")
    assert "reachable (Owkin non-commercial licence" in lines["phikon"]
    assert lines["uni2-h"].startswith("WARN")
    assert "gated" in lines["uni2-h"]
    assert "RepositoryNotFoundError" in lines["virchow2"]
    assert SECRET not in done.stdout + done.stderr
