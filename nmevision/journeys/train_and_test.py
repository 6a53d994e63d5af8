"""Train, then predict and evaluate the rows that were kept for testing, as a user would."""

from __future__ import annotations

from pathlib import Path

from nmevision.config import ExperimentConfig
from nmevision.inference.predictor import Predictor
from nmevision.reporting.evaluate import evaluate_files
from nmevision.training.run import Trained, train


def train_and_test(config: ExperimentConfig, resume: bool = False) -> Trained | None:
    """Train a bundle; where the split has test rows, report on them in RUN/test.

    The test rows are opened here, once per configuration, after everything is fixed; the report says
    how many configurations were tried on this manifest. Returns None on all processes but the first.
    """
    trained = train(config, resume)
    if trained is None:
        return None
    print(f"bundle: {trained.bundle.folder.resolve()}")
    if len(trained.test):
        print(f"test report: {_test(trained).resolve()}")
    else:
        print("no test rows: evaluate on held-out images with `nmevision predict` and `nmevision evaluate`")
    return trained


def _test(trained: Trained) -> Path:
    """Predict and evaluate the test rows; return the report's path."""
    out = trained.run / "test"
    trained.test.write(out / "manifest.csv")
    Predictor(trained.bundle).predict(trained.test, out, resume=True)
    evaluate_files(out / "predictions.csv", out / "manifest.csv", out)
    return out / "report.md"
