from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nmevision.errors import ConfigError, DataError, EvaluationError
from nmevision.evaluation.claims import PHANTOM_NOTICE, RESEARCH_ONLY
from nmevision.reporting.evaluate import evaluate_files

KEYS = ("nme", "psoriasis", "eczema")
TAXONOMY = {
    "name": "three",
    "groups": [{"key": "necrolytic", "name": "necrolytic"}, {"key": "other", "name": "other"}],
    "diagnoses": [
        {"key": "nme", "name": "nme", "group": "necrolytic"},
        {"key": "psoriasis", "name": "psoriasis", "group": "other", "labels": ["PsO"]},
        {"key": "eczema", "name": "eczema", "group": "other"},
    ],
}
FIGURES = {f"{name}.{kind}" for name in ("roc", "pr", "confusion", "reliability") for kind in ("png", "svg")}


def write(
    folder: Path, n: int = 60, phantom: str = "", seed: int = 0, keys: tuple[str, ...] = KEYS
) -> tuple[Path, Path]:
    """Write predictions.csv and a manifest of `n` patients; the second image of patient 0 fails."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    rows, answers = [], []
    for patient in range(n):
        label = patient % len(keys)
        for image in range(2 if patient == 0 else 1):
            logits = generator.normal(size=len(keys)) + 1.5 * (np.arange(len(keys)) == label)
            p = np.exp(logits) / np.exp(logits).sum()
            failed = image == 1
            identity = f"{patient}|{image}"
            rows.append((identity, keys[label], f"P{patient}", "xy"[patient % 2], phantom))
            answers.append(
                {"id": identity, "path": identity, "status": "error" if failed else "ok"}
                | {"message": "truncated" if failed else "", "diagnosis": ""}
                | {f"p_{key}": np.nan if failed else p[k] for k, key in enumerate(keys)}
            )
    columns = ["id", "diagnosis", "patient_id", "source", "phantom"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "manifest.csv", index=False)
    pd.DataFrame(answers).to_csv(folder / "predictions.csv", index=False, float_format="%.6f")
    return folder / "predictions.csv", folder / "manifest.csv"


def run_file(folder: Path, **changes: object) -> None:
    content = {"taxonomy": TAXONOMY, "positive": None, "bundle": {"name": "m", "hash": "h", "phantom": False}}
    (folder / "run.json").write_text(json.dumps(content | changes))


def test_the_whole_report_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = evaluate_files(*write(tmp_path), out)
    assert {path.name for path in out.iterdir()} == {"report.json", "report.md", "report.html", *FIGURES}
    content = json.loads((out / "report.json").read_text())
    found = next(
        s for s in content["scores"] if (s["metric"], s["target"], s["source"]) == ("auroc", "nme", "all")
    )
    assert found["value"] == report.headline.value
    assert (found["n_positive"], found["n_negative"]) == (20, 40)
    assert set(content["inputs"]) == {"predictions", "manifest", "taxonomy", "positive"}
    assert content["counts"]["images_unanswered"] == 1
    for name in FIGURES:
        if name.endswith("png"):
            with Image.open(out / name) as image:
                assert min(image.size) > 600
        else:
            assert ElementTree.parse(out / name).getroot().tag.endswith("svg")


def test_the_page_says_n_intervals_and_limits(tmp_path: Path) -> None:
    run_file(tmp_path)
    report = evaluate_files(*write(tmp_path), tmp_path / "out")
    page = (tmp_path / "out" / "report.md").read_text()
    main = report.headline
    assert f"**AUROC of nme: {main.value:.3f} ({main.low:.3f}–{main.high:.3f})**" in page
    assert "20 positive and 40 negative patients, unanswered: 0 patients, 1 image." in page
    assert page.count(RESEARCH_ONLY) == 1
    assert "Preliminary discrimination" in page
    assert "no calibration claim" in page.casefold()
    assert "PHANTOM" not in page
    assert "| image | 0\\|1 | unanswered | truncated |" in page  # the id's own bar does not break the table
    assert re.search(r"\| m \||of m\n", page)
    for name in ("roc", "pr", "confusion", "reliability"):
        assert f"({name}.png)" in page
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE)]
    assert len(tables) >= 6
    for table in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
        assert len(bars) == 1, table[0]


def test_labels_go_through_the_models_own_taxonomy(tmp_path: Path) -> None:
    predictions, manifest = write(tmp_path)
    manifest.write_text(manifest.read_text().replace("psoriasis", "PsO"))
    with pytest.raises(DataError, match="unknown label 'PsO'"):
        evaluate_files(predictions, manifest, tmp_path / "out")
    run_file(tmp_path, positive="other")
    report = evaluate_files(predictions, manifest, tmp_path / "out")
    assert report.positive == "other"
    assert report.headline.n_positive == 40
    named = evaluate_files(predictions, manifest, tmp_path / "named", positive="eczema")
    assert named.positive == "eczema"
    run_file(tmp_path, taxonomy=TAXONOMY | {"nmae": 1})
    with pytest.raises(ConfigError, match="did you mean 'name'"):
        evaluate_files(predictions, manifest, tmp_path / "other")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(EvaluationError, match="cannot be read as JSON"):
        evaluate_files(predictions, manifest, tmp_path / "other")


def test_another_report_is_never_overwritten_but_the_same_is_made_anew(tmp_path: Path) -> None:
    predictions, manifest = write(tmp_path)
    out = tmp_path / "out"
    evaluate_files(predictions, manifest, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "report.md").unlink()
    evaluate_files(predictions, manifest, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises(EvaluationError, match="--out"):
        evaluate_files(predictions, manifest, out, positive="eczema")
    other = write(tmp_path / "second", seed=1)
    with pytest.raises(EvaluationError, match="--out"):
        evaluate_files(*other, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "report.md").write_text("my own")
    with pytest.raises(EvaluationError, match=r"holds report\.md"):
        evaluate_files(predictions, manifest, tmp_path / "notes")


def test_phantoms_carry_their_notice_everywhere(tmp_path: Path) -> None:
    report = evaluate_files(*write(tmp_path, phantom="true"), tmp_path / "out")
    assert report.phantom
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["phantom"] is True
    assert content["notice"] == PHANTOM_NOTICE
    assert f"**{PHANTOM_NOTICE}**" in (tmp_path / "out" / "report.md").read_text()
    real = tmp_path / "real"
    evaluate_files(*write(real), real / "out")
    for name in sorted(FIGURES):
        if name.endswith("svg"):  # text is drawn as paths under a comment that holds it
            assert "PHANTOM" in (tmp_path / "out" / name).read_text()
            assert "PHANTOM" not in (real / "out" / name).read_text()


def test_a_model_made_from_phantoms_is_pointed_out_on_real_images(tmp_path: Path) -> None:
    run_file(tmp_path, bundle={"name": "demo", "hash": "h", "phantom": True})
    report = evaluate_files(*write(tmp_path), tmp_path / "out")
    assert not report.phantom
    assert report.caveats[0].startswith("The model was made from phantoms")
    assert "made from phantoms" in (tmp_path / "out" / "report.md").read_text()


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    predictions, manifest = write(tmp_path)
    table = pd.read_csv(manifest)
    table[table["diagnosis"] != "nme"].to_csv(manifest, index=False)
    evaluate_files(predictions, manifest, tmp_path / "out")
    page = (tmp_path / "out" / "report.md").read_text()
    assert "ROC: not drawn, nme: no positives" in page
    assert "not estimable: no positives" in page
    assert not (tmp_path / "out" / "roc.png").exists()
    assert "40 images: prediction without a manifest row" not in page
    assert "- 21 images: prediction without a manifest row" in page
    assert "... and 1 more in report.json" in page


def test_without_a_positive_each_class_is_drawn(tmp_path: Path) -> None:
    keys = tuple(f"class{i}" for i in range(9))
    report = evaluate_files(*write(tmp_path, n=90, keys=keys), tmp_path / "out")
    assert report.positive is None
    assert "2 more classes stand in report.md" in (tmp_path / "out" / "roc.svg").read_text()
    page = (tmp_path / "out" / "report.md").read_text()
    assert "reliability: not drawn, no positive class is declared" in page
    assert "**balanced accuracy:" in page


@pytest.mark.slow
def test_no_torch_is_needed(tmp_path: Path) -> None:
    predictions, manifest = write(tmp_path)
    code = (
        "import sys; from pathlib import Path; from nmevision.reporting.evaluate import evaluate_files;"
        f"evaluate_files(Path({str(predictions)!r}), Path({str(manifest)!r}), Path({str(tmp_path / 'out')!r}));"
        "print([m for m in ('torch', 'timm', 'lightning', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
