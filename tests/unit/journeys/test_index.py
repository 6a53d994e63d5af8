"""Manifests from the command line: made from folders, checked file by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_files import write_good_images

from nmevision.errors import DataError
from nmevision.journeys.index import check_manifest, write_index
from nmevision.manifest import read_manifest

REPOSITORY = Path(__file__).resolve().parents[3]
TAXONOMY = REPOSITORY / "configs" / "taxonomies" / "nme-vs-mimic.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_good_images(tmp_path / "data" / "nme", 3)
    for path in write_good_images(tmp_path / "data" / "psoriasis", 2):
        path.write_bytes(path.read_bytes() + b"\n")  # not byte-identical to the other class's
    return tmp_path / "data"


def index(folder: Path, out: Path | None = None) -> str:
    return write_index(folder, out, None, "histology", "", "own", None)


def test_class_folders_become_a_manifest_beside_them(folder: Path) -> None:
    said = index(folder)
    assert said == f"5 images (nme 3, psoriasis 2)\n{folder / 'manifest.csv'}"
    manifest = read_manifest(folder / "manifest.csv", purpose="train")
    assert manifest.frame["diagnosis"].tolist() == ["nme"] * 3 + ["psoriasis"] * 2
    assert set(manifest.frame["modality"]) == {"histology"}
    assert set(manifest.frame["licence"]) == {"own"}


@pytest.mark.parametrize("where", ["tables/m.csv", "m.parquet", "data/sub/deep/m.csv"])
def test_elsewhere_the_paths_still_lead_to_the_images(folder: Path, tmp_path: Path, where: str) -> None:
    out = tmp_path / where
    index(folder, out)
    manifest = read_manifest(out, purpose="train")  # which looks for every file
    assert len(manifest) == 5
    assert not any(Path(path).is_absolute() for path in manifest.frame["path"])


def test_from_another_working_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    index(Path("data"), Path("m.csv"))
    assert len(read_manifest(Path("m.csv"), purpose="train")) == 5


def test_it_is_never_overwritten(folder: Path) -> None:
    index(folder)
    before = (folder / "manifest.csv").read_bytes()
    with pytest.raises(DataError, match="exists already; remove it or choose another --out"):
        index(folder)
    assert (folder / "manifest.csv").read_bytes() == before


def test_check_says_what_is_broken_and_what_is_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index(folder)
    assert check_manifest(folder / "manifest.csv", TAXONOMY) == 0
    assert (
        "5 images: 0 unreadable, 0 byte-identical to another in 0 groups; 5 patients"
        in capsys.readouterr().out
    )
    images = sorted((folder / "nme").iterdir())
    images[0].write_bytes(images[1].read_bytes())
    images[2].write_bytes(b"")
    assert check_manifest(folder / "manifest.csv", None) == 1
    said = capsys.readouterr().out
    assert f"ERROR nme/{images[2].name}: " in said
    assert "5 images: 1 unreadable, 2 byte-identical to another in 1 groups; 5 patients" in said


def test_check_with_a_taxonomy_judges_the_labels(folder: Path) -> None:
    (folder / "nme").rename(folder / "nmee")
    index(folder)
    with pytest.raises(DataError, match=r"unknown label 'nmee' \(did you mean 'nme'\?\)"):
        check_manifest(folder / "manifest.csv", TAXONOMY)
