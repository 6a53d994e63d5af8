"""The command line itself: help in no time, plain words for mistakes, tables of images made and checked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from bad_files import write_bad_files
from small_world import CONFIGS, LOOKS, World, command, environment, make_world, run_here

from nmevision import __version__

VERBS = ("", "train", "predict", "evaluate", "benchmark", "doctor")
DATA_VERBS = ("data", "data index", "data sources", "data check", "data phantom")
HEAVY = ("torch", "pandas", "numpy", "omegaconf", "lightning", "sklearn", "PIL", "cv2")
"""None of these may be loaded for help, which then answers in under 0.3 s; pydantic comes with some typer versions."""
SPY = f"""
import atexit, sys
from nmevision.cli import main

def tell():
    print("loaded:", [name for name in {HEAVY} if name in sys.modules], file=sys.stderr)

atexit.register(tell)
main()
"""


@pytest.mark.parametrize("verb", [*VERBS, *DATA_VERBS])
def test_every_verb_explains_itself(verb: str, tmp_path: Path) -> None:
    answer = run_here(f"{verb} --help", cwd=tmp_path)
    assert answer.code == 0
    assert "Usage: nmevision" in answer.out
    assert "--help" in answer.out


def test_help_names_every_verb(tmp_path: Path) -> None:
    top, below = run_here("--help", cwd=tmp_path).out, run_here("data --help", cwd=tmp_path).out
    assert all(verb in top for verb in VERBS)
    assert all(verb.removeprefix("data ") in below for verb in DATA_VERBS[1:])
    assert "Not a medical device" in top


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["train", "--help"], 0),
        (["train", "x.yaml", "--wrong"], 2),
        (["predict", "a", "b"], 2),
        (["trian"], 2),
    ],
)
def test_help_and_mistakes_are_answered_at_once(arguments: list[str], code: int, tmp_path: Path) -> None:
    line = [sys.executable, "-c", SPY, *arguments]
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded: []"


def test_version_is_the_packages(tmp_path: Path) -> None:
    assert run_here("--version", cwd=tmp_path).out == f"{__version__}\n"


def test_a_wrong_flag_and_a_missing_one_are_named(tmp_path: Path) -> None:
    assert "--wrong" in run_here("train --wrong", cwd=tmp_path).err
    assert "--out" in run_here("predict bundle images", cwd=tmp_path).err
    assert "No such command 'trian'" in run_here("trian", cwd=tmp_path).err


def test_a_missing_configuration_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    answer = run_here("train no.yaml", cwd=tmp_path)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert "no.yaml" in answer.err
    assert "Traceback" not in answer.err


def test_doctor_answers_with_pass_warn_or_fail(tmp_path: Path) -> None:
    answer = run_here("doctor", cwd=tmp_path)
    assert "PASS" in answer.out
    assert answer.code == int("FAIL" in answer.out)


def test_index_makes_a_manifest_that_training_takes(tmp_path: Path) -> None:
    world = make_world(tmp_path / "w", patients=2)
    images, out = world.folder / "images", tmp_path / "m.csv"
    pattern = r"(?P<patient>\w+/\d+)-"
    options = ("--modality", "histology", "--licence", "own", "--patient", pattern, "--out", out)
    answer = run_here("data index", images, *options, cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert "12 images" in answer.out
    assert answer.out.splitlines()[-1] == str(out)
    table = pd.read_csv(out, dtype=str)
    assert sorted(table["diagnosis"].unique()) == sorted(LOOKS)
    assert (table.groupby("patient_id").size() == 2).all()
    assert all((tmp_path / path).is_file() for path in table["path"])
    checked = run_here("data check", out, "--taxonomy", world.taxonomy, cwd=tmp_path)
    assert checked.code == 0
    assert "12 images: 0 unreadable, 0 byte-identical to another in 0 groups; 6 patients" in checked.out
    again = run_here("data index", images, "--out", out, cwd=tmp_path)
    assert again.code == 2
    assert "exists already" in again.err


def test_check_names_broken_files_and_wrong_rows(tmp_path: Path) -> None:
    world = make_world(tmp_path / "w", patients=1)
    words = write_bad_files(world.folder / "images" / "nme")
    names = [name for name in words if name.isascii() and name.isprintable()]
    bad = pd.DataFrame({"id": names, "path": [f"images/nme/{name}" for name in names], "diagnosis": "nme"})
    pd.concat([world.table, bad]).to_csv(world.manifest, index=False)
    answer = run_here("data check", world.manifest, cwd=tmp_path)
    assert answer.code == 1
    for name in names:
        (line,) = [line for line in answer.out.splitlines() if line.startswith(f"ERROR {name}: ")]
        assert words[name] in line
    assert f"{len(names)} unreadable" in answer.out

    table = world.table.head(6)
    table["diagnosis"] = ["nme", "psoriassis", "unclear", "", "nme", "nme"]
    table["mpp"] = ["0.5", "0.25", "900", "", "x", ""]
    table["id"] = [*table["id"][:5], table["id"][4]]
    table.to_csv(world.manifest, index=False)
    answer = run_here("data check", world.manifest, "--taxonomy", world.taxonomy, cwd=tmp_path)
    assert answer.code == 2
    for wrong in (
        "did you mean 'psoriasis'",
        "row 4: mpp '900'",
        "row 6: mpp 'x'",
        "stands in row 6 already",
    ):
        assert wrong in answer.err


def test_sources_lists_the_public_sets(tmp_path: Path) -> None:
    lines = run_here("data sources", cwd=tmp_path).out.splitlines()
    assert {line.split(":")[0] for line in lines} >= {"ham10000", "fitzpatrick17k", "oral_histology"}


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(world: World, tmp_path: Path) -> None:
    settings = world.settings("stopped", "train.epochs=500", "data.workers=0")
    line = command("train", CONFIGS / "histology.yaml", *settings)
    with subprocess.Popen(
        line,
        cwd=tmp_path,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whoever started these tests in the background had the signal ignored, in every child too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert any(text.startswith("epoch 2/500") for text in process.stdout)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopped; run the same command with --resume to continue\n"
