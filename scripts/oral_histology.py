"""Fine-tuning on real H&E, 5 grouped folds: the check of the software whose result stands in CHANGELOG.md.

    python scripts/oral_histology.py FOLDER WEIGHTS [--out DIR] [--resume] [key=value ...]

FOLDER holds Normal/ and OSCC/ (Rahman et al.), WEIGHTS is a safetensors file for mobilenetv2_100 trained
with inputs scaled to -1..1. Every fold is trained and tested on groups the others never see. About half
an hour on two cores. It says nothing about NME.
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
from nmevision.journeys.audit import audit_manifest
from nmevision.journeys.index import write_index
from nmevision.manifest import read_manifest
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
    seconds = round(time.perf_counter() - started)
    summary = _summary(rows, given.out, _under_both_labels(manifest, given.out)) | {"seconds": seconds}
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


def _under_both_labels(manifest: Path, out: Path) -> set[str]:
    """Return the groups of fields that this set holds twice, once as normal and once as carcinoma."""
    audit_manifest(manifest, out / "audit")
    findings = pd.read_csv(out / "audit/findings.csv", dtype=str)
    ids = set("; ".join(findings.loc[findings["kind"] == "label_conflict", "ids"]).split("; "))
    frame = read_manifest(manifest).frame
    return set(frame.loc[frame["id"].isin(ids), "patient_id"])


def _summary(rows: list[dict[str, float]], out: Path, contradicting: set[str]) -> dict[str, object]:
    """Return mean and pooled out-of-fold AUROC by group, of all and without those under both labels."""
    cases = pd.concat(
        [
            by_case(read_predictions(out / f"fold-{int(row['fold'])}/predictions.csv")).assign(
                fold=row["fold"]
            )
            for row in rows
        ]
    )
    sound = cases[~cases["patient_id"].isin(contradicting)]
    return {
        "folds": rows,
        "all": _areas(cases),
        "without_contradictions": _areas(sound),
        "contradicting_groups": sorted(contradicting),
        "mean_balanced_accuracy": sum(row["balanced_accuracy"] for row in rows) / len(rows),
    }


def _areas(cases: pd.DataFrame) -> dict[str, object]:
    """Return the mean over folds and the pooled AUROC of groups, with its interval and n."""
    labels = cases["patient_id"].str.startswith("OSCC").to_numpy(int)
    scores = cases["p_oscc"].to_numpy(float)
    folds = cases["fold"].to_numpy()
    areas = [auroc(labels[folds == fold], scores[folds == fold]).value for fold in np.unique(folds)]
    interval = auroc_interval(labels, scores)
    return {
        "mean_auroc": float(np.mean(areas)),
        "sd_auroc": float(np.std(areas, ddof=1)) if len(areas) > 1 else math.nan,
        "pooled_auroc": auroc(labels, scores).value,
        "pooled_low": interval.low,
        "pooled_high": interval.high,
        "interval": interval.method,
        "groups_positive": int(labels.sum()),
        "groups_negative": int((1 - labels).sum()),
    }


if __name__ == "__main__":
    restart_keeping_memory()
    main()
