"""Public sets: a folder in the set's own layout becomes the right rows, and what does not fit is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nmevision.data.sources import SOURCES, fitzpatrick17k, index_class_folders, index_source
from nmevision.errors import ConfigError, DataError
from nmevision.manifest import Manifest, read_manifest
from nmevision.taxonomy import load_taxonomy

TAXONOMIES = Path(__file__).resolve().parents[3] / "configs" / "taxonomies"
FULL = load_taxonomy(TAXONOMIES / "necrolytic-and-mimics.yaml")
HAM_HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
FITZPATRICK_HEADER = (
    "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,"
    "qc,url,url_alphanum\n"
)
HOST = "https://www.dermaamin.com/site/images/clinical-pic"


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff")


def _quiet(sentence: str) -> None:
    """Take a note and forget it."""


def _cells(manifest: Manifest, *columns: str) -> list[tuple[str, ...]]:
    return list(manifest.frame[list(columns)].itertuples(index=False, name=None))


def _round_trip(manifest: Manifest) -> Manifest:
    """Write the manifest beside its images and read it back as predict does."""
    path = manifest.root / "manifest.csv"
    manifest.write(path)
    return read_manifest(path)


@pytest.mark.parametrize("name", SOURCES.names())
def test_every_set_says_where_it_comes_from(name: str) -> None:
    source = SOURCES.get(name)
    assert source.name == name
    assert source.url.startswith("https://")
    assert "doi:" in source.citation or "arXiv:" in source.citation or "no paper" in source.citation
    assert source.modality in ("clinical", "histology")
    assert source.n_images > 0
    assert source.n_classes > 1
    assert source.layout
    assert len(source.checked) > 40
    assert len(source.shows) > 20
    assert source.labels or source.excluded or source.others
    assert set(source.counts) <= set(source.labels.values()) <= set(FULL.keys)


@pytest.mark.parametrize("name", [name for name in SOURCES.names() if name != "histai_skin"])
def test_the_taxonomy_reads_a_sets_labels_as_the_set_declares(name: str) -> None:
    source = SOURCES.get(name)
    assert {label: FULL.diagnosis_of(label) for label in source.labels} == dict(source.labels)
    assert [label for label in source.excluded if FULL.diagnosis_of(label)] == []


@pytest.mark.parametrize("name", SOURCES.names())
def test_a_foreign_folder_is_refused_with_both_layouts(name: str, tmp_path: Path) -> None:
    _touch(tmp_path, "holiday/beach.jpg", "notes.txt")
    with pytest.raises(DataError) as caught:
        index_source(name, tmp_path)
    message = str(caught.value)
    assert SOURCES.get(name).layout in message
    assert f"ask for the set at {SOURCES.get(name).url}" in message
    assert "found: holiday/, notes.txt" in message
    with pytest.raises(DataError, match="does not exist"):
        index_source(name, tmp_path / "nowhere")


def test_an_unknown_set_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown public set 'ham1000' .did you mean 'ham10000'"):
        index_source("ham1000", tmp_path)


def test_oral_histology_keeps_both_magnifications_of_a_number_together(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "Normal/Normal_100x_1.jpg",
        "Normal/Normal_400x_1.jpg",
        "train/OSCC/OSCC_400x_1.jpg",
        "Normal/aug_Normal_100x_1.jpg",
        "Normal/OSCC_100x_9.jpg",  # name and folder disagree
    )
    notes: list[str] = []
    manifest = index_source("oral_histology", tmp_path, note=notes.append)
    assert _cells(manifest, "id", "path", "diagnosis", "patient_id", "magnification") == [
        ("Normal_100x_1", "Normal/Normal_100x_1.jpg", "Normal", "Normal-1", "100x"),
        ("Normal_400x_1", "Normal/Normal_400x_1.jpg", "Normal", "Normal-1", "400x"),
        ("OSCC_400x_1", "train/OSCC/OSCC_400x_1.jpg", "OSCC", "OSCC-1", "400x"),
    ]
    assert set(_cells(manifest, "modality", "source", "licence")) == {
        ("histology", "oral_histology", "CC-BY-4.0")
    }
    assert "files left out because the set has no such: 2 (" in notes[0]
    assert "aug_Normal_100x_1.jpg" in notes[0]
    assert notes[1].endswith("3 images here, 1,224 were published")
    assert list(_round_trip(manifest).samples()) == list(manifest.samples())


def test_one_image_in_two_folders_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "train/OSCC/OSCC_400x_1.jpg", "test/OSCC/OSCC_400x_1.jpg")
    with pytest.raises(DataError, match=r"'OSCC_400x_1' stands for test/OSCC.* and for train/OSCC"):
        index_source("oral_histology", tmp_path)


def test_ham_dermoscopy_groups_copies_of_one_image(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "nv___ISIC_0030145_117.jpg",
        "df___ISIC_0031372_0_6782_112.jpg",
        "df___ISIC_0031372_0_4446_101.jpg",
    )
    with pytest.raises(DataError, match=r"3 rows are under 'CC-BY-NC-4.0'.*say so with --allow-nc"):
        index_source("ham_dermoscopy", tmp_path, note=_quiet)
    manifest = index_source("ham_dermoscopy", tmp_path, note=_quiet, allow_nc=True)
    assert _cells(manifest, "diagnosis", "patient_id") == [
        ("df", "ISIC_0031372"),
        ("df", "ISIC_0031372"),
        ("nv", "ISIC_0030145"),
    ]


def test_ham10000_finds_images_in_both_parts_and_counts_the_missing(tmp_path: Path) -> None:
    (tmp_path / "HAM10000_metadata.csv").write_text(
        HAM_HEADER
        + "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp\n"
        + "HAM_0000118,ISIC_0025030,bkl,histo,80.0,male,scalp\n"
        + "HAM_0002730,ISIC_0026769,nv,histo,,male,scalp\n",
        encoding="utf-8",
    )
    _touch(tmp_path, "HAM10000_images_part_1/ISIC_0027419.jpg", "HAM10000_images_part_2/ISIC_0025030.jpg")
    notes: list[str] = []
    manifest = index_source("ham10000", tmp_path, note=notes.append, allow_nc=True)
    assert _cells(manifest, "id", "path", "diagnosis", "patient_id") == [
        ("ISIC_0027419", "HAM10000_images_part_1/ISIC_0027419.jpg", "bkl", "HAM_0000118"),
        ("ISIC_0025030", "HAM10000_images_part_2/ISIC_0025030.jpg", "bkl", "HAM_0000118"),
    ]
    assert notes[0] == "ham10000: rows left out because their images are not there: 1 of 3"


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "HAM10000_metadata.csv").write_text("image,dx\nISIC_0027419,bkl\n", encoding="utf-8")
    _touch(tmp_path, "ISIC_0027419.jpg")
    with pytest.raises(DataError, match="columns lesion_id, image_id are missing; found: image, dx"):
        index_source("ham10000", tmp_path)


def _fitzpatrick(folder: Path, *rows: tuple[str, str, str, str]) -> None:
    """Write a table of (md5, label, qc, url) with an image for each row."""
    lines = [f"{md5},-1,3,{label},inflammatory,non-neoplastic,{qc},{url},x" for md5, label, qc, url in rows]
    (folder / "fitzpatrick17k.csv").write_text(FITZPATRICK_HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    _touch(folder, *[f"images/{md5}.jpg" for md5, *_ in rows])


def test_fitzpatrick17k_sets_contradicted_labels_aside_and_counts_what_is_not_asked(tmp_path: Path) -> None:
    _fitzpatrick(
        tmp_path,
        ("a1", "telangiectases", "", f"{HOST}/g/glucagonoma_syndrome/glucagonoma_syndrome1.jpg"),
        ("a2", "psoriasis", "1 Diagnostic", f"{HOST}/p/psoriasis/psoriasis1.jpg"),
        ("a3", "lichen simplex", "", f"{HOST}/c/chicken_pox/chicken_pox1.jpg"),
        ("a4", "lichen simplex", "", ""),
        ("a5", "melanoma", "", "http://atlasdermatologico.com.br/img?imageId=1"),
        ("a6", "melanoma", "", "http://atlasdermatologico.com.br/img?imageId=2"),
        ("a7", "vitiligo", "3 Wrongly labelled", f"{HOST}/v/vitiligo/vitiligo1.jpg"),
        ("a8", "psoriasis", "", f"{HOST}/p/psoriasis_nail/psoriasis_nail1.jpg"),
    )
    notes: list[str] = []
    manifest = index_source("fitzpatrick17k", tmp_path, taxonomy=FULL, note=notes.append, allow_nc=True)
    assert _cells(manifest, "id", "diagnosis", "native_label", "url_folder") == [
        ("a1", fitzpatrick17k.GLUCAGONOMA_FOLDER, "telangiectases", "glucagonoma_syndrome"),
        ("a2", "psoriasis", "psoriasis", "psoriasis"),
        ("a3", fitzpatrick17k.CONTRADICTED, "lichen simplex", "chicken_pox"),
        ("a4", "lichen simplex", "lichen simplex", ""),
        ("a7", fitzpatrick17k.JUDGED_WRONG, "vitiligo", "vitiligo"),
        ("a8", fitzpatrick17k.NAIL, "psoriasis", "psoriasis_nail"),
    ]
    assert set(manifest.frame["fitzpatrick_scale"]) == {""}  # -1 is not a skin type
    assert list(manifest.labelled(FULL).frame["id"]) == ["a2", "a4"]
    told = "\n".join(notes)
    assert "has no word for their label: 2, different labels: 1 (melanoma 2)" in told
    assert "folder says glucagonoma_syndrome, label says telangiectases: needs a dermatologist" in told
    manifest.write(tmp_path / "manifest.csv")
    back = read_manifest(tmp_path / "manifest.csv", purpose="train", taxonomy=FULL, allow_nc=True)
    assert len(back) == len(manifest)


def test_without_a_taxonomy_every_row_stays(tmp_path: Path) -> None:
    _fitzpatrick(tmp_path, ("a5", "melanoma", "", ""), ("a6", "psoriasis", "", ""))
    assert len(index_source("fitzpatrick17k", tmp_path, note=_quiet, allow_nc=True)) == 2


def test_a_taxonomy_that_knows_no_label_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "Normal/Normal_100x_1.jpg", "OSCC/OSCC_100x_1.jpg")
    with pytest.raises(DataError, match="unknown label"):
        index_source(
            "oral_histology", tmp_path, taxonomy=load_taxonomy(TAXONOMIES / "ham10000.yaml"), note=_quiet
        )


def test_what_is_left_out_is_logged_by_default(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _touch(tmp_path, "nv___ISIC_0030145_117.jpg", "100%.jpg")
    index_source("ham_dermoscopy", tmp_path, allow_nc=True)
    assert "no such: 1 (100%.jpg)" in caplog.text


@pytest.mark.parametrize("text", ["GLUCAGONOMA_FOLDER", "CONTRADICTED", "JUDGED_WRONG", "NAIL"])
def test_every_text_for_a_doubted_label_is_excluded_by_the_taxonomy(text: str) -> None:
    assert FULL.exclusion_of(getattr(fitzpatrick17k, text))


def test_class_folders_take_the_first_level_as_label(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "Psoriasis/case07/a b.jpg",
        "Psoriasis/case07/ü.PNG",
        "nme/case12/1.tif",
        "loose_case9.jpg",
        "nme/notes.txt",
        "nme/._1.tif",
    )
    manifest = index_class_folders(
        tmp_path,
        modality="histology",
        patient=r"(?P<patient>case\d+)",
        licence="own",
        source="our clinic",
    )
    assert _cells(manifest, "id", "diagnosis", "patient_id") == [
        ("Psoriasis/case07/a b.jpg", "Psoriasis", "case07"),
        ("Psoriasis/case07/ü.PNG", "Psoriasis", "case07"),
        ("loose_case9.jpg", "", "case9"),
        ("nme/case12/1.tif", "nme", "case12"),
    ]
    assert set(_cells(manifest, "modality", "source", "licence")) == {("histology", "our clinic", "own")}
    assert list(manifest.frame["path"]) == list(manifest.frame["id"])
    assert list(_round_trip(manifest).samples()) == list(manifest.samples())


def test_paths_that_do_not_fit_the_patient_pattern_are_all_named(tmp_path: Path) -> None:
    _touch(tmp_path, "a/p1_1.jpg", "a/stray.jpg", "b/other.jpg")
    with pytest.raises(DataError) as caught:
        index_class_folders(tmp_path, patient=r"(?P<patient>p\d+)_")
    assert "'a/stray.jpg'" in str(caught.value)
    assert "'b/other.jpg'" in str(caught.value)
    assert "p1_1" not in str(caught.value)


def test_all_wrong_options_are_told_at_once(tmp_path: Path) -> None:
    _touch(tmp_path, "a/1.jpg")
    with pytest.raises(DataError) as caught:
        index_class_folders(tmp_path, modality="histolgy", licence="free", patient=r"case\d+")
    message = str(caught.value)
    assert "unknown modality 'histolgy' (did you mean 'histology'?)" in message
    assert "unknown licence 'free'" in message
    assert "has no group (?P<patient>...)" in message
    with pytest.raises(DataError, match="is no regular expression"):
        index_class_folders(tmp_path, patient="(")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"expected one folder per class.*found: empty/"):
        index_class_folders(tmp_path)


@pytest.mark.real
def test_the_real_oral_histology(shared_data: Path) -> None:
    manifest = index_source("oral_histology", shared_data / "oral_histology", note=_quiet)
    assert manifest.frame["diagnosis"].value_counts().to_dict() == {"OSCC": 919, "Normal": 275}
    sizes = manifest.frame.groupby("patient_id").size()
    assert len(sizes) == 688
    assert sizes.value_counts().to_dict() == {2: 506, 1: 182}
    assert all((manifest.root / path).is_file() for path in manifest.frame["path"])
    oral = load_taxonomy(TAXONOMIES / "oral-squamous.yaml")
    assert Counter(manifest.diagnoses(oral)) == {"oscc": 919, "normal": 275}


@pytest.mark.real
def test_the_real_ham_dermoscopy(shared_data: Path) -> None:
    notes: list[str] = []
    ham = load_taxonomy(TAXONOMIES / "ham10000.yaml")
    folder = shared_data / "ham_dermoscopy"
    manifest = index_source("ham_dermoscopy", folder, taxonomy=ham, note=notes.append, allow_nc=True)
    assert Counter(manifest.diagnoses(ham)) == dict.fromkeys(ham.keys, 20)
    assert manifest.frame["patient_id"].nunique() == 136
    assert notes == []


@pytest.mark.real
def test_the_real_fitzpatrick17k_table_without_its_images(shared_data: Path) -> None:
    with pytest.raises(DataError, match="16,577 rows in its table but none of their images"):
        index_source("fitzpatrick17k", shared_data / "fitzpatrick17k")


@pytest.mark.real
def test_the_real_fitzpatrick17k_rows(shared_data: Path) -> None:
    rows = list(SOURCES.get("fitzpatrick17k").rows(shared_data / "fitzpatrick17k"))
    pairs = Counter((row["native_label"], row["url_folder"]) for row in rows)
    listed = [
        (label, folder) for label, folders in fitzpatrick17k.CONTRADICTIONS.items() for folder in folders
    ]
    assert [pair for pair in listed if not pairs[pair]] == []  # every pair exists, as it is spelt
    counted = Counter(row["diagnosis"] for row in rows)
    assert len(rows) == 16577
    assert len({row["native_label"] for row in rows}) == 114
    assert counted[fitzpatrick17k.GLUCAGONOMA_FOLDER] == 11
    assert counted[fitzpatrick17k.CONTRADICTED] == sum(pairs[pair] for pair in listed)
    assert counted[fitzpatrick17k.NAIL] == 113
    assert sum(row["url_folder"] == "" for row in rows) == 41
    suspects = {row["id"] for row in rows if row["diagnosis"] == fitzpatrick17k.GLUCAGONOMA_FOLDER}
    assert {"a0ae926830cf382bed7b1d0de867d6a7", "ce0b81d408adacbc981c448110a192e8"} <= suspects
    assert not any(FULL.diagnosis_of(row["diagnosis"]) for row in rows if row["id"] in suspects)
    usable = Counter(key for row in rows if (key := FULL.diagnosis_of(row["diagnosis"])))
    assert dict(usable) == fitzpatrick17k.COUNTS  # what `data sources` prints
    assert {row["native_label"] for row in rows if FULL.diagnosis_of(row["diagnosis"])} == set(
        fitzpatrick17k.LABELS
    )
    assert sum(row["skin_tone"] == "" for row in rows) == 565
