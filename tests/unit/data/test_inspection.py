"""Files are read once before they are trusted: broken ones are told, identical ones kept together."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_bytes import encode, picture

from nmevision.data import inspection
from nmevision.data.images import DecodedImage, read_image
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


class TestMemory:
    """What is remembered from one inspection to the next."""

    @pytest.fixture
    def made(self, tmp_path: Path) -> Manifest:
        """Three good files and a broken one, unchanged for a minute."""
        made = write(tmp_path, images(3) | {"broken.png": b"nothing"})
        for sample in made.samples():
            age(sample.path, 60)
        return made

    def test_files_that_stayed_as_they_were_are_not_read_again(
        self, made: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory = tmp_path / "memory.json"
        first = inspect_files(made, 10**8, memory=memory)
        read = counting(monkeypatch)
        pd.testing.assert_frame_equal(inspect_files(made, 10**8, memory=memory), first)
        assert read == ["broken.png"]  # it may have been mended

    @pytest.mark.parametrize("change", ["content", "touched", "fresh", "limit", "memory", "decoder"])
    def test_whatever_may_have_changed_is_read_again(
        self, change: str, made: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory, path, limit = tmp_path / "memory.json", tmp_path / "1.png", 10**8
        if change == "fresh":  # written just now: the clock of the disk may not tell a second change
            age(path, 0)
        first = inspect_files(made, limit, memory=memory)
        if change == "content":
            path.write_bytes(encode(picture(seed=77), "PNG"))
            age(path, 60)
        elif change == "touched":
            age(path, 30)
        elif change == "memory":
            memory.write_text(memory.read_text()[:-9])
        elif change == "limit":
            limit -= 1
        elif change == "decoder":
            monkeypatch.setattr(inspection, "decoder_version", lambda: "another")
        read = counting(monkeypatch)
        again = inspect_files(made, limit, memory=memory)
        everything = change in ("limit", "memory", "decoder")
        assert sorted(read) == (
            ["0.png", "1.png", "2.png", "broken.png"] if everything else ["1.png", "broken.png"]
        )
        assert (again["sha256"][1] != first["sha256"][1]) == (change == "content")
        assert again["sha256"][1] == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_other_manifests_are_not_forgotten(
        self, made: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        memory = tmp_path / "memory.json"
        inspect_files(made.select(made.frame["id"] == "0.png"), 10**8, memory=memory)
        inspect_files(made.select(made.frame["id"] == "1.png"), 10**8, memory=memory)
        read = counting(monkeypatch)
        inspect_files(made, 10**8, memory=memory)
        assert sorted(read) == ["2.png", "broken.png"]

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"by": 3}', '{"by": null, "files": {"a": [1]}}', "\0"]
    )
    def test_any_damage_of_the_memory_is_forgotten(
        self, content: str, made: Manifest, tmp_path: Path
    ) -> None:
        memory = tmp_path / "memory.json"
        memory.write_text(content)
        assert inspect_files(made, 10**8, memory=memory)["readable"].tolist() == [True, True, True, False]


def age(path: Path, seconds: float) -> None:
    """Let a file's last change be so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are decoded from now on."""
    read: list[str] = []

    def noting(path: Path, max_pixels: int) -> DecodedImage:
        read.append(path.name)
        return read_image(path, max_pixels)

    monkeypatch.setattr(inspection, "read_image", noting)
    return read
