"""A small hub on loopback: it serves folders as the real client asks for them, and gates some behind a token."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "a" * 40


class Hub:
    """What is served and what was asked. gated: repository -> the token that opens it."""

    def __init__(self, root: Path, gated: dict[str, str]) -> None:
        self.root, self.gated = root, gated
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def small_hub(root: Path, gated: dict[str, str] | None = None) -> Iterator[Hub]:
    """Serve ROOT/owner/name/files as repositories; yield the hub, whose url goes into HF_ENDPOINT."""
    hub = Hub(root, gated or {})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                repository = "/".join(parts[2:4])
                if not (hub.root / repository).is_dir():
                    return self._refuse(404, "RepoNotFound", body)
                info = {"id": repository, "modelId": repository, "sha": COMMIT, "tags": [], "siblings": []}
                return self._send(json.dumps(info).encode(), {"Content-Type": "application/json"}, body)
            repository, name = "/".join(parts[:2]), "/".join(parts[4:])
            token = hub.gated.get(repository)
            if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
                return self._refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo", body)
            if not (hub.root / repository).is_dir():
                return self._refuse(404, "RepoNotFound", body)
            path = hub.root / repository / name
            if not path.is_file():
                return self._refuse(404, "EntryNotFound", body)
            content = path.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            return self._send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body)

        def _send(self, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(200)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def _refuse(self, status: int, code: str, body: bool) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"{code} for {self.headers.get('Authorization')}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
