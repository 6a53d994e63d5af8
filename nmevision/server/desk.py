"""Takes uploads in, lets one worker thread show them to the network one after another, and forgets them in time."""

from __future__ import annotations

import itertools
import logging
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nmevision.errors import NmevisionError
from nmevision.inference.predictor import Predictor
from nmevision.manifest import manifest_of
from nmevision.server.folders import JobFolders
from nmevision.server.jobs import Job
from nmevision.server.limits import Limits, Refusal, size_in_words, time_in_words
from nmevision.server.results import PageWriter, write_results

SOON = 15
"""Seconds after which a busy server is worth asking again."""
PATIENCE = 5.0
"""Seconds that a shutdown waits for the batch of images that the network is in."""
CLOSING = "the server is shutting down"
_log = logging.getLogger("nmevision.server")


class Desk:
    """All jobs of one server. Safe to use from several threads.

    predictor: the one network; only the worker thread calls it.
    write_page: makes the page of cases.
    """

    def __init__(
        self, predictor: Predictor, folders: JobFolders, limits: Limits, write_page: PageWriter
    ) -> None:
        self.limits = limits
        self.folders = folders
        self.bundle = predictor.bundle
        self._predictor = predictor
        self._write_page = write_page
        self._jobs: dict[str, Job] = {}
        self._receiving: dict[str, Job] = {}
        self._used = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="network", daemon=True)
        self._worker.start()

    @contextmanager
    def admit(self) -> Iterator[tuple[Job, Callable[[int], None]]]:
        """Yield a new job to receive files into, and what to ask for room; queue it when the block ends well.

        A block that raises leaves nothing of the job behind. Raises Refusal where the server is full.
        """
        job = self._begin()
        try:
            yield job, lambda size: self._reserve(job, size)
            self._settle(job)
        except BaseException:
            with self._lock:
                self._receiving.pop(job.id, None)
            self._discard(job)
            raise
        if job.shown:
            self._queue.put(job)
        else:
            job.end("failed", "none of the files could be taken; each says why")

    def get(self, identity: str) -> Job:
        """Return a job; raise Refusal where there is none (any more)."""
        job = self._jobs.get(identity)
        if job is None:
            kept = time_in_words(self.limits.forget_after)
            raise Refusal(
                404,
                f"no such job: it was removed, or its {kept} are over; send the images again to repeat it",
            )
        job.follow()
        return job

    def waiting_before(self, job: Job) -> int:
        """Return how many jobs the network sees before this one."""
        if job.state != "waiting":
            return 0
        earlier = itertools.takewhile(lambda one: one is not job, list(self._jobs.values()))
        return sum(one.state in ("waiting", "running") for one in earlier)

    def remove(self, identity: str) -> None:
        """Forget a job at once; one that the network is in the middle of is given up.

        Its images vanish, so that what is left of it is over in no time.
        """
        self.get(identity)
        with self._lock:
            job = self._jobs.pop(identity, None)
        if job is None:
            return
        job.dropped = True
        self.folders.remove(job.images)
        if job.state != "running":  # else the worker does it when it is through
            self._discard(job)

    def forget(self, now: float) -> None:
        """Remove what was finished long enough ago, unless the user keeps it. now: as of time.time."""
        for job in list(self._jobs.values()):
            if job.finished is not None and now >= job.finished + self.limits.forget_after:
                with self._lock:
                    self._jobs.pop(job.id, None)
                self._discard(job, folder=self.folders.keep is None)

    def close(self) -> bool:
        """Give up what is not done and remove what is not kept; return whether the network has stopped.

        A second call does nothing more.
        """
        with self._lock:
            if self._closed:
                return not self._worker.is_alive()
            self._closed = True
            unfinished = [job for job in self._jobs.values() if job.finished is None]
            unfinished += self._receiving.values()
        for job in unfinished:
            job.dropped = True
            self.folders.remove(job.images)
        self._queue.put(None)
        self._worker.join(PATIENCE)
        for job in unfinished:
            self.folders.remove(job.folder)
        self.folders.close()
        return not self._worker.is_alive()

    def _begin(self) -> Job:
        """Return a new empty job, or raise Refusal where there are too many."""
        with self._lock:
            if self._closed:
                raise Refusal(503, CLOSING)
            waiting = len(self._receiving) + sum(job.state == "waiting" for job in self._jobs.values())
            if waiting >= self.limits.queue:
                raise Refusal(
                    503,
                    f"{waiting} uploads wait already, as many as this server lets wait: try again soon",
                    SOON,
                )
            if len(self._receiving) + len(self._jobs) >= self.limits.jobs:
                raise Refusal(
                    503,
                    f"{len(self._jobs)} jobs are held, as many as this server holds: remove one, or wait",
                    SOON,
                )
            identity = secrets.token_urlsafe(16)  # who does not know it cannot ask for the job
            job = Job(identity, self.folders.place_of(identity))
            self._receiving[job.id] = job
        try:
            job.folder.mkdir(mode=0o700)
            job.images.mkdir()
        except OSError as problem:
            with self._lock:
                del self._receiving[job.id]
            raise Refusal(507, f"the server cannot store the files ({problem.strerror})") from None
        return job

    def _reserve(self, job: Job, size: int) -> None:
        """Count bytes that are about to be written; raise Refusal where they would be too many in all."""
        with self._lock:
            if self._used + size > self.limits.all_bytes:
                held = size_in_words(self.limits.all_bytes)
                raise Refusal(503, f"the server holds {held} already: remove finished jobs, or wait", SOON)
            self._used += size
            job.size += size

    def _settle(self, job: Job) -> None:
        """Hold a received job, and give back the room of files that were begun and not taken."""
        kept = sum(file.size for file in job.taken)
        with self._lock:
            if self._closed:
                raise Refusal(503, CLOSING)
            self._used -= job.size - kept
            job.size = kept
            del self._receiving[job.id]
            self._jobs[job.id] = job

    def _discard(self, job: Job, folder: bool = True) -> None:
        """Give back the room of a job, and remove its folder."""
        if folder:
            self.folders.remove(job.folder)
        with self._lock:
            self._used -= job.size
            job.size = 0

    def _work(self) -> None:
        """Show one job after another to the network, until there is None: the desk is closed."""
        while (job := self._queue.get()) is not None:
            if not job.dropped:
                job.state = "running"
                self._run(job)
            if job.dropped:
                self._discard(job)
        self.folders.close()  # again: what was at work when the patience ended may have written since

    def _run(self, job: Job) -> None:
        """Predict one job; whatever happens to it, the next one is not touched."""
        rows = [{"id": file.name, "path": file.stored} for file in job.shown]

        def watch(identity: str, done: int, of: int) -> None:
            if job.dropped:
                raise Refusal(410, "removed while it was read")  # a slide may have minutes to go
            job.note_tiles(identity, done, of)

        try:
            table = self._predictor.predict(manifest_of(rows, job.images), job.results, watch=watch)
            job.take_answers(table)
            job.end("done", "" if job.dropped else write_results(job, self._write_page))
        except (NmevisionError, Refusal) as problem:
            job.end("failed", str(problem).replace(str(job.folder), ""))
        except MemoryError:
            job.end("failed", "memory does not suffice for this upload; send fewer or smaller images")
        except Exception as problem:
            if not job.dropped:
                _log.exception("a job failed")
            kind = type(problem).__name__
            job.end("failed", f"an error of the program ({kind}); the server's terminal says more")
