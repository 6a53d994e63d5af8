"""A slide on the page: small, with its tiles laid over it where they were read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from reader_folder import data_of, make_folder
from slide_files import skin, write_pyramid

from nmevision.errors import DataError
from nmevision.reader.page import write_reader_page
from nmevision.reader.slides import Slides


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    return write_pyramid(tmp_path / "slide.tif", skin(1200, 800)[0])


def write_tiles(folder: Path, identity: str) -> None:
    tiles = [
        {
            "id": identity,
            "x": 200,
            "y": 200,
            "width": 200,
            "flags": "",
            "chosen": 1,
            "p_nme": 1.0,
            "p_eczema": 0.0,
        },
        {
            "id": identity,
            "x": 600,
            "y": 400,
            "width": 200,
            "flags": "blur",
            "chosen": 0,
            "p_nme": 0.0,
            "p_eczema": 1.0,
        },
    ]
    pd.DataFrame(tiles).to_csv(folder / "tiles.csv", index=False)


def test_tiles_lie_where_they_were_read(slide: Path, tmp_path: Path) -> None:
    write_tiles(tmp_path, "a")
    slides = Slides(tmp_path, ["nme"])
    try:
        picture, overlays = slides.read(slide, "a")
        assert slides.read(slide, "of another id")[1] == []
    finally:
        slides.stop()
    assert [name for name, _ in overlays] == ["tiles by score", "tiles by quality"]
    scale = picture.width / 1200
    score, quality = (np.asarray(drawn) for _, drawn in overlays)
    first, second, none = (
        (round(y * scale), round(x * scale)) for x, y in ((300, 300), (700, 500), (100, 100))
    )
    assert score[first][:3].tolist() == [213, 94, 0]
    assert score[second][:3].tolist() == [86, 180, 233]
    assert score[none][3] == quality[none][3] == 0
    assert quality[first][:3].tolist() != quality[second][:3].tolist()


def test_a_slide_stands_on_the_page(slide: Path, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    make_folder(folder, 5, hostile=False)
    name = "sub/case 0003.jpg"
    (folder / "images" / name).unlink()
    table = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False).replace(
        name, "slide.tif"
    )
    table.to_csv(folder / "predictions.csv", index=False)
    slide.rename(folder / "images" / "slide.tif")
    write_tiles(folder, "slide.tif")
    row = data_of(write_reader_page(folder).read_text(encoding="utf-8"))["rows"][3]
    assert [name for name, _ in row["overlays"]] == ["tiles by score", "tiles by quality"]
    assert row["image"] != row["thumbnail"]


def test_a_broken_table_of_tiles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiles.csv").write_text("id,x\na,1\n")
    with pytest.raises(DataError, match="columns are missing: y, width, flags, chosen"):
        Slides(tmp_path, [])


def test_a_slide_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    make_folder(tmp_path, 5, hostile=False)
    (tmp_path / "images" / "sub" / "case 0003.jpg").write_bytes(b"II*\0" + bytes(40))
    page = write_reader_page(tmp_path).read_text(encoding="utf-8")
    assert data_of(page)["pictures"]["missing"] == 1
    assert json.dumps(data_of(page)["rows"][3]["id"]) == '"sub/case 0003.jpg"'
    assert Image.MAX_IMAGE_PIXELS  # Pillow's own limit was left alone
