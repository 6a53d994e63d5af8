"""Every file is looked at once, whatever it is, and what was seen is remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bad_files import BadFolder
from image_bytes import encode, picture

from nmevision.data import thumbnails
from nmevision.data.image_quality import grey_of
from nmevision.data.thumbnails import SIDE, look_at, thumbnail_of
from nmevision.errors import ImageError
from nmevision.manifest import Manifest, manifest_of


def world(folder: Path, n: int = 5) -> Manifest:
    for number in range(n):
        (folder / f"{number}.png").write_bytes(encode(picture(seed=number), "PNG"))
    (folder / "copy.png").write_bytes(encode(picture(seed=0), "PNG"))
    names = [*(f"{number}.png" for number in range(n)), "copy.png"]
    return manifest_of([{"id": name, "path": name} for name in names], folder)


def test_what_is_seen(tmp_path: Path) -> None:
    looks = look_at(world(tmp_path))
    assert looks.thumbnails.shape == (6, SIDE, SIDE)
    assert looks.table["readable"].all()
    assert set(looks.table["width"]) == {96}
    assert looks.table["sha256"][0] == looks.table["sha256"][5] != looks.table["sha256"][1]
    for row in range(5):
        assert (looks.thumbnails[row] == thumbnail_of(grey_of(picture(seed=row)))).all()


def test_broken_files_are_rows(bad_folder: BadFolder) -> None:
    names = [name for name in bad_folder.words if name.isprintable()]  # a table holds no lone surrogates
    rows = [{"id": name, "path": name} for name in names]
    table = look_at(manifest_of(rows, bad_folder.path)).table.set_index("id")
    assert not table["readable"].any()
    assert table["width"].isna().all()
    for name in names:
        assert bad_folder.words[name] in str(table["message"][name])


def test_what_was_seen_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = world(tmp_path)
    first = look_at(manifest, tmp_path / "seen")
    monkeypatch.setattr(thumbnails, "read_image", lambda *_: pytest.fail("decoded again"))
    steps: list[int] = []
    again = look_at(manifest, tmp_path / "seen", progress=steps.append)
    pd.testing.assert_frame_equal(first.table, again.table)
    assert (first.thumbnails == again.thumbnails).all()
    assert steps[-1] == 6


def test_an_audit_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = world(tmp_path)
    real, decoded = thumbnails.read_image, []

    def stop_at_the_third(path: Path, max_pixels: int) -> object:
        if path.name == "3.png":
            raise KeyboardInterrupt
        decoded.append(path.name)
        return real(path, max_pixels)

    monkeypatch.setattr(thumbnails, "read_image", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        look_at(manifest, tmp_path / "seen")
    decoded.clear()
    monkeypatch.setattr(thumbnails, "read_image", lambda p, m: (decoded.append(p.name), real(p, m))[1])
    assert look_at(manifest, tmp_path / "seen").table["readable"].all()
    assert not {"0.png", "1.png", "2.png"} & set(decoded)
    assert "3.png" in decoded


def test_a_changed_file_and_a_broken_memory_are_looked_at_again(tmp_path: Path) -> None:
    manifest = world(tmp_path)
    before = look_at(manifest, tmp_path / "seen")
    (tmp_path / "1.png").write_bytes(encode(picture(seed=99), "PNG"))
    after = look_at(manifest, tmp_path / "seen")
    assert (before.thumbnails[1] != after.thumbnails[1]).any()
    for part in (tmp_path / "seen").iterdir():
        part.write_bytes(b"PAR1")
    assert (look_at(manifest, tmp_path / "seen").thumbnails == after.thumbnails).all()


def test_a_mended_file_is_read(tmp_path: Path) -> None:
    manifest = world(tmp_path)
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[:80])
    assert not look_at(manifest, tmp_path / "seen").table["readable"][1]
    (tmp_path / "1.png").write_bytes(whole)
    assert look_at(manifest, tmp_path / "seen").table["readable"][1]


def test_a_file_that_fails_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, max_pixels: int) -> object:
        raise ImageError(f"'{path.name}' is made of cheese")

    monkeypatch.setattr(thumbnails, "read_image", fail)
    assert look_at(world(tmp_path)).table["message"][2] == "'2.png' is made of cheese"


@pytest.mark.parametrize("value", [0, 255, 128])
def test_a_plain_frame_is_cut_away(value: int) -> None:
    grey = grey_of(picture(200, 300))
    frame = np.pad(grey, ((20, 5), (0, 40)), constant_values=value)
    difference = np.abs(thumbnail_of(frame).astype(float) - thumbnail_of(grey))
    assert difference.mean() < 4
    plain = np.full((50, 80), value, np.uint8)
    assert (thumbnail_of(plain) == value).all()
