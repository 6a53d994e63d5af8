"""The audit as a user runs it: planted duplicates, leaks and broken files in, files and an exit code out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_bytes import encode, picture
from PIL import Image
from small_world import run_here

from nmevision.data.splits import group_keys
from nmevision.errors import DataError
from nmevision.journeys.audit import audit_manifest
from nmevision.journeys.provenance import review_provenance, write_corrected
from nmevision.manifest import read_manifest


def grainy(seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).normal(0, 35, (40, 50)).astype(np.float32)
    fine = np.asarray(Image.fromarray(grain).resize((250, 200), Image.Resampling.BICUBIC))
    return np.clip(picture(200, 250, seed) + fine[..., np.newaxis], 0, 255).astype(np.uint8)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Nine images: 1 is a copy of 0, 3 is 2 turned under another label and split, 8 is broken."""
    images = {n: encode(grainy(n), "PNG") for n in range(8)}
    images[1] = images[0]
    images[3] = encode(np.rot90(grainy(2)).copy(), "JPEG")
    images[8] = images[7][:90]
    rows = []
    for n, data in images.items():
        name = f"{n}.jpg" if n == 3 else f"{n}.png"
        (tmp_path / name).write_bytes(data)
        label, split = ("eczema", "test") if n == 3 else ("psoriasis", "train")
        rows.append({"id": f"i{n}", "path": name, "diagnosis": label, "split": split, "source": "s"})
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    return tmp_path / "m.csv"


def test_everything_planted_is_told(manifest: Path, tmp_path: Path) -> None:
    before = manifest.read_bytes()
    answer = run_here("data audit", "m.csv", "--out", "audit", cwd=tmp_path)
    assert answer.code == 1, answer.err
    out = tmp_path / "audit"
    for name in ("findings.csv", "pairs.csv", "manifest.csv", "audit.json", "pairs-1.png"):
        assert str(out / name) in answer.out
        assert (out / name).is_file()
    assert "9 images of 9 patients; 1 exact and 1 near duplicates, 4 images in 2 groups" in answer.out
    found = pd.read_csv(out / "findings.csv").set_index("kind")["ids"].to_dict()
    assert found == {"crosses_splits": "i2; i3", "label_conflict": "i2; i3", "unreadable": "i8"}
    pairs = pd.read_csv(out / "pairs.csv")
    assert pairs[["kind", "first_id", "second_id"]].to_numpy().tolist() == [
        ["exact", "i0", "i1"],
        ["near", "i2", "i3"],
    ]
    assert pairs["orientation"][1] == "turned right"
    assert json.loads((out / "audit.json").read_text())["findings"]["crosses_splits"] == 1
    assert manifest.read_bytes() == before


def test_the_new_manifest_keeps_duplicates_together_once_splits_are_mended(
    manifest: Path, tmp_path: Path
) -> None:
    audit_manifest(manifest, tmp_path / "audit")
    grouped = tmp_path / "audit" / "manifest.csv"
    with pytest.raises(DataError, match=r"duplicate_group 'view:.*' is in more than one split"):
        read_manifest(grouped)
    pd.read_csv(grouped).drop(columns="split").to_csv(grouped, index=False)
    mended = read_manifest(grouped, purpose="train")  # which looks for every file: the paths lead there
    keys = group_keys(mended)
    assert keys[2] == keys[3] != keys[0] == keys[1]
    assert keys.nunique() == 7


def test_a_second_audit_says_the_same_and_draws_anew(manifest: Path, tmp_path: Path) -> None:
    first = audit_manifest(manifest, tmp_path / "audit")
    table = (tmp_path / "audit" / "pairs.csv").read_bytes()
    (tmp_path / "audit" / "pairs-7.png").write_bytes(b"old")
    assert audit_manifest(manifest, tmp_path / "audit") == first
    assert (tmp_path / "audit" / "pairs.csv").read_bytes() == table
    assert not (tmp_path / "audit" / "pairs-7.png").exists()


def test_a_patient_in_two_splits_is_a_finding_and_not_an_error(tmp_path: Path) -> None:
    for n in range(2):
        (tmp_path / f"{n}.png").write_bytes(encode(grainy(n), "PNG"))
    rows = [
        {"path": f"{n}.png", "patient_id": "p", "split": split} for n, split in enumerate(("train", "test"))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    audit = audit_manifest(tmp_path / "m.csv", tmp_path / "audit")
    assert audit.code == 1
    assert "crosses_splits: 1" in audit.text


def test_a_clean_table_ends_with_0(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(encode(grainy(n), "PNG"))
    pd.DataFrame({"path": [str(tmp_path / f"{n}.png") for n in range(3)]}).to_csv(
        tmp_path / "m.csv", index=False
    )
    audit = audit_manifest(tmp_path / "m.csv", tmp_path / "deep" / "audit")
    assert audit.code == 0
    assert "nothing else to report" in audit.text
    assert "Near duplicates that this search misses" in audit.text
    again = read_manifest(tmp_path / "deep" / "audit" / "manifest.csv")
    assert all(sample.path.is_file() for sample in again.samples())  # absolute paths stay absolute


def test_the_audited_manifest_is_never_overwritten(manifest: Path, tmp_path: Path) -> None:
    named = tmp_path / "manifest.csv"
    manifest.rename(named)
    with pytest.raises(DataError, match="would be overwritten; choose another --out"):
        audit_manifest(named, tmp_path)


def provenance_table(folder: Path) -> Path:
    rows = [
        {"md5hash": f"h{n}", "label": "psoriasis", "url": f"http://x/psoriasis/{n}.jpg"} for n in range(5)
    ]
    rows.append({"md5hash": "h5", "label": "psoriasis", "url": "http://x/glucagonoma_syndrome/1.jpg"})
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def test_labels_are_reviewed_without_images_and_corrected_by_a_person(tmp_path: Path) -> None:
    table = provenance_table(tmp_path)
    answer = run_here("data provenance", table, "--out", "overlay.csv", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert "6 rows; 1 to review (labels from 'label')" in answer.out
    assert "url: another_name 1; 5 agree, 0 say nothing" in answer.out
    overlay = pd.read_csv(tmp_path / "overlay.csv", dtype=str, keep_default_na=False)
    assert overlay[["id", "suggested", "decision"]].to_numpy().tolist() == [
        ["h5", "glucagonoma syndrome", ""]
    ]
    rows = [{"id": f"h{n}", "path": f"{n}.jpg", "diagnosis": "psoriasis"} for n in range(6)]
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    assert "0 of 6 rows changed" in write_corrected(
        tmp_path / "m.csv", tmp_path / "overlay.csv", tmp_path / "n.csv"
    )
    overlay.assign(decision="accept").to_csv(tmp_path / "overlay.csv", index=False)
    answer = run_here("data apply-overlay", "m.csv", "overlay.csv", "--out", "sub/new.csv", cwd=tmp_path)
    assert "1 of 6 rows changed" in answer.out
    corrected = read_manifest(tmp_path / "sub" / "new.csv").frame
    assert corrected["diagnosis"].tolist() == ["psoriasis"] * 5 + ["glucagonoma syndrome"]
    assert corrected["path"][0] == "../0.jpg"


def test_columns_that_are_not_there_are_named(tmp_path: Path) -> None:
    table = provenance_table(tmp_path)
    with pytest.raises(DataError, match=r"no column 'lable' \(did you mean 'label'\?\) for the label"):
        review_provenance(table, tmp_path / "o.csv", label_column="lable")
    pd.DataFrame({"id": ["a"], "label": ["b"]}).to_csv(table, index=False)
    with pytest.raises(DataError, match="no column says where the images come from"):
        review_provenance(table, tmp_path / "o.csv")


@pytest.mark.real
def test_the_real_table_gives_an_overlay(shared_data: Path, tmp_path: Path) -> None:
    said = review_provenance(shared_data / "fitzpatrick17k" / "fitzpatrick17k.csv", tmp_path / "overlay.csv")
    assert "16,577 rows; 1,814 to review" in said
    overlay = pd.read_csv(tmp_path / "overlay.csv", keep_default_na=False)
    assert len(overlay) == 1814
    assert set(overlay["decision"]) == {""}
