"""What is wrong with an image file, in words: no file at all, or Pillow's complaint made plain."""

from __future__ import annotations

import stat
import struct
from pathlib import Path

from PIL import Image

from nmevision.errors import ImageError

COPY_AGAIN = "copy or download it again"
EXPORT_8_BIT = "export it as 8-bit RGB TIFF, PNG or JPEG"

_CUT_SHORT = ("truncated", "not large enough", "unexpected end")  # in Pillow's own words
_OTHER_VALUES = ("unknown pixel mode", "unknown data organization", "samples per pixel")
_HEADER_ENDS = (IndexError, EOFError, struct.error)  # causes of its SyntaxError: the header ends


def check_regular_file(path: Path) -> None:
    """Refuse what is no file, without opening it: opening a pipe would wait for ever."""
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise ImageError("is a link to a file that is not there: restore the file or the link") from None
        raise ImageError("does not exist: was it moved or renamed since it was listed?") from None
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise ImageError("is a folder that is named like an image: rename it, or give its images instead")
    if not stat.S_ISREG(mode):
        kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
        raise ImageError(f"is not a file but a {kind}: give an image file")
    if status.st_size == 0:
        raise ImageError(f"is empty (0 bytes): {COPY_AGAIN}")


def plain_words(kind: str, error: Exception) -> str:
    """Say in words what Pillow's exception about a damaged file means."""
    said = " ".join(str(error).split())[:120]
    lowered = said.lower()
    if isinstance(error, Image.DecompressionBombError):
        return "has more pixels than the image library allows: export a smaller field"
    if isinstance(error, OSError) and error.errno is not None:
        return f"could not be read to its end ({error.strerror}): check the disk or network drive it lies on"
    if "not identified by this driver" in lowered:
        return f"is a damaged {kind} whose header describes no picture (zero width or height?): {COPY_AGAIN}"
    if isinstance(error.__cause__, KeyError) or any(word in lowered for word in _OTHER_VALUES):
        return (
            f"is a {kind} with a kind of pixel values that is not read "
            f"(64-bit numbers, many channels, ...): {EXPORT_8_BIT}"
        )
    if isinstance(error.__cause__, _HEADER_ENDS) or any(word in lowered for word in _CUT_SHORT):
        return f"is a {kind} that is cut short (an interrupted copy or download?): {COPY_AGAIN}"
    # what other errors say is about Python, not about the file
    detail = f" ({said})" if said and isinstance(error, OSError | SyntaxError | ValueError) else ""
    return f"is a damaged {kind}{detail}: {COPY_AGAIN}"
