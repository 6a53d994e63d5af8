"""One bundle over the rows of one manifest: predict, then evaluate, as a user would."""

from __future__ import annotations

from pathlib import Path

from nmevision.evaluation.report import EvaluationReport
from nmevision.inference.predictor import Predictor
from nmevision.manifest import Manifest
from nmevision.networks.bundle import Bundle
from nmevision.reporting.evaluate import evaluate_files


def predict_and_evaluate(
    bundle: Bundle, manifest: Manifest, out: Path, positive: str | None = None
) -> EvaluationReport:
    """Write the predictions, the truth as manifest.csv and the report to `out`; return the report.

    Predictions that are there already, made by the same bundle, are used again.
    positive: diagnosis or group to report first; the bundle's own by default.
    """
    Predictor(bundle).predict(manifest, out, resume=True)
    manifest.write(out / "manifest.csv")
    return evaluate_files(out / "predictions.csv", out / "manifest.csv", out, positive=positive)
