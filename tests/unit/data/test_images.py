from __future__ import annotations

import dataclasses
import os
import pickle
import socket
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from bad_files import flip, write_bad_files, write_good_images
from hypothesis import given, settings
from hypothesis import strategies as st
from image_bytes import encode, picture, png_bytes, png_chunk, tiff_bytes
from odd_files import OddFile, stored_for, write_odd_good_files
from PIL import Image

from nmevision.data import images
from nmevision.data.images import (
    DEFAULT_MAX_PIXELS,
    IMAGE_SUFFIXES,
    SLIDE_SUFFIXES,
    DecodedImage,
    find_images,
    read_image,
    text_of_path,
)
from nmevision.errors import DataError, ImageError

# Pillow warns about the damaged tags in some of these files
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

RGB = picture()
WHOLE = {
    "baseline.jpg": encode(RGB, "JPEG"),
    "progressive.jpg": encode(RGB, "JPEG", progressive=True),
    "rgb.png": encode(RGB, "PNG"),
    "palette.png": encode(RGB, "PNG", "P"),
    "deep.png": png_bytes(RGB.astype(np.uint16) * 257, 2),
    "strips.tif": encode(RGB, "TIFF"),
    "lzw.tif": encode(RGB, "TIFF", compression="tiff_lzw"),
    "jpeg.tif": encode(RGB, "TIFF", compression="jpeg"),
    "tiles.tif": tiff_bytes([RGB], 2, deflate=True, tile=32),
    "planes.tif": tiff_bytes([RGB], 2, separate=True),
    "pages.tif": tiff_bytes([RGB, RGB], 2),
    "lossy.webp": encode(RGB, "WEBP"),
    "lossless.webp": encode(RGB, "WEBP", lossless=True),
    "map.bmp": encode(RGB, "BMP"),
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a telling name outside pytest's own, so that paths in messages are noticed."""
    with tempfile.TemporaryDirectory(prefix="private_patient_") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def bad_files(folder: Path) -> dict[str, str]:
    return write_bad_files(folder / "bad")


@pytest.fixture(scope="module")
def odd_files(folder: Path) -> dict[str, OddFile]:
    return write_odd_good_files(folder / "odd")


def check_odd(decoded: DecodedImage, expected: OddFile) -> str:
    """Return what differs from the expected pixels and notes, or ""."""
    if decoded.pixels.shape != expected.pixels.shape or decoded.pixels.dtype != np.uint8:
        return f"{decoded.pixels.shape} {decoded.pixels.dtype}"
    off = int(np.abs(decoded.pixels.astype(int) - expected.pixels).max())
    wrong_pixels = f"off by {off}" if off > expected.tolerance else ""
    return wrong_pixels or ("" if decoded.notes == expected.notes else f"notes {decoded.notes}")


def test_there_are_many_bad_files(bad_files: dict[str, str]) -> None:
    assert len(bad_files) >= 50


def test_every_bad_file_says_what_is_wrong(folder: Path, bad_files: dict[str, str]) -> None:
    wrong = {}
    for name, words in bad_files.items():
        try:
            read_image(folder / "bad" / name)
        except ImageError as error:
            message = str(error)
            message.encode("utf-8")
            named = message.startswith(repr(name) + " ")
            if words not in message or not named or str(folder) in message or "\n" in message:
                wrong[name] = message
        else:
            wrong[name] = "was read"
    assert not wrong


def test_every_odd_good_file_has_its_true_pixels(folder: Path, odd_files: dict[str, OddFile]) -> None:
    faults = {name: check_odd(read_image(folder / "odd" / name), odd) for name, odd in odd_files.items()}
    assert not {name: fault for name, fault in faults.items() if fault}


def test_ordinary_images_have_no_notes(tmp_path: Path) -> None:
    paths = write_good_images(tmp_path, 12)
    assert {path.suffix for path in paths} >= {".jpg", ".png", ".tif", ".webp", ".bmp"}
    for path in paths:
        decoded = read_image(path)
        assert decoded.notes == ()
        with Image.open(path) as image:
            assert np.array_equal(decoded.pixels, np.asarray(image.convert("RGB")))


def test_stored_for_follows_pillow_s_own_table() -> None:
    """The truth of the turned files agrees with Pillow's exif_transpose, which the reader does not use."""
    from PIL import ImageOps

    for orientation in range(1, 9):
        image = Image.fromarray(stored_for(orientation, RGB))
        image.getexif()[0x0112] = orientation
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(image)), RGB)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_cut_file_is_an_error_or_whole_never_half(name: str, tmp_path: Path) -> None:
    data, path = WHOLE[name], tmp_path / name
    path.write_bytes(data)
    truth = read_image(path).pixels
    for cut in {*range(1, len(data), 1 + len(data) // 100), *range(len(data) - 20, len(data))}:
        path.write_bytes(data[:cut])
        try:
            decoded = read_image(path)
        except ImageError:
            continue
        assert np.array_equal(decoded.pixels, truth), f"cut at {cut} of {len(data)}"


def test_a_changed_byte_in_a_png_never_changes_pixels_in_silence(tmp_path: Path) -> None:
    data, path = WHOLE["rgb.png"], tmp_path / "flipped.png"
    for place in range(0, len(data), 37):
        path.write_bytes(flip(data, place))
        try:
            decoded = read_image(path)
        except ImageError:
            continue
        assert np.array_equal(decoded.pixels, RGB), f"byte {place}"


def read_wild(folder: Path, data: bytes) -> None:
    """Read any bytes at all: pixels of the right form, or an ImageError without the folder in it."""
    path = folder / "wild.tif"
    path.write_bytes(data)
    try:
        pixels = read_image(path, max_pixels=1_000_000).pixels
    except ImageError as error:
        message = str(error)
    else:
        message = ""
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert 0 < pixels.shape[0] * pixels.shape[1] <= 1_000_000
    assert str(folder) not in message
    assert "\n" not in message


@settings(max_examples=150, deadline=5000)
@given(data=st.binary(min_size=0, max_size=600))
def test_random_bytes_raise_only_image_errors(folder: Path, data: bytes) -> None:
    read_wild(folder, data)


@settings(max_examples=100, deadline=5000)
@given(
    mark=st.sampled_from([whole[:size] for whole in WHOLE.values() for size in (4, 16, 40)]), data=st.binary()
)
def test_random_bytes_after_a_true_start_raise_only_image_errors(
    folder: Path, mark: bytes, data: bytes
) -> None:
    read_wild(folder, mark + data)


@settings(max_examples=300, deadline=5000)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(
        st.tuples(st.integers(-300, 600), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5
    ),
    cut=st.none() | st.floats(0, 1),
)
def test_damaged_images_raise_only_image_errors(
    folder: Path, name: str, changes: list[tuple[int, bytes]], cut: float | None
) -> None:
    """Bytes change near both ends, where the headers and directories are."""
    data = bytearray(WHOLE[name])
    for place, new in changes:
        start = place % len(data)
        data[start : start + len(new)] = new
    read_wild(folder, bytes(data if cut is None else data[: int(cut * len(data))]))


def test_max_pixels_is_a_limit_that_can_be_raised(tmp_path: Path) -> None:
    path = tmp_path / "field.png"
    path.write_bytes(WHOLE["rgb.png"])
    assert read_image(path, max_pixels=80 * 96).pixels.shape == (80, 96, 3)
    with pytest.raises(ImageError, match=r"96 x 80 pixels.*limit of 7679.*--max-pixels 7680"):
        read_image(path, max_pixels=80 * 96 - 1)


def test_pillow_s_own_limit_neither_applies_nor_changes(
    folder: Path, odd_files: dict[str, OddFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # every file is larger than twice this
    names = [name for name in odd_files if not name.endswith(".webp")]  # newer Pillows look at these first
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for name in names:
            assert not check_odd(read_image(folder / "odd" / name), odd_files[name]), name
    assert Image.MAX_IMAGE_PIXELS == 1000
    with pytest.raises(Image.DecompressionBombError):  # it still protects everybody else
        Image.open(folder / "odd" / names[0])


def test_threads_read_what_one_reads(
    folder: Path, odd_files: dict[str, OddFile], bad_files: dict[str, str]
) -> None:
    limit = Image.MAX_IMAGE_PIXELS

    def fault(job: tuple[str, str]) -> str:
        where, name = job
        try:
            decoded = read_image(folder / where / name)
        except ImageError as error:
            return "" if where == "bad" and bad_files[name] in str(error) else str(error)
        return check_odd(decoded, odd_files[name]) if where == "odd" else f"{name} was read"

    jobs = [("odd", name) for name in odd_files] + [("bad", name) for name in bad_files]
    with ThreadPoolExecutor(8) as pool:
        assert not [fault for fault in pool.map(fault, jobs * 3) if fault]
    assert limit == Image.MAX_IMAGE_PIXELS


def test_no_personal_data_leaves(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 29: "1999:SECRET"})  # GPS
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(RGB, "JPEG", exif=exif, comment=b"SECRETPATIENT"))
    with Image.open(path) as image:
        assert image.getexif().get_ifd(0x8825)  # it is in the file
    decoded = read_image(path)
    assert {field.name for field in dataclasses.fields(decoded)} == {"pixels", "notes"}
    assert type(decoded.pixels) is np.ndarray
    assert b"SECRET" not in pickle.dumps(decoded)


def test_broken_exif_is_noted_and_the_pixels_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(RGB, "JPEG", quality=100, exif=b"Exif\0\0not a tag directory"))
    decoded = read_image(path)
    assert decoded.pixels.shape == RGB.shape
    assert decoded.notes == ("its EXIF data is damaged: shown as stored, perhaps turned",)
    path.write_bytes(
        encode(RGB, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    )  # whole, without any tag
    assert read_image(path).notes == ()


def test_deep_rgb_with_a_transparent_colour_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(png_bytes(RGB.astype(np.uint16) * 257, 2, png_chunk(b"tRNS", b"\1\1\1\1\1\1")))
    assert np.array_equal(read_image(path).pixels, RGB)


def test_a_line_of_pixels_is_read_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "line.png"
    path.write_bytes(encode(picture(1, 7000), "PNG"))
    assert read_image(path).notes == ("only 7000 x 1 pixels",)


def test_a_few_specks_on_white_are_not_blank(tmp_path: Path) -> None:
    pixels = np.full((300, 300, 3), 250, np.uint8)
    pixels[100:110, 50:60] = (90, 60, 120)
    path = tmp_path / "specks.png"
    path.write_bytes(encode(pixels, "PNG"))
    assert read_image(path).notes == ()


def test_missing_files_and_impossible_names(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"^'gone\.png' does not exist"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="zero byte"):
        read_image(tmp_path / "a\0b.png")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ImageError, match=r"could not be read \(Not a directory\)"):
        read_image(tmp_path / "file.txt" / "a.png")


def test_a_socket_and_a_device_are_no_images(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.png"))
        with pytest.raises(ImageError, match="not a file but a socket"):
            read_image(folder / "s.png")
    (folder / "null.png").symlink_to(os.devnull)
    with pytest.raises(ImageError, match="not a file but a device"):
        read_image(folder / "null.png")


def test_too_little_memory_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    path = write_good_images(tmp_path, 1)[0]
    monkeypatch.setattr(images, "_jpeg_pixels", no_memory)
    with pytest.raises(ImageError, match="needs more memory"):
        read_image(path)


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user without rights, where this process may choose its user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_permission(folder: Path) -> None:
    open_to_all = folder / "open"
    closed = open_to_all / "closed"
    closed.mkdir(parents=True)
    secret, inside = open_to_all / "secret.png", closed / "inside.png"
    for path in (secret, inside):
        path.write_bytes(WHOLE["rgb.png"])
    secret.chmod(0)
    folder.chmod(0o755)
    open_to_all.chmod(0o755)
    closed.chmod(0)
    try:
        with nobody():
            for path in (secret, inside):
                with pytest.raises(ImageError, match=rf"^'{path.name}' may not be read by this user"):
                    read_image(path)
            found = find_images(open_to_all)
            with pytest.raises(DataError, match="may not read it"):
                find_images(closed)
    finally:
        closed.chmod(0o755)
    assert found.images == [secret]
    assert found.problems == [
        "sub-folder 'closed' was not looked into: this user may not read it; ask for read permission"
    ]


def test_suffixes_are_lower_case_and_apart() -> None:
    assert {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".bmp"} == IMAGE_SUFFIXES
    assert {".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".dcm"} == SLIDE_SUFFIXES
    assert DEFAULT_MAX_PIXELS >= 100_000_000


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names_below(folder: Path, paths: list[Path]) -> list[str]:
    return [text_of_path(path.relative_to(folder)) for path in paths]


def test_find_images_sorts_and_sets_aside(tmp_path: Path) -> None:
    touch(tmp_path, "b/10.png", "b/9.PNG", "a.tiff", "Z.jpg", "b.jpe", "slide.svs", "scan.DCM")
    touch(tmp_path, "table.csv", "._a.tiff", ".hidden.png", ".cache/x.png", "b/Thumbs.db", "c.jpg/deep.bmp")
    (tmp_path / "gone.webp").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    found = find_images(tmp_path)
    assert names_below(tmp_path, found.images) == [
        *("Z.jpg", "a.tiff", "b.jpe", "b/10.png", "b/9.PNG", "c.jpg", "c.jpg/deep.bmp"),
        *("gone.webp", "scan.DCM", "slide.svs"),
    ]
    assert names_below(tmp_path, found.ignored) == [
        *("._a.tiff", ".cache", ".hidden.png", "b/Thumbs.db", "loop", "table.csv")
    ]
    assert found.problems == []


def test_find_images_through_links_ends_and_finds_each_once(tmp_path: Path) -> None:
    inner, outer = tmp_path / "cases", tmp_path / "elsewhere"
    touch(inner, "one/a.png", "two/b.png")
    touch(outer, "far/c.png")
    (inner / "one" / "up").symlink_to(inner)
    (inner / "one" / "other").symlink_to(inner / "two")
    (inner / "0_same").symlink_to(inner / "two")
    (inner / "two" / "back").symlink_to(inner / "one")
    (inner / "far").symlink_to(outer / "far")
    (outer / "far" / "home").symlink_to(inner)
    assert names_below(inner, find_images(inner).images) == ["far/c.png", "one/a.png", "two/b.png"]
    (tmp_path / "link").symlink_to(inner)
    found = find_images(tmp_path / "link")  # the folder itself may be a link
    assert names_below(tmp_path / "link", found.images) == ["far/c.png", "one/a.png", "two/b.png"]


def test_find_images_finds_every_bad_and_odd_file(
    folder: Path, bad_files: dict[str, str], odd_files: dict[str, OddFile]
) -> None:
    for where, names in (("bad", bad_files), ("odd", odd_files)):
        found = find_images(folder / where)
        assert {path.name for path in found.images} == set(names)
        assert found.ignored == []


def test_find_images_refuses_what_is_no_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"cannot look into the folder .*it is a file"):
        find_images(tmp_path / "a.png")
    with pytest.raises(DataError, match="it does not exist"):
        find_images(tmp_path / "gone")


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=3))
def test_text_of_path_is_always_utf8_and_keeps_what_is(parts: list[bytes]) -> None:
    safe = [os.fsdecode(part.replace(b"/", b"_").replace(b"\0", b"_")) for part in parts]
    path = Path("root", *safe)
    text = text_of_path(path)
    text.encode("utf-8")
    try:
        path.as_posix().encode("utf-8")
    except UnicodeEncodeError:
        assert "\\udc" in text
    else:
        assert text == path.as_posix()
