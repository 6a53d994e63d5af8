"""A trained model as one folder: weights.safetensors, a graph for them, bundle.json and a card. No pickle.

bundle.json says what the network is, how its input is made, what its outputs mean, what it was trained on
and the SHA-256 of every other file. The hash of bundle.json itself is the bundle's hash.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from nmevision.errors import BundleError, NmevisionError
from nmevision.files import sha256_of, write_json, write_text
from nmevision.grades import STEPS
from nmevision.knowledge.fusion import Fusion
from nmevision.knowledge.tables import Modality
from nmevision.licences import forbidden
from nmevision.networks.card import card_of
from nmevision.networks.graph import GRAPH, INT8_GRAPH, GraphInfo, Int8Info
from nmevision.networks.novelty import FeatureNovelty
from nmevision.networks.sets import PredictionSets
from nmevision.preprocessing import Preprocessing
from nmevision.schema import Record, validate
from nmevision.taxonomy import Taxonomy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nmevision.networks.classifier import Classifier

FORMAT = 3
"""Raised when an older program could misread a newer bundle."""
INFO, WEIGHTS, CARD, SEEN = "bundle.json", "weights.safetensors", "README.md", "seen.txt"
NOVELTY = "novelty.safetensors"
SEEN_DIGITS = 16
"""Hexadecimal digits kept of each training image's SHA-256: enough to find it again, not to guess it."""


class NetworkInfo(Record):
    """What is needed to build the network again without its weights."""

    backbone: str
    tasks: dict[str, int]
    image_size: int
    views: int = Field(
        default=1, description="looks whose outputs are averaged: 1, 4 mirrored, 8 also turned"
    )
    weights_from: str
    weights_licence: str = ""


class FindingInfo(Record):
    """How the network grades one finding."""

    key: str
    temperature: float = Field(gt=0, description="its conditional logits are divided by it")
    confusion: tuple[tuple[int, ...], ...] = Field(description="validation counts, true grade x given grade")
    train_counts: tuple[int, ...] = Field(description="training images per grade 0 to 3")


class BundleInfo(Record):
    """Everything about a trained model but its weights."""

    format: int
    name: str
    created: str = Field(description="UTC, ISO 8601")
    nmevision: str = Field(description="the version that wrote it")
    modality: Modality
    phantom: bool = Field(description="trained on synthetic images: says nothing about disease")
    taxonomy: Taxonomy
    positive: str | None
    network: NetworkInfo
    preprocessing: Preprocessing
    temperature: float = Field(gt=0, description="logits are divided by it before the softmax")
    unlearned: tuple[str, ...] = Field(
        default=(), description="diagnoses without a training image: the knowledge answers for them"
    )
    findings: tuple[FindingInfo, ...] = Field(default=(), description="in the order of the outputs")
    fields: tuple[str, ...] = Field(
        default=(), description="structures it looks for, in the order of the outputs"
    )
    fusion: Fusion | None = Field(
        default=None, description="how the learned and the knowledge route are pooled"
    )
    sets: PredictionSets | None = Field(
        default=None, description="what an answer cannot rule out; None: not fitted, no set is told"
    )
    graph: GraphInfo | None = Field(
        default=None, description="how the portable graph was checked; None: there is none, torch runs it"
    )
    training: dict[str, Any]
    validation: dict[str, Any]
    versions: dict[str, str]
    files: dict[str, str] = Field(description="file name -> SHA-256")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        outputs, diagnoses = self.network.tasks.get("diagnosis"), len(self.taxonomy.keys)
        if outputs != diagnoses:
            raise ValueError(f"the network has {outputs} outputs, the taxonomy {diagnoses} diagnoses")
        graded = self.network.tasks.get("findings", 0)
        if graded != STEPS * len(self.findings):
            raise ValueError(f"the network has {graded} outputs for {len(self.findings)} findings")
        if (self.fusion is None) != (not self.findings):
            raise ValueError("a fusion goes with findings, and findings with a fusion")
        if self.sets is not None and self.taxonomy.keys != tuple(one.key for one in self.sets.diagnoses):
            raise ValueError("the prediction sets are not of the taxonomy's diagnoses")
        if (self.graph is None) != (GRAPH not in self.files):
            raise ValueError(f"a record of the graph goes with {GRAPH}, and {GRAPH} with a record")
        small = self.graph is not None and self.graph.int8 is not None
        if small != (INT8_GRAPH in self.files):
            raise ValueError(f"a record of int8 goes with {INT8_GRAPH}, and {INT8_GRAPH} with a record")
        return self


@dataclass(frozen=True)
class Bundle:
    """A trained model folder that was checked when it was opened."""

    folder: Path
    info: BundleInfo

    @property
    def weights(self) -> Path:
        """Return the file that holds the network's arrays."""
        return self.folder / WEIGHTS

    @cached_property
    def hash(self) -> str:
        """Return the SHA-256 of bundle.json, which holds the hashes of all the rest."""
        return sha256_of(self.folder / INFO)

    @cached_property
    def seen(self) -> frozenset[str]:
        """Return the shortened SHA-256 of every image it was trained or steered on."""
        return frozenset((self.folder / SEEN).read_text(encoding="ascii").split())

    @cached_property
    def novelty(self) -> FeatureNovelty:
        """Return what was usual in training."""
        from safetensors.numpy import load_file

        return FeatureNovelty.from_arrays(load_file(self.folder / NOVELTY))

    def network(self) -> Classifier:
        """Build the network and load its weights; raise BundleError where they do not fit."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from nmevision.networks.classifier import Classifier

        info = self.info.network
        backbone = _rebuild(info, self.folder)
        network = Classifier(backbone.module, backbone.width, info.tasks)
        try:
            network.load_state_dict(load_file(self.folder / WEIGHTS))
        except (RuntimeError, SafetensorError) as problem:
            reason, writer = str(problem).splitlines()[-1].strip(), self.info.versions.get("timm", "?")
            raise BundleError(
                f"{self.folder / WEIGHTS} does not fit {info.backbone} as this timm builds it "
                f"(written with timm {writer}): {reason}"
            ) from None
        return network.eval()


def _rebuild(info: NetworkInfo, folder: Path) -> Any:
    """Return the bundle's backbone without weights."""
    from nmevision.networks.backbones import build_backbone

    try:
        return build_backbone(info.backbone, "none", image_size=info.image_size)
    except (NmevisionError, RuntimeError) as problem:
        raise BundleError(f"{folder}: {problem}") from None


def open_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`; raise BundleError where it is missing, altered or too new."""
    folder = Path(folder)
    path = folder / INFO
    if not path.is_file():
        raise BundleError(
            f"{folder} is no bundle: it has no {INFO}; expected a folder made by `nmevision train`, "
            "such as models/my-model"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BundleError(f"{path}: cannot be read as JSON: {problem}") from None
    written = content.get("format") if isinstance(content, dict) else None
    if written != FORMAT:
        writer = content.get("nmevision", "unknown") if isinstance(content, dict) else "unknown"
        raise BundleError(
            f"{path}: bundle format {written}, written by nmevision {writer}; this version reads format "
            f"{FORMAT}; install a matching version or train again"
        )
    info = validate(BundleInfo, content, str(path), BundleError)
    _check_files(folder, info.files)
    return Bundle(folder, info)


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Refuse a bundle whose files are missing or not those that were written."""
    for name in (WEIGHTS, SEEN, NOVELTY):
        if name not in files:
            raise BundleError(f"{folder / INFO}: names no {name}; the bundle was not written whole")
    for name, expected in files.items():
        if Path(name).name != name:
            raise BundleError(
                f"{folder / INFO}: '{name}' is no plain file name; the bundle cannot be trusted"
            )
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{folder}: {name} is missing; copy the whole folder again")
        if sha256_of(path) != expected:
            raise BundleError(
                f"{path}: its SHA-256 is not the one in {INFO}: the file was changed or cut since the model "
                "was saved; copy the whole folder again"
            )


def save_bundle(
    folder: Path,
    network: Classifier,
    info: dict[str, Any],
    seen: list[str],
    usual: FeatureNovelty,
    examples: Sequence[NDArray[np.float32]] | None = None,
    add_int8: Callable[[Bundle], Int8Info | None] | None = None,
) -> Bundle:
    """Write a bundle whole or not at all, open it again as a user would, and return it.

    info: the fields of BundleInfo except `format`, `graph` and `files`.
    seen: SHA-256 of every training and validation image.
    usual: what the network's features look like on them.
    examples: some inputs (3 x height x width) on which other engines are compared with torch; random pictures
        where None.
    add_int8: writes INT8_GRAPH beside the graph of the bundle that is being saved and returns what it loses, or None
        where it is not to be kept.
    Raises BundleError where `folder` exists already, or training used images whose licence forbids it.
    """
    from safetensors.numpy import save_file as save_arrays
    from safetensors.torch import save_file

    from nmevision.networks.export import make_portable

    folder = Path(folder)
    refuse_existing(folder)
    if refused := forbidden(info.get("training", {}).get("licences", {})):
        raise BundleError(
            f"{folder}: the model was trained on images under {', '.join(refused)}, so it is not saved; leave "
            "these rows out of the manifest and train again"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        work = Path(temporary) / folder.name
        work.mkdir()
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, work / WEIGHTS)
        save_arrays(usual.arrays(), work / NOVELTY)
        for name in (WEIGHTS, NOVELTY):
            (work / name).chmod(0o644)
        write_text(work / SEEN, "\n".join(sorted({digest[:SEEN_DIGITS] for digest in seen})) + "\n")
        files = {name: sha256_of(work / name) for name in (WEIGHTS, SEEN, NOVELTY)}
        record = {**info, "format": FORMAT, "files": files}
        checked = validate(BundleInfo, record, str(folder), BundleError)
        saved = Bundle(work, checked)
        if graph := make_portable(saved, saved.network(), examples):
            files[GRAPH] = sha256_of(work / GRAPH)
            if add_int8 is not None and (small := add_int8(saved)) is not None:
                graph = graph.model_copy(update={"int8": small})
                files[INT8_GRAPH] = sha256_of(work / INT8_GRAPH)
            checked = validate(BundleInfo, record | {"graph": graph}, str(folder), BundleError)
        write_json(work / INFO, checked.model_dump(mode="json"))
        write_text(work / CARD, card_of(checked))
        open_bundle(work)
        refuse_existing(folder)
        shutil.move(str(work), folder)
    return open_bundle(folder)


def refuse_existing(folder: Path) -> None:
    """Raise BundleError where a bundle's folder is taken: a trained model is never overwritten."""
    if folder.exists():
        raise BundleError(f"{folder} exists already; choose another name=... or remove that folder first")
