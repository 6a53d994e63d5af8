"""Training images kept on disk as pixels: decoded and shrunk once, read back in every later epoch and run.

An entry is a plain file: a mark, height, width and a checksum, then the pixels as they are. Nothing in it can run.
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmevision.data.images import decoder_version
from nmevision.errors import ConfigError
from nmevision.files import atomic_path, sha256_of, sha256_of_text

Pixels = npt.NDArray[np.uint8]

LEAVE_FREE = 5_000_000_000
"""Bytes that stay free on the disk: a cache must not take the room of checkpoints and results."""
_MARK = b"NMEpix1\n"
_HEADER = struct.Struct("<8sIII")  # mark, height, width, CRC-32 of height, width and pixels


@dataclass(frozen=True)
class PixelCache:
    """Pixels by what they were made from. The folder may be removed at any time: what is missing is made again."""

    folder: Path

    def pixels(self, path: Path, digest: str, purpose: str, make: Callable[[], Pixels]) -> Pixels:
        """Return what `make` gives for an image file, from the disk where it lies there whole.

        path, digest: the file, and the SHA-256 it had when it was inspected. Pixels of a file that has changed since
            are not kept.
        purpose: all that decides the pixels beside the file and the decoder.
        """
        key = sha256_of_text("\n".join([digest, purpose, decoder_version()]))
        entry = self.folder / key[:2] / f"{key}.pixels"
        found = _read(entry)
        if found is None:
            found = make()
            _keep(entry, found, path, digest)
        return found


def open_pixel_cache(folder: Path) -> PixelCache:
    """Return the cache in a folder, which is made; raise ConfigError where it cannot be, or cannot be written to."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "README.txt") as temporary:
            temporary.write_text(
                "Pixels of training images, made by nmevision. Safe to delete at any time.\n"
            )
    except OSError as problem:
        raise ConfigError(
            f"data.cache={folder}: cannot be written to ({problem.strerror}); choose another folder, or leave it out"
        ) from None
    return PixelCache(folder)


def _keep(entry: Path, pixels: Pixels, path: Path, digest: str) -> None:
    """Write an entry whole or not at all; a disk that is full or gone costs time, not the training."""
    height, width = pixels.shape[:2]
    content = np.ascontiguousarray(pixels)
    try:
        if sha256_of(path) != digest:
            return
        entry.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(entry.parent).free < LEAVE_FREE + content.nbytes:
            return
        with atomic_path(entry) as temporary, temporary.open("wb") as stream:
            stream.write(_HEADER.pack(_MARK, height, width, _checksum(content)))
            stream.write(content.data)
    except OSError:
        return


def _read(entry: Path) -> Pixels | None:
    """Return an entry's pixels, None where it is missing, cut short or damaged."""
    try:
        with entry.open("rb", buffering=0) as stream:
            mark, height, width, checksum = _HEADER.unpack(stream.read(_HEADER.size))
            size = os.fstat(stream.fileno()).st_size
            if mark != _MARK or not height * width or size != _HEADER.size + 3 * height * width:
                return None
            pixels = np.fromfile(stream, np.uint8).reshape(height, width, 3)
    except (OSError, struct.error, ValueError):
        return None
    return pixels if _checksum(pixels) == checksum else None


def _checksum(pixels: Pixels) -> int:
    """Return the CRC-32 of an image's size and content."""
    return zlib.crc32(pixels.data, zlib.crc32(struct.pack("<II", *pixels.shape[:2])))
