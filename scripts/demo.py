"""The main job on the embedded phantom data: draw, train, predict, evaluate, for both modalities.

    make demo

Everything goes to demo/ in the working folder; a second run starts it anew. The images are synthetic:
the demo shows that the software works and says nothing about disease.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Literal

import pandas as pd

from nmevision.config import load
from nmevision.errors import RunError
from nmevision.evaluation.report import EvaluationReport
from nmevision.files import write_text
from nmevision.inference.predictor import Predictor
from nmevision.manifest import Manifest, read_manifest
from nmevision.phantom.dataset import make
from nmevision.reporting.evaluate import evaluate_files
from nmevision.reporting.markdown import shown
from nmevision.training.run import train

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
DEMO = Path("demo")
MARK = DEMO / "made-by-make-demo.txt"
SIDE, MPP = 224, 2.0  # pixels; micrometres per pixel of the H&E fields: 448 um show the ridges and the dermis
IMAGES = 480
"""Per modality; a quarter of them comes from a laboratory (camera) that training never sees."""


def main() -> None:
    """Run both modalities and print the table and where everything lies."""
    started = time.perf_counter()
    _start_anew()
    rows = [_run("histology"), _run("clinical")]
    print(
        "\nPHANTOMS: synthetic images. These figures show that the software works; they say nothing about disease."
    )
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Everything lies in {DEMO.resolve()}:")
    for modality in ("histology", "clinical"):
        print(
            f"  {modality}: model {DEMO / 'models' / f'demo-{modality}'}, report {DEMO / modality / 'report/report.html'}"
        )


def _start_anew() -> None:
    """Remove an earlier demo; a folder that is not one is left alone."""
    if DEMO.exists():
        if not MARK.is_file():
            raise RunError(f"{DEMO.resolve()} exists and was not made by the demo; move it or run elsewhere")
        shutil.rmtree(DEMO)
    write_text(MARK, "Made by `make demo`; the next run removes this folder.\n")


def _run(modality: Literal["histology", "clinical"]) -> dict[str, str]:
    """Draw, train, predict and evaluate one modality; return its row of the table."""
    folder = DEMO / modality
    options = f"--modality {modality} --n {IMAGES} --size {SIDE} --mpp {MPP}"
    _say(f"nmevision data phantom {options} --out {folder / 'phantoms'}")
    manifest = make(folder / "phantoms", modality, IMAGES, seed=0, size=SIDE, mpp=MPP)
    held_out = _held_out(manifest, folder / "held-out")
    overrides = [
        f"data.manifest={manifest}",
        f"output.models={DEMO / 'models'}",
        f"output.runs={DEMO / 'runs'}",
    ]
    _say(f"nmevision train configs/demo-{modality}.yaml {' '.join(overrides)}")
    trained = train(load(CONFIGS / f"demo-{modality}.yaml", overrides))
    assert trained is not None
    bundle = trained.bundle.folder
    _say(f"nmevision predict {bundle} {held_out} --out {folder / 'predictions'}")
    Predictor.load(bundle).predict(held_out, folder / "predictions")
    truth, predictions = held_out / "truth.csv", folder / "predictions" / "predictions.csv"
    _say(f"nmevision evaluate {predictions} {truth} --out {folder / 'report'}")
    return _row(modality, evaluate_files(predictions, truth, folder / "report"))


def _held_out(manifest: Path, folder: Path) -> Path:
    """Copy the images that training will not see into a folder of their own, with their truth beside them."""
    whole = read_manifest(manifest)
    test = whole.select(whole.frame["split"] == "test")
    folder.mkdir(parents=True)
    for sample in test.samples():
        shutil.copy(sample.path, folder / sample.path.name)
    names = [Path(path).name for path in test.frame["path"]]
    Manifest(test.frame.assign(id=names, path=names), folder).write(folder / "truth.csv")
    return folder


def _row(modality: str, report: EvaluationReport) -> dict[str, str]:
    """Return the scores of one modality, each with its interval and its n."""
    area = report.score("auroc", "nme")
    return {
        "modality": modality,
        "AUROC of phantom nme (95% interval)": shown(area),
        "n+ / n-": f"{area.n_positive} / {area.n_negative}",
        "balanced accuracy (95% interval)": shown(report.score("balanced_accuracy")),
        "images": str(area.n_images),
    }


def _say(command: str) -> None:
    """Print the command a user would type for the step that follows."""
    print(f"\n$ {command}", flush=True)


if __name__ == "__main__":
    main()
