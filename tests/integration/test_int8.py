"""8 bits from the configuration to the table: asked for twice, told in run.json, never mixed with other answers."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from small_world import SHARED, Training, World, run_here, train_here

from nmevision.networks.graph import INT8_GRAPH

pytest.importorskip("onnxruntime")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "probe"])
def test_a_training_may_keep_8_bits_and_prediction_may_use_them(
    world: World, unseen: World, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmevision.training.int8.MOST_LOSS", 1.0)  # of so few images, one may be a point
    training = train_here(world, "small", tmp_path, *SHARED, "model.int8=true", f"train.mode={mode}")
    assert f"{INT8_GRAPH} kept for predict --int8: AUROC" in training.answer.out
    assert "### In 8-bit integers" in (training.bundle / "README.md").read_text()
    tables = []
    for flags, precision in [((), ("float32", "bfloat16")), (("--int8",), ("int8",))]:
        out = tmp_path / f"out{len(flags)}"
        answer = run_here("predict", training.bundle, unseen.folder, "--out", out, *flags, cwd=tmp_path)
        assert answer.code in (0, 1), answer.err
        assert json.loads((out / "run.json").read_text())["timing"]["precision"] in precision
        tables.append(pd.read_csv(out / "predictions.csv").filter(regex="^p_"))
    off = (tables[0] - tables[1]).abs().to_numpy()
    assert 0 < off.max() < 0.3
    again = run_here(
        "predict",
        training.bundle,
        unseen.folder,
        "--out",
        tmp_path / "out0",
        "--int8",
        "--resume",
        cwd=tmp_path,
    )
    assert again.code == 2
    assert "predictions.csv was made without --int8; go on in the same way" in again.err
    again = run_here(
        "predict",
        training.bundle,
        unseen.folder,
        "--out",
        tmp_path / "out1",
        "--int8",
        "--resume",
        cwd=tmp_path,
    )
    assert again.code in (0, 1)


def test_a_model_without_8_bits_says_what_to_do(trained: Training, unseen: World, tmp_path: Path) -> None:
    answer = run_here(
        "predict", trained.bundle, unseen.folder, "--out", tmp_path / "out", "--int8", cwd=tmp_path
    )
    assert answer.code == 2
    assert "--int8 needs network.int8.onnx, and it was saved without" in answer.err
    assert "train with model.int8=true" in answer.err
    assert not (tmp_path / "out").exists()
