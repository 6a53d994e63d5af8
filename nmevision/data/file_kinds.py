"""Which files are taken for images, and what a file that is not one looks like by its first bytes."""

from __future__ import annotations

from pathlib import Path

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
    ".bmp": "BMP",
}
"""The format that a file's suffix (lower case) promises."""

IMAGE_SUFFIXES = frozenset(FORMAT_OF_SUFFIX)
"""Suffixes (lower case) of the files that are read."""

SLIDE_SUFFIXES = frozenset({".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".dcm"})
"""Suffixes of whole slides and DICOM. Pyramidal and huge .tif are slides, too: `slides.is_slide` looks inside."""

SLIDE_WORDS = (
    "is a whole slide, of which only `nmevision predict` and `nmevision data tiles` read the parts: "
    "export the field of interest as TIFF, PNG or JPEG"
)
"""What is said of a file with a suffix of SLIDE_SUFFIXES where one image is needed."""

HEAD_BYTES = 1024
"""How many of a file's first bytes are looked at: DICOM's mark ends at 132, an SVG's may come late."""

_DICOM_MARK = 128, b"DICM"  # PS3.10, 7.1
_IMAGE_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II\x2a\x00", "TIFF"),
    (b"MM\x00\x2a", "TIFF"),
    (b"II\x2b\x00", "TIFF"),  # BigTIFF
    (b"MM\x00\x2b", "TIFF"),
)
_BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)  # OS/2 1, Windows 3, its variants, OS/2 2, V4, V5

_EXPORT = "export the picture as PNG, TIFF or JPEG"
_FETCH = "fetch the file again from where it came"
_FOREIGN_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", f"holds a GIF, which keeps at most 256 colours: {_EXPORT} from the original"),
    (0, b"%PDF", f"holds a PDF document, not an image: {_EXPORT} out of it"),
    (0, b"PK\x03\x04", "holds a ZIP archive (or an Office document), not an image: unpack it first"),
    (0, b"\x1f\x8b", "holds a gzip archive, not an image: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "holds a 7-Zip archive, not an image: unpack it first"),
    (0, b"Rar!", "holds a RAR archive, not an image: unpack it first"),
    (0, b"8BPS", f"holds a Photoshop document: {_EXPORT}"),
    (0, b"\xd0\xcf\x11\xe0", f"holds an old Office document, not an image: {_EXPORT} out of it"),
    (0, b"\x00\x00\x00\x0cjP  ", f"holds a JPEG 2000 image, which is not read: {_EXPORT}"),
    (0, b"\xff\x4f\xff\x51", f"holds a JPEG 2000 image, which is not read: {_EXPORT}"),
    (0, b"\x00\x00\x00\x0cJXL ", f"holds a JPEG XL image, which is not read: {_EXPORT}"),
    (4, b"ftypavi", f"holds an AVIF image, which is not read: {_EXPORT}"),
    (4, b"ftypqt", f"holds a film, not an image: {_EXPORT}"),
    (4, b"ftypmp4", f"holds a film, not an image: {_EXPORT}"),
    (4, b"ftypiso", f"holds a film, not an image: {_EXPORT}"),
    # what is left of "ftyp" in a folder of photos is a phone's HEIC/HEIF (brands heic, heix, mif1, ...)
    (4, b"ftyp", "holds a HEIC image (a phone's own format), which is not read: export it as JPEG"),
    (0, b"version https://git-lfs", "holds a Git LFS pointer, not the image itself: run `git lfs pull`"),
)


def is_dicom(path: Path) -> bool:
    """Tell whether a file has DICOM's mark; False where it cannot be opened (or is a pipe)."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(_DICOM_MARK[0] + 4)[_DICOM_MARK[0] :] == _DICOM_MARK[1]
    except (OSError, ValueError):
        return False


def image_kind(head: bytes) -> str | None:
    """Return the format ("JPEG", "PNG", "TIFF", "WebP", "BMP", "DICOM") of a file's first bytes, or None.

    >>> image_kind(b"RIFF....WEBPVP8 ")
    'WebP'
    """
    for mark, kind in _IMAGE_MARKS:
        if head.startswith(mark):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[_DICOM_MARK[0] :].startswith(_DICOM_MARK[1]):
        return "DICOM"
    # "BM" alone also begins words: a bitmap has one of a few header sizes as well
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    return None


def why_no_image(head: bytes) -> str:
    """Return what a file looks like by its first bytes, and what to do, as the end of a sentence.

    `head` is what HEAD_BYTES allows and has no `image_kind`.

    >>> why_no_image(b"%PDF-1.7")
    'holds a PDF document, not an image: export the picture as PNG, TIFF or JPEG out of it'
    """
    for offset, mark, words in _FOREIGN_MARKS:
        if head.startswith(mark, offset):
            return words
    if not any(head):
        return f"begins with nothing but zero bytes (an interrupted copy?): {_FETCH}"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start and start.startswith(b"<"):
        return f"holds an SVG drawing, not an image of pixels: {_EXPORT}"
    if start.startswith((b"<!doctype html", b"<html")) or (start.startswith(b"<") and b"<html" in start):
        return f"holds an HTML page, not an image (a login or error page saved by a download?): {_FETCH}"
    if _is_text(head):
        return f"holds text, not an image: {_FETCH}"
    return f"holds no image format that is known (its first bytes are {head[:8].hex(' ')}): {_FETCH}"


def _is_text(head: bytes) -> bool:
    """Tell whether bytes read as text: UTF-16 with its mark, or UTF-8 without control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    text = head.decode("utf-8", "replace").rstrip("\ufffd")  # a character may be cut in two at the end
    known = "\ufffd" not in text and all(one.isprintable() or one.isspace() for one in text)
    return bool(text) and known
