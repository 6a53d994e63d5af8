"""Results come onto a card from a report: never of phantoms, never over what a person wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from small_tables import made
from tiny_bundle import tiny_bundle

from nmevision.journeys.model_card import results_of, write_results
from nmevision.reporting.evaluate import evaluate_files


@pytest.fixture(autouse=True, scope="module")
def no_pictures() -> Iterator[None]:
    """Leave the PNG and SVG files out: they take most of the time and are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmevision.reporting.evaluate.draw_all", lambda report, folder: {})
        yield


def test_a_card_shows_what_the_report_found(tmp_path: Path) -> None:
    report = evaluate_files(*made(tmp_path), tmp_path / "out")
    bundle = tiny_bundle(tmp_path / "m")
    write_results(bundle, report, "test split of x.csv", "ab")
    results = {one.metric_type: one for one in ModelCard.load(bundle.folder / "README.md").data.eval_results}
    assert set(results) == {"roc_auc", "average_precision", "brier_score", "balanced_accuracy"}
    assert results["roc_auc"].metric_value == round(report.headline.value, 6)
    assert results["roc_auc"].metric_args["n"] == "20 positive and 40 negative patients"


def test_phantoms_give_no_results(tmp_path: Path) -> None:
    report = evaluate_files(*made(tmp_path, phantom="true"), tmp_path / "out")
    assert results_of(report, "x", "ab") == []
    real = evaluate_files(*made(tmp_path / "real"), tmp_path / "real" / "out")
    bundle = tiny_bundle(tmp_path / "m", phantom=True)
    write_results(bundle, real, "x", "ab")
    assert "model-index" not in (bundle.folder / "README.md").read_text()


def test_an_edited_card_stays(tmp_path: Path) -> None:
    report = evaluate_files(*made(tmp_path), tmp_path / "out")
    bundle = tiny_bundle(tmp_path / "m")
    (bundle.folder / "README.md").write_text("my notes")
    write_results(bundle, report, "x", "ab")
    assert (bundle.folder / "README.md").read_text() == "my notes"
