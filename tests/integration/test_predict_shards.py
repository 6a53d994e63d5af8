"""`nmevision predict --shard`: several processes write, to the last letter, what one would have written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bad_files import write_good_images
from slide_files import skin, write_pyramid
from small_world import environment, run_here
from tiny_bundle import tiny_bundle

from nmevision.inference.inputs import Inputs, inputs_from
from nmevision.inference.journal import PARTIAL
from nmevision.inference.predictor import Predictor
from nmevision.inference.shards import Shard
from nmevision.inference.slides import SlideOptions
from nmevision.journeys.predict_shard import predict_shard
from nmevision.networks.bundle import Bundle
from nmevision.predictions import PredictionTable

TRAINING = {"counts": {}, "configurations_tried": 1, "field_um": 100.0}
PIXELS, _ = skin(600, 400, 50)
FEW = ("--max-tiles", "6", "--engine", "openvino")
KILLED = """
import os, signal
from nmevision.inference.journal import Journal
add = Journal.add

def fatal(journal, answers):
    add(journal, answers)
    os.kill(os.getpid(), signal.SIGKILL)

Journal.add = fatal
from nmevision.cli import main
main("predict")
"""
"""Drives the command line and dies without a word after the first batch."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", training=TRAINING)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, slides and one broken file; every patient has files at several places of the table."""
    folder = tmp_path_factory.mktemp("set")
    write_good_images(folder, 11)
    for name in ("a.svs", "b.svs", "c.tif"):
        write_pyramid(folder / name, PIXELS)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    names = sorted(path.name for path in folder.iterdir())
    patients = [f"p{i % 4}" for i in range(len(names))]
    table = pd.DataFrame({"id": names, "path": names, "patient_id": patients, "source": "s"})
    table.to_csv(folder / "m.csv", index=False)
    return folder / "m.csv"


@pytest.fixture(scope="module")
def alone(bundle: Bundle, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process writes. To read, not to write."""
    out = tmp_path_factory.mktemp("alone") / "out"
    answer = run_here("predict", bundle.folder, manifest, "--out", out, *FEW, cwd=out.parent)
    assert answer.code == 1, answer.err  # the broken file
    return out


def tables(out: Path) -> dict[str, bytes]:
    """Return every file of a prediction but run.json."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "run.json")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def facts(out: Path) -> dict[str, Any]:
    """Return run.json without what depends on the time."""
    found = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return {key: value for key, value in found.items() if key not in ("finished", "timing")}


def command(bundle: Bundle, images: Path, out: Path, *more: str) -> list[str]:
    return [*map(str, ("predict", bundle.folder, images, "--out", out)), *FEW, *more]


def started(arguments: list[str], **env: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "nmevision.cli", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, env=environment(**env), stdout=pipe, stderr=pipe, text=True)


def shard(bundle: Bundle, images: Path, out: Path, *more: str) -> tuple[int, str, str]:
    answer = run_here(*command(bundle, images, out, *more), cwd=out.parent)
    return answer.code, answer.out, answer.err


def same(out: Path, alone: Path) -> None:
    assert set(tables(alone)) >= {"predictions.csv", "cases.csv", "tiles.csv", "geojson/a.svs.geojson"}
    assert tables(out) == tables(alone)
    assert facts(out) == facts(alone)


@pytest.mark.slow
def test_three_processes_write_what_one_does(
    bundle: Bundle, manifest: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ranks = [{"RANK": str(rank), "WORLD_SIZE": "3"} for rank in range(3)]
    processes = [started(command(bundle, manifest, out), **rank) for rank in ranks]
    said = [process.communicate(timeout=300) for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 0, 1], said  # one merges, and tells of the broken file
    assert sum("3 shards merged" in text for text, _ in said) == 1
    assert all(f"shard {i}/3 by RANK and WORLD_SIZE" in text for i, (text, _) in enumerate(said, 1))
    same(out, alone)
    timing = json.loads((out / "run.json").read_text())["timing"]
    assert [one["shard"] for one in timing["shards"]] == ["1/3", "2/3", "3/3"]
    assert timing["images"] == 15


def test_a_killed_shard_is_named_and_continued(
    bundle: Bundle, manifest: Path, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    line = command(bundle, manifest, out, "--shard", "2/3", "--batch-size", "1")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *line[1:]], env=environment(), capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for number in (1, 3):
        code, said, _ = shard(bundle, manifest, out, "--shard", f"{number}/3")
        assert code == 0
    assert "not done yet: 2/3; the last to finish merges" in said
    assert not (out / "predictions.csv").exists()
    code, _, err = shard(bundle, manifest, out, "--shard", "2/3")
    assert code == 2
    assert "shard 2/3 of" in err
    assert "was begun before; continue it with --resume" in err
    kept = (out / "shards" / "2-of-3" / PARTIAL).read_text().count('"id"')
    code, said, _ = shard(bundle, manifest, out, "--shard", "2/3", "--resume")
    assert code == 1
    assert "3 shards merged" in said
    same(out, alone)
    timing = json.loads((out / "run.json").read_text())["timing"]
    assert kept == 1
    assert timing["shards"][1]["images"] == 5 - kept  # what it had answered was not asked again


def test_killed_while_merging(
    bundle: Bundle, manifest: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    shard(bundle, manifest, out, "--shard", "1/2")
    with monkeypatch.context() as patch:
        patch.setattr(
            "nmevision.inference.outputs.write_csv", stop
        )  # the predictions stand, the cases do not
        code, _, _ = shard(bundle, manifest, out, "--shard", "2/2")
    assert code == 130
    assert (out / "predictions.csv").exists()
    code, said, _ = shard(bundle, manifest, out, "--shard", "1/2", "--resume")
    assert code == 1
    assert "2 shards merged" in said
    same(out, alone)
    code, said, _ = shard(bundle, manifest, out, "--shard", "2/2", "--resume")
    assert code == 1
    assert "all shards are merged already" in said
    same(out, alone)


def test_each_shard_draws_its_own_before_it_is_done(bundle: Bundle, manifest: Path, tmp_path: Path) -> None:
    predictor, inputs, out = Predictor(bundle), inputs_from(manifest), tmp_path / "out"
    drawn: list[list[str]] = []

    def draw(part: Inputs, table: PredictionTable) -> None:
        assert table.frame["id"].tolist() == part.names
        assert not list(out.glob(f"shards/{len(drawn) + 1}-of-2.done.json"))
        drawn.append(part.names)

    for number in (1, 2):
        predict_shard(predictor, inputs, out, Shard(number, 2), False, SlideOptions(max_tiles=2), draw)
    assert sorted(drawn[0] + drawn[1]) == sorted(inputs.names)
    assert (out / "predictions.csv").exists()


def test_what_is_taken_or_other_is_refused(
    bundle: Bundle, manifest: Path, alone: Path, tmp_path: Path
) -> None:
    code, _, err = shard(bundle, manifest, alone, "--shard", "1/2")
    assert code == 2
    assert "holds predictions already" in err
    code, _, err = shard(bundle, manifest.parent, alone, "--shard", "1/2", "--resume")
    assert code == 2
    assert "holds predictions of other files" in err
    assert not (alone / "shards").exists()
    out = tmp_path / "out"
    shard(bundle, manifest, out, "--shard", "1/2")
    code, _, err = shard(bundle, manifest, out)
    assert code == 2
    assert "holds shards of a prediction that are not merged yet" in err
    code, _, err = shard(bundle, manifest, out, "--shard", "2/2", "--max-tiles", "7")
    assert code == 2
    assert "'max_tiles': 6" in err
    other = tiny_bundle(tmp_path / "other", seed=1, training=TRAINING)
    code, _, err = shard(other, manifest, out, "--shard", "2/2")
    assert code == 2
    assert "another prediction (bundle" in err


@pytest.mark.parametrize("wrong", ["4/3", "0/3", "3", "one/two"])
def test_a_wrong_shard_is_refused_before_anything_is_read(wrong: str, tmp_path: Path) -> None:
    answer = run_here("predict", "no-bundle", "no-images", "--out", "out", "--shard", wrong, cwd=tmp_path)
    assert answer.code == 2
    assert f"--shard {wrong}: expected i/n" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_more_shards_than_files(bundle: Bundle, tmp_path: Path) -> None:
    write_good_images(tmp_path / "two", 2)
    shard(bundle, tmp_path / "two", tmp_path / "one process")
    said = [shard(bundle, tmp_path / "two", tmp_path / "out", "--shard", f"{i}/4") for i in range(1, 5)]
    assert [code for code, _, _ in said] == [0, 0, 0, 0], said
    assert "shard 3/4 is done: 0 files" in said[2][1]
    assert tables(tmp_path / "out") == tables(tmp_path / "one process")


@pytest.mark.slow
def test_under_torchrun(bundle: Bundle, manifest: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m"]
    done = subprocess.run(
        [*line, "nmevision.cli", *command(bundle, manifest, out)],
        env={**environment(), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "2 shards merged" in done.stdout, done.stderr
    same(out, alone)
