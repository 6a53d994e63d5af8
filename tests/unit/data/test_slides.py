"""Whole slides: known pixels come back at any scale, the scale is never assumed, broken files are called broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.uid import generate_uid
from slide_files import PATIENT, skin, write_dicom_slide, write_flat, write_pyramid

from nmevision.data import slides
from nmevision.data.companions import slide_parts
from nmevision.data.images import read_image
from nmevision.data.slide_plan import Want, plan_slide
from nmevision.data.slide_readers import OpenSlideReader, SlideReader, TiffReader
from nmevision.data.slides import Slide, is_slide, open_slide
from nmevision.data.tiff_head import is_pyramid, pages_of
from nmevision.errors import ImageError

PIXELS, MASK = skin()


def near(found: np.ndarray, expected: np.ndarray, most: float) -> bool:
    return float(np.abs(found.astype(float) - expected.astype(float)).mean()) < most


@pytest.fixture
def pyramid(tmp_path: Path) -> Slide:
    return open_slide(write_pyramid(tmp_path / "biopsy.tif", PIXELS))


def test_a_pyramid_tells_its_scale_and_gives_back_its_pixels(pyramid: Slide) -> None:
    assert isinstance(pyramid.reader, OpenSlideReader)
    assert (pyramid.size, pyramid.mpp, pyramid.notes) == ((1200, 800), 0.5, ())
    assert np.array_equal(pyramid.area(100, 150, 256, 256), PIXELS[150:406, 100:356])
    half = np.asarray(Image.fromarray(PIXELS[200:600, 100:500]).reduce(4))
    assert near(pyramid.area(100, 200, 400, 100), half, 1.5)


def test_beyond_the_edge_there_is_white(pyramid: Slide) -> None:
    found = pyramid.area(-50, 700, 200, 200)
    assert (found[:, :50] == 255).all()
    assert (found[100:] == 255).all()
    assert np.array_equal(found[:100, 50:], PIXELS[700:800, 0:150])


@pytest.mark.parametrize("kind", ["striped", "tiled", "uncompressed", "one strip"])
def test_flat_tiffs_give_the_same_pixels(tmp_path: Path, kind: str) -> None:
    options = {"tiled": {"tile": (256, 128), "rowsperstrip": None}, "uncompressed": {"compression": None}}
    more = options.get(kind, {"rowsperstrip": 800} if kind == "one strip" else {})
    reader = TiffReader(write_flat(tmp_path / "flat.tif", PIXELS, **more))
    assert np.array_equal(reader.region(0, 90, 130, 300, 222), PIXELS[130:352, 90:390])
    assert (reader.region(0, -10, -10, 20, 20)[:10] == 255).all()
    reader.close()


def test_sixteen_bits_and_grey(tmp_path: Path) -> None:
    grey = PIXELS[..., 1]
    reader = TiffReader(
        write_flat(tmp_path / "16.tif", grey.astype(np.uint16) * 256, photometric="minisblack")
    )
    assert np.array_equal(reader.region(0, 0, 0, 1200, 800), np.repeat(grey[..., None], 3, axis=2))
    inverted = TiffReader(write_flat(tmp_path / "white.tif", grey, photometric="miniswhite"))
    assert np.array_equal(inverted.region(0, 0, 0, 9, 9)[..., 0], 255 - grey[:9, :9])


def test_kinds_that_would_be_shown_wrongly_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImageError, match="not 8 or 16 bits"):
        open_slide(write_flat(tmp_path / "float.tif", PIXELS[..., 0].astype(np.float32)))
    planes = np.moveaxis(PIXELS, 2, 0)
    with pytest.raises(ImageError, match="separate planes"):
        open_slide(write_flat(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate"))
    monkeypatch.setattr("nmevision.data.slide_readers.PART_BYTES", 1_000_000)
    with pytest.raises(ImageError, match="save it as a tiled TIFF"):
        open_slide(write_flat(tmp_path / "one.tif", PIXELS, rowsperstrip=800))


def test_the_cache_of_parts_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmevision.data.slide_readers.CACHE_BYTES", 500_000)
    reader = TiffReader(write_flat(tmp_path / "flat.tif", PIXELS))
    for top in range(0, 700, 100):
        reader.region(0, 0, top, 1200, 100)
    assert sum(part.nbytes for part in reader._parts.values()) <= 500_000
    assert np.array_equal(reader.region(0, 0, 0, 100, 100), PIXELS[:100, :100])


def test_the_overview_shows_the_whole_slide(pyramid: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.asarray(Image.fromarray(PIXELS).resize((300, 200), Image.Resampling.BOX))
    monkeypatch.setattr(slides, "OVERVIEW_SIDE", (300, 300))
    assert near(pyramid.overview(768), whole, 1.5)
    monkeypatch.setattr(slides, "_BLOCK", 128)  # many blocks: no seam, nothing left out
    assert near(pyramid.overview(768), whole, 1.5)


@pytest.mark.parametrize(
    ("stored", "said"), [(None, ""), (84.7, "no microscope makes"), (0.001, "no microscope")]
)
def test_the_scale_is_never_assumed(tmp_path: Path, stored: float | None, said: str) -> None:
    path = write_pyramid(tmp_path / "s.tif", PIXELS, mpp=stored)
    slide = open_slide(path)
    assert slide.mpp is None
    assert "scale unknown" in slide.notes[-1]
    assert said in slide.notes[0]
    assert open_slide(path, 0.25, "--mpp").mpp == 0.25
    assert open_slide(path, 0.25, "--mpp").notes[-1] == "scale 0.25 micrometres per pixel by --mpp"
    plan = plan_slide(slide, Want(field_um=384, pixels=256))
    assert plan.mpp is None
    assert {tile.side for tile in plan.tiles} == {256}  # stored pixels, and said
    assert "stored resolution" in plan.notes[-1]


def test_the_file_goes_before_what_is_given_and_a_contradiction_is_said(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "s.tif", PIXELS)
    assert open_slide(path, 0.51, "the manifest").notes == ()
    slide = open_slide(path, 1.0, "the manifest")
    assert slide.mpp == 0.5
    assert "the manifest says 1 micrometres per pixel, the file 0.5: the file's was used" in slide.notes


def test_an_ome_pyramid(tmp_path: Path) -> None:
    path = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        scale = {
            "PhysicalSizeX": 250,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 250,
            "PhysicalSizeYUnit": "nm",
        }
        writer.write(PIXELS, tile=(128, 128), photometric="rgb", subifds=1, metadata=scale)
        half = np.asarray(Image.fromarray(PIXELS).reduce(2))
        writer.write(half, tile=(128, 128), photometric="rgb", subfiletype=1)
    assert is_slide(path)
    assert open_slide(path).mpp == 0.25
    reader = TiffReader(path)
    assert [level.scale for level in reader.levels] == [1, 2]
    assert np.array_equal(reader.region(1, 10, 20, 50, 60), half[20:80, 10:60])


def test_an_ome_description_that_makes_no_sense(tmp_path: Path) -> None:
    text = '<OME><Image><Pixels PhysicalSizeX="250" PhysicalSizeXUnit="nm"/></Image></OME>'
    slide = open_slide(write_flat(tmp_path / "o.tif", PIXELS, description=text))
    assert slide.mpp == 0.25
    assert np.array_equal(slide.area(0, 0, 64, 64), PIXELS[:64, :64])


def test_what_is_a_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyramid = write_pyramid(tmp_path / "p.tif", PIXELS)
    flat = write_flat(tmp_path / "f.tif", PIXELS)
    tiled = write_pyramid(tmp_path / "t.tif", PIXELS, levels=1)
    assert [is_slide(path) for path in (pyramid, flat, tiled)] == [True, False, False]
    assert is_slide(tmp_path / "gone.ndpi")
    assert not is_slide(tmp_path / "gone.tif")
    monkeypatch.setattr(slides, "LARGE_FIELD", 900_000)
    assert is_slide(flat)
    assert not is_slide(flat, "clinical")
    assert is_pyramid(pages_of(pyramid))
    pages = [(page.width, page.height, page.tiled) for page in pages_of(pyramid)]
    assert pages == [(1200, 800, True), (600, 400, True), (300, 200, True)]
    assert pages_of(Path(__file__)) == []


def test_broken_files_are_called_broken(tmp_path: Path) -> None:
    whole = write_pyramid(tmp_path / "whole.tif", PIXELS).read_bytes()
    cases = {
        "empty.svs": (b"", "is empty"),
        "text.svs": (b"IJrEr1vVVJCwCYMtcEJwkpHJ" * 40, "is a broken slide: it holds text"),
        "head.svs": (whole[:16], "is a broken slide"),
        "junk.svs": (b"II*\0" + b"\x01" * 60, "is a broken slide"),
        "alone.mrxs": (b"\xff\xd8\xff\xe0" + b"\0" * 200, "folder of the same name"),
    }
    for name, (data, words) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError, match=words) as problem:
            open_slide(tmp_path / name)
        assert repr(name) in str(problem.value)
        assert str(tmp_path) not in str(problem.value)
    with pytest.raises(ImageError, match="does not exist"):
        open_slide(tmp_path / "gone.svs")


def test_a_cut_pyramid_is_read_where_it_is_whole(tmp_path: Path) -> None:
    data = write_pyramid(tmp_path / "whole.tif", PIXELS, compression="zlib").read_bytes()
    # tifffile writes each page's directory before its tiles: the last level loses its end
    (tmp_path / "cut.tif").write_bytes(data[: int(len(data) * 0.99)])
    slide = open_slide(tmp_path / "cut.tif")
    assert np.array_equal(slide.area(0, 0, 128, 128), PIXELS[:128, :128])


class Holed:
    """A reader of which one square cannot be read."""

    def __init__(self, reader: SlideReader, hole: tuple[int, int, int]) -> None:
        self.levels, self.mpp, self.objective, self.origin = reader.levels[:1], reader.mpp, "", (0, 0)
        self.region_of, self.hole, self.close = reader.region, hole, reader.close

    def region(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        left, top, side = self.hole
        if x < left + side and left < x + width and y < top + side and top < y + height:
            raise ImageError("is damaged inside")
        return self.region_of(level, x, y, width, height)


def test_the_overview_goes_around_damage(pyramid: Slide) -> None:
    holed = Slide("a.svs", Holed(pyramid.reader, (500, 300, 40)), 0.5, ())
    whole, found = pyramid.overview(600), holed.overview(600)
    differs = np.abs(whole.astype(int) - found).max(axis=2) > 40
    assert 0 < differs.mean() < 0.1
    assert not differs[:20].any()
    lost = Slide("b.svs", Holed(pyramid.reader, (0, 0, 1200)), 0.5, ())
    with pytest.raises(ImageError, match=r"'b.svs' is damaged inside: no part of it can be read"):
        lost.overview(600)


def test_a_dicom_slide_is_one_slide_of_several_files(tmp_path: Path) -> None:
    series = generate_uid(entropy_srcs=["series"])
    files = [write_dicom_slide(tmp_path / f"level{i}.dcm", PIXELS, 0.5, series, 2**i) for i in range(3)]
    assert all(is_slide(path) for path in files)
    assert slide_parts(files) == {files[1]: files[0], files[2]: files[0]}
    slide = open_slide(files[0])
    assert slide.size == (1200, 800)
    assert slide.mpp == pytest.approx(0.5)
    assert len(slide.reader.levels) == 3
    assert near(slide.area(100, 150, 256, 256), PIXELS[150:406, 100:356], 6)  # JPEG
    with pytest.raises(ImageError) as problem:
        read_image(files[0])
    assert "whole slide" in str(problem.value)
    assert PATIENT not in str(problem.value)


def test_pictures_that_an_index_names_are_no_images_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "scan.vms").write_text("[Virtual Microscope Specimen]\nImageFile=scan.jpg\nMapFile=map.jpg\n")
    there = [tmp_path / name for name in ("scan.vms", "scan.jpg", "map.jpg", "other.jpg")]
    assert set(slide_parts(there)) == {tmp_path / "scan.jpg", tmp_path / "map.jpg"}


@pytest.mark.real
def test_the_real_slides(shared_data: Path) -> None:
    good = open_slide(shared_data / "slides" / "cmu-1-small-region.svs")
    assert (good.size, good.mpp, good.notes) == ((2220, 2967), 0.499, ())
    missing = open_slide(shared_data / "slides" / "tcga-cr-7395-01a-01-ts1.svs")
    assert missing.mpp is None
    assert "scale unknown" in missing.notes[0]
    with pytest.raises(ImageError, match=r"'broken.svs' is a broken slide"):
        open_slide(shared_data / "slides" / "broken.svs")
