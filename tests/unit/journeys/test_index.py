"""Manifests from the command line: made from folders, checked file by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_files import write_good_images
from tiny_bundle import tiny_bundle

from nmevision.errors import BundleError, ConfigError, DataError
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


def test_a_table_and_slides_from_the_command_line(tmp_path: Path) -> None:
    write_good_images(tmp_path / "img", 2)
    names = sorted(path.name for path in (tmp_path / "img").iterdir())
    lines = ["file,label", *(f"img/{name},psoriasis" for name in names)]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    said = write_index(
        tmp_path / "list.csv",
        None,
        None,
        "histology",
        "",
        "own",
        None,
        columns=("path=file", "diagnosis=label"),
    )
    assert said == f"2 images (psoriasis 2)\n{tmp_path / 'manifest.csv'}"
    assert len(read_manifest(tmp_path / "manifest.csv", purpose="train")) == 2
    with pytest.raises(ConfigError, match="columns are written diagnosis=label; found: path"):
        write_index(tmp_path / "list.csv", tmp_path / "m.csv", None, "", "", "", None, columns=("path",))
    (tmp_path / "s" / "case1").mkdir(parents=True)
    (tmp_path / "s" / "case1" / "a.svs").touch()
    write_index(tmp_path / "s", None, None, "", "", "own", None, slides=True)
    assert read_manifest(tmp_path / "s" / "manifest.csv").frame["patient_id"].tolist() == ["case1"]


def test_a_restricted_set_needs_the_users_word_and_so_does_training_on_it(tmp_path: Path) -> None:
    (tmp_path / "mel___ISIC_0030060_108.jpg").write_bytes(b"\xff\xd8\xff")
    options = (tmp_path, None, "ham_dermoscopy", "", "", "", None)
    with pytest.raises(DataError, match="say so with --allow-nc"):
        write_index(*options)
    assert not (tmp_path / "manifest.csv").exists()
    write_index(*options, allow_nc=True)
    with pytest.raises(DataError, match=r"row 2: licence 'CC-BY-NC-4\.0' has terms.*data\.allow_nc=true"):
        read_manifest(tmp_path / "manifest.csv", purpose="train")
    assert len(read_manifest(tmp_path / "manifest.csv", purpose="train", allow_nc=True)) == 1
    assert len(read_manifest(tmp_path / "manifest.csv", purpose="evaluate")) == 1


def test_what_forbids_training_enters_no_training_table_and_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    path = tmp_path / "m.csv"
    path.write_text(
        "path,diagnosis,licence,train_allowed\na.jpg,nme,CC BY-NC-ND 4.0,\na.jpg,nme,own,false\n".replace(
            "\na.jpg,nme,own", "\n./a.jpg,nme,own"
        )
    )
    with pytest.raises(DataError) as caught:
        read_manifest(path, purpose="train", allow_nc=True)
    said = str(caught.value)
    assert "row 3: train_allowed is false; leave the rows out" in said
    assert "row 2: licence 'CC BY-NC-ND 4.0' forbids training (no derivatives" in said
    training = {"licences": {"own": 3, "all rights reserved": 1}}
    with pytest.raises(BundleError, match=r"trained on images under 'all rights reserved'.*not saved"):
        tiny_bundle(tmp_path / "b", training=training)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("column", ["train_allowed", "redistribute_allowed"])
def test_permissions_are_true_or_false(tmp_path: Path, column: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"path,{column}\na,maybe\n")
    with pytest.raises(DataError, match=f"row 2: {column} 'maybe'; expected true or false"):
        read_manifest(path)


def test_a_lesion_stays_in_one_split(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("path,lesion_id,split\na,l1,train\nb,l1,test\nc,,test\n")
    with pytest.raises(DataError, match=r"lesion_id 'l1' is in more than one split \(test, train\)"):
        read_manifest(path)
