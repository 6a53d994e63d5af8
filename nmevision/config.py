"""One experiment as a frozen value: YAML files that extend one another, overridden on the command line.

`load("configs/histology.yaml", ["train.lr=1e-4"])` merges, judges every key at once and returns an
ExperimentConfig. Paths written in a file start from that file; paths in overrides from the working folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import Field, PositiveFloat, model_validator

from nmevision.errors import ConfigError
from nmevision.files import sha256_of_text
from nmevision.schema import Record, read_yaml, validate

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
OVERRIDE_PATTERN = r"[A-Za-z_]\w*(\.\w+)*="
PATH_KEYS = (
    ("taxonomy",),
    ("data", "manifest"),
    ("data", "root"),
    ("data", "cache"),
    ("model", "weights"),
    ("mil", "bundle"),
    ("mil", "features"),
)
WEIGHT_WORDS = ("hub", "none")


class DataSection(Record):
    """Which images, and how they are divided."""

    manifest: str | None = Field(default=None, description="CSV or Parquet table of samples")
    root: str | None = Field(default=None, description="folder that its paths start from; its own by default")
    test: float = Field(default=0.15, ge=0, lt=1, description="share of patients kept for the test split")
    val: float = Field(default=0.15, gt=0, lt=1, description="share of patients for validation")
    folds: int | None = Field(default=None, ge=2, description="k: test is one of k parts instead of `test`")
    fold: int = Field(default=0, ge=0, description="which of the k parts is the test split")
    allow_nc: bool = Field(
        default=False,
        description="train on images under non-commercial or research terms: the model keeps them",
    )
    workers: int = Field(default=-1, ge=-1, description="decoding processes; -1 = one per core, at most 8")
    max_pixels: int = Field(default=200_000_000, gt=0, description="larger images are refused unread")
    cache: str | None = Field(
        default=None,
        description="folder that keeps decoded and shrunk images for later epochs and runs, some MB each; off by default; "
        "the pixels are the same, and it is safe to delete",
    )

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.folds is None and self.test + self.val >= 1:
            raise ValueError(f"data.test + data.val = {self.test + self.val:g} leave nothing to train on")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(
                f"data.fold={self.fold}; with data.folds={self.folds} it is 0 to {self.folds - 1}"
            )
        return self


class ModelSection(Record):
    """The network."""

    backbone: str = Field(default="resnet18", description="a timm model name")
    weights: str = Field(default="hub", description="hub, none (from scratch) or a local .safetensors file")
    mean: tuple[float, float, float] | None = Field(
        default=None, description="per channel, only for local weights trained with other than timm's values"
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        default=None, description="as mean"
    )
    image_size: int | None = Field(default=None, ge=32, le=2048, description="pixels; timm's own by default")
    fit: Literal["pad", "crop"] = Field(default="pad", description="whole image padded, or centre crop")
    views: Literal[1, 4, 8] = Field(
        default=1,
        description="looks averaged at prediction: 4 = mirrored, 8 = also turned; it takes as many times longer",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="before the heads")
    drop_path: float = Field(
        default=0.0, ge=0, lt=1, description="stochastic depth, where the backbone has it"
    )
    int8: bool = Field(
        default=False,
        description="also save the network in 8-bit integers for `predict --int8`, calibrated on training images and kept "
        "only where it loses at most 0.01 AUROC on validation; needs onnxruntime",
    )


class TrainSection(Record):
    """How it learns."""

    mode: Literal["full", "probe"] = Field(
        default="full",
        description="full: the whole network. probe: the heads alone, on features of the starting network that are computed "
        "once and shared by all runs in output.runs; images are not varied then, so augment.*, freeze_*, layer_decay, "
        "precision and model.drop_path do nothing",
    )
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=32, ge=1, description="images per step over all processes")
    accumulate: int = Field(default=1, ge=1, description="steps whose gradients are summed before an update")
    lr: float = Field(default=3e-4, gt=0, description="AdamW peak learning rate of the heads")
    weight_decay: float = Field(default=0.05, ge=0)
    layer_decay: float = Field(
        default=0.75, gt=0, le=1, description="lr factor per layer group below the head"
    )
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="share of the updates with rising lr; then cosine"
    )
    freeze_layers: int = Field(
        default=0, ge=0, description="layer groups from the input that keep their starting weights"
    )
    freeze_epochs: int = Field(default=0, ge=0, description="epochs in which only the heads learn")
    clip: float = Field(default=1.0, ge=0, description="largest gradient norm; 0 = no clipping")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0, description="alpha of the Beta distribution; 0 = none")
    diagnosis_weight: float = Field(default=1.0, ge=0, description="of the diagnosis' loss; 0 = learn none")
    finding_weight: float = Field(
        default=1.0,
        ge=0,
        description="of the finding grades' loss, where the manifest has them; 0 = learn none",
    )
    balance: Literal["none", "weights", "sampling", "logits"] = Field(
        default="none", description="rare classes: weighted loss, balanced sampling or logit adjustment"
    )
    ema: float = Field(default=0.0, ge=0, lt=1, description="decay of the averaged weights; 0 = none")
    patience: int = Field(
        default=0, ge=0, description="epochs without a better val_loss; 0 = never stop early"
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="which epoch's weights become the bundle"
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto", description="auto: what is faster here; on a CPU a step is measured, once per network"
    )
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"


class AugmentSection(Record):
    """How training images are varied."""

    min_scale: float = Field(default=0.5, ge=0.05, le=1, description="least share of the area a crop keeps")
    rotation: float = Field(default=20, ge=0, le=180, description="largest turn either way in degrees")
    colour: float = Field(default=1.0, ge=0, description="strength of stain or illuminant jitter; 0 = none")
    blur: float = Field(default=0.1, ge=0, le=1, description="probability")
    compression: float = Field(default=0.2, ge=0, le=1, description="probability of re-compression as JPEG")


class MilSection(Record):
    """One answer for all images of a case, learned from the cases' diagnoses on a frozen network's features."""

    bundle: str = Field(description="a trained model's folder: whose features are pooled")
    pooling: Literal["attention", "mean"] = Field(
        default="attention", description="gated attention learns which images count; mean: all alike"
    )
    features: str | None = Field(
        default=None, description="file of features, shared by runs; in the run folder by default"
    )


class OutputSection(Record):
    """Where things go, from the working folder."""

    runs: str = "runs"
    models: str = "models"


class ExperimentConfig(Record):
    """One experiment, complete: the same value and seed make the same model on one machine."""

    name: str = Field(pattern=NAME_PATTERN, description="names the run folder and the bundle")
    seed: int = Field(default=0, ge=0)
    modality: Literal["clinical", "histology"]
    taxonomy: str = Field(description="YAML of the diagnoses")
    positive: str | None = Field(default=None, description="diagnosis or group that reports put first")
    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    augment: AugmentSection = AugmentSection()
    mil: MilSection | None = Field(default=None, description="learn from cases instead of images")
    output: OutputSection = OutputSection()

    @property
    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that change with any value of the experiment."""
        content = self.model_dump(mode="json", exclude=self._unsaid)
        return sha256_of_text(json.dumps(content, sort_keys=True))[:8]

    @property
    def _unsaid(self) -> dict[str, Any]:
        """Return what does not count in the fingerprint: where things go, and what later versions added and is not used."""
        unsaid: dict[str, Any] = {"output": True, "data": {"cache"}}
        if not self.model.int8:
            unsaid["model"] = {"int8"}
        if self.mil is None:
            unsaid["mil"] = True
        if self.train.mode == "full":
            unsaid["train"] = {"mode"}
        return unsaid

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.mil is not None and self.train.mode == "probe":
            raise ValueError("mil learns on frozen features by itself; leave out mil or train.mode=probe")
        if self.mil is not None and self.model.int8:
            raise ValueError("mil has no int8 graph; leave out mil or model.int8")
        return self

    def to_yaml(self, folder: Path) -> str:
        """Return the resolved configuration as YAML; `load` reads it back from `folder` to an equal value."""
        content = self.model_dump(mode="json")
        for keys in PATH_KEYS:
            _anchor(content, keys, Path.cwd(), start=folder)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def load(path: Path | str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Return the experiment in a YAML file with `key.sub=value` overrides applied.

    Raises ConfigError with one line per mistake: unknown keys (did you mean), wrong types and ranges.
    """
    where = str(path)
    content = _merged(Path(path), ())
    if overrides:
        where += " with " + " ".join(overrides)
    try:
        merged = OmegaConf.merge(content, _parsed(overrides))
        plain = cast(dict[str, Any], OmegaConf.to_container(merged, resolve=True))
    except OmegaConfBaseException as problem:
        raise ConfigError(f"{where}: {problem}") from None
    for keys in PATH_KEYS:
        _anchor(plain, keys, Path())
    return validate(ExperimentConfig, plain, where, ConfigError)


def _merged(path: Path, seen: tuple[Path, ...]) -> DictConfig:
    """Return a file's content on top of all that it extends, with its paths made findable."""
    resolved = path.resolve()
    if resolved in seen:
        chain = " -> ".join(p.name for p in (*seen, resolved))
        raise ConfigError(f"{path}: extends itself: {chain}")
    content = read_yaml(path, ConfigError)
    bases = content.pop("extends", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise ConfigError(f"{path}: extends: expected a file name or a list of them, found {bases!r}")
    for keys in PATH_KEYS:
        _anchor(content, keys, path.parent)
    layers = [_merged(path.parent / base, (*seen, resolved)) for base in bases]
    try:
        return cast(DictConfig, OmegaConf.merge(*layers, OmegaConf.create(content)))
    except OmegaConfBaseException as problem:
        raise ConfigError(f"{path}: {problem}") from None


def _anchor(content: dict[str, Any], keys: tuple[str, ...], folder: Path, start: Path = Path()) -> None:
    """Turn a path that is relative to `folder` into one from `start`, the working folder by default.

    It is written in its shortest form; an absolute path and one with ${...} stay as they are.
    """
    *parents, last = keys
    here: Any = content
    for key in parents:
        here = here.get(key) if isinstance(here, dict) else None
    value = here.get(last) if isinstance(here, dict) else None
    if not isinstance(value, str) or value in WEIGHT_WORDS or "${" in value:
        return
    if not Path(value).is_absolute():
        here[last] = Path(os.path.relpath(folder / value, start)).as_posix()


def _parsed(overrides: Sequence[str]) -> DictConfig:
    """Return `key.sub=value` texts as a nested configuration."""
    wrong = [text for text in overrides if not re.match(OVERRIDE_PATTERN, text)]
    if wrong:
        raise ConfigError(f"overrides are written key.sub=value; found: {', '.join(wrong)}")
    try:
        return OmegaConf.from_dotlist(list(overrides))
    except (OmegaConfBaseException, yaml.YAMLError, ValueError) as problem:
        raise ConfigError(f"overrides {' '.join(overrides)}: {problem}") from None
