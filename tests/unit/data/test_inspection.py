"""Files are read once before they are trusted: broken ones are told, identical ones kept together."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from image_bytes import encode, picture

from nmevision.data.inspection import inspect_files, join_identical
from nmevision.data.splits import group_keys
from nmevision.errors import DataError
from nmevision.manifest import Manifest, manifest_of
from nmevision.taxonomy import taxonomy_from

TAXONOMY = taxonomy_from(
    {
        "name": "ab",
        "groups": [{"key": "g", "name": "g"}],
        "diagnoses": [{"key": key, "name": key * 2, "group": "g"} for key in "ab"],
    },
    "test",
)


def write(folder: Path, files: dict[str, bytes], **columns: list[str]) -> Manifest:
    rows = []
    for n, (name, data) in enumerate(files.items()):
        (folder / name).write_bytes(data)
        rows.append({"id": name, "path": name} | {key: values[n] for key, values in columns.items()})
    return manifest_of(rows, folder)


def images(n: int) -> dict[str, bytes]:
    return {f"{k}.png": encode(picture(seed=k), "PNG") for k in range(n)}


class TestInspect:
    def test_one_row_per_sample_in_order(self, tmp_path: Path) -> None:
        files = images(5)
        files["2.png"] = files["2.png"][:200]
        files["3.png"] = encode(np.full((80, 80, 3), 255, np.uint8), "PNG")
        made = write(tmp_path, files)
        (tmp_path / "4.png").unlink()
        steps: list[int] = []
        found = inspect_files(made, 10**8, steps.append)
        assert found["id"].tolist() == list(files)
        assert found["readable"].tolist() == [True, True, False, True, False]
        assert found["sha256"][0] == hashlib.sha256(files["0.png"]).hexdigest()
        assert found["sha256"].tolist()[2::2] == ["", ""]
        assert found["message"].tolist()[:2] == ["", ""]
        assert "'2.png'" in found["message"][2]
        assert "nothing to see" in found["message"][3]
        assert steps == [1, 2, 3, 4, 5]

    def test_the_limit_holds(self, tmp_path: Path) -> None:
        found = inspect_files(write(tmp_path, images(1)), 100)
        assert not found["readable"][0]
        assert "more than the limit of 100" in found["message"][0]


class TestJoin:
    def join(self, made: Manifest) -> list[str]:
        return join_identical(made, inspect_files(made, 10**8), TAXONOMY).frame["duplicate_group"].tolist()

    def test_identical_files_share_a_group(self, tmp_path: Path) -> None:
        files = images(4)
        files["3.png"] = files["1.png"]
        groups = self.join(write(tmp_path, files, diagnosis=["a", "b", "a", "bb"]))
        assert groups[1] == groups[3] != ""
        assert groups[0] == groups[2] == ""

    def test_a_group_that_one_of_them_has_is_taken(self, tmp_path: Path) -> None:
        files = images(3)
        files["2.png"] = files["0.png"]
        made = write(tmp_path, files, diagnosis=["a"] * 3, duplicate_group=["", "mine", "mine"])
        assert self.join(made) == ["mine", "mine", "mine"]

    def test_identical_files_in_two_groups_join_both(self, tmp_path: Path) -> None:
        files = images(4)
        files["2.png"] = files["0.png"]
        made = write(tmp_path, files, diagnosis=["a"] * 4, duplicate_group=["one", "one", "two", "two"])
        joined = join_identical(made, inspect_files(made, 10**8), TAXONOMY)
        assert group_keys(joined).nunique() == 1  # no split parts the two identical files

    def test_unreadable_files_are_not_one_another(self, tmp_path: Path) -> None:
        made = write(tmp_path, {"x.png": b"", "y.png": b""}, diagnosis=["a", "b"])
        assert self.join(made) == ["", ""]

    def test_one_file_under_two_diagnoses_is_refused(self, tmp_path: Path) -> None:
        files = images(3)
        files["2.png"] = files["0.png"]
        made = write(tmp_path, files, diagnosis=["a", "a", "b"])
        digest = hashlib.sha256(files["0.png"]).hexdigest()[:12]
        with pytest.raises(
            DataError, match=rf"{digest}\) under different diagnoses: '0.png' = a, '2.png' = b"
        ):
            self.join(made)

    def test_the_given_manifest_is_untouched(self, tmp_path: Path) -> None:
        files = images(2)
        files["1.png"] = files["0.png"]
        made = write(tmp_path, files, diagnosis=["a", "a"])
        before = made.fingerprint
        self.join(made)
        assert made.fingerprint == before
