"""The application: the API, the page and its files, behind the guard."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from nmevision import __version__
from nmevision.server.api import api_of
from nmevision.server.desk import Desk
from nmevision.server.guard import Access, Guard, refused
from nmevision.server.limits import Refusal
from nmevision.server.pages import pages_of

FORGETTING = 5.0
"""Seconds between two looks for jobs whose time is over."""
_WORDS = {
    404: "there is nothing at this address; see /docs",
    405: "this address is not asked in this way; see /docs",
}
_log = logging.getLogger("nmevision.server")


def app_of(desk: Desk, access: Access) -> ASGIApp:
    """Return the ASGI application around one desk, which it closes when it is shut down."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(_forget(desk))
        with contextlib.suppress(
            asyncio.CancelledError, KeyboardInterrupt
        ):  # a second Ctrl-C; `serve` closes, too
            yield
            forgetting.cancel()
            await asyncio.to_thread(desk.close)

    app = FastAPI(
        title="nmevision",
        version=__version__,
        description="A trained model over images. For research; not a medical device.",
        docs_url=None,  # it would load its scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(api_of(desk))
    app.include_router(pages_of(app))
    _speak_in_words(app)
    return Guard(app, access)


async def _forget(desk: Desk) -> None:
    while True:
        await asyncio.sleep(min(FORGETTING, desk.limits.forget_after))
        await asyncio.to_thread(desk.forget, time.time())


def _speak_in_words(app: FastAPI) -> None:
    """Answer every failure with its status and {"error": words}, never with a trace."""

    @app.exception_handler(Refusal)
    async def _refusal(request: Request, problem: Refusal) -> Response:
        return refused(problem, request.url.path)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, problem: HTTPException) -> Response:
        return refused(
            Refusal(problem.status_code, _WORDS.get(problem.status_code, str(problem.detail))),
            request.url.path,
        )

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, problem: RequestValidationError) -> Response:
        return refused(Refusal(404, _WORDS[404]), request.url.path)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, problem: Exception) -> Response:
        words = f"an error of the program ({type(problem).__name__}); the server's terminal says more"
        return refused(Refusal(500, words), request.url.path)
