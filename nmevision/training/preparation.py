"""From a configuration to images ready to train on: read, judged, inspected and divided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nmevision.config import ExperimentConfig
from nmevision.data.inspection import inspect_files, join_identical
from nmevision.data.splits import assign_splits
from nmevision.errors import ConfigError, DataError
from nmevision.files import write_csv
from nmevision.grades import UNKNOWN
from nmevision.knowledge.loading import load_knowledge
from nmevision.knowledge.tables import Modality
from nmevision.manifest import Manifest, read_manifest
from nmevision.manifest_checks import FIELD_PREFIX, FINDING_PREFIX
from nmevision.progress import progress_bar
from nmevision.taxonomy import Taxonomy, load_taxonomy
from nmevision.training.run_folder import RunFolder

INSPECTED = "inspected.json"
"""In the runs folder: what is known of the files, so that the next run need not read them all again."""


class Asked(NamedTuple):
    """What is learned of each image beside its diagnosis: keys of findings and of fields, in order."""

    findings: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """Return the manifest's columns that hold them, findings first."""
        return [FINDING_PREFIX + key for key in self.findings] + [FIELD_PREFIX + key for key in self.fields]


@dataclass(frozen=True)
class Prepared:
    """Labelled, readable, divided samples.

    manifest: rows with a diagnosis or a grade to learn from; its frame has `split` filled and `sha256`.
    fingerprint: of the manifest as the user gave it.
    asked: what is learned of each image beside its diagnosis.
    """

    manifest: Manifest
    taxonomy: Taxonomy
    fingerprint: str
    asked: Asked

    def part(self, split: str) -> Manifest:
        """Return the rows of one split."""
        return self.manifest.select(self.manifest.frame["split"] == split)

    def targets(self, split: str) -> NDArray[np.int64]:
        """Return one split's N x (1 + J + F): diagnosis position, grades, fields; -1 where unknown."""
        part = self.part(split)
        position = {key: i for i, key in enumerate(self.taxonomy.keys)}
        diagnoses = [position.get(key, UNKNOWN) for key in part.diagnoses(self.taxonomy)]
        return np.column_stack([diagnoses, part.integers(self.asked.columns)]).astype(np.int64)

    @property
    def unlearned(self) -> tuple[str, ...]:
        """Return the diagnoses without a training image: only their profiles can speak for them."""
        seen = set(self.part("train").diagnoses(self.taxonomy))
        return tuple(key for key in self.taxonomy.keys if key not in seen)

    @property
    def seen(self) -> list[str]:
        """Return the SHA-256 of every image that is trained or steered on."""
        return [*self.part("train").frame["sha256"], *self.part("val").frame["sha256"]]

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return patients and images per split and diagnosis."""
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for split in ("train", "val", "test"):
            part = self.part(split)
            keys, cases = part.diagnoses(self.taxonomy), part.cases
            counts[split] = {
                key: {"patients": int(cases[keys == key].nunique()), "images": int((keys == key).sum())}
                for key in self.taxonomy.keys
            }
        return counts

    def tally(self, column: str) -> dict[str, int]:
        """Return images per value of a column over train and val."""
        used = self.manifest.frame[self.manifest.frame["split"] != "test"]
        return {str(name): int(n) for name, n in used[column].value_counts().items()}


def read_input(config: ExperimentConfig) -> tuple[Manifest, Taxonomy]:
    """Return the manifest's rows of the configuration's modality and the taxonomy; say what is left out."""
    if config.data.manifest is None:
        raise ConfigError("data.manifest is not given; add data.manifest=TABLE.csv")
    taxonomy = load_taxonomy(Path(config.taxonomy))
    if config.positive is not None:
        taxonomy.members_of(config.positive)
    root = Path(config.data.root) if config.data.root is not None else None
    manifest = read_manifest(
        Path(config.data.manifest),
        purpose="train",
        taxonomy=taxonomy,
        root=root,
        allow_nc=config.data.allow_nc,
    )
    other = (manifest.frame["modality"] != "") & (manifest.frame["modality"] != config.modality)
    if other.any():
        print(f"{other.sum()} rows of another modality are left out (this is {config.modality})")
    return manifest.select(~other), taxonomy


def asked_of(config: ExperimentConfig, manifest: Manifest) -> Asked:
    """Return the findings and fields of which the manifest has two differing values, in its column order."""
    if config.train.finding_weight == 0:
        return Asked((), ())
    frame = manifest.frame
    columns = [str(name) for name in frame.columns if str(name).startswith((FINDING_PREFIX, FIELD_PREFIX))]
    varied = [name for name in columns if frame.loc[frame[name] != "", name].astype(float).nunique() > 1]
    if len(varied) < len(columns):
        same = ", ".join(name for name in columns if name not in varied)
        print(f"columns with fewer than two differing values are not learned: {same}")
    findings = (name.removeprefix(FINDING_PREFIX) for name in varied if name.startswith(FINDING_PREFIX))
    fields = (name.removeprefix(FIELD_PREFIX) for name in varied if name.startswith(FIELD_PREFIX))
    return Asked(tuple(findings), tuple(fields))


def prepare(
    config: ExperimentConfig,
    manifest: Manifest,
    taxonomy: Taxonomy,
    asked: Asked,
    run: RunFolder,
) -> Prepared:
    """Return what to train on; results lie in the run folder, so a resumed run reads them back.

    Unreadable files are left out, listed in files.csv and counted aloud. Raises DataError where a
    class has no training image or nothing is left.
    """
    fingerprint = manifest.fingerprint
    graded = (manifest.integers(asked.columns) != UNKNOWN).any(axis=1) & (manifest.frame["diagnosis"] == "")
    labelled = manifest.select((manifest.diagnoses(taxonomy) != "") | graded)
    if not len(labelled):
        raise DataError("no row carries a diagnosis of the taxonomy; nothing to train on")
    if len(labelled) < len(manifest):
        print(f"{len(manifest) - len(labelled)} rows without a label, or with an excluded one, are left out")
    files = _inspected(labelled, config.data.max_pixels, run.path / "files.csv")
    readable = files["readable"].astype(bool)
    for identity, message in files.loc[~readable, ["id", "message"]].head(5).itertuples(index=False):
        print(f"left out, unreadable: {identity}: {message}")
    if not readable.all():
        print(f"{(~readable).sum()} unreadable files are left out; {run.path / 'files.csv'} lists them")
    kept = join_identical(labelled.select(readable), files[readable].reset_index(drop=True), taxonomy)
    splits = assign_splits(
        kept,
        taxonomy,
        seed=config.seed,
        val=config.data.val,
        test=config.data.test,
        folds=config.data.folds,
        fold=config.data.fold,
    )
    frame = kept.frame.assign(split=splits, sha256=files.loc[readable, "sha256"].to_numpy())
    prepared = Prepared(replace(kept, frame=frame), taxonomy, fingerprint, asked)
    _judge_empty_classes(prepared, config.modality)
    write_csv(run.path / "splits.csv", frame[["id", "split", "diagnosis", "patient_id", "duplicate_group"]])
    return prepared


def describe(prepared: Prepared) -> str:
    """Return patients/images per split and diagnosis as one small table."""
    counts = prepared.counts()
    width = max(len(key) for key in prepared.taxonomy.keys)
    lines = [f"{'patients/images':<{max(width, 15)}}  " + "  ".join(f"{split:>12}" for split in counts)]
    for key in prepared.taxonomy.keys:
        cells = [f"{counts[split][key]['patients']}/{counts[split][key]['images']}" for split in counts]
        lines.append(f"{key:<{max(width, 15)}}  " + "  ".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def _inspected(manifest: Manifest, max_pixels: int, path: Path) -> pd.DataFrame:
    """Return the inspection of every file, from the run folder where an earlier attempt left it."""
    if path.is_file():
        files = pd.read_csv(path, dtype={"id": str, "sha256": str, "message": str}, keep_default_na=False)
        if files["id"].tolist() == manifest.frame["id"].tolist():
            return files
    with progress_bar("reading", len(manifest)) as step:
        files = inspect_files(manifest, max_pixels, step, path.parent.parent / INSPECTED)
    write_csv(path, files)
    return files


def _judge_empty_classes(prepared: Prepared, modality: Modality) -> None:
    """Raise DataError where a diagnosis has neither images to learn from nor, with findings, a profile."""
    described = set()
    if prepared.asked.findings:
        profiles = load_knowledge().profiles_of(modality)
        described = {prepared.taxonomy.diagnosis_of(profile.diagnosis) for profile in profiles}
    empty = [key for key in prepared.unlearned if key not in described]
    if empty:
        raise DataError(
            f"no training image of: {', '.join(empty)} (taxonomy '{prepared.taxonomy.name}'); add images, or "
            "choose a taxonomy with only the diagnoses at hand (configs/taxonomies/)"
        )
    if prepared.unlearned:
        print(
            f"no training image of: {', '.join(prepared.unlearned)}; known from the literature alone, through "
            "its findings"
        )
