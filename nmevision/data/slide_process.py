"""Slides are read in a process of their own: a damaged file may end or hang a native library, never the run.

The process takes one JSON line per slide and answers with frames: a JSON line, then as many bytes of pixels as it
says. No pickle passes between the two, so that whatever a file does to the one cannot reach the other.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import cv2
import numpy as np

from nmevision.data.slide_plan import SlidePlan, Want, plan_slide
from nmevision.data.slides import open_slide
from nmevision.data.tile_quality import quality_flags
from nmevision.data.tissue import Pixels, Tile
from nmevision.errors import ImageError

SILENCE = 120.0
"""Seconds without a sign of life after which a slide is given up: a tile takes some milliseconds."""
AHEAD = 32
"""Tiles that wait for the network, at most: memory stays flat however large the slide."""
MOST_MEMORY = 8 * 2**30
"""Bytes of address space of the process, where the system can hold it to that: a damaged header may ask for all."""
COMMAND = (sys.executable, "-m", "nmevision.data.slide_process")
_END = "the program that reads slides ended on it (a damaged file?): copy or download it again"

Frame = tuple[dict[str, Any], bytes]


@dataclass(frozen=True)
class TileRead:
    """One tile as it was read: its place in the plan, RGB pixels (None where damaged), and quality flags."""

    index: int
    pixels: Pixels | None
    flags: tuple[str, ...]


class SlideProcess:
    """The reading process, started when first needed and again whenever a slide has ended it.

    >>> with SlideProcess() as slides:  # doctest: +SKIP
    ...     plan = slides.open(Path("biopsy.svs"), Want())
    ...     for tile in slides.tiles():
    ...         ...
    """

    def __init__(self, silence: float = SILENCE, command: tuple[str, ...] = COMMAND) -> None:
        self._silence, self._command = silence, command
        self._process: subprocess.Popen[bytes] | None = None
        self._frames: queue.Queue[Frame | None] = queue.Queue()
        self._busy, self._name = False, ""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.stop()

    def open(self, path: Path, want: Want, tiles: bool = True) -> SlidePlan:
        """Open a slide and return what will be read of it; raise ImageError in words.

        tiles: whether `tiles()` will be asked for.
        """
        if self._busy:
            self.stop()  # the last slide was not read to its end
        process = self._started()
        self._name, self._busy = Path(path).name, True
        job = {"path": os.fspath(Path(path).absolute()), "want": asdict(want), "tiles": tiles}
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(job).encode("ascii") + b"\n")
            process.stdin.flush()
        except OSError:
            self._give_up(_END)
        told, data = self._next()
        height, width = told["shape"]
        overview = np.frombuffer(data[: 3 * height * width], np.uint8).reshape(height, width, 3)
        mask = np.frombuffer(data[3 * height * width :], np.uint8).reshape(height, width) > 0
        plan = SlidePlan(
            tuple(told["size"]),
            told["mpp"],
            tuple(told["origin"]),
            tuple(told["notes"]),
            tuple(Tile(*one) for one in told["tiles"]),
            overview,
            mask,
        )
        if not tiles:
            self._busy = False
        return plan

    def tiles(self) -> Iterator[TileRead]:
        """Yield the tiles of the open slide in the order of its plan; raise ImageError where it ends early."""
        while True:
            told, data = self._next()
            if told["kind"] == "done":
                self._busy = False
                return
            pixels = np.frombuffer(data, np.uint8).reshape(told["shape"]) if data else None
            yield TileRead(told["index"], pixels, tuple(told["flags"]))

    def stop(self) -> None:
        """End the process at once."""
        process, self._process, self._busy = self._process, None, False
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            own = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
            self._process = subprocess.Popen(  # those of `nmevision predict` reserve more than it may have
                self._command,
                env=own,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._frames = queue.Queue(AHEAD)
            assert self._process.stdout is not None
            listener = threading.Thread(
                target=_listen, args=(self._process.stdout, self._frames), daemon=True
            )
            listener.start()
        return self._process

    def _next(self) -> Frame:
        """Return the next frame that says something; raise ImageError where there will be none."""
        while True:
            try:
                frame = self._frames.get(timeout=self._silence)
            except queue.Empty:
                self._give_up(
                    f"was given up after {self._silence:.0f} s in which nothing of it could be read"
                )
            if frame is None:
                self._give_up(_END)
            if frame[0]["kind"] == "failed":
                self._busy = False
                raise ImageError(frame[0]["message"])
            if frame[0]["kind"] != "busy":
                return frame

    def _give_up(self, words: str) -> NoReturn:
        self.stop()
        raise ImageError(f"{self._name!r} {words}")


def _listen(stream: IO[bytes], frames: queue.Queue[Frame | None]) -> None:
    """Put frames into the queue as they come (it is bounded, so that the other side waits), None at the end."""
    try:
        while line := stream.readline():
            told = json.loads(line)
            data = stream.read(told.get("bytes", 0))
            if len(data) < told.get("bytes", 0):
                break
            frames.put((told, data))
    except (OSError, ValueError):
        pass
    frames.put(None)


class _Answers:
    """The process's side of the frames."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints must not fall between the frames

    def say(self, kind: str, data: bytes = b"", **told: object) -> None:
        """Send one frame."""
        self._out.write(json.dumps({"kind": kind, "bytes": len(data), **told}).encode("ascii") + b"\n" + data)
        self._out.flush()


def _read(job: dict[str, Any], answers: _Answers) -> None:
    """Read one slide for the other side."""
    want = Want(**job["want"])
    slide = open_slide(Path(job["path"]), want.mpp, want.mpp_by)
    try:
        plan = plan_slide(slide, want, lambda: answers.say("busy"))
        answers.say(
            "plan",
            np.ascontiguousarray(plan.overview).tobytes() + plan.mask.astype(np.uint8).tobytes(),
            shape=plan.overview.shape[:2],
            size=plan.size,
            mpp=plan.mpp,
            origin=plan.origin,
            notes=plan.notes,
            tiles=[list(asdict(tile).values()) for tile in plan.tiles],
        )
        if not job["tiles"]:
            return
        for index, tile in enumerate(plan.tiles):
            try:
                pixels = slide.area(tile.x, tile.y, tile.side, want.pixels)
            except ImageError:
                answers.say("tile", index=index, flags=["damaged"])
                continue
            flags = quality_flags(pixels, want.field_um / want.pixels)
            answers.say("tile", pixels.tobytes(), index=index, flags=flags, shape=pixels.shape)
        answers.say("done")
    finally:
        slide.reader.close()


def serve() -> None:
    """Answer jobs until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other side, which ends this one
    cv2.setNumThreads(1)
    _bound_memory()
    answers = _Answers()
    for line in sys.stdin.buffer:
        job = json.loads(line)
        try:
            _read(job, answers)
        except ImageError as problem:
            answers.say("failed", message=str(problem))
        except MemoryError:
            words = "needs more memory than there is (a damaged header, or one part too large)"
            answers.say("failed", message=f"{Path(job['path']).name!r} {words}")
        except BrokenPipeError:
            return
        except Exception as problem:  # whatever a damaged file brings about is explained
            words = f"is a broken slide ({type(problem).__name__} while reading it)"
            answers.say("failed", message=f"{Path(job['path']).name!r} {words}")


def _bound_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # no such limit on this system


if __name__ == "__main__":
    serve()
