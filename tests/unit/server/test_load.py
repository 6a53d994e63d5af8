"""Fifty people at once: the server stays small and answers everyone."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_world import BOUNDARY, SOON, PatientPredictor, image, serving

from nmevision.server.limits import MB, Limits

STATM = Path("/proc/self/statm")
PEOPLE, SIZE, PIECE = 50, 6 * MB, 60_000
MOST_GROWTH = 120 * MB
"""Of this process with its fifty clients, while 300 MB are sent at once."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STATM.exists(), reason="this system does not tell how much memory a process has"),
]


def memory() -> int:
    """Return the bytes of memory that this process holds."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Watch(threading.Thread):
    """Looks at the memory a hundred times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.most = memory()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            self.most = max(self.most, memory())

    def growth(self) -> int:
        """Return by how much it grew at most, and stop."""
        self._over.set()
        self.join()
        return self.most - self.before


def pieces(gate: threading.Barrier) -> Iterator[bytes]:
    """Yield a form with a small image and a file of SIZE bytes, all senders beginning the second together."""
    head = b'\r\nContent-Disposition: form-data; name="f"; filename="'
    yield b"--" + BOUNDARY + head + b'a.png"\r\n\r\n' + image() + b"\r\n"
    yield b"--" + BOUNDARY + head + b'b.bmp"\r\n\r\n'
    gate.wait(SOON)
    for _ in range(SIZE // PIECE):
        yield bytes(PIECE)
    yield b"\r\n--" + BOUNDARY + b"--\r\n"


def send(port: int, gate: threading.Barrier) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
    try:
        connection.request("POST", "/api/jobs", pieces(gate), kind)
        return connection.getresponse().status
    finally:
        connection.close()


def test_fifty_uploads_at_once_take_little_memory_and_all_arrive(patient: PatientPredictor) -> None:
    with serving(patient, Limits(queue=PEOPLE + 1)) as served, ThreadPoolExecutor(PEOPLE) as people:
        gate = threading.Barrier(PEOPLE)
        watch = Watch()
        watch.start()
        statuses = list(people.map(lambda _: send(served.port, gate), range(PEOPLE)))
        growth = watch.growth()
        patient.allowed.set()
        stored = sum(path.stat().st_size for path in served.desk.folders.root.rglob("*.bmp"))
        assert statuses == [201] * PEOPLE
        assert stored == PEOPLE * SIZE
        assert growth < MOST_GROWTH, f"{growth / MB:.0f} MB"


def test_fifty_uploads_to_a_small_queue_are_taken_or_told_to_wait(patient: PatientPredictor) -> None:
    with serving(patient, Limits(queue=8)) as served, ThreadPoolExecutor(PEOPLE) as people:
        answers = list(people.map(lambda n: served.send([(f"{n}.png", image(n))]), range(PEOPLE)))
        taken = [answer for answer in answers if answer.status == 201]
        assert {answer.status for answer in answers} == {201, 503}
        assert len(taken) in (8, 9)  # the worker may have one of them already
        patient.allowed.set()
        assert all(served.wait(answer.json["id"])["counts"]["ok"] == 1 for answer in taken)
