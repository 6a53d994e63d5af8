"""One upload and what became of it, file by file."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from nmevision.inference.journal import PARTIAL
from nmevision.predictions import GROUP_PREFIX, PROBABILITY_PREFIX, PredictionTable

FileState = Literal["waiting", "ok", "flagged", "error", "part", "refused"]
JobState = Literal["waiting", "running", "done", "failed"]
IMAGES, RESULTS = "images", "results"
STATES: tuple[FileState, ...] = get_args(FileState)


@dataclass
class JobFile:
    """One uploaded file. stored: its name in the job's folder, "" where it was not taken; size in bytes.

    state: a `part` is read with another file, the slide that it belongs to. message: ends a sentence that begins with
        the file's name. diagnosis, group and their probabilities: the answer, once there is one. sent: the folders and
        the name that it was sent under. tiles: of a whole slide, once they are known; tiles_read: those that are read.
    """

    number: int
    name: str
    stored: str = ""
    size: int = 0
    state: FileState = "waiting"
    message: str = ""
    diagnosis: str = ""
    probability: float | None = None
    group: str = ""
    group_probability: float | None = None
    sent: tuple[str, ...] = ()
    tiles: int | None = None
    tiles_read: int = 0


@dataclass(eq=False)
class Job:
    """One upload: its folder with images/ and results/, its files and how far the network is."""

    id: str
    folder: Path
    files: list[JobFile] = field(default_factory=list)
    state: JobState = "waiting"
    message: str = ""
    size: int = 0
    finished: float | None = None
    dropped: bool = False
    _read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def images(self) -> Path:
        """Return the folder of the uploaded files that were taken."""
        return self.folder / IMAGES

    @property
    def results(self) -> Path:
        """Return the folder of everything that can be downloaded."""
        return self.folder / RESULTS

    @property
    def taken(self) -> list[JobFile]:
        """Return the files that were taken in."""
        return [file for file in self.files if file.stored]

    @property
    def shown(self) -> list[JobFile]:
        """Return the files that the network is shown: all that were taken but the parts of slides."""
        return [file for file in self.taken if file.state != "part"]

    def counts(self) -> dict[str, int]:
        """Return how many files have each state."""
        states = [file.state for file in self.files]
        return {state: states.count(state) for state in STATES}

    def follow(self) -> None:
        """Note what the prediction has answered so far: it writes a journal while it works."""
        with self._lock:
            try:
                with (self.results / PARTIAL).open("rb") as stream:
                    stream.seek(self._read)
                    written = stream.read()
            except FileNotFoundError:
                return  # not begun, or finished
            whole = written[: written.rfind(b"\n") + 1]
            self._read += len(whole)
            by_name = {file.name: file for file in self.files}
            for line in whole.splitlines():
                answer = json.loads(line)
                if answer.get("id") in by_name:
                    self._note(by_name[answer["id"]], answer["status"], answer["message"])

    def note_tiles(self, identity: str, done: int, of: int) -> None:
        """Note how far a whole slide is: the id of its row, tiles read, and of how many."""
        with self._lock:
            for file in self.files:
                if file.name == identity:
                    file.tiles_read, file.tiles = done, of

    def take_answers(self, table: PredictionTable) -> None:
        """Note the answers of the finished prediction."""
        with self._lock:
            by_name = {file.name: file for file in self.files}
            for row in table.frame.to_dict("records"):
                file = by_name[row["id"]]
                self._note(file, row["status"], row["message"])
                if row["status"] == "error":
                    continue
                file.diagnosis, file.group = row["diagnosis"], row.get("group", "")
                file.probability = float(row[PROBABILITY_PREFIX + file.diagnosis])
                if file.group:
                    file.group_probability = float(row[GROUP_PREFIX + file.group])

    def end(self, state: JobState, message: str) -> None:
        """Say that no more will come of it."""
        self.message, self.finished, self.state = message, time.time(), state

    @staticmethod
    def _note(file: JobFile, status: FileState, message: str) -> None:
        file.state = status
        file.message = message.removeprefix(
            f"{PurePosixPath(file.stored).name!r} "
        )  # the name that the user does not know
