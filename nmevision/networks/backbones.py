"""timm backbones by name, with weights from the hub, from a local file or from scratch."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from huggingface_hub import constants as hub_constants
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError
from safetensors import SafetensorError, safe_open
from timm.models import group_parameters
from torch import nn

from nmevision.errors import ConfigError, WeightsError, did_you_mean
from nmevision.networks.foundation import (
    CONFIG,
    FILES,
    PREPARED,
    config_beside,
    foundations,
    weights_in,
    without_tokens,
)
from nmevision.preprocessing import Preprocessing

ALTERNATIVES = (
    "give a local file with model.weights=PATH.safetensors (or the folder that was downloaded elsewhere), or train from "
    "scratch with model.weights=none"
)
GATED = "its terms must be accepted on the network's page, and HF_TOKEN set to a token of that account; or "


@dataclass(frozen=True)
class Backbone:
    """A feature extractor and what timm says of it.

    module: maps float32 N x 3 x H x W to pooled features N x `width`.
    weights: what it was started from: "none", "hub:<repository>" or the file's name.
    licence: the licence of those weights as timm states it, "" where unknown.
    """

    module: nn.Module
    width: int
    weights: str
    licence: str


def build_backbone(
    name: str, weights: str, *, drop_path: float = 0.0, image_size: int | None = None
) -> Backbone:
    """Return the timm or foundation backbone `name` without its classifier.

    weights: "none", "hub" (the only word that touches the network), a path to a .safetensors file, or to a folder that
        was downloaded from the hub.
    Raises ConfigError for an unknown name, WeightsError where weights cannot be had or do not fit.
    """
    check_backbone(name)
    options: dict[str, Any] = {"num_classes": 0}
    if drop_path:
        options["drop_path_rate"] = drop_path
    if weights == "none":
        module = _create(name, image_size, pretrained=False, **options)
        return Backbone(module, module.head_hidden_size, "none", "")
    if weights == "hub":
        return _from_hub(name, image_size, options)
    return _from_file(name, Path(weights), image_size, options)


def check_backbone(name: str) -> None:
    """Raise ConfigError where neither timm nor the table of foundation backbones knows a network called `name`."""
    if name in foundations():
        return
    if not timm.is_model(name):  # hf-hub:... is none: timm would ask the network even for its shape
        hint = did_you_mean(name.split(".")[0], [*foundations(), *timm.list_models()])
        raise ConfigError(f"model.backbone: timm {timm.__version__} has no network '{name}'{hint}")
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as problem:  # the part behind the dot
        tags = ", ".join(timm.list_models(name.split(".")[0] + ".*", pretrained=True)) or "none"
        raise ConfigError(f"model.backbone: {problem} Those that have weights: {tags}") from None


def backbone_preprocessing(
    module: nn.Module,
    *,
    image_size: int | None,
    fit: str,
    fill: tuple[int, int, int] | None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Preprocessing:
    """Return what timm's configuration of `module` says about its input, as data.

    image_size: pixels of the square input; timm's own where None.
    fill: padding colour 0-255; the mean colour where None.
    mean, std: only for weights trained with other values than timm's.
    """
    config = timm.data.resolve_data_config(model=module)
    _, height, width = config["input_size"]
    if image_size is not None:
        height = width = image_size
    used_mean = tuple(mean or config["mean"])
    return Preprocessing.model_validate(
        {
            "height": height,
            "width": width,
            "fit": fit,
            "crop_pct": config["crop_pct"] if fit == "crop" else 1.0,
            "interpolation": config["interpolation"],
            "fill": fill or tuple(round(255 * value) for value in used_mean),
            "mean": used_mean,
            "std": tuple(std or config["std"]),
        }
    )


def _create(name: str, image_size: int | None, *, said: dict[str, Any] | None = None, **options: Any) -> Any:
    """Return timm's network; one whose input size is fixed is built for `image_size`.

    said: what the config.json beside the weights says about preparing images.
    """
    known = foundations().get(name)
    if known is not None:
        overlay = known.pretrained(said) | options.pop("pretrained_cfg_overlay", {})
        options = known.options(image_size) | options
        return timm.create_model(known.architecture, pretrained_cfg_overlay=overlay, **options)
    config = timm.get_pretrained_cfg(name)
    if image_size is not None and config is not None and config.fixed_input_size:
        options["img_size"] = image_size
    try:
        return timm.create_model(name, **options)
    except TypeError as problem:
        if "drop_path_rate" in str(problem):
            raise ConfigError(
                f"model.drop_path: backbone '{name}' has no stochastic depth; set it to 0"
            ) from None
        raise


def _from_hub(name: str, image_size: int | None, options: dict[str, Any]) -> Backbone:
    """Return the network with its published weights; any failure becomes one clear message without tokens."""
    known = foundations().get(name)
    try:
        _refuse_offline(name)
        if known is not None:
            options = options | {"said": _config_on_hub(known.hub, known.architecture)}
        module = _create(name, image_size, pretrained=True, **options)
    except (ConfigError, WeightsError):
        raise
    except Exception as problem:  # the hub client raises dozens of types: offline, 401, 404, disk full
        lines = without_tokens(str(problem)).strip().splitlines()
        gated = GATED if isinstance(problem, GatedRepoError) else ""
        raise WeightsError(
            f"the weights of '{name}' could not be had from the hub "
            f"({(lines or [type(problem).__name__])[0][:200]}); {gated}{ALTERNATIVES}"
        ) from None
    config = module.pretrained_cfg
    repository = config.get("hf_hub_id") or config.get("url") or name
    return Backbone(module, module.head_hidden_size, f"hub:{repository}", str(config.get("license") or ""))


def _config_on_hub(repository: str, architecture: str) -> dict[str, Any]:
    """Return what the repository's config.json says about preparing images, {} where it has none."""
    try:
        return config_beside(Path(hf_hub_download(repository, CONFIG)), architecture)
    except EntryNotFoundError:
        return {}


def _refuse_offline(name: str) -> None:
    """Raise OSError at once where the weights are not cached and the hub's host cannot be reached.

    The hub client itself would retry for most of a minute. Behind a proxy it is left to try.
    """
    known = foundations().get(name)
    config = timm.get_pretrained_cfg(name) if known is None else None
    repository = known.hub if known else config.hf_hub_id if config else None
    if not repository or getproxies():
        return
    if any(isinstance(try_to_load_from_cache(repository, file), str) for file in FILES):
        return
    address = urlsplit(hub_constants.ENDPOINT)
    default_port = 443 if address.scheme == "https" else 80
    socket.create_connection((address.hostname or "", address.port or default_port), timeout=10).close()


def _from_file(name: str, path: Path, image_size: int | None, options: dict[str, Any]) -> Backbone:
    """Return the network with the weights of a local file or downloaded folder, refusing what does not fit."""
    known, source = foundations().get(name), path
    said: dict[str, Any] = {}
    if path.is_dir():
        said = config_beside(path / CONFIG, known.architecture if known else name.split(".")[0])
        path = weights_in(path)
    elif path.suffix != ".safetensors" or not path.is_file():
        found = "no such file" if not path.exists() else "not a .safetensors file (pickles are not opened)"
        raise WeightsError(f"model.weights={path}: {found}; {ALTERNATIVES}, or use model.weights=hub")
    stored = _stored_in(path)
    empty = _create(name, image_size, pretrained=False, **options)
    missing = sorted(set(empty.state_dict()) - stored - _optional(empty))
    if missing:
        raise WeightsError(
            f"{path} does not hold the weights of '{name}': {len(missing)} of {len(empty.state_dict())} "
            f"tensors are missing, such as {missing[0]}; check model.backbone or choose another file"
        )
    strange = sorted(key for key in stored - set(empty.state_dict()) if key.startswith("blocks."))
    if strange:
        raise WeightsError(
            f"{path} holds {len(strange)} tensors that '{name}' has no place for, such as {strange[0]}; check "
            "model.backbone"
        )
    overlay = {key: said[key] for key in PREPARED if key in said} | {"file": str(path)}
    try:
        module = _create(
            name, image_size, said=said, pretrained=True, pretrained_cfg_overlay=overlay, **options
        )
    except RuntimeError as problem:
        raise WeightsError(f"{path} does not fit '{name}': {str(problem).splitlines()[-1].strip()}") from None
    return Backbone(module, module.head_hidden_size, source.name, known.licence if known else "")


def _stored_in(path: Path) -> set[str]:
    """Return the names of the tensors in a file of weights; raise WeightsError where it cannot be read."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as stream:
                return set(stream.keys())
        return set(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except (SafetensorError, OSError, RuntimeError, UnpicklingError, EOFError) as problem:
        first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise WeightsError(f"{path}: cannot be read as {path.suffix.strip(chr(46))}: {first}") from None


def _optional(module: nn.Module) -> set[str]:
    """Return the tensors a file may lack: counters that do not enter the function."""
    return {name for name in module.state_dict() if name.endswith("num_batches_tracked")}


def freeze_first(module: nn.Module, groups: int) -> None:
    """Let the first `groups` of timm's layer groups (stem, then stages or blocks) keep their weights.

    Early layers see edges and colours and cost most of a training step; few images teach them little.
    Raises ConfigError where nothing would be left to learn.
    """
    matcher: Any = getattr(module, "group_matcher", None)
    if not groups:
        return
    if matcher is None:
        raise ConfigError("train.freeze_layers: this backbone names no layer groups; set it to 0")
    layers = group_parameters(module, matcher(coarse=True), reverse=True)
    if groups >= len(set(layers.values())):
        raise ConfigError(
            f"train.freeze_layers={groups}: this backbone has {len(set(layers.values()))} layer groups; "
            "choose fewer, or freeze_epochs to train only the heads"
        )
    frozen = sorted(set(layers.values()))[:groups]
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(layers.get(name) not in frozen)


def best_memory_format(device: str) -> torch.memory_format:
    """Return the layout convolutions are fastest in; the values are the same in any."""
    return torch.channels_last if device in ("cpu", "cuda") else torch.contiguous_format
