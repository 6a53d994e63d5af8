from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmevision.errors import DataError
from nmevision.knowledge.loading import load_knowledge
from nmevision.manifest import read_manifest
from nmevision.phantom.dataset import Modality, make
from nmevision.phantom.profiles import DIAGNOSES
from nmevision.phantom.section_fields import epidermis_um, field_marks
from nmevision.phantom.section_grades import measured_grades
from nmevision.phantom.section_truth import read_truth

HEADER = "id,path,modality,diagnosis,patient_id,source,licence,split,mpp,phantom"


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def histology(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("phantom") / "demo", "histology", 32, seed=0, size=64)


@pytest.mark.parametrize(
    ("modality", "letter", "source", "mpp"),
    [("histology", "h", "phantom-laboratory-1", "1.0"), ("clinical", "c", "phantom-camera-1", "")],
)
def test_the_manifest_says_what_each_image_is(
    tmp_path: Path, modality: Modality, letter: str, source: str, mpp: str
) -> None:
    manifest = make(tmp_path / "demo", modality, 8, size=64)
    assert manifest == tmp_path / "demo" / "manifest.csv"
    assert manifest.read_text(encoding="utf-8").splitlines()[0].startswith(HEADER + ",")
    first = rows_of(manifest)[0]
    wanted = {
        "id": f"phantom-{letter}-0001",
        "path": f"images/phantom-{letter}-0001.jpg",
        "modality": modality,
        "diagnosis": "nme",
        "patient_id": f"phantom-{letter}-patient-0001",
        "source": source,
        "licence": "CC0-1.0",
        "split": "",
        "mpp": mpp,
        "phantom": "true",
    }
    assert wanted.items() <= first.items()


def test_the_house_reads_its_own_manifest(histology: Path) -> None:
    manifest = read_manifest(histology, purpose="train")
    assert len(manifest) == 32
    assert manifest.phantom.all()


def test_every_row_has_its_file_and_every_file_says_it_is_a_phantom(histology: Path) -> None:
    rows = rows_of(histology)
    assert len({row["id"] for row in rows}) == 32
    assert {p.name for p in (histology.parent / "images").iterdir()} == {Path(r["path"]).name for r in rows}
    for row in rows:
        with Image.open(histology.parent / row["path"]) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
            assert image.info["comment"] == b"phantom: synthetic image, not a patient"


def test_diagnoses_and_laboratories_are_balanced_over_patients(tmp_path: Path) -> None:
    rows = rows_of(make(tmp_path / "demo", "histology", 32, size=64, off_surface=0))
    assert Counter(row["diagnosis"] for row in rows) == dict.fromkeys(DIAGNOSES, 8)
    assert set(Counter((row["diagnosis"], row["source"]) for row in rows).values()) == {2}
    patients = defaultdict(list)
    for row in rows:
        patients[row["patient_id"]].append((row["diagnosis"], row["source"], row["split"]))
    assert all(len(images) == 2 and len(set(images)) == 1 for images in patients.values())


def test_fields_off_the_surface_come_as_often_as_asked_for(tmp_path: Path) -> None:
    rows = rows_of(make(tmp_path / "demo", "histology", 240, size=64, mpp=2.0, processes=1, off_surface=0.25))
    off = [row for row in rows if row["view"] != "surface"]
    normal = {row["patient_id"] for row in rows if row["diagnosis"] == "normal"}
    assert sum(row["patient_id"] in normal for row in off) == 30, "half of the fields of normal skin"
    assert len(off) / 240 == pytest.approx(0.31, abs=0.07)
    for row in rows:
        if row["diagnosis"] == "":
            assert row["view"] != "surface"
            assert row["stage"] == ""
        if row["view"] != "surface":
            assert row["diagnosis"] in ("", "normal")
    labelled = {row["patient_id"] for row in rows if row["diagnosis"]}
    assert labelled == {row["patient_id"] for row in rows}, "one field of each patient shows the diagnosis"


def test_a_share_off_the_surface_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"off_surface is 0\.6; expected a share from 0 to 0\.5"):
        make(tmp_path, "histology", 8, size=64, off_surface=0.6)


def test_the_last_laboratory_is_the_test_set_and_nothing_else_is_fixed(histology: Path) -> None:
    for row in rows_of(histology):
        assert row["split"] == ("test" if row["source"] == "phantom-laboratory-4" else "")


@pytest.mark.parametrize("modality", ["histology", "clinical"])
def test_the_seed_decides_every_byte(tmp_path: Path, modality: Modality) -> None:
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        make(tmp_path / name, modality, 8, seed=seed, size=64)
    one, same, other = (digests(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert all(one[path] != other[path] for path in one if path.endswith(".jpg"))
    assert len({digest for path, digest in one.items() if path.endswith(".jpg")}) == 8, "no two are alike"


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["histology", "clinical"])
def test_worker_processes_change_nothing(tmp_path: Path, modality: Modality) -> None:
    seen: list[int] = []
    make(tmp_path / "alone", modality, 66, size=64, processes=1)
    make(tmp_path / "together", modality, 66, size=64, processes=2, progress=seen.append)
    assert digests(tmp_path / "alone") == digests(tmp_path / "together")
    assert seen == list(range(1, 67))


def test_every_field_has_its_truth_and_its_grades_and_marks_follow_from_it(tmp_path: Path) -> None:
    manifest = make(
        tmp_path / "demo",
        "histology",
        12,
        size=160,
        mpp=2.0,
        artefacts=0.5,
        laboratories=2,
        diagnoses=["nme", "tinea", "normal"],
        off_surface=0.5,
    )
    for row in rows_of(manifest):
        truth = read_truth(manifest.parent / "truth", row["id"])
        found = {f"finding_{k}": "" if g is None else str(g) for k, g in measured_grades(truth).items()}
        marks = field_marks(truth)
        found |= {f"field_{key}": str(int(seen)) for key, seen in marks.items()}
        assert {key: row[key] for key in found} == found
        assert row["epidermis_um"] == f"{epidermis_um(truth):.0f}"
        for finding in load_knowledge().findings_of("histology"):
            assert row[f"finding_{finding.key}"] == "" or all(marks[need] for need in finding.needs)
        assert row["stage"] in (("early", "active", "chronic") if row["diagnosis"] == "nme" else ("",))
        assert row["mpp"] == "2.0"
        kinds = {name.removeprefix("artefact_") for name in truth.masks if name.startswith("artefact_")}
        assert kinds == set(row["artefacts"].split())


def test_more_images_begin_with_the_same_images(tmp_path: Path) -> None:
    make(tmp_path / "few", "histology", 8, size=64)
    make(tmp_path / "more", "histology", 12, size=64)
    few, more = digests(tmp_path / "few" / "images"), digests(tmp_path / "more" / "images")
    assert few.items() <= more.items()


def test_a_folder_with_a_manifest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("mine")
    with pytest.raises(DataError, match=r"holds a manifest\.csv already; choose another folder"):
        make(tmp_path, "histology", 8, size=64)
    assert (tmp_path / "manifest.csv").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.csv"]


def test_a_stopped_run_leaves_no_manifest_and_can_be_run_again(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "demo", "histology", 8, size=64, progress=stop)
    assert not (tmp_path / "demo" / "manifest.csv").exists()
    make(tmp_path / "demo", "histology", 8, size=64)
    make(tmp_path / "fresh", "histology", 8, size=64)
    assert digests(tmp_path / "demo") == digests(tmp_path / "fresh")


def test_every_bad_argument_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make(tmp_path, "histolgy", 7, seed=-1, size=63, laboratories=1, processes=0)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "6 problems" in text
    assert "modality 'histolgy' is unknown (did you mean 'histology'?)" in text
    assert "n (images) is 7; expected at least 8" in text
    assert "seed is -1; expected at least 0" in text
    assert "size (pixels) is 63; expected at least 64" in text
    assert "laboratories is 1; expected at least 2" in text
    assert "processes is 0; expected at least 1" in text
    assert list(tmp_path.iterdir()) == []


def test_too_few_images_for_a_test_laboratory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="8 images are too few for 5 laboratories"):
        make(tmp_path, "histology", 8, laboratories=5)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="taken is a file; choose a folder"):
        make(tmp_path / "taken", "clinical", 8)


def test_an_image_is_what_its_own_generator_draws(tmp_path: Path) -> None:
    from nmevision.phantom.histology import draw_field

    manifest = make(tmp_path / "demo", "histology", 8, seed=5, size=64)
    row = rows_of(manifest)[6]
    laboratory = int(row["source"].rpartition("-")[2])
    drawn = draw_field(row["diagnosis"], np.random.default_rng([5, 6]), 64, laboratory)
    assert row["view"] == "surface", "every patient's first field is"
    assert {k: row[f"finding_{k}"] for k in drawn.grades} == {
        k: "" if grade is None else str(grade) for k, grade in drawn.grades.items()
    }
    with Image.open(manifest.parent / row["path"]) as image:
        kept = np.asarray(image).astype(float)
    assert np.abs(kept - drawn.pixels).mean() < 12  # JPEG keeps luminance, and colour at half the resolution


@pytest.mark.slow
def test_a_program_that_cannot_be_spawned_is_told_so(tmp_path: Path) -> None:
    program = (
        "from nmevision.phantom.dataset import make\n"
        f"make({str(tmp_path / 'demo')!r}, 'clinical', 64, size=64, processes=2)\n"
    )
    ended = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, timeout=120)
    assert "DataError: a worker process ended while it drew phantom images" in ended.stderr
    assert not (tmp_path / "demo" / "manifest.csv").exists()
