"""Runs the server until it is stopped, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from nmevision.errors import ConfigError
from nmevision.inference.predictor import Predictor
from nmevision.server.app import app_of
from nmevision.server.desk import Desk
from nmevision.server.folders import JobFolders
from nmevision.server.guard import Access, is_loopback
from nmevision.server.results import PageWriter
from nmevision.server.settings import Settings

LAST_WORDS = 2
"""Seconds that requests under way have when the server is stopped."""
_TOKEN = re.compile(r"[\w.~-]{16,}", re.ASCII)
_EVERYWHERE = ("", "0.0.0.0", "::")


def access_of(settings: Settings) -> Access:
    """Return who is let in: where others than this machine can ask, nobody without a token.

    Raises ConfigError for a token that is short or cannot stand in an address.
    """
    token = settings.token
    if token is not None and not _TOKEN.fullmatch(token):
        raise ConfigError(
            "--token: expected at least 16 letters, digits or -._~; leave it out and one is made up"
        )
    local = is_loopback(settings.host)
    if token is None and (settings.names or not local):  # a proxy with a name lets others in, too
        token = secrets.token_urlsafe(24)
    own = () if local else (settings.host, socket.gethostname(), socket.getfqdn())
    return Access(token, frozenset(name.lower() for name in (*own, *settings.names)), local)


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise ConfigError where the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen()  # from here on nobody is turned away, only kept waiting for a moment
    except (OSError, OverflowError) as problem:
        bound.close()
        why = getattr(problem, "strerror", None) or str(problem)
        raise ConfigError(
            f"cannot listen on {host} port {port}: {why}; name another --port or --host"
        ) from None
    return bound


def serve(load: Callable[[], Predictor], settings: Settings, write_page: PageWriter) -> None:
    """Serve one model until SIGINT or SIGTERM; then give up what is not done and remove what is not kept.

    load: opens the model, once the settings are known to be usable.
    Raises ConfigError, RunError or what `load` raises before anything is served.
    """
    access = access_of(settings)
    with (
        contextlib.closing(listening_socket(settings.host, settings.port)) as bound,
        _ended_by_a_signal(),
        _desk_closed_at_the_end(load(), settings, write_page) as desk,
    ):
        config = uvicorn.Config(
            app_of(desk, access),
            log_level="warning",
            access_log=False,  # it would write addresses with tokens
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=LAST_WORDS,
        )
        print(greeting(settings, access, bound.getsockname()[1]), flush=True)
        uvicorn.Server(config).run(sockets=[bound])


@contextlib.contextmanager
def _desk_closed_at_the_end(
    predictor: Predictor, settings: Settings, write_page: PageWriter
) -> Iterator[Desk]:
    """Yield a desk; whatever ends the block, remove what is not to be kept."""
    desk = Desk(predictor, JobFolders(settings.keep), settings.limits, write_page)
    try:
        yield desk
    finally:
        stopped = desk.close()
        print("stopped" + ("" if settings.keep else "; nothing was kept"), flush=True)
        if not stopped:  # the network is deep in one image: waiting longer would serve nobody
            os._exit(0)


@contextlib.contextmanager
def _ended_by_a_signal() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the block well, after its own clearing up; a second one is not heard."""

    def end(signum: int, frame: Any) -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def greeting(settings: Settings, access: Access, port: int) -> str:
    """Return what the terminal says when the server is up."""
    host = socket.gethostname() if settings.host in _EVERYWHERE else settings.host
    host = f"[{host}]" if ":" in host else host
    visit = f"http://{host}:{port}/" + (f"?token={access.token}" if access.token else "")
    lines = [f"open {visit}", "stop with Ctrl-C"]
    if not access.local:
        lines.insert(1, "Others on the network can reach this; the connection is not encrypted.")
    if settings.keep:
        lines.insert(1, f"Uploads and results are kept in {settings.keep.resolve()}")
    return "\n".join(lines)
