"""From the bytes of one multipart request to numbered files, each judged alone; memory does not grow with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from nmevision.data.file_kinds import (
    FORMAT_OF_SUFFIX,
    HEAD_BYTES,
    IMAGE_SUFFIXES,
    SLIDE_SUFFIXES,
    image_kind,
    why_no_image,
)
from nmevision.server.jobs import JobFile
from nmevision.server.limits import Limits, Refusal, size_in_words
from nmevision.server.names import sent_parts, shown_name, unique_name
from nmevision.server.slide_files import may_be_part, put_together

BUFFER = 128 * 1024
"""Bytes of one upload that are gathered before they are parsed and written, in another thread."""
HEADER_BYTES = 64 * 1024
"""Of one part's header line: a file name of 10,000 characters fits, whatever they are."""
LINGER, LINGER_SECONDS = 1_000_000_000, 20.0
"""Bytes and seconds of a refused request that are read over, so that its sender hears the refusal."""
_DICOM = (128, b"DICM")
_SUFFIX_OF_KIND = {kind: suffix for suffix, kind in reversed(FORMAT_OF_SUFFIX.items())}


def boundary_of(content_type: str) -> bytes:
    """Return what separates the parts of a multipart/form-data request; raise Refusal where it is none."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Refusal(415, "expected a form with files (multipart/form-data); see /docs for an example")
    return options[b"boundary"]


class FilesWriter:
    """Writes the files of one multipart request into a folder as 000001.png and so on.

    A file that cannot be taken is in `files` with its reason; the others go on.

    folder: an empty folder. room: is asked for every piece before it is written; it may raise Refusal.
    """

    def __init__(self, boundary: bytes, folder: Path, limits: Limits, room: Callable[[int], None]) -> None:
        self.files: list[JobFile] = []
        self._folder = folder
        self._limits = limits
        self._room = room
        self._names: set[str] = set()
        self._header: list[bytes] = [b"", b""]
        self._disposition = b""
        self._file: JobFile | None = None
        self._stream: BinaryIO | None = None
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_size=HEADER_BYTES,
            )
        except FormParserError as problem:
            raise Refusal(400, f"the form cannot be read: {problem}") from None

    def write(self, data: bytes) -> None:
        """Take the next bytes of the request; raise Refusal where the request as a whole cannot be taken."""
        try:
            self._parser.write(data)
        except FormParserError as problem:
            raise Refusal(400, f"the form cannot be read: {problem}") from None
        except OSError as problem:
            raise Refusal(507, f"the server cannot store the files ({problem.strerror})") from None

    def finish(self) -> list[JobFile]:
        """Return the files; raise Refusal where the request ended in the middle or held none."""
        if not self._ended:
            raise Refusal(400, "the form is cut short: send it again")
        if not self.files:
            raise Refusal(400, "the form holds no file: send at least one, under any field name")
        put_together(self.files, self._folder)
        return self.files

    def close(self) -> None:
        """Let go of the file that was being written."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _begin_part(self) -> None:
        self._disposition, self._file = b"", None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def _end_headers(self) -> None:
        """Begin a file where the part is one; other fields of the form are read over."""
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        if not options.get(b"filename"):
            return  # a text field, or a file field that was left empty
        if len(self.files) == self._limits.files:
            raise Refusal(
                413, f"more than {self._limits.files} files in one upload: send them in several, or in parts"
            )
        number = len(self.files) + 1
        sent = options[b"filename"].decode("utf-8", "replace")
        self._file = JobFile(
            number, unique_name(shown_name(sent, number), self._names), sent=sent_parts(sent) or ("",)
        )
        self.files.append(self._file)
        self._stream = self._path(self._file).open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            return
        self._file.size += end - start
        if self._stream is None:
            return  # already refused: the rest of it is read over
        self._room(end - start)
        if self._file.size > self._limits.file_bytes:
            self._refuse(
                self._file,
                f"is larger than {size_in_words(self._limits.file_bytes)}, the limit for one file: export a smaller "
                "field, or start the server with a larger --max-file-mb",
            )
            return
        self._stream.write(data[start:end])

    def _end_part(self) -> None:
        """Give a finished file the suffix that its reader goes by, or refuse what is no image."""
        file = self._file
        if file is None or self._stream is None:
            return
        self.close()
        path = self._path(file)
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        suffix = _suffix(file.name, head)
        if suffix:
            file.stored = f"{path.name}{suffix}"
            path.rename(path.with_name(file.stored))
        elif head and may_be_part(file.sent):
            file.stored, file.state = path.name, "part"
        else:
            words = "is empty (0 bytes): copy or download it again" if not head else why_no_image(head)
            self._refuse(file, words)

    def _end(self) -> None:
        self._ended = True

    def _refuse(self, file: JobFile, words: str) -> None:
        self.close()
        self._path(file).unlink()
        file.state, file.message = "refused", words

    def _path(self, file: JobFile) -> Path:
        return self._folder / f"{file.number:06d}"


def _suffix(name: str, head: bytes) -> str:
    """Return the suffix to store a file under, "" where neither its name nor its first bytes are an image's."""
    named = PurePosixPath(name).suffix.lower()
    if named in IMAGE_SUFFIXES | SLIDE_SUFFIXES:
        return named
    place, mark = _DICOM
    if head.startswith(mark, place):
        return ".dcm"  # these often come without any
    return _SUFFIX_OF_KIND.get(image_kind(head) or "", "")


class Body:
    """The bytes of a request as they come, which can be read to their end after it was refused."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._over = False
        self._begun = False

    async def next(self, patience: float) -> bytes | None:
        """Return the next piece, None at the end; raise Refusal where the sender is gone or silent for too long."""
        if self._over:
            return None
        self._begun = True
        try:
            async with asyncio.timeout(patience):
                message = await self._request.receive()
        except TimeoutError:
            self._over = True
            raise Refusal(408, f"nothing came for {patience:g} seconds: send the files again") from None
        if message["type"] == "http.disconnect":
            self._over = True
            raise Refusal(400, "the form is cut short: send it again")
        self._over = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def read_over(self) -> None:
        """Read what is left and forget it: a sender that still sends would not hear why it was refused."""
        if not self._begun and "expect" in self._request.headers:
            return  # it waits for our word before it sends
        left = LINGER
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while left > 0 and (piece := await self.next(LINGER_SECONDS)) is not None:
                    left -= len(piece)
        except (Refusal, TimeoutError):
            return


async def receive(body: Body, writer: FilesWriter, limits: Limits) -> list[JobFile]:
    """Write a request's body through `writer` as it comes, and return its files.

    Raises Refusal where it is too large, falls silent or cannot be read.
    """
    received, buffer = 0, bytearray()
    try:
        while (piece := await body.next(limits.silence)) is not None:
            received += len(piece)
            check_size(received, limits)
            buffer += piece
            if len(buffer) >= BUFFER:
                await run_in_threadpool(writer.write, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(writer.write, bytes(buffer))
        return await run_in_threadpool(writer.finish)
    finally:
        writer.close()


def check_size(size: int, limits: Limits) -> None:
    """Raise Refusal where an upload of `size` bytes is too large."""
    if size > limits.job_bytes:
        raise Refusal(
            413,
            f"the upload is larger than {size_in_words(limits.job_bytes)}: send fewer files at a time, or start the "
            "server with a larger --max-upload-mb",
        )
