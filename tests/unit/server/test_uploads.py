from __future__ import annotations

from pathlib import Path

import pytest
from server_world import BOUNDARY, form, image

from nmevision.server.limits import Limits, Refusal
from nmevision.server.uploads import FilesWriter, boundary_of


def written(
    folder: Path,
    body: bytes,
    piece: int = 1 << 16,
    limits: Limits | None = None,
    asked: list[int] | None = None,
) -> FilesWriter:
    """Write a form's bytes in pieces and finish it."""
    writer = FilesWriter(BOUNDARY, folder, limits or Limits(), (asked if asked is not None else []).append)
    try:
        for start in range(0, len(body), piece):
            writer.write(body[start : start + piece])
        writer.finish()
    finally:
        writer.close()
    return writer


@pytest.mark.parametrize("piece", [1, 7, 64, 1 << 16])
def test_files_come_out_byte_for_byte_however_they_are_cut(tmp_path: Path, piece: int) -> None:
    tricky = image(1)[:500] + b"\r\n--" + BOUNDARY[:-1] + b"x\r\n" + image(1)[500:]
    asked: list[int] = []
    files = written(
        tmp_path, form([("a.png", image(0)), ("b.png", tricky), ("c.jpg", b"")]), piece, None, asked
    ).files
    assert [(file.name, file.stored) for file in files] == [
        ("a.png", "000001.png"),
        ("b.png", "000002.png"),
        ("c.jpg", "000003.jpg"),
    ]
    assert [(tmp_path / file.stored).read_bytes() for file in files] == [image(0), tricky, b""]
    assert [file.size for file in files] == [len(image(0)), len(tricky), 0]
    assert sum(asked) == len(image(0)) + len(tricky)


def test_nothing_of_a_name_reaches_the_disk(tmp_path: Path) -> None:
    inside = tmp_path / "job"
    inside.mkdir()
    names = [
        "../escaped.png",
        "/etc/x.png",
        b"a\x00b.png",
        b"\xff\xfe.png",
        "x" * 10_000 + ".png",
        "con.png ",
    ]
    files = written(inside, form((name, image()) for name in names)).files
    assert sorted(path.name for path in inside.iterdir()) == [
        f"{n:06d}{s}" for n, s in zip(range(1, 7), [".png"] * 6, strict=True)
    ]
    assert list(tmp_path.iterdir()) == [inside]
    assert len({file.name for file in files}) == 6


def test_what_is_an_image_is_told_by_the_name_or_the_first_bytes(tmp_path: Path) -> None:
    dicom = bytes(128) + b"DICM" + bytes(9)
    sent = [
        ("scan", image()),
        ("note.txt", b"hello"),
        ("slide", dicom),
        ("x.pdf", b"%PDF-1.7"),
        ("none", b""),
    ]
    files = written(tmp_path, form(sent)).files
    assert [file.stored for file in files] == ["000001.png", "", "000003.dcm", "", ""]
    assert [file.state for file in files] == ["waiting", "refused", "waiting", "refused", "refused"]
    assert "holds text" in files[1].message
    assert "PDF" in files[3].message
    assert "empty" in files[4].message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.png", "000003.dcm"]


def test_a_large_file_is_refused_and_its_neighbours_are_not(tmp_path: Path) -> None:
    body = form([("a.png", image(0)), ("huge.png", bytes(200_000)), ("b.png", image(1))])
    asked: list[int] = []
    files = written(tmp_path, body, 5_000, Limits(file_bytes=100_000), asked).files
    assert [file.state for file in files] == ["waiting", "refused", "waiting"]
    assert "larger than 100 KB" in files[1].message
    assert "--max-file-mb" in files[1].message
    assert (tmp_path / "000003.png").read_bytes() == image(1)
    assert not (tmp_path / "000002").exists()
    assert sum(asked) < 120_000 + len(image(0)) + len(image(1))  # the rest of it was never stored


def test_text_fields_and_empty_file_fields_are_read_over(tmp_path: Path) -> None:
    field = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    files = written(tmp_path, field + form([("", b""), ("a.png", image())])).files
    assert [file.name for file in files] == ["a.png"]


BAD_FORMS = {
    "cut": (form([("a.png", image())])[:-30], 400, "cut short"),
    "empty": (b"", 400, "cut short|no file"),
    "no file": (form([]), 400, "no file"),
    "no form": (b"what is this", 400, "cannot be read"),
    "header": (
        b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; filename="' + b"a" * 70_000 + b'"\r\n\r\n',
        400,
        "cannot be read",
    ),
    "many": (form((f"{n}.png", b"") for n in range(4)), 413, "more than 3 files"),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_bad_form_is_refused_in_words(tmp_path: Path, name: str) -> None:
    body, status, words = BAD_FORMS[name]
    with pytest.raises(Refusal, match=words) as refusal:
        written(tmp_path, body, limits=Limits(files=3))
    assert refusal.value.status == status


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=a"]
)
def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(Refusal, match="expected a form"):
        boundary_of(kind)
