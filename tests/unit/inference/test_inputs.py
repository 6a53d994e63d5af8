"""What is predicted on: a stable order, names without this machine's folders, nothing dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_files import write_good_images

from nmevision.errors import DataError
from nmevision.inference.inputs import inputs_from
from nmevision.manifest import read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_good_images(tmp_path / "biopsies" / "b", 2)
    write_good_images(tmp_path / "biopsies" / "a", 1)
    (tmp_path / "biopsies" / "broken.jpg").write_bytes(b"")
    (tmp_path / "biopsies" / "notes.txt").touch()
    return tmp_path / "biopsies"


def test_a_folder(folder: Path) -> None:
    found = inputs_from(folder)
    assert found.names == ["a/good_00.jpg", "b/good_00.jpg", "b/good_01.png", "broken.jpg"]
    assert [sample.id for sample in found.samples] == found.names
    assert found.samples[0].path == folder / "a" / "good_00.jpg"
    assert found.name == "biopsies"
    assert found.left_aside == ("notes.txt",)
    assert not found.has_patients
    assert not found.has_sources


def test_the_same_files_elsewhere_have_the_same_fingerprint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = inputs_from(folder).fingerprint
    monkeypatch.chdir(folder)
    here = inputs_from(Path())
    assert here.fingerprint == first
    assert here.name == "biopsies"
    (folder / "new.png").touch()
    assert inputs_from(folder).fingerprint != first


def test_one_image(folder: Path) -> None:
    found = inputs_from(folder / "a" / "good_00.jpg")
    assert found.names == ["good_00.jpg"]
    assert found.samples[0].path == folder / "a" / "good_00.jpg"


def test_a_manifest_keeps_its_order_and_its_missing_files(folder: Path) -> None:
    table = folder / "m.csv"
    table.write_text(
        f"id,path,patient_id,split\n2,b/good_01.png,p,test\n1,gone.jpg,,train\n3,{folder}/x.jpg,,test\n"
    )
    found = inputs_from(table)
    assert [sample.id for sample in found.samples] == ["2", "1", "3"]
    assert found.names == ["b/good_01.png", "gone.jpg", "x.jpg"]  # never a folder of this machine
    assert (found.has_patients, found.has_sources) == (True, False)
    assert found.name == "m.csv"
    assert [sample.id for sample in inputs_from(table, "test").samples] == ["2", "3"]
    assert inputs_from(read_manifest(table)).names == found.names


def test_a_manifest_without_ids_and_with_whole_paths_keeps_them_out_of_ids(folder: Path) -> None:
    table = folder / "m.csv"
    table.write_text(f"path\n{folder}/a/good_00.jpg\n")
    (sample,) = inputs_from(table).samples
    assert sample.path == folder / "a" / "good_00.jpg"


def test_nothing_to_predict_on(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.pdf").touch()
    with pytest.raises(DataError, match=r"no image in .*empty; 1 other files lie there"):
        inputs_from(tmp_path / "empty")
    with pytest.raises(DataError, match="nowhere"):
        inputs_from(tmp_path / "nowhere")
    (folder / "m.csv").write_text("path,split\na.jpg,train\n")
    with pytest.raises(DataError, match=r"m\.csv: no row of split 'test'"):
        inputs_from(folder / "m.csv", "test")
    with pytest.raises(DataError, match="--split test needs a manifest"):
        inputs_from(folder, "test")


def test_a_manifest_that_is_not_there_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"m\.csv"):
        inputs_from(tmp_path / "m.csv")
