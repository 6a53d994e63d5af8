"""`nmevision serve` as its own process: stopped in mid-work it leaves nothing, and it tells nobody the token."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server_world import SOON, Served, image
from small_world import environment

pytestmark = pytest.mark.slow
TOKEN = "a-token-that-is-only-for-this-test"


def started(bundle: Path, tmp: Path, *flags: str) -> tuple[subprocess.Popen[str], int]:
    """Start a server whose temporary files lie in `tmp`; return it and its port when it listens."""
    command = [sys.executable, "-m", "nmevision.cli", "serve", str(bundle), "--port", "0", *flags]
    process = subprocess.Popen(
        command,
        env=environment(TMPDIR=str(tmp)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    while "stop with Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    found = re.search(r"http://[^/]*:(\d+)/", said)
    assert found, said
    return process, int(found[1])


def ask(port: int, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_in_mid_work_leaves_nothing(
    bundle_folder: Path, tmp_path: Path, word: signal.Signals
) -> None:
    process, port = started(bundle_folder, tmp_path, "--batch-size", "1")
    served = Served(port, desk=None)  # type: ignore[arg-type]
    files = [(f"{n}.png", image(n % 7)) for n in range(400)]
    sent = served.send(files)
    assert sent.status == 201
    end = time.monotonic() + SOON
    while (job := served.ask(f"/api/jobs/{sent.json['id']}").json)["counts"][
        "ok"
    ] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    assert job["state"] == "running"
    (root,) = tmp_path.glob("nmevision-serve-*")
    assert len(list((root / job["id"] / "images").iterdir())) == 400
    process.send_signal(word)
    process.send_signal(word)  # an impatient user
    out, _ = process.communicate(timeout=SOON)
    assert process.returncode == 0, out
    assert out.endswith("stopped; nothing was kept\n")
    assert "Traceback" not in out
    assert list(tmp_path.glob("nmevision-serve-*")) == []


def test_a_killed_server_is_cleared_up_by_the_next_which_writes_its_token_nowhere(
    bundle_folder: Path, tmp_path: Path
) -> None:
    process, _ = started(bundle_folder, tmp_path)
    process.kill()
    process.wait(SOON)
    (left,) = tmp_path.glob("nmevision-serve-*")

    process, port = started(bundle_folder, tmp_path, "--token", TOKEN)
    assert not left.exists()
    assert ask(port, "/") == 401
    assert ask(port, f"/?token={TOKEN}") == 303
    assert ask(port, "/", authorization=f"Bearer {TOKEN}") == 200
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=SOON)
    assert out == "stopped; nothing was kept\n"
