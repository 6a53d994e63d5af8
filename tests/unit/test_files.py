"""Files appear whole or not at all, and hashes are the real ones."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nmevision.files import atomic_path, sha256_of, sha256_of_text, write_csv, write_json, write_text


def test_a_block_that_ends_well_makes_the_file_and_its_folder(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "table.csv"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".csv"  # writers that look at the suffix see the right one
        assert not target.exists()
        temporary.write_text("a")
    assert target.read_text() == "a"
    assert [p.name for p in target.parent.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")

    def interrupted() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        interrupted()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_umask_is_as_before(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "")
        assert os.umask(0o027) == 0o027
        assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)


def test_several_threads_at_once_leave_the_umask_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.umask

    def slow(mask: int) -> int:
        before = real(mask)
        time.sleep(0.002)
        return before

    old = real(0o027)
    try:
        monkeypatch.setattr(os, "umask", slow)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: write_text(tmp_path / str(i), ""), range(24)))
        assert real(0o027) == 0o027
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
    finally:
        real(old)


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "naïve – 皮膚\n")
    assert (tmp_path / "x.txt").read_bytes() == "naïve – 皮膚\n".encode()


def test_json_reads_back_and_ends_with_a_newline(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": {"ü": "é"}}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert "ü" in text


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"score": number})
    assert list(tmp_path.iterdir()) == []


def test_hashes(tmp_path: Path) -> None:
    # FIPS 180-2, appendix B.1
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == abc
    assert sha256_of_text("abc") == abc
    assert sha256_of_text("é") == hashlib.sha256("é".encode()).hexdigest()


def test_the_hash_of_a_file_larger_than_one_read(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "x").write_bytes(data)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(data).hexdigest()
    told = subprocess.run(["sha256sum", tmp_path / "x"], capture_output=True, text=True, check=True)
    assert told.stdout.split()[0] == sha256_of(tmp_path / "x")


def test_a_table_gives_every_cell_back(tmp_path: Path) -> None:
    names = ['say "x"', "a,b", "two\nlines", "Icon\r", " padded ", "", "NA", "ü"]
    frame = pd.DataFrame({"name": names, "p": [0.123456789, np.nan, 1.0, 0.0, 0.5, 0.25, 1e-9, 2.0]})
    write_csv(tmp_path / "t.csv", frame, decimals=8)
    again = pd.read_csv(tmp_path / "t.csv", keep_default_na=False, dtype=str)
    assert again["name"].tolist() == names
    assert again["p"].tolist()[:4] == ["0.12345679", "", "1.00000000", "0.00000000"]


def test_an_ordinary_table_has_no_needless_quotes(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"name": ["a", "b"], "p": [0.5, 1.25]}))
    assert (tmp_path / "t.csv").read_bytes() == b"name,p\na,0.5\nb,1.25\n"
