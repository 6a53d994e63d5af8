"""`nmevision shortcuts` on small sets with a planted border or none, with and without a model, over the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_world import Answer, run_here
from tiny_bundle import tiny_bundle

from nmevision.data.artefacts import INSERTIONS
from nmevision.evaluation.shortcuts_model import ablated, inserted
from nmevision.journeys.shortcut_images import PLANTED, answers_of, masked_variants, mean_by, variants
from nmevision.manifest import manifest_of

TAXONOMY = """
name: two looks
groups: [{key: necrolytic, name: necrolytic}, {key: other, name: other}]
diagnoses:
  - {key: nme, name: necrolytic migratory erythema, group: necrolytic}
  - {key: psoriasis, name: psoriasis, group: other}
  - {key: eczema, name: eczema, group: other}
"""


def make_set(folder: Path, planted: bool, patients: int = 48) -> Path:
    """Write noise that says nothing of the label, with a white border round the positives where `planted`."""
    rows = []
    for i in range(patients):
        pixels = np.random.default_rng(1000 + i).normal(130, 30, (48, 48, 3)).clip(0, 255).astype(np.uint8)
        positive = i % 3 == 0
        if planted and positive:
            pixels[:3] = pixels[-3:] = 255
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        diagnosis = "nme" if positive else ("psoriasis", "eczema")[i % 2]
        split = "test" if i % 4 else "train"
        rows.append(
            {"id": str(i), "path": f"{i}.png", "diagnosis": diagnosis, "patient_id": f"p{i}", "source": "ab"[(i // 3) % 2], "split": split}
        )  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    return folder / "manifest.csv"


def look(manifest: Path, out: Path, *more: object) -> tuple[Answer, dict[str, dict]]:
    answer = run_here("shortcuts", manifest, "--out", out, *more, cwd=manifest.parent)
    assert answer.code == 0, answer.err
    content = json.loads((out / "shortcuts.json").read_text())
    return answer, {check["name"]: check for check in content["checks"]}


def test_a_planted_border_is_found_and_a_clean_set_raises_nothing(tmp_path: Path) -> None:
    for name, planted in (("planted", True), ("clean", False)):
        manifest = make_set(tmp_path / name, planted)
        answer, checks = look(
            manifest, tmp_path / f"{name}-out", "--taxonomy", manifest.parent / "taxonomy.yaml"
        )
        found = {n for n, check in checks.items() if check["verdict"] in ("flag", "explain")}
        assert ("frame" in found) == planted
        assert bool(found) == planted
        page = (tmp_path / f"{name}-out" / "shortcuts.md").read_text()
        assert ("## Found" in page) == planted
        assert "16 positive and 32 negative patients" in page
        assert answer.out.strip().endswith("shortcuts.md")
    assert checks["groups in one split"]["verdict"] == "pass"
    assert checks["near-duplicates"]["verdict"] == "not tested"
    assert checks["source from how it was made"]["chance"] == 0.5


def test_a_model_is_tested_on_every_altered_image(tmp_path: Path) -> None:
    manifest = make_set(tmp_path / "set", False)
    bundle = tiny_bundle(tmp_path / "tiny")
    _, checks = look(manifest, tmp_path / "out", "--bundle", bundle.folder)
    asked = {variant.name for variant in variants("histology")}
    assert asked <= set(checks)
    assert len([c for c in checks.values() if c["test"] == "L9"]) == len(INSERTIONS) - 1 + len(PLANTED)
    assert checks["the images as they are"]["n_positive"] == 16
    assert checks["model within sources"]["verdict"] in ("pass", "flag")
    assert checks["images the model was trained on"]["verdict"] == "pass"
    assert checks["leave one publication out"]["verdict"] == "not tested"
    few = run_here(
        "shortcuts",
        manifest,
        "--out",
        tmp_path / "few",
        "--bundle",
        bundle.folder,
        "--most",
        20,
        cwd=tmp_path,
    )
    assert few.code == 0, few.err
    assert "20 of 48 images" in (tmp_path / "few" / "shortcuts.md").read_text()


def test_a_model_that_has_learned_the_border_is_found_out(tmp_path: Path) -> None:
    manifest = make_set(tmp_path / "set", True)

    def reader(images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Call an image positive where its uppermost row is white, or black as round a dermatoscope."""
        edge = np.array([abs(float(np.median(pixels[0])) - 128) > 100 for pixels in images])
        p = np.where(edge, 0.9, 0.1)
        return np.column_stack([p, 1 - p]), np.column_stack([p, p])

    altered = [
        v
        for v in variants("histology")
        if v.name in ("frame", "border", "colours", "JPEG 90", "figure frame")
    ]
    paths = [manifest.parent / f"{i}.png" for i in range(48)] + [manifest]
    answers = answers_of(reader, paths, altered)
    assert np.isnan(answers.features[48]).all()
    p = {name: values[:48, 0] for name, values in answers.probabilities.items()}
    positive = np.arange(48) % 3 == 0
    verdicts = {}
    for v in altered:
        if v.test == "L8":
            verdicts[v.name] = ablated(v.name, v.left, False, positive, p[v.name]).verdict
        else:
            verdicts[v.name] = inserted(
                v.name, v.budget, p[""], p[v.name], p[""] > 0.5, p[v.name] > 0.5
            ).verdict
    assert verdicts == {
        "frame": "explain",
        "colours": "pass",
        "figure frame": "flag",
        "JPEG 90": "pass",
        "border": "flag",
    }


def test_what_masks_allow_is_asked_and_what_they_do_not_is_said(tmp_path: Path) -> None:
    rows = [{"id": str(i), "path": f"images/{i}.png", "shortcut": ("", "watermark")[i % 2]} for i in range(6)]
    for folder in ("images", "truth"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        bright = np.full((40, 40, 3), 30, np.uint8)
        bright[:10] = 250 if i % 2 else 30  # the letters
        bright[15:30, 15:30] = 200  # the lesion
        Image.fromarray(bright).save(tmp_path / "images" / f"{i}.png")
        for name, part in (("lesion", np.s_[15:30, 15:30]), ("shortcut", np.s_[:10])):
            mask = np.zeros((40, 40), np.uint8)
            mask[part] = 255
            Image.fromarray(mask).save(tmp_path / "truth" / f"{i}-{name}.png")
    manifest = manifest_of(rows, tmp_path)
    masked, missing = masked_variants(manifest, "clinical")
    assert ([v.name for v in masked], missing) == (["around the lesion", "text only"], {})

    def reader(images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        p = np.array([[(x == 250).mean(), (x == 200).mean()] for x in images])
        return p, p

    found = answers_of(reader, [s.path for s in manifest.samples()], masked).probabilities
    assert (found[""][:, 1] > 0).all()
    assert (found["around the lesion"][:, 1] == 0).all()
    assert (found["text only"][:, 1] == 0).all()
    assert ((found["text only"][:, 0] > 0) == (np.arange(6) % 2 == 1)).all()
    (tmp_path / "truth" / "3-lesion.png").unlink()
    masked, missing = masked_variants(manifest, "clinical")
    assert missing == {"around the lesion": "not estimable: 1 of 6 images have no mask of the lesion"}
    assert masked_variants(manifest_of([{"id": "0", "path": "0.png"}], tmp_path), "histology") == (
        [],
        {"text only": "not estimable: no masks of letters; most lie in the frame, which is tested"},
    )


def test_evaluate_looks_for_shortcuts_when_it_is_asked_to(tmp_path: Path) -> None:
    manifest = make_set(tmp_path / "set", False, patients=24)
    bundle = tiny_bundle(tmp_path / "tiny").folder
    assert run_here("predict", bundle, manifest, "--out", tmp_path / "p", cwd=tmp_path).code in (0, 1)
    files = (tmp_path / "p" / "predictions.csv", manifest, "--out", tmp_path / "out")
    answer = run_here("evaluate", *files, "--shortcuts", bundle, cwd=tmp_path)
    assert answer.code == 0, answer.err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "L10" in page.split('id="shortcuts"')[1]
    assert "No shortcuts.json lies beside" not in page


def test_a_group_in_two_splits_is_flagged(tmp_path: Path) -> None:
    manifest = make_set(tmp_path / "set", False)
    table = pd.read_csv(manifest, dtype=str)
    table.assign(doi=["one" if i < 2 else "" for i in range(len(table))]).to_csv(manifest, index=False)
    _, checks = look(manifest, tmp_path / "out", "--taxonomy", manifest.parent / "taxonomy.yaml")
    assert checks["groups in one split"]["verdict"] == "flag"


@pytest.mark.parametrize(
    ("more", "words"),
    [((), "give --taxonomy"), (("--taxonomy", "taxonomy.yaml", "--positive", "acne"), "acne")],
)
def test_what_is_missing_is_said(more: tuple[str, ...], words: str, tmp_path: Path) -> None:
    manifest = make_set(tmp_path / "set", False, 12)
    answer = run_here("shortcuts", manifest, "--out", tmp_path / "out", *more, cwd=manifest.parent)
    assert answer.code == 2
    assert words in answer.err


def test_another_set_s_result_is_not_overwritten(tmp_path: Path) -> None:
    first, second = (make_set(tmp_path / name, name == "b") for name in "ab")
    second.write_text(second.read_text().replace("p0", "q0"))
    look(first, tmp_path / "out", "--taxonomy", first.parent / "taxonomy.yaml")
    options = ("--out", tmp_path / "out", "--taxonomy", first.parent / "taxonomy.yaml")
    answer = run_here("shortcuts", second, *options, cwd=tmp_path)
    assert answer.code == 2
    assert "choose another --out" in answer.err


def test_the_mean_of_a_patient_leaves_gaps_out() -> None:
    found = mean_by(np.array([[1.0, np.nan], [3.0, 5.0], [np.nan, np.nan]]), np.array([0, 0, 1]))
    np.testing.assert_array_equal(found, [[2.0, 5.0], [np.nan, np.nan]])
