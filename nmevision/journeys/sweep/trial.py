"""One trial of a sweep, in a process of its own: trained like any other configuration, and judged on validation."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from nmevision.config import ExperimentConfig, OutputSection, load
from nmevision.errors import NmevisionError, RunError
from nmevision.files import write_json, write_text
from nmevision.locks import held

CONFIG, FACTS, RESULT, LOCK = "config.yaml", "trial.json", "result.json", "lock"
Result = dict[str, Any]
"""status (done or failed), why, seconds, validation (figures with their n), phantom, bundle (its folder)."""


def place(folder: Path, config: ExperimentConfig, manifest: str) -> bool:
    """Write a trial's full configuration into its folder; tell whether it is new there.

    manifest: fingerprint of its table of images. Raises RunError where the trial was begun on another.
    """
    facts = folder / FACTS
    if facts.is_file():
        then = json.loads(facts.read_text(encoding="utf-8"))["manifest"]
        if then != manifest:
            raise RunError(
                f"{folder}: the table of images has changed since this trial was begun ({then[:8]} then, "
                f"{manifest[:8]} now); restore it, or give the sweep another name"
            )
        return False
    write_text(folder / CONFIG, config.to_yaml(folder))
    write_json(facts, {"manifest": manifest})
    return True


def result_of(folder: Path) -> Result | None:
    """Return what a trial left, None where it is not there or not whole."""
    try:
        found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "status" in found else None


def run_trial(folder: str, gpu: str | None = None) -> None:
    """Train the configuration in a trial's folder and leave RESULT there; what goes wrong is told in it.

    The bundle lies in the folder; nothing is predicted on the test split. Interrupted, it is continued by the next call.
    A trial that another process runs is left to it.
    gpu: the only one it sees, as CUDA_VISIBLE_DEVICES names it; by default whatever its process sees.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # torch, which reads it, is not loaded yet
    home = Path(folder)
    with held(home / LOCK) as mine:
        if not mine:
            return
        started = time.perf_counter()
        try:
            outcome = _trained(load(home / CONFIG), home)
        except Exception as problem:  # whatever it is, the other trials go on
            traceback.print_exc()
            own = isinstance(problem, NmevisionError)
            why = str(problem) if own else f"{type(problem).__name__}: {problem}"
            outcome = {"status": "failed", "why": why}
        sys.stdout.flush()
        write_json(home / RESULT, outcome | {"seconds": round(time.perf_counter() - started, 1)})


def _trained(config: ExperimentConfig, folder: Path) -> Result:
    """Train and return what steered it."""
    from nmevision.journeys.train_and_test import train_only

    output = OutputSection(runs=config.output.runs, models=str(folder))
    config = config.model_copy(update={"output": output})
    begun = Path(config.output.runs) / f"{config.name}-{config.fingerprint}" / "run.json"
    trained = train_only(config, resume=begun.is_file())
    if trained is None:
        raise RuntimeError("trials are trained by one process each; start the sweep without torchrun")
    info = trained.bundle.info
    return {
        "status": "done",
        "bundle": trained.bundle.folder.name,
        "validation": info.validation,
        "phantom": info.phantom,
    }
