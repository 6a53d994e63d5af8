"""Only what a person accepted changes a manifest, and only where it still fits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nmevision.data.overlay import apply_overlay, overlay_of, read_overlay, write_overlay
from nmevision.errors import DataError
from nmevision.manifest import manifest_of

MANIFEST = manifest_of(
    [
        {"id": "a", "path": "a.png", "diagnosis": "psoriasis"},
        {"id": "b", "path": "b.png", "diagnosis": "contradicted", "native_label": "telangiectases"},
        {"id": "c", "path": "c.png", "diagnosis": "eczema"},
    ],
    Path(),
)
FOUND = pd.DataFrame(
    {
        "id": list("abc"),
        "kind": ["another_label", "another_name", "no_provenance"],
        "label": ["psoriasis", "telangiectases", "eczema"],
        "suggested": ["lichen planus", "glucagonoma syndrome", ""],
        "evidence": ["x/lichen_planus/1.jpg", "x/glucagonoma_syndrome/1.jpg", ""],
    }
)


def decided(folder: Path, *decisions: str, **columns: list[str]) -> Path:
    path = folder / "overlay.csv"
    overlay_of(FOUND).assign(decision=list(decisions), **columns).to_csv(path, index=False)
    return path


def test_undecided_and_rejected_rows_change_nothing(tmp_path: Path) -> None:
    same, count = apply_overlay(MANIFEST, read_overlay(decided(tmp_path, "", "reject", "")))
    assert count == 0
    assert same.fingerprint == MANIFEST.fingerprint


def test_accepted_rows_change_and_the_source_does_not(tmp_path: Path) -> None:
    before = MANIFEST.fingerprint
    changed, count = apply_overlay(MANIFEST, read_overlay(decided(tmp_path, "accept", " accept ", "reject")))
    assert count == 2
    assert changed.frame["diagnosis"].tolist() == ["lichen planus", "glucagonoma syndrome", "eczema"]
    assert changed.frame["native_label"].tolist() == ["", "telangiectases", ""]
    assert MANIFEST.fingerprint == before


def test_unknown_ids_and_other_labels_are_errors(tmp_path: Path) -> None:
    path = decided(tmp_path, "accept", "accept", "", id=["aa", "b", "z"], found=["psoriasis", "acne", ""])
    with pytest.raises(DataError, match="2 problems") as raised:
        apply_overlay(MANIFEST, read_overlay(path))
    assert "id 'aa' is not in the manifest" in str(raised.value)
    assert "'b' is labelled 'contradicted' here; the overlay found 'acne'" in str(raised.value)


def test_every_mistake_in_the_file_is_told_at_once(tmp_path: Path) -> None:
    path = decided(tmp_path, "acept", "accept", "accept", column=["diagnosis", "split", "diagnosis"])
    with pytest.raises(DataError, match="3 problems") as raised:
        read_overlay(path)
    assert "row 2 ('a'): decision 'acept' (did you mean 'accept'?)" in str(raised.value)
    assert "row 3 ('b'): column 'split'; only 'diagnosis' may be changed" in str(raised.value)
    assert "row 4 ('c'): accepted without a suggestion" in str(raised.value)


def test_two_answers_for_one_row_are_refused(tmp_path: Path) -> None:
    path = decided(tmp_path, "accept", "accept", "", id=["a", "a", "c"], found=["psoriasis"] * 3)
    with pytest.raises(DataError, match="accepted as 'lichen planus' already; reject one of the two"):
        read_overlay(path)


def test_a_file_that_is_no_overlay(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,label\na,b\n")
    with pytest.raises(DataError, match="column 'decision' is missing"):
        read_overlay(tmp_path / "o.csv")
    with pytest.raises(DataError, match="cannot be read as an overlay"):
        read_overlay(tmp_path / "none.csv")


def test_decisions_are_never_overwritten(tmp_path: Path) -> None:
    path = decided(tmp_path, "accept", "", "")
    before = path.read_bytes()
    with pytest.raises(DataError, match="may hold decisions"):
        write_overlay(path, overlay_of(FOUND))
    assert path.read_bytes() == before
