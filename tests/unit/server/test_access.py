"""Who is let in: other hosts' names, other sites' pages and strangers without the token are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server_world import Served, image, serving
from small_world import run_here

from nmevision.errors import ConfigError, RunError
from nmevision.inference.predictor import Predictor
from nmevision.server.folders import JobFolders
from nmevision.server.guard import COOKIE, Access
from nmevision.server.run import access_of, greeting, listening_socket
from nmevision.server.settings import Settings

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def guarded(predictor: Predictor) -> Iterator[Served]:
    """A server as it is bound elsewhere than to loopback: with a token and a name."""
    with serving(predictor, access=Access(TOKEN, frozenset({"reader.example"}), local=False)) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:{port}", "[::1]:1", "LOCALHOST:9", "127.8.8.8"])
def test_this_machines_own_names_are_answered(served: Served, host: str) -> None:
    assert served.ask("/api/model", host=host.format(port=served.port)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.9",
        "localhost@evil",
        "a/b",
        "",
    ],
)
def test_a_name_that_was_bound_to_this_address_is_not_answered(served: Served, host: str) -> None:
    got = served.ask("/api/model", host=host)
    assert got.status == 421
    assert "--allow-host" in got.error
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://127.0.0.1.evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_another_sites_page_changes_nothing(served: Served, headers: dict[str, str]) -> None:
    assert served.send([("a.png", image())], **headers).status == 403
    job = served.done([("a.png", image())])["id"]
    assert served.ask(f"/api/jobs/{job}", "DELETE", **headers).status == 403
    assert served.ask(f"/api/jobs/{job}").status == 200


def test_the_own_page_and_programs_may(served: Served) -> None:
    own = {"origin": f"http://127.0.0.1:{served.port}", "sec_fetch_site": "same-origin"}
    assert served.send([("a.png", image())], **own).status == 201
    assert served.send([("a.png", image())]).status == 201


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/model", "/openapi.json", "/docs", "/nothing"])
def test_nothing_is_told_without_the_token(guarded: Served, path: str) -> None:
    wrong = (
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": f"{COOKIE}=x"},
    )
    for headers in ({}, *wrong, {"authorization": "Bearer "}, {"cookie": "a=b; ;=; \x01"}):
        got = guarded.ask(path, **headers)
        assert got.status == 401
        assert b"token" in got.body
        assert TOKEN.encode() not in got.body
    assert guarded.send([("a.png", image())]).status == 401


def test_the_token_comes_as_a_header_or_by_a_first_visit(guarded: Served) -> None:
    assert guarded.ask("/api/model", authorization=f"bearer {TOKEN}").status == 200
    assert guarded.ask(f"/?token={TOKEN}x").status == 401
    assert guarded.ask(f"/api/model?token={TOKEN}").status == 401  # only the page's address takes it
    visit = guarded.ask(f"/?token={TOKEN}")
    assert (visit.status, visit.headers["location"]) == (303, "/")
    cookie = visit.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert guarded.ask("/", cookie=cookie.partition(";")[0]).status == 200
    sent = guarded.send([("a.png", image())], cookie=cookie.partition(";")[0])
    assert sent.status == 201


def test_elsewhere_addresses_and_given_names_are_answered_only(guarded: Served) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for host in ("10.0.0.7:8000", "reader.example", "READER.example:80", "localhost"):
        assert guarded.ask("/api/model", host=host, **bearer).status == 200
    assert guarded.ask("/api/model", host="evil.example", **bearer).status == 421


def test_a_token_is_made_up_where_others_can_reach_the_server() -> None:
    local = access_of(Settings())
    assert (local.token, local.local) == (None, True)
    first, second = (access_of(Settings(host="0.0.0.0")) for _ in range(2))
    assert first.token != second.token
    assert len(first.token or "") >= 32
    assert access_of(Settings(token=TOKEN)).token == TOKEN
    assert access_of(Settings(names=("reader.example",))).token  # whom a proxy lets in is not this machine
    assert f"?token={first.token}" in greeting(Settings(host="0.0.0.0"), first, 80)
    assert "not encrypted" in greeting(Settings(host="0.0.0.0"), first, 80)
    assert greeting(Settings(), local, 80).startswith("open http://127.0.0.1:80/\n")


@pytest.mark.parametrize("token", ["", "short", "a b" * 9, "semi;colon" * 3, "\u00e9" * 20])
def test_a_weak_token_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="at least 16"):
        access_of(Settings(token=token))


def test_a_taken_port_is_said_in_words() -> None:
    bound = listening_socket("127.0.0.1", 0)
    with pytest.raises(ConfigError, match="name another --port"):
        listening_socket("127.0.0.1", bound.getsockname()[1])
    bound.close()
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.1"):
        listening_socket("203.0.113.1", 0)


def test_wrong_settings_are_one_line_before_the_model_is_opened(tmp_path: Path) -> None:
    answer = run_here("serve", tmp_path / "no-model", "--token", "short", cwd=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: --token: expected at least 16")
    answer = run_here("serve", tmp_path / "no-model", "--port", "0", cwd=tmp_path)
    assert (answer.code, "no bundle" in answer.err) == (2, True)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        JobFolders(tmp_path / "file")
