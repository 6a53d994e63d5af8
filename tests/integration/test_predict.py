"""`nmevision predict` over folders as people have them: every file answered or explained, none disturbed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bad_files import write_bad_files, write_good_images
from odd_files import write_odd_good_files
from PIL import Image
from sklearn.metrics import roc_auc_score
from small_world import LOOKS, Training, World, environment, run, run_here

from nmevision.data.folder_scan import text_of_path
from nmevision.inference.predictor import Predictor
from nmevision.predictions import read_predictions

GOOD = 12
SAME = 1e-6
"""The same image in another place of a batch may differ in the last digits of float32."""
PLANTED = "Planted Photographer 4711"
COLUMNS = ["id", "path", "status", "message"]
ANSWER = [
    "group",
    "p_group_necrolytic",
    "p_group_inflammatory",
    "diagnosis",
    "prediction_set",
    "prediction_set_groups",
    "prediction_set_level",
    *(f"p_{key}" for key in LOOKS),
    "novelty",
]


def predict(bundle: Path, images: Path, out: Path, *more: str, code: int = 0) -> list[str]:
    """Predict in this process; return the lines printed."""
    answer = run_here("predict", bundle, images, "--out", out, *more, cwd=out.parent)
    assert answer.code == code, answer.err + answer.out
    return answer.out.splitlines()


def rows(out: Path) -> dict[str, str]:
    """Return the table's lines as they stand in the file, by id (for ids without commas or quotes)."""
    header, *lines = (out / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("id,path,status,message,")
    return {line.split(",")[0]: line for line in lines}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A folder of ordinary images."""
    write_good_images(tmp_path / "clean", GOOD)
    return tmp_path / "clean"


def test_bad_files_are_explained_and_good_ones_answered_as_without_them(
    trained: Training, clean: Path, tmp_path: Path
) -> None:
    messy = tmp_path / "messy"
    shutil.copytree(clean, messy)
    words = write_bad_files(messy)
    assert len(words) >= 25
    predict(trained.bundle, clean, tmp_path / "alone")
    lines = predict(trained.bundle, messy, tmp_path / "together", code=1)
    alone, together = rows(tmp_path / "alone"), rows(tmp_path / "together")
    assert len(alone) == GOOD
    assert {identity: together[identity] for identity in alone} == alone
    table = read_predictions(tmp_path / "together" / "predictions.csv").frame.set_index("id")
    assert len(table) == GOOD + len(words)
    for name, expected in words.items():
        row = table.loc[text_of_path(Path(name))]
        assert row["status"] == "error", name
        assert expected in row["message"], name
        assert row["diagnosis"] == ""
        assert row[[f"p_{key}" for key in LOOKS]].isna().all()
    facts = json.loads((tmp_path / "together" / "run.json").read_text(encoding="utf-8"))
    counts = {"files": GOOD + len(words), "ok": GOOD, "flagged": 0, "error": len(words)}
    assert counts.items() <= facts["counts"].items()
    assert f"... and {len(words) - 10} more" in "\n".join(lines)


def test_the_terminal_ends_with_absolute_paths_and_one_line(
    trained: Training, clean: Path, tmp_path: Path
) -> None:
    lines = predict(trained.bundle, Path("clean"), tmp_path / "out")
    assert lines[-4:-1] == [str(tmp_path / "out" / n) for n in ("predictions.csv", "cases.csv", "run.json")]
    assert re.fullmatch(rf"{GOOD} files: {GOOD} ok, 0 flagged, 0 errors; most probable: [\w ,]+", lines[-1])


def test_columns_and_order_are_always_the_same(trained: Training, clean: Path, tmp_path: Path) -> None:
    (clean / "below").mkdir()
    shutil.move(clean / "good_03.webp", clean / "below" / "Z.webp")
    predict(trained.bundle, clean, tmp_path / "one")
    predict(trained.bundle, clean, tmp_path / "two", "--batch-size", "8")
    table = pd.read_csv(tmp_path / "one" / "predictions.csv")
    assert list(table.columns) == COLUMNS + ANSWER
    assert table["id"].tolist() == sorted(table["id"])
    assert "below/Z.webp" in set(table["id"])
    assert (table["path"] == table["id"]).all()
    shares = table[[f"p_{key}" for key in LOOKS]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (table["diagnosis"] == [LOOKS[i] for i in shares.argmax(axis=1)]).all()
    np.testing.assert_allclose(table["p_group_inflammatory"], shares[:, 1:].sum(axis=1), atol=1e-7)
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_unusual_files_are_answered(trained: Training, tmp_path: Path) -> None:
    odd = write_odd_good_files(tmp_path / "odd")
    predict(trained.bundle, tmp_path / "odd", tmp_path / "out")
    table = read_predictions(tmp_path / "out" / "predictions.csv").frame.set_index("id")
    assert set(table.index) == set(odd)
    for name, expected in odd.items():
        assert table.loc[name, "status"] == ("flagged" if expected.notes else "ok"), name
        assert all(note in str(table.loc[name, "message"]) for note in expected.notes)
    turned = table.loc[[f"turned_{number}.png" for number in range(1, 9)], "p_nme"]
    assert np.ptp(turned) < SAME


def test_strange_names_survive_the_table(trained: Training, tmp_path: Path) -> None:
    names = ["two words .png", 'quote"d,comma.png', "new\nline.png", "поражение 皮膚.png", "=cmd().png"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"caf\xe9.png"))
    (tmp_path / "strange").mkdir()
    for name in names:
        shutil.copy(write_good_images(tmp_path / "some", 2)[1], tmp_path / "strange" / name)
    predict(trained.bundle, tmp_path / "strange", tmp_path / "out")
    table = read_predictions(tmp_path / "out" / "predictions.csv").frame
    assert set(table["id"]) == {text_of_path(Path(name)) for name in names}
    assert (table["status"] == "ok").all()
    assert np.ptp(table["p_nme"]) < SAME
    predict(trained.bundle, tmp_path / "strange", tmp_path / "out", "--resume")
    assert read_predictions(tmp_path / "out" / "predictions.csv").frame.equals(table)


def test_no_output_tells_where_the_images_lay_or_who_took_them(
    trained: Training, clean: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x013B] = exif[0x010E] = PLANTED  # artist, description
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 34.567), 3: "E", 4: (16.0, 21.0, 9.871)})
    Image.fromarray(np.asarray(Image.open(clean / "good_01.png"))).save(clean / "gps.jpg", exif=exif)
    assert PLANTED.encode() in (clean / "gps.jpg").read_bytes()
    write_bad_files(clean)
    manifest = tmp_path / "manifest.csv"
    inside = [path for path in sorted(clean.iterdir()) if path.suffix == ".jpg"]
    pd.DataFrame({"id": [p.name for p in inside], "path": [str(p) for p in inside]}).to_csv(
        manifest, index=False
    )
    predict(trained.bundle, clean, tmp_path / "folder", code=1)
    predict(trained.bundle, manifest, tmp_path / "absolute", code=1)
    written = [path for out in ("folder", "absolute") for path in (tmp_path / out).iterdir()]
    assert len(written) == 6
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert str(tmp_path) not in text, path.name
        assert tmp_path.name not in text, path.name
        assert PLANTED not in text, path.name
        assert "34.567" not in text, path.name


KILL_MID_RUN = """
import os, signal
from nmevision.inference.engine_graph import GraphEngine

outputs, calls = GraphEngine.outputs, []

def fatal(engine, images):
    calls.append(len(images))
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return outputs(engine, images)

GraphEngine.outputs = fatal
from nmevision.cli import main
main("predict")
"""
"""Drives the command line and dies without a word in the fourth batch."""


@pytest.mark.slow
def test_killed_and_continued_gives_the_same_table(trained: Training, tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    write_good_images(folder, 37)
    write_bad_files(folder)
    small = ("--batch-size", "8")
    killed = subprocess.run(
        [sys.executable, "-c", KILL_MID_RUN, trained.bundle, folder, "--out", out, *small],
        env=environment(OMP_NUM_THREADS=str(torch.get_num_threads())),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in out.iterdir()] == ["predictions.partial.jsonl"]
    assert run_here("predict", trained.bundle, folder, "--out", out, cwd=tmp_path).code == 2
    predict(trained.bundle, folder, out, "--resume", *small, code=1)
    predict(trained.bundle, folder, tmp_path / "unbroken", *small, code=1)
    for name in ("predictions.csv", "cases.csv"):
        assert (out / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert 0 < facts["timing"]["images"] < facts["counts"]["files"]
    assert sorted(path.name for path in out.iterdir()) == ["cases.csv", "predictions.csv", "run.json"]


def test_resume_takes_up_new_files_and_tries_broken_ones_again(
    trained: Training, clean: Path, tmp_path: Path
) -> None:
    whole = (clean / "good_01.png").read_bytes()
    (clean / "good_01.png").write_bytes(whole[:200])
    shutil.move(clean / "good_05.jpeg", tmp_path / "later.jpeg")
    predict(trained.bundle, clean, tmp_path / "out", code=1)
    (clean / "good_01.png").write_bytes(whole)
    shutil.move(tmp_path / "later.jpeg", clean / "good_05.jpeg")
    predict(trained.bundle, clean, tmp_path / "out", "--resume")
    predict(trained.bundle, clean, tmp_path / "fresh")
    resumed, fresh = (read_predictions(tmp_path / name / "predictions.csv") for name in ("out", "fresh"))
    assert resumed.frame["id"].tolist() == fresh.frame["id"].tolist()
    assert resumed.frame["status"].tolist() == ["ok"] * GOOD
    np.testing.assert_allclose(resumed.probabilities(), fresh.probabilities(), atol=SAME)


def test_a_manifest_brings_patients_and_sources_to_the_tables(
    trained: Training, unseen: World, tmp_path: Path
) -> None:
    predict(trained.bundle, unseen.manifest, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "predictions.csv", dtype={"patient_id": str})
    assert list(table.columns) == [*COLUMNS, "patient_id", "source", *ANSWER]
    truth = unseen.table
    for column in ("id", "path", "patient_id", "source"):
        assert table[column].tolist() == truth[column].tolist()
    cases = pd.read_csv(tmp_path / "out" / "cases.csv").set_index("patient_id")
    assert len(cases) == truth["patient_id"].nunique()
    assert (cases["n_samples"] == 2).all()
    assert (cases["n_answered"] == 2).all()
    shares = [f"p_{key}" for key in LOOKS]
    mean = table[shares].map(np.log).groupby(table["patient_id"]).mean().map(np.exp)
    mean = mean.div(mean.sum(axis=1), axis=0)
    np.testing.assert_allclose(cases.loc[mean.index, shares], mean, atol=1e-6)
    looks = cases.index.str.split("-").str[0]
    assert roc_auc_score(looks == "nme", cases["p_nme"]) > 0.7


def test_split_takes_only_those_rows(trained: Training, unseen: World, tmp_path: Path) -> None:
    shutil.copytree(unseen.folder, tmp_path / "set")
    copy = World(tmp_path / "set", unseen.taxonomy)
    table = copy.table
    table["split"] = np.where(table["source"] == "north", "test", "train")
    table.to_csv(copy.manifest, index=False)
    predict(trained.bundle, copy.manifest, tmp_path / "all")
    predict(trained.bundle, copy.manifest, tmp_path / "some", "--split", "test")
    some = rows(tmp_path / "some")
    assert set(some) == set(table.loc[table["source"] == "north", "id"])
    whole = read_predictions(tmp_path / "all" / "predictions.csv").frame.set_index("id")
    part = read_predictions(tmp_path / "some" / "predictions.csv").frame.set_index("id")
    np.testing.assert_allclose(part["p_nme"], whole.loc[part.index, "p_nme"], atol=SAME)
    answer = run_here("predict", trained.bundle, copy.folder, "--split", "test", "--out", "x", cwd=tmp_path)
    assert answer.code == 2
    assert "--split test needs a manifest" in answer.err


def test_rows_of_the_other_modality_are_answered_and_flagged(
    trained: Training, unseen: World, tmp_path: Path
) -> None:
    table = unseen.table.head(3).assign(modality=["histology", "clinical", ""])
    table["path"] = [str(unseen.folder / path) for path in table["path"]]
    table.to_csv(tmp_path / "mixed.csv", index=False)
    predict(trained.bundle, tmp_path / "mixed.csv", tmp_path / "out")
    found = read_predictions(tmp_path / "out" / "predictions.csv").frame
    assert found["status"].tolist() == ["ok", "flagged", "ok"]
    assert "the model was trained on histology" in found["message"][1]


def test_python_gives_the_same_table(trained: Training, clean: Path, tmp_path: Path) -> None:
    predict(trained.bundle, clean, tmp_path / "out")
    table = Predictor.load(trained.bundle).predict(clean)
    table.write(tmp_path / "python.csv")
    assert (tmp_path / "python.csv").read_bytes() == (tmp_path / "out" / "predictions.csv").read_bytes()


def test_one_image_is_a_valid_input(trained: Training, clean: Path, tmp_path: Path) -> None:
    predict(trained.bundle, clean, tmp_path / "all")
    predict(trained.bundle, clean / "good_00.jpg", tmp_path / "one")
    assert rows(tmp_path / "one") == {"good_00.jpg": rows(tmp_path / "all")["good_00.jpg"]}  # place 0 in both


def cut_the_weights(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")


def edit_the_record(bundle: Path) -> None:
    path = bundle / "bundle.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 3', '"format": 99'), encoding="utf-8")


def forget_what_was_seen(bundle: Path) -> None:
    (bundle / "seen.txt").unlink()


def reach_outside(bundle: Path) -> None:
    path = bundle / "bundle.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["files"]["../other"] = "0" * 64
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (cut_the_weights, "weights.safetensors: its SHA-256 is not the one in bundle.json"),
        (edit_the_record, "bundle format 99, written by nmevision"),
        (forget_what_was_seen, "seen.txt is missing"),
        (reach_outside, "'../other' is no plain file name"),
        (shutil.rmtree, "is no bundle: it has no bundle.json"),
    ],
)
def test_an_altered_bundle_is_refused(
    tamper: Callable[[Path], None], words: str, trained: Training, clean: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained.bundle, tmp_path / "bundle")
    tamper(tmp_path / "bundle")
    answer = run_here("predict", tmp_path / "bundle", clean, "--out", tmp_path / "out", cwd=tmp_path)
    assert answer.code == 2
    assert words in answer.err
    assert not (tmp_path / "out").exists()


def test_finished_predictions_are_never_overwritten(trained: Training, clean: Path, tmp_path: Path) -> None:
    predict(trained.bundle, clean, tmp_path / "out")
    before = (tmp_path / "out" / "predictions.csv").stat().st_mtime_ns
    answer = run_here("predict", trained.bundle, clean, "--out", tmp_path / "out", cwd=tmp_path)
    assert answer.code == 2
    assert "holds predictions already; continue it with --resume, or choose another --out" in answer.err
    assert (tmp_path / "out" / "predictions.csv").stat().st_mtime_ns == before


def test_another_models_predictions_are_not_continued(trained: Training, clean: Path, tmp_path: Path) -> None:
    shutil.copytree(trained.bundle, tmp_path / "other")
    path = tmp_path / "other" / "bundle.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"shared"', '"other"'), encoding="utf-8")
    predict(trained.bundle, clean, tmp_path / "out")
    answer = run_here(
        "predict", tmp_path / "other", clean, "--out", tmp_path / "out", "--resume", cwd=tmp_path
    )
    assert answer.code == 2
    assert "was made by another model" in answer.err


def test_nothing_to_predict_on_is_an_error(trained: Training, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none yet")
    for where, words in (("empty", "no image in"), ("gone", "it does not exist")):
        answer = run_here("predict", trained.bundle, where, "--out", "out", cwd=tmp_path)
        assert answer.code == 2
        assert words in answer.err
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_script_predicts_without_what_only_training_needs(
    trained: Training, clean: Path, tmp_path: Path
) -> None:
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "heavy = ('albumentations', 'lightning', 'torchmetrics', 'matplotlib', 'tensorboard')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules], file=sys.stderr))\n"
    )
    answer = run("predict", trained.bundle, clean, "--out", "out", cwd=tmp_path, PYTHONPATH=str(spy))
    assert answer.code == 0
    assert answer.err.splitlines() == ["[]"]
