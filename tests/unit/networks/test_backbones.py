"""Backbones: weights from where the user says, from nowhere else, and never from a pickle."""

from __future__ import annotations

import pickle
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from nmevision.errors import ConfigError, WeightsError
from nmevision.networks import backbones
from nmevision.networks.backbones import backbone_preprocessing, build_backbone, check_backbone, freeze_first

NAMES = ("test_resnet", "test_vit", "test_convnext")
IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("the network was touched")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def weights_file(folder: Path, name: str, **changes: torch.Tensor) -> Path:
    """The weights of a network as timm publishes them: with its own classifier."""
    torch.manual_seed(1)
    path = folder / f"{name}.safetensors"
    save_file(
        {**timm.create_model(name, img_size=64).state_dict(), **changes}
        if "vit" in name
        else {**timm.create_model(name).state_dict(), **changes},
        path,
    )
    return path


@pytest.mark.usefixtures("no_network")
class TestWithoutNetwork:
    @pytest.mark.parametrize("name", NAMES)
    def test_from_scratch(self, name: str) -> None:
        built = build_backbone(name, "none", image_size=64)
        assert (built.weights, built.licence) == ("none", "")
        assert built.module(IMAGES).shape == (2, built.width)

    @pytest.mark.parametrize(
        "name",
        ["mobilenetv4_conv_small_035", "mobilenetv3_small_050", "lcnet_035", "repghostnet_050"],
    )
    def test_width_is_that_of_the_features_where_the_head_has_a_layer_of_its_own(self, name: str) -> None:
        built = build_backbone(name, "none", image_size=64)
        assert built.module.num_features != built.width
        with torch.inference_mode():
            assert built.module.eval()(IMAGES).shape == (2, built.width)

    @pytest.mark.parametrize("name", NAMES)
    def test_from_a_local_file(self, name: str, tmp_path: Path) -> None:
        path = weights_file(tmp_path, name)
        built = build_backbone(name, str(path), image_size=64)
        assert built.weights == path.name  # never a whole path
        stored = load_file(path)
        assert all(torch.equal(value, stored[key]) for key, value in built.module.state_dict().items())

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"x\.safetensors: no such file; .*model\.weights=none"):
            build_backbone("test_resnet", str(tmp_path / "x.safetensors"))

    @pytest.mark.parametrize("suffix", [".pth", ".bin", ".pt"])
    def test_a_pickle_is_not_opened(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"w{suffix}"
        path.write_bytes(pickle.dumps({"a": 1}))
        with pytest.raises(WeightsError, match="pickles are not opened"):
            build_backbone("test_resnet", str(path))

    def test_a_pickle_under_another_name_runs_nothing(self, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "ran",)

        path = tmp_path / "w.safetensors"
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(WeightsError, match="cannot be read as safetensors"):
            build_backbone("test_resnet", str(path))
        assert not (tmp_path / "ran").exists()

    def test_a_file_cut_short(self, tmp_path: Path) -> None:
        path = weights_file(tmp_path, "test_resnet")
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(WeightsError, match="cannot be read as safetensors"):
            build_backbone("test_resnet", str(path))

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "w.safetensors").mkdir()
        with pytest.raises(WeightsError):
            build_backbone("test_resnet", str(tmp_path / "w.safetensors"))

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        path = weights_file(tmp_path, "test_vit")
        with pytest.raises(
            WeightsError, match=r"does not hold the weights of 'test_resnet': \d+ of \d+ tensors"
        ):
            build_backbone("test_resnet", str(path))

    def test_a_tensor_of_another_shape(self, tmp_path: Path) -> None:
        path = weights_file(tmp_path, "test_resnet", **{"bn1.weight": torch.zeros(5)})
        with pytest.raises(WeightsError, match=r"does not fit 'test_resnet'.*bn1\.weight"):
            build_backbone("test_resnet", str(path))

    def test_an_unknown_name(self) -> None:
        with pytest.raises(ConfigError, match=r"no network 'resnet81'.*did you mean"):
            build_backbone("resnet81", "none")
        check_backbone("resnet18.a1_in1k")

    @pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "resnet18.no_such_tag"])
    def test_a_name_timm_would_look_up_elsewhere(self, name: str) -> None:
        with pytest.raises(ConfigError, match=r"model\.backbone"):
            build_backbone(name, "none")


class TestHub:
    def test_offline_it_ends_and_names_the_ways_out(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def unreachable(*_: Any, **__: Any) -> NoReturn:
            raise OSError(101, "Network is unreachable")

        monkeypatch.setattr(socket, "create_connection", unreachable)
        monkeypatch.setattr(backbones, "getproxies", dict)
        monkeypatch.setattr(backbones, "try_to_load_from_cache", lambda *_: None)
        with pytest.raises(WeightsError) as caught:
            build_backbone("resnet18", "hub")
        assert "'resnet18'" in str(caught.value)
        assert "Network is unreachable" in str(caught.value)
        assert "model.weights=PATH.safetensors" in str(caught.value)
        assert "model.weights=none" in str(caught.value)

    def test_a_network_without_published_weights(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            socket, "create_connection", lambda *_, **__: pytest.fail("the network was touched")
        )
        name = next(
            n
            for n in timm.list_models("resnet*")
            if n not in timm.list_models(pretrained=True) and not timm.get_pretrained_cfg(n).hf_hub_id
        )
        with pytest.raises(WeightsError, match=r"model\.weights=none"):
            build_backbone(name, "hub")

    def test_cached_weights_need_no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backbones, "try_to_load_from_cache", lambda *_: "somewhere/model.safetensors")
        monkeypatch.setattr(
            socket, "create_connection", lambda *_, **__: pytest.fail("the network was touched")
        )
        monkeypatch.setattr(
            backbones, "_create", lambda name, size, **_: timm.create_model(name, num_classes=0)
        )
        built = build_backbone("test_resnet", "hub")
        assert built.weights == f"hub:{timm.get_pretrained_cfg('test_resnet').hf_hub_id}"


class TestPreprocessing:
    @pytest.mark.parametrize("name", ["test_resnet", "test_vit", "mobilenetv2_100", "vit_tiny_patch16_224"])
    def test_it_is_timms(self, name: str) -> None:
        config = timm.get_pretrained_cfg(name)
        module = timm.create_model(name, num_classes=0)
        recipe = backbone_preprocessing(module, image_size=None, fit="crop", fill=None)
        assert (recipe.height, recipe.width) == config.input_size[1:]
        assert recipe.mean == pytest.approx(config.mean)
        assert recipe.std == pytest.approx(config.std)
        assert recipe.interpolation == config.interpolation
        assert recipe.crop_pct == config.crop_pct
        assert recipe.fill == tuple(round(255 * value) for value in config.mean)

    def test_what_the_user_says_wins(self) -> None:
        module = timm.create_model("test_resnet", num_classes=0)
        recipe = backbone_preprocessing(
            module, image_size=48, fit="pad", fill=(255, 255, 255), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        )
        assert (recipe.height, recipe.width, recipe.crop_pct) == (48, 48, 1.0)
        assert recipe.mean == (0, 0, 0)  # zero is a value
        assert recipe.std == (1, 1, 1)
        assert recipe.fill == (255, 255, 255)

    def test_black_is_a_fill(self) -> None:
        module = timm.create_model("test_resnet", num_classes=0)
        assert backbone_preprocessing(module, image_size=48, fit="pad", fill=(0, 0, 0)).fill == (0, 0, 0)


def test_drop_path_reaches_the_network_or_is_refused() -> None:
    module = build_backbone("test_convnext", "none", drop_path=0.3).module
    assert any(getattr(part, "drop_prob", 0) > 0 for part in module.modules())
    with pytest.raises(ConfigError, match=r"model\.drop_path: backbone 'vgg11' has no stochastic depth"):
        build_backbone("vgg11", "none", drop_path=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_layers_can_keep_their_weights(name: str) -> None:
    module = build_backbone(name, "none", image_size=64).module
    freeze_first(module, 0)
    assert all(p.requires_grad for p in module.parameters())
    freeze_first(module, 1)
    learns = [p.requires_grad for p in module.parameters()]
    assert False in learns
    assert True in learns
    with pytest.raises(ConfigError, match="layer groups"):
        freeze_first(module, 99)


@pytest.mark.real
def test_real_weights_are_loaded_as_timm_would(shared_data: Path) -> None:
    path = shared_data / "weights" / "mobilenetv2_100.imagenet.safetensors"
    built = build_backbone("mobilenetv2_100", str(path))
    theirs = timm.create_model("mobilenetv2_100", num_classes=0)
    theirs.load_state_dict(load_file(path), strict=False)
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(built.module.eval()(images), theirs.eval()(images))
