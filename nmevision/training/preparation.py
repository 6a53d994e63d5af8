"""From a configuration to images ready to train on: read, judged, inspected and divided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from nmevision.config import ExperimentConfig
from nmevision.data.inspection import inspect_files, join_identical
from nmevision.data.splits import assign_splits
from nmevision.errors import ConfigError, DataError
from nmevision.files import write_csv
from nmevision.manifest import Manifest, read_manifest
from nmevision.progress import progress_bar
from nmevision.taxonomy import Taxonomy, load_taxonomy
from nmevision.training.run_folder import RunFolder


@dataclass(frozen=True)
class Prepared:
    """Labelled, readable, divided samples.

    manifest: rows that carry a diagnosis; its frame has `split` filled and `sha256`.
    fingerprint: of the manifest as the user gave it.
    """

    manifest: Manifest
    taxonomy: Taxonomy
    fingerprint: str

    def part(self, split: str) -> Manifest:
        """Return the rows of one split."""
        return self.manifest.select(self.manifest.frame["split"] == split)

    def labels(self, split: str) -> list[int]:
        """Return the diagnosis positions of one split's rows."""
        keys = self.part(split).diagnoses(self.taxonomy)
        return [self.taxonomy.keys.index(key) for key in keys]

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
    manifest = read_manifest(Path(config.data.manifest), purpose="train", taxonomy=taxonomy, root=root)
    other = (manifest.frame["modality"] != "") & (manifest.frame["modality"] != config.modality)
    if other.any():
        print(f"{other.sum()} rows of another modality are left out (this is {config.modality})")
    return manifest.select(~other), taxonomy


def prepare(config: ExperimentConfig, manifest: Manifest, taxonomy: Taxonomy, run: RunFolder) -> Prepared:
    """Return what to train on; results lie in the run folder, so a resumed run reads them back.

    Unreadable files are left out, listed in files.csv and counted aloud. Raises DataError where a
    class has no training image or nothing is left.
    """
    fingerprint = manifest.fingerprint
    labelled = manifest.labelled(taxonomy)
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
    prepared = Prepared(replace(kept, frame=frame), taxonomy, fingerprint)
    _refuse_empty_classes(prepared)
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
        files = inspect_files(manifest, max_pixels, step)
    write_csv(path, files)
    return files


def _refuse_empty_classes(prepared: Prepared) -> None:
    """Raise DataError where a diagnosis has nothing to learn from."""
    train = prepared.counts()["train"]
    empty = [key for key, n in train.items() if n["images"] == 0]
    if empty:
        raise DataError(
            f"no training image of: {', '.join(empty)} (taxonomy '{prepared.taxonomy.name}'); add images, or "
            "choose a taxonomy with only the diagnoses at hand (configs/taxonomies/)"
        )
