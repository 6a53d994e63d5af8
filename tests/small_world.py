"""A small world for whole journeys: drawn images of three looks, their manifest, and the real command line.

The drawings are stripes, rings and blots under three names. They show that the software works.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nmevision.cli.run import run as run_command_line

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIGS = REPOSITORY / "configs"
LOOKS = ("nme", "psoriasis", "eczema")
SOURCES = ("north", "south")
TINY = (
    "positive=nme",
    "model.backbone=test_resnet",
    "model.weights=none",
    "model.image_size=32",
    "train.epochs=1",
    "train.batch_size=16",
    "train.lr=2e-3",
    "train.precision=fp32",
    "train.accelerator=cpu",
    "data.workers=0",
)
"""Overrides that make any of the real configurations a matter of seconds."""
EPOCHS = 8
SHARED = (f"train.epochs={EPOCHS}", "model.backbone=test_convnext")
"""What the bundle that all tests share adds to TINY."""
TAXONOMY = """
name: small world
groups:
  - {key: necrolytic, name: necrolytic pattern}
  - {key: inflammatory, name: inflammatory pattern}
diagnoses:
  - {key: nme, name: necrolytic migratory erythema, group: necrolytic, labels: [NME]}
  - {key: psoriasis, name: psoriasis, group: inflammatory}
  - {key: eczema, name: eczema, group: inflammatory}
exclude: {unclear: nobody knows}
"""


@dataclass(frozen=True)
class World:
    """A folder of images with manifest.csv, and the taxonomy that reads it."""

    folder: Path
    taxonomy: Path

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.csv"

    @property
    def table(self) -> pd.DataFrame:
        return pd.read_csv(self.manifest, dtype=str, keep_default_na=False)

    def settings(self, name: str, *more: str) -> list[str]:
        """Return the overrides for one tiny training on these images."""
        where = [f"data.manifest={self.manifest}", f"taxonomy={self.taxonomy}", f"name={name}"]
        return [*TINY, *where, *more]


@dataclass(frozen=True)
class Answer:
    """What a command said: its exit code and both streams."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Training:
    """One finished training: what it printed, its bundle and its run folder."""

    answer: Answer
    cwd: Path
    bundle: Path
    run: Path


def draw(look: str, seed: int, size: int = 64) -> np.ndarray:
    """Return a noisy uint8 RGB drawing: blots for nme, stripes for psoriasis, rings for eczema."""
    rng = np.random.default_rng([LOOKS.index(look), seed])
    y, x = np.mgrid[:size, :size] / size
    if look == "nme":
        pattern = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02) for a, b in rng.uniform(0, 1, (4, 2)))
    elif look == "psoriasis":
        pattern = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(3, 5) * x + rng.uniform()))
    else:
        a, b = rng.uniform(0.3, 0.7, 2)
        pattern = 0.5 + 0.5 * np.cos(2 * np.pi * rng.uniform(4, 6) * np.hypot(x - a, y - b))
    ground, ink = np.array([235, 185, 205]), np.array([110, 70, 140]) + rng.normal(0, 25, 3)
    colours = ground + np.clip(pattern, 0, 1)[..., np.newaxis] * (ink - ground)
    return np.clip(colours + rng.normal(0, 30, (size, size, 3)), 0, 255).astype(np.uint8)


def make_world(folder: Path, patients: int, seed: int = 0, per_patient: int = 2) -> World:
    """Draw `patients` of each look with `per_patient` images each; write manifest.csv and a taxonomy."""
    rows = []
    for look in LOOKS:
        for number in range(patients):
            for shot in range(per_patient):
                path = Path("images") / look / f"{number:02d}-{shot}.png"
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw(look, seed + 100 * number + shot)).save(folder / path)
                rows.append(
                    {
                        "id": f"{look}-{number}-{shot}",
                        "path": path.as_posix(),
                        "diagnosis": look,
                        "patient_id": f"{look}-{number}",
                        "source": SOURCES[number % 2],
                        "licence": "own",
                    }
                )
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    (folder / "taxonomy.yaml").write_text(TAXONOMY, encoding="utf-8")
    return World(folder, folder / "taxonomy.yaml")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with one thread per process, as the tests' machine is small."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **more}


def run(script: str, *arguments: str | Path, cwd: Path, **env: str) -> Answer:
    """Run `python scripts/<script>.py ARGUMENTS` in its own process, in the folder `cwd`."""
    done = subprocess.run(
        command(script, *arguments),
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def command(script: str, *arguments: str | Path) -> list[str]:
    """Return the command line of one of the repository's scripts."""
    return [sys.executable, str(REPOSITORY / "scripts" / f"{script}.py"), *map(str, arguments)]


def run_here(verb: str, *arguments: str | Path, cwd: Path) -> Answer:
    """Run `nmevision VERB ARGUMENTS` in this process: no start-up time, the same code from `run` on."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd):
        patch.setattr(sys, "argv", ["nmevision", *verb.split(), *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                run_command_line()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def train_here(world: World, name: str, cwd: Path, *more: str, config: str = "histology.yaml") -> Training:
    """Train in this process and insist that it ended well."""
    answer = run_here("train", CONFIGS / config, *world.settings(name, *more), cwd=cwd)
    assert answer.code == 0, answer.err + answer.out
    (run,) = (cwd / "runs").glob(f"{name}-*")
    return Training(answer, cwd, cwd / "models" / name, run)
