"""Fine-tuning on real H&E, 5 grouped folds: the check of the software whose result stands in CHANGELOG.md.

    python scripts/oral_histology.py FOLDER WEIGHTS [--out DIR] [--resume] [key=value ...]

FOLDER holds Normal/ and OSCC/ (Rahman et al.), WEIGHTS is a safetensors file for mobilenetv2_100 trained
with inputs scaled to -1..1. Every fold is trained and tested on groups the others never see. About 25
minutes on two cores. It says nothing about NME.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd

from nmevision.cli.memory import restart_keeping_memory
from nmevision.config import load
from nmevision.evaluation.intervals import auroc_interval
from nmevision.evaluation.metrics import auroc
from nmevision.files import write_json
from nmevision.inference.predictor import Predictor
from nmevision.journeys.index import write_index
from nmevision.predictions import by_case, read_predictions
from nmevision.reporting.evaluate import evaluate_files
from nmevision.training.run import train

CONFIG = Path(__file__).resolve().parents[1] / "configs/experiments/oral-histology.yaml"


def main() -> None:
    """Train and test every fold, then print and write the summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path("oral-histology"))
    parser.add_argument("--resume", action="store_true", help="keep the folds that are done")
    parser.add_argument("overrides", nargs="*", help="key=value of the configuration")
    given = parser.parse_intermixed_args()  # overrides may stand after --out
    manifest = given.out / "manifest.csv"
    if not (given.resume and manifest.is_file()):
        given.out.mkdir(parents=True, exist_ok=True)
        print(write_index(given.folder, manifest, "oral_histology", "", "", "", None))
    started = time.perf_counter()
    folds = load(CONFIG, given.overrides).data.folds or 5
    rows = [_fold(fold, manifest, given) for fold in range(folds)]
    summary = _summary(rows, given.out) | {"seconds": round(time.perf_counter() - started)}
    write_json(given.out / "summary.json", summary)
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.4f"))
    print({key: value for key, value in summary.items() if key != "folds"})


def _fold(fold: int, manifest: Path, given: argparse.Namespace) -> dict[str, float]:
    """Train on the other folds, predict and evaluate this one; return its scores."""
    out = given.out / f"fold-{fold}"
    if not (given.resume and (out / "report.json").is_file()):
        config = load(
            CONFIG,
            [
                f"name=oral-histology-{fold}",
                f"data.manifest={manifest}",
                f"data.fold={fold}",
                f"model.weights={given.weights}",
                "model.mean=[0.5,0.5,0.5]",
                "model.std=[0.5,0.5,0.5]",
                f"output.runs={given.out / 'runs'}",
                f"output.models={given.out / 'models'}",
                *given.overrides,
            ],
        )
        trained = train(config)
        if trained is None:
            raise SystemExit(0)
        trained.test.write(out / "truth.csv")
        Predictor(trained.bundle).predict(trained.test, out, resume=True)
    report = evaluate_files(out / "predictions.csv", out / "truth.csv", out)
    area, balanced = report.score("auroc", "oscc"), report.score("balanced_accuracy")
    return {
        "fold": fold,
        "n_positive": area.n_positive or 0,
        "n_negative": area.n_negative or 0,
        "auroc": area.value,
        "low": area.low,
        "high": area.high,
        "balanced_accuracy": balanced.value,
    }


def _summary(rows: list[dict[str, float]], out: Path) -> dict[str, object]:
    """Return the mean over folds and the pooled out-of-fold AUROC, by group, with its interval."""
    labels: list[int] = []
    scores: list[float] = []
    for row in rows:
        folder = out / f"fold-{int(row['fold'])}"
        cases = by_case(read_predictions(folder / "predictions.csv"))
        scores += cases["p_oscc"].tolist()
        labels += cases["patient_id"].str.startswith("OSCC").astype(int).tolist()
    interval = auroc_interval(np.array(labels), np.array(scores))
    areas = [row["auroc"] for row in rows]
    return {
        "folds": rows,
        "mean_auroc": sum(areas) / len(areas),
        "sd_auroc": float(np.std(areas, ddof=1)) if len(areas) > 1 else math.nan,
        "mean_balanced_accuracy": sum(row["balanced_accuracy"] for row in rows) / len(rows),
        "pooled_auroc": auroc(np.array(labels), np.array(scores)).value,
        "pooled_low": interval.low,
        "pooled_high": interval.high,
        "interval": interval.method,
        "groups_positive": sum(labels),
        "groups_negative": len(labels) - sum(labels),
    }


if __name__ == "__main__":
    restart_keeping_memory()
    main()
