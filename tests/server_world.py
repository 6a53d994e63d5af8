"""A real server on loopback in a thread of the test, and a client that sends exactly what it is told to."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
from image_bytes import encode, picture

from nmevision.inference.predictor import Predictor
from nmevision.manifest import Manifest
from nmevision.predictions import PredictionTable
from nmevision.server.app import app_of
from nmevision.server.desk import Desk
from nmevision.server.folders import JobFolders
from nmevision.server.guard import Access
from nmevision.server.limits import Limits
from nmevision.server.run import listening_socket

BOUNDARY = b"----a-boundary-of-the-tests"
SOON = 180.0
"""Seconds that a test waits for what takes a moment; the machine may be busy."""


class PatientPredictor(Predictor):
    """The real one, which begins when it is allowed to."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.allowed = threading.Event()
        self.begun = threading.Event()

    def predict(self, where: Path | str | Manifest, *arguments: Any, **more: Any) -> PredictionTable:
        """Wait, then predict."""
        self.begun.set()
        assert self.allowed.wait(SOON)
        return super().predict(where, *arguments, **more)


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


@dataclass
class Served:
    """A running server: ask it."""

    port: int
    desk: Desk
    host: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, path: str, method: str = "GET", body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SOON)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, self.headers | named)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def send(self, files: Iterable[tuple[str | bytes, bytes]], **headers: str) -> Answer:
        """Send files under the names given, byte for byte."""
        kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
        return self.ask("/api/jobs", "POST", form(files), **({"content_type": kind} | headers))

    def wait(self, job: str) -> dict[str, Any]:
        """Return a job when it is over."""
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            found = self.ask(f"/api/jobs/{job}").json
            if found["state"] in ("done", "failed"):
                return dict(found)
            time.sleep(0.05)
        raise AssertionError(f"still {found['state']} after {SOON} s")

    def done(self, files: Iterable[tuple[str | bytes, bytes]]) -> dict[str, Any]:
        """Send files and return the finished job."""
        sent = self.send(files)
        assert sent.status == 201, sent
        return self.wait(sent.json["id"])


def form(files: Iterable[tuple[str | bytes, bytes]]) -> bytes:
    """Return the body of a form; names are written as they are, with quotes and backslashes escaped."""
    parts = []
    for name, data in files:
        raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
        quoted = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        head = b'Content-Disposition: form-data; name="files"; filename="' + quoted + b'"'
        parts.append(b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def stub_page(results: Path, images: Path) -> None:
    """Write a page that says how many rows and images it saw."""
    rows = len(pd.read_csv(results / "predictions.csv"))
    seen = sum(1 for _ in images.iterdir())
    (results / "report.html").write_text(f"<!doctype html><p>{rows} rows, {seen} images", encoding="utf-8")


@contextlib.contextmanager
def serving(
    predictor: Predictor,
    limits: Limits | None = None,
    access: Access | None = None,
    keep: Path | None = None,
    write_page: Any = stub_page,
) -> Iterator[Served]:
    """Run a real server on a free port of loopback until the block ends."""
    desk = Desk(predictor, JobFolders(keep), limits or Limits(), write_page)
    bound = listening_socket("127.0.0.1", 0)
    app = app_of(desk, access or Access())
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield Served(bound.getsockname()[1], desk)
    finally:
        server.should_exit = True
        thread.join(SOON)
        bound.close()
        assert not thread.is_alive()


def image(seed: int = 0, kind: str = "PNG", **options: object) -> bytes:
    """Return an ordinary image file's bytes."""
    return encode(picture(seed=seed), kind, **options)


def noise(side: int, seed: int = 0) -> bytes:
    """Return the bytes of a BMP of noise: about three bytes for each of its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encode(pixels, "BMP")


DROP = """
const transfer = new DataTransfer();
for (const [name, text] of arguments[0]) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  transfer.items.add(new File([bytes], name, {type: {png: "image/png", jpg: "image/jpeg"}[name.split(".").pop()] ?? ""}));
}
document.getElementById("drop").dispatchEvent(
  new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
"""


def drop(driver: Any, *files: tuple[str, bytes]) -> None:
    """Drop files on the page that a browser shows."""
    driver.execute_script(DROP, [(name, base64.b64encode(data).decode()) for name, data in files])
