"""Foundation backbones by one name each: what timm builds, where the weights are, and what their licence permits."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

import timm
from huggingface_hub import get_token
from pydantic import Field, PositiveFloat

from nmevision.errors import ConfigError, WeightsError
from nmevision.schema import Record, read_yaml, validate

TABLE = "foundation.yaml"
CONFIG = "config.json"
"""What timm writes beside weights: the architecture and how images are prepared."""
FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights in a downloaded folder, the safe kind first; the other is opened for its numbers only."""
IMAGENET_MEAN, IMAGENET_STD = timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD
PREPARED = ("mean", "std", "interpolation", "crop_pct")
"""What config.json may say about preparing an image."""
_TOKEN = re.compile(r"hf_[A-Za-z0-9]{8,}")
Channels = tuple[float, float, float]


class Foundation(Record):
    """One row of the table; foundation.yaml says what each field means."""

    hub: str
    architecture: str
    arguments: dict[str, Any] = Field(description="for timm.create_model")
    image_size: int = 224
    mean: Channels = IMAGENET_MEAN
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = IMAGENET_STD
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    modality: Literal["histology", "clinical", "any"]
    mpp: float | None = None
    licence: str
    gated: bool
    permits: str
    note: str = ""
    seen: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()

    def options(self, image_size: int | None) -> dict[str, Any]:
        """Return what timm's create_model is given beside the architecture; layers are named, never classes."""
        given = dict(self.arguments)
        if "mlp_layer" in given:
            given["mlp_layer"] = getattr(timm.layers, given["mlp_layer"])
        return given | {"num_classes": 0, "img_size": image_size or self.image_size}

    def pretrained(self, config: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return timm's pretrained configuration; what the weights' own config.json says comes first."""
        own = {key: (config or {}).get(key) for key in PREPARED}
        size = (3, self.image_size, self.image_size)
        said = {"mean": self.mean, "std": self.std, "interpolation": self.interpolation, "crop_pct": 1.0}
        said |= {key: tuple(v) if isinstance(v, list) else v for key, v in own.items() if v is not None}
        rest = {"custom_load": False, "fixed_input_size": False, "license": self.licence, "url": ""}
        return said | rest | {"input_size": size, "num_classes": 0, "hf_hub_id": self.hub, "file": None}


@cache
def foundations() -> dict[str, Foundation]:
    """Return every foundation backbone by its name, in the order of the table."""
    content = read_yaml(Path(__file__).with_name(TABLE), ConfigError)
    return {name: validate(Foundation, row, f"{TABLE}: {name}", ConfigError) for name, row in content.items()}


def config_beside(path: Path, architecture: str) -> dict[str, Any]:
    """Return what the config.json of downloaded weights says about preparing images, {} where there is none.

    Raises WeightsError where it cannot be read or belongs to another architecture.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("architecture") or content["pretrained_cfg"]["architecture"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise WeightsError(
            f"{path}: not a configuration as timm writes it; download the folder again"
        ) from None
    if found.split(".")[0] != architecture:
        raise WeightsError(f"{path} belongs to '{found}', not to '{architecture}'; check model.backbone")
    return dict(content.get("pretrained_cfg", content))


def weights_in(folder: Path) -> Path:
    """Return the weights in a downloaded folder; raise WeightsError where there are none."""
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"model.weights={folder}: the folder holds neither {' nor '.join(FILES)}")


def without_tokens(text: str) -> str:
    """Return a message without anything that is or looks like a hub token.

    >>> without_tokens("refused hf_abcdefgh1234")
    'refused (token)'
    """
    own = get_token()
    return _TOKEN.sub("(token)", text.replace(own, "(token)") if own else text)
