"""Train, then predict and evaluate the rows that were kept for testing, as a user would."""

from __future__ import annotations

from pathlib import Path

from nmevision.config import ExperimentConfig
from nmevision.journeys.frozen_features import look_once
from nmevision.journeys.model_card import write_results
from nmevision.journeys.predict_and_evaluate import predict_and_evaluate
from nmevision.journeys.train_mil import train_mil
from nmevision.training.run import Trained, train


def train_and_test(config: ExperimentConfig, resume: bool = False) -> Trained | None:
    """Train a bundle; where the split has test rows, report on them in RUN/test.

    The test rows are opened here, once per configuration, after everything is fixed; the report says
    how many configurations were tried on this manifest, and the bundle's card shows the results.
    Returns None on all processes but the first.
    """
    trained = train_only(config, resume)
    if trained is None:
        return None
    print(f"bundle: {trained.bundle.folder.resolve()}")
    if len(trained.test):
        out = trained.run / "test"
        report = predict_and_evaluate(trained.bundle, trained.test, out)
        held_out = f"test split of {Path(config.data.manifest or '').name}"
        write_results(trained.bundle, report, held_out, trained.test.fingerprint)
        print(f"test report: {(out / 'report.html').resolve()}")
    else:
        print("no test rows: evaluate on held-out images with `nmevision predict` and `nmevision evaluate`")
    return trained


def train_only(config: ExperimentConfig, resume: bool = False) -> Trained | None:
    """Train a bundle and leave the test rows unopened, as a sweep does; None on all processes but the first."""
    return train_mil(config, resume) if config.mil else train(config, resume, look_once)
