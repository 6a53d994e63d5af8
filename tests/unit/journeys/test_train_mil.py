"""Cases through train, predict and evaluate: a bundle that weighs a case's images itself, on features computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_bundle import tiny_bundle

from nmevision.config import ExperimentConfig, load
from nmevision.errors import ConfigError
from nmevision.inference.features import read_features
from nmevision.inference.predictor import Predictor
from nmevision.journeys.train_mil import train_mil
from nmevision.networks.tasks import ATTENTION

TAXONOMY = """
name: two
groups: [{key: a, name: a}, {key: b, name: b}]
diagnoses: [{key: nme, name: nme, group: a}, {key: psoriasis, name: psoriasis, group: b}]
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Sixteen cases of three small images, and a trained network to read them with."""
    tiny_bundle(tmp_path / "base", seen=["f" * 64])
    rows = []
    for case in range(16):
        for i in range(3):
            pixels = np.random.default_rng([case, i]).integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{case}-{i}.png")
            rows.append(
                {
                    "id": f"{case}-{i}",
                    "path": f"{case}-{i}.png",
                    "modality": "histology",
                    "diagnosis": ("nme", "psoriasis")[case % 2],
                    "patient_id": f"case {case}",
                    "source": "here",
                    "licence": "CC0-1.0",
                    "split": "test" if case < 4 else "",
                    "phantom": "true",
                }
            )
    pd.DataFrame(rows).to_csv(tmp_path / "cases.csv", index=False)
    (tmp_path / "two.yaml").write_text(TAXONOMY)
    (tmp_path / "mil.yaml").write_text(
        "name: cases\nmodality: histology\ntaxonomy: two.yaml\nmil: {bundle: base}\n"
        "data: {manifest: cases.csv, test: 0, val: 0.3}\ntrain: {epochs: 3, batch_size: 4}\n"
    )
    return tmp_path / "mil.yaml"


def loaded(config_file: Path, *more: str) -> ExperimentConfig:
    folder = config_file.parent
    return load(config_file, [f"output.runs={folder / 'runs'}", f"output.models={folder / 'models'}", *more])


def test_cases_become_a_bundle_that_predict_uses(config_file: Path) -> None:
    folder = config_file.parent
    trained = train_mil(loaded(config_file))
    info = trained.bundle.info
    assert info.network.tasks == {"diagnosis": 2, ATTENTION: 1}
    assert (info.network.weights_from, info.phantom) == ("bundle:base", True)
    assert "f" * 16 in trained.bundle.seen  # what its network had seen
    assert str(folder) not in (trained.bundle.folder / "bundle.json").read_text()
    table = Predictor(trained.bundle).predict(trained.test, folder / "out")
    assert table.frame[ATTENTION].notna().all()
    cases = pd.read_csv(folder / "out" / "cases.csv")
    assert cases["n_samples"].tolist() == [3, 3, 3, 3]
    own = table.frame[table.frame["patient_id"] == "case 0"]
    weights = np.exp(own[ATTENTION]) / np.exp(own[ATTENTION]).sum()
    odds = float((weights * np.log(own["p_nme"] / own["p_psoriasis"])).sum())
    row = cases[cases["patient_id"] == "case 0"].iloc[0]
    assert np.log(row["p_nme"] / row["p_psoriasis"]) == pytest.approx(odds, abs=1e-4)


def test_features_are_shared_and_test_images_stay_unread(config_file: Path) -> None:
    folder = config_file.parent
    (folder / "0-0.png").write_bytes(b"")  # of the test split: left out aloud, read by nobody here
    train_mil(loaded(config_file, f"mil.features={folder / 'f.safetensors'}"))
    features = read_features(folder / "f.safetensors")
    assert {identity.split("-")[0] for identity in features.ids} == {str(case) for case in range(4, 16)}
    before = (folder / "f.safetensors").stat().st_mtime_ns
    plain = train_mil(
        loaded(config_file, "name=means", "mil.pooling=mean", f"mil.features={folder / 'f.safetensors'}")
    )
    assert plain.bundle.info.network.tasks == {"diagnosis": 2}
    assert (folder / "f.safetensors").stat().st_mtime_ns >= before


def test_a_network_for_photos_is_refused(config_file: Path) -> None:
    with pytest.raises(ConfigError, match="reads histology images, not clinical"):
        train_mil(loaded(config_file, "modality=clinical"))
