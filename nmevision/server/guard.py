"""Who may ask what: the checks before every request, and the headers on every answer."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nmevision.server.limits import Refusal

COOKIE = "nmevision_token"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of everything the server answers: only its own files, nothing inline, no frame around it."""
CASES_POLICY = (
    "sandbox allow-scripts allow-downloads allow-modals; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the page of cases, one file with everything in it: it runs as a stranger to this server, without network. Which
of its inline scripts may run its own stricter policy says, by their hashes; both must allow."""
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""On every answer that does not bring its own."""
_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Access:
    """Who is let in.

    token: what must come with every request; None where only this machine can ask.
    names: host names by which the server may be called, beside addresses and localhost.
    local: whether it listens to this machine only, so that only this machine's own names will do.
    """

    token: str | None = None
    names: frozenset[str] = frozenset()
    local: bool = True


def host_name(netloc: str) -> str:
    """Return the host of a `Host` header, lower case and without its port, "" where it is none.

    >>> host_name("LocalHost:8000"), host_name("[::1]:8000"), host_name("a@b"), host_name("a/b")
    ('localhost', '::1', '', '')
    """
    if any(one in netloc for one in "/?#@\\ \t"):
        return ""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine and no other.

    >>> is_loopback("localhost"), is_loopback("127.0.0.9"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """ASGI middleware: refuses strangers before anything is read, and puts HEADERS on every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            answer = self._check(scope) or self._app
        except Refusal as refusal:
            answer = refused(refusal, str(scope["path"]))
        await answer(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> Response | None:
        """Raise Refusal for another host's name, another site's page or a missing token.

        Returns the answer to a visit that brings the token, None where the application answers.
        """
        headers = Headers(scope=scope)
        called = headers.get("host", "")
        if not self._is_mine(host_name(called)):
            raise Refusal(421, "the address by which this server was called is not its own; see --allow-host")
        if scope["method"] not in _SAFE and not _same_site(headers, called):
            raise Refusal(403, "another site's page may not change anything here")
        if self._access.token is None:
            return None
        visit = self._first_visit(scope, self._access.token)
        if visit is None and not self._has_token(headers, self._access.token):
            raise Refusal(401, "this server asks for its token: open the address that its terminal printed")
        return visit

    def _is_mine(self, host: str) -> bool:
        """Tell whether a name is the server's; a foreign one that leads here is a DNS-rebinding attack."""
        if is_loopback(host) or host in self._access.names:
            return True
        return not self._access.local and _is_address(host)  # an address cannot be rebound

    @staticmethod
    def _first_visit(scope: Scope, token: str) -> Response | None:
        """Return the answer to a visit with ?token=: it turns into a cookie, so that no address shows it."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if scope["method"] != "GET" or scope["path"] != "/" or not given:
            return None
        if not _same(given[0], token):
            raise Refusal(401, "this is not the server's token: open the address that its terminal printed")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="lax", path="/")
        return answer

    @staticmethod
    def _has_token(headers: Headers, token: str) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        given = [bearer.strip()] * (scheme.lower() == "bearer") + ([cookie.value] if cookie else [])
        return any(_same(one, token) for one in given)


def refused(refusal: Refusal, path: str) -> Response:
    """Return a refusal as JSON to a program, as plain words to a person."""
    headers = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if path.startswith("/api/"):
        return JSONResponse({"error": refusal.words}, refusal.status, headers)
    return PlainTextResponse(f"{refusal.words}\n", refusal.status, headers)


def _same_site(headers: Headers, called: str) -> bool:
    """Tell whether a request that changes something comes from this server's own page, or from no page."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != called.lower():
        return False
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8"))
