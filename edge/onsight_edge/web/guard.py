"""The doors of the server, in the order in which a request meets them: name, origin, token, size of the body.

Each is a function of the request's head that raises an ApiError; the application behind them is never called for a
request that one of them stops. Whatever the application itself lets slip becomes an answer without a traceback.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from onsight_edge.quiet import wait_for_stderr
from onsight_edge.web.answers import ApiError, internal_error
from onsight_edge.web.locked import locked_page
from onsight_edge.web.tokens import COOKIE_DAYS, Keeper

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_HEAD = 16 * 1024  # bytes of a request's head
MOST_BODY = 16 * 2**20  # bytes; a photo of 24 megapixels
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, *, loopback: bool, names: Iterable[str], keeper: Keeper | None, tls: bool) -> None:
        """Guard `app`.

        Args:
            app: what answers those who are let through.
            loopback: only this device reaches the server.
            names: further names under which it may be asked.
            keeper: knows the token; None where none is needed.
            tls: connections are encrypted.
        """
        self._app = app
        self._loopback, self._names = loopback, frozenset(names)
        self._keeper, self._tls = keeper, tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        started = complete = False

        async def send_guarded(message: Message) -> None:
            nonlocal started, complete
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._through(scope, receive, send_guarded)
        except ApiError as refusal:
            if not started:
                await refusal.answer()(scope, receive, send_guarded)
        except ClientDisconnect:  # gone in the middle of its request
            return
        except Exception as error:
            wait_for_stderr()
            print(
                f"onsight: web: {scope['method']} {scope['path']!r}: {type(error).__name__}: {error}", file=sys.stderr
            )
            if not started:
                await internal_error().answer()(scope, receive, send_guarded)
            elif not complete:
                raise  # so that the connection breaks, and nobody takes the half for the whole

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check_head(scope)
        headers = Headers(scope=scope)
        method: str = scope["method"]
        host = headers.get("host", "")
        self._check_host(host)
        _check_fetch(headers)
        let_in = self._let_in(scope, headers)
        if isinstance(let_in, Response):
            await let_in(scope, receive, send)
            return
        if method not in _SAFE:
            self._check_origin(headers, host, bearer=let_in == "bearer")
        _check_length(headers)
        await self._app(scope, _bounded(receive), send)

    def _check_host(self, host: str) -> None:
        """A page whose name was made to lead here (DNS rebinding) comes with that name."""
        name = _host_name(host)
        if name in _LOOPBACK_NAMES or name in self._names:
            return
        if not self._loopback and _is_address(name):  # which nobody can make lead elsewhere
            return
        raise ApiError(421, "wrong-host", "this server is not asked under that name; allow it with --web-name")

    def _let_in(self, scope: Scope, headers: Headers) -> str | Response:
        """How the request was let in: `open`, `cookie` or `bearer`; or the answer that sets the cookie."""
        keeper = self._keeper
        if keeper is None:
            return "open"
        address = (scope.get("client") or ("", 0))[0]
        cookie = _cookie(headers, keeper.cookie_name)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = bearer.strip() or None if scheme.lower() == "bearer" else None
        if given is None and scope["path"] == "/" and scope["method"] == "GET":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
            if given is not None:
                return self._open_page(keeper, address, given, headers)
        if given is not None:
            self._check_token(keeper, address, given)
            return "bearer"
        if cookie is not None:
            if keeper.fits_cookie(cookie):
                return "cookie"
            _check_patience(keeper, "cookie " + address)
            keeper.failed("cookie " + address)
        if scope["path"] == "/" and _is_person(headers):
            return locked_page(401)
        raise ApiError(
            401, "no-token", "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
        )

    def _open_page(self, keeper: Keeper, address: str, given: str, headers: Headers) -> Response:
        try:
            self._check_token(keeper, address, given)
        except ApiError as refusal:
            if not _is_person(headers):
                raise
            remark = refusal.message[:1].upper() + refusal.message[1:] + "."
            return locked_page(refusal.status, remark, dict(refusal.headers or {}))
        return self._with_cookie(keeper, headers)

    def _check_token(self, keeper: Keeper, address: str, given: str) -> None:
        _check_patience(keeper, address)
        if not keeper.fits_token(given):
            keeper.failed(address)
            raise ApiError(401, "wrong-token", "that is not the token", {"WWW-Authenticate": "Bearer"})

    def _with_cookie(self, keeper: Keeper, headers: Headers) -> Response:
        """Sends the browser to the page without the token in its address."""
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            # followed from another page, where a Strict cookie does not go along with a redirect: our own page leads on
            response = Response(_ONWARD, media_type="text/html")
        else:
            response = Response(status_code=303, headers={"Location": "/"})
        response.set_cookie(
            keeper.cookie_name,
            keeper.cookie,
            max_age=COOKIE_DAYS * 86400,
            httponly=True,
            samesite="strict",
            secure=self._tls,
        )
        return response

    def _check_origin(self, headers: Headers, host: str, *, bearer: bool) -> None:
        """A page elsewhere shall not change anything here with its reader's cookie."""
        if bearer:  # which a browser never adds by itself
            return
        origin = headers.get("origin")
        if origin is None:
            # every browser says it where something may change; a program without a token is this device's own
            if self._keeper is None and "sec-fetch-site" not in headers:
                return
            raise ApiError(403, "no-origin", "a change needs the Origin of this server's page, or a Bearer token")
        if urlsplit(origin).scheme not in ("http", "https") or urlsplit(origin).netloc.lower() != host.lower():
            raise ApiError(403, "wrong-origin", "a page from elsewhere may change nothing here")


def _is_person(headers: Headers) -> bool:
    """A browser that wants a page, rather than a program."""
    return "text/html" in headers.get("accept", "")


def _check_patience(keeper: Keeper, address: str) -> None:
    wait_s = keeper.wait_s(address)
    if wait_s > 0:
        seconds = str(int(wait_s) + 1)
        raise ApiError(429, "too-many-tokens", f"too many wrong tokens: wait for {seconds} s", {"Retry-After": seconds})


def _check_fetch(headers: Headers) -> None:
    """What a page elsewhere embeds or fetches (Fetch Metadata) is not for it; links to this server are."""
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise ApiError(403, "cross-site", "a page from elsewhere may not use this server")


def _check_head(scope: Scope) -> None:
    """uvicorn's own limit is for heads that come in pieces: one that is there at once passes it."""
    size = (
        len(scope["raw_path"])
        + len(scope["query_string"])
        + sum(len(name) + len(text) for name, text in scope["headers"])
    )
    if size > MOST_HEAD:
        raise ApiError(400, "bad-request", f"expected a request's head of at most {MOST_HEAD} bytes")


def _check_length(headers: Headers) -> None:
    text = headers.get("content-length")
    if text is not None and (not text.isdigit() or len(text) > 15 or int(text) > MOST_BODY):
        raise ApiError(413, "too-large", f"expected a body of at most {MOST_BODY} bytes")


def _bounded(receive: Receive) -> Receive:
    """Counts a body that comes in pieces and does not say how long it is."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MOST_BODY:
            raise ApiError(413, "too-large", f"expected a body of at most {MOST_BODY} bytes")
        return message

    return counted


def _host_name(host: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname or "", parts.port  # a port that is no number raises
    except ValueError:
        return ""
    return "" if parts.username is not None or parts.path or parts.query or parts.fragment else name.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>onsight</title>{}</html>"
)
_ONWARD = _PAGE.format('<meta http-equiv="refresh" content="0; url=/"><p><a href="/">To the camera</a></p>')
