"""The folder of one training run: its resolved configuration, splits, logs and checkpoints."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nmevision.config import ExperimentConfig
from nmevision.errors import RunError
from nmevision.files import atomic_path, write_json, write_text

FACTS = "run.json"
TRIED = "configurations.csv"
"""Every configuration ever started in a runs folder, one line each: nothing tried is forgotten."""


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps its things; the name carries the configuration's fingerprint."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the last and the best checkpoint."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """Return the checkpoint a resumed run starts from."""
        return self.checkpoints / "last.ckpt"

    @property
    def best(self) -> Path:
        """Return the checkpoint with the smallest validation loss."""
        return self.checkpoints / "best.ckpt"

    @property
    def facts(self) -> dict[str, Any]:
        """Return what was noted when the run began."""
        return dict(json.loads((self.path / FACTS).read_text(encoding="utf-8")))

    def note(self, **facts: Any) -> None:
        """Add to what a resumed run finds in `facts`."""
        write_json(self.path / FACTS, self.facts | facts)

    def next_log(self) -> str:
        """Return the name of this attempt's log folder: a resumed run keeps the earlier ones."""
        logs = self.path / "logs"
        return f"part-{len(list(logs.iterdir())) + 1 if logs.is_dir() else 1}"

    def discard(self) -> None:
        """Remove the folder of a run that could not begin."""
        shutil.rmtree(self.path)


def open_run(config: ExperimentConfig, manifest_fingerprint: str, resume: bool) -> RunFolder:
    """Create the run's folder, or return the existing one to resume; raise RunError where neither fits."""
    folder = Path(config.output.runs) / f"{config.name}-{config.fingerprint}"
    run = RunFolder(folder)
    if not resume:
        if folder.exists():
            raise RunError(
                f"{folder} exists already: this configuration was started before; continue it with --resume, "
                "or remove the folder, or change the name"
            )
        write_text(folder / "config.yaml", config.to_yaml(folder))
        write_json(folder / FACTS, {"manifest": manifest_fingerprint, "started": _now()})
        remember(folder.parent, config, manifest_fingerprint)
        return run
    if not (folder / FACTS).is_file():
        raise RunError(f"nothing to resume: {folder} does not exist; run without --resume first")
    stored = run.facts["manifest"]
    if stored != manifest_fingerprint:
        raise RunError(
            f"{folder}: the manifest has changed since this run was started ({stored[:8]} then, "
            f"{manifest_fingerprint[:8]} now); restore it, or start a new run under another name"
        )
    return run


def configurations_tried(runs: Path, manifest_fingerprint: str) -> int:
    """Return how many different configurations were started on this manifest in this runs folder."""
    path = runs / TRIED
    if not path.is_file():
        return 0
    tried = pd.read_csv(path, dtype=str)
    return int(tried.loc[tried["manifest"] == manifest_fingerprint, "fingerprint"].nunique())


def remember(runs: Path, config: ExperimentConfig, manifest_fingerprint: str) -> None:
    """Add one line to the list of configurations tried that lies in `runs`."""
    path = runs / TRIED
    old = path.read_text(encoding="utf-8") if path.is_file() else "started,name,fingerprint,manifest,seed\n"
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(old)
        row = [_now(), config.name, config.fingerprint, manifest_fingerprint, config.seed]
        csv.writer(stream, lineterminator="\n").writerow(row)


def _now() -> str:
    """Return the time in UTC to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
