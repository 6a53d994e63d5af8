"""8 bits at the end of a training: the loss is the one that `predict --int8` will have, and too large a loss is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tiny_bundle import SIZE, tiny_bundle
from torch.utils.data import DataLoader, TensorDataset

from nmevision.errors import ConfigError
from nmevision.inference.engine import engine_for
from nmevision.networks.answers import AnswerMaker
from nmevision.networks.bundle import Bundle
from nmevision.networks.export import example_images
from nmevision.networks.graph import INT8_GRAPH, MOST_LOSS, GraphInfo, Int8Info
from nmevision.training import int8
from nmevision.training.int8 import Known, add_int8, auroc_losses, require_quantiser

pytest.importorskip("onnxruntime")
N = 72
IMAGES = example_images(SIZE, SIZE, N + 16)


def items(images: list[np.ndarray]) -> Any:
    return TensorDataset(torch.from_numpy(np.stack(images)), torch.zeros(len(images), 1, dtype=torch.int64))


CALIBRATION = items(IMAGES[N:])


def shares(bundle: Bundle, **options: Any) -> np.ndarray:
    columns = AnswerMaker(bundle).from_outputs(engine_for(bundle, "openvino", **options).outputs(IMAGES[:N]))
    return np.column_stack([columns[f"p_{key}"] for key in bundle.info.taxonomy.keys])


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path / "m", seed=3)


def known(bundle: Bundle, labels: np.ndarray | None = None) -> Known:
    """Images whose diagnoses a float32 network knows well: the one that is high for the image, as others go."""
    if labels is None:
        p = np.log(shares(bundle))
        labels = ((p - p.mean(axis=0)) / p.std(axis=0)).argmax(axis=1)
    patients = np.array([f"p{i // 2}" for i in range(N)], dtype=object)
    return Known(DataLoader(items(IMAGES[:N]), 32), labels, patients)


def with_record(bundle: Bundle, found: Int8Info) -> Bundle:
    graph = bundle.info.graph
    assert isinstance(graph, GraphInfo)
    info = bundle.info.model_copy(update={"graph": graph.model_copy(update={"int8": found})})
    return Bundle(bundle.folder, info)


def test_what_is_recorded_is_what_prediction_will_do(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = known(bundle)
    found = add_int8(bundle, CALIBRATION, validation)
    assert found is not None
    small = shares(with_record(bundle, found), int8=True)
    truth = np.eye(3)[validation.labels]
    mean, nme = found.auroc
    for one, columns in [(mean, [0, 1, 2]), (nme, [0])]:
        exact = roc_auc_score(truth[:, columns], shares(bundle)[:, columns], average="macro")
        assert one.float32 == pytest.approx(exact, abs=2e-3)  # bfloat16 may serve here
        assert one.int8 == pytest.approx(roc_auc_score(truth[:, columns], small[:, columns]), abs=1e-9)
    assert (mean.of, nme.of) == ("mean of 3 diagnoses", "nme")
    assert (mean.positives, nme.positives) == (N, (validation.labels == 0).sum())
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low <= mean.loss <= mean.high
    assert "bootstrap of patients" in mean.method
    assert (found.calibrated, found.images, found.patients) == (16, N, N // 2)
    assert 0 < found.change.mean < found.change.largest < 0.3
    assert 0.8 <= found.same_top <= 1
    assert f"on {N} validation images" in capsys.readouterr().out


def test_a_bad_graph_is_refused_with_its_numbers(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    dark = items([0.003 * image for image in IMAGES[N:]])
    assert add_int8(bundle, dark, known(bundle)) is None
    assert not (bundle.folder / INT8_GRAPH).exists()
    said = capsys.readouterr().err
    assert f"no {INT8_GRAPH}: AUROC falls from " in said
    assert f"on {N} validation images, by more than {MOST_LOSS:g}; the model is saved without it" in said


@pytest.mark.parametrize(
    ("labels", "there"), [([1] * N, f"{N} images of psoriasis"), ([], "0 images of none")]
)
def test_one_diagnosis_is_no_measure(
    bundle: Bundle, capsys: pytest.CaptureFixture[str], labels: list[int], there: str
) -> None:
    validation = known(bundle, np.array(labels, dtype=np.int64))
    assert add_int8(bundle, CALIBRATION, validation) is None
    assert f"needs validation images of two diagnoses; there are {there}" in capsys.readouterr().err
    assert not (bundle.folder / INT8_GRAPH).exists()


def test_what_cannot_be_quantised_is_saved_without(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such operation")

    monkeypatch.setattr(int8, "write_int8_graph", fail)
    assert add_int8(bundle, CALIBRATION, known(bundle)) is None
    assert f"no {INT8_GRAPH}: no such operation; the model is saved" in capsys.readouterr().err


def test_the_loss_of_the_positive_alone_is_enough(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of sixty positives that fall behind cost little of the mean and much of their own."""
    labels, patients = np.repeat([0, 1, 2], [2, 35, 35]), np.array([str(i) for i in range(N)], dtype=object)
    exact = 0.1 + 0.8 * np.eye(3)[labels]
    small = exact.copy()
    small[0, 0] = 0.05
    mean, nme = auroc_losses(bundle.info, exact, small, labels, patients)
    assert nme.loss == pytest.approx(0.5)
    assert mean.loss == pytest.approx(0.5 / 3)
    assert nme.positives == 2


def test_a_positive_without_images_is_not_judged(bundle: Bundle) -> None:
    labels, patients = np.repeat([1, 2], 36), np.array([str(i) for i in range(N)], dtype=object)
    p = np.eye(3)[labels]
    [mean] = auroc_losses(bundle.info, p, p, labels, patients)
    assert mean.of == "mean of 2 diagnoses"
    assert (mean.loss, mean.low, mean.high) == (0, None, None)
    assert mean.method.startswith("no interval: all resamples give the same value")


def test_a_missing_library_is_told_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    require_quantiser()
    monkeypatch.setattr(int8, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"model\.int8=true needs onnxruntime"):
        require_quantiser()
