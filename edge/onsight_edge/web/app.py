"""The routes, and how many clients each kind may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from onsight_edge.sinks.metrics import CONTENT_TYPE, LiveMetrics
from onsight_edge.web.answers import ApiError, answer, flag_query, internal_error, whole_query
from onsight_edge.web.changes import Changes
from onsight_edge.web.classify import ImageClassifier
from onsight_edge.web.openapi import document
from onsight_edge.web.pictures import BOUNDARY, MOST_FPS, Pictures
from onsight_edge.web.watching import RESULTS_A_SECOND, Watching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

MOST_STREAMS, MOST_LISTENERS = 32, 64
STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


class Places:
    """A limited number of clients of one kind."""

    def __init__(self, most: int) -> None:
        self._most, self.taken = most, 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            ApiError: all are taken.
        """
        if self.taken >= self._most:
            raise ApiError(503, "too-many-clients", f"{self._most} clients watch already", {"Retry-After": "10"})
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Api:
    """What stands behind the routes."""

    def __init__(
        self,
        watching: Watching,
        changes: Changes,
        pictures: Pictures,
        images: ImageClassifier,
        executor: Executor,
        metrics: LiveMetrics | None,
    ) -> None:
        self._watching, self._changes, self._pictures, self._images = watching, changes, pictures, images
        self._executor, self._metrics = executor, metrics
        self._streams, self._listeners = Places(MOST_STREAMS), Places(MOST_LISTENERS)
        self._files = _static_files()

    def routes(self) -> list[Route]:
        """All of them; docs/web.md and openapi.py describe each."""
        watching, changes = self._watching, self._changes
        return [
            Route("/", self._page),
            Route("/static/{name}", self._static),
            Route("/openapi.json", self._openapi),
            Route("/healthz", watching.healthz),
            Route("/metrics", self._prometheus),
            Route("/snapshot.jpg", self._snapshot),
            Route("/stream.mjpg", self._stream),
            Route("/api/info", watching.info),
            Route("/api/state", watching.state),
            Route("/api/history", watching.history),
            Route("/api/events", self._events),
            Route("/api/image", self._images.post, methods=["POST"]),
            Route("/api/settings", changes.settings, methods=["GET", "PUT", "POST"]),
            Route("/api/recording", changes.recording, methods=["GET", "POST"]),
            Route("/api/collect", changes.collect, methods=["GET", "POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return self._file(request, "index.html")

    async def _static(self, request: Request) -> Response:
        return self._file(request, request.path_params["name"])

    def _file(self, request: Request, name: str) -> Response:
        found = self._files.get(name)  # what was there when the server started: no name leads anywhere else
        if found is None:
            raise ApiError(404, "not-found", "there is no such file")
        body, media_type, etag = found
        headers = {"Cache-Control": "no-cache", "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=media_type)

    async def _openapi(self, request: Request) -> Response:
        return answer(document())

    async def _prometheus(self, request: Request) -> Response:
        if self._metrics is None:
            raise ApiError(404, "no-metrics", "metrics need prometheus-client: pip install 'onsight[metrics]'")
        body = await asyncio.get_running_loop().run_in_executor(self._executor, self._metrics.exposition)
        return Response(body, headers={"Content-Type": CONTENT_TYPE})

    async def _snapshot(self, request: Request) -> Response:
        shot = await self._pictures.snapshot(plain=flag_query(request, "plain"))
        if shot is None:
            raise ApiError(503, "no-frame", "no frame has come yet", {"Retry-After": "1"})
        headers = {
            "X-Frame": str(shot.frame),
            "Content-Disposition": f'inline; filename="onsight-{shot.frame}.jpg"',
        }
        return Response(shot.jpeg, headers=headers, media_type="image/jpeg")

    async def _stream(self, request: Request) -> Response:
        plain, fps = flag_query(request, "plain"), whole_query(request, "fps", MOST_FPS, 1, MOST_FPS)
        media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        if request.method == "HEAD":
            return Response(headers={"Content-Type": media_type})
        return Endless(self._streams, self._pictures.stream(plain=plain, fps=fps), media_type)

    async def _events(self, request: Request) -> Response:
        fps = whole_query(request, "fps", RESULTS_A_SECOND, 1, RESULTS_A_SECOND)
        last_id = request.headers.get("last-event-id") or request.query_params.get("after")
        if request.method == "HEAD":
            return Response(headers={"Content-Type": "text/event-stream"})
        return Endless(self._listeners, self._watching.events(last_id, fps), "text/event-stream")


class Endless(StreamingResponse):
    """An answer without an end, which holds a place while it lasts."""

    def __init__(self, places: Places, parts: AsyncIterator[bytes], media_type: str) -> None:
        headers = {"Content-Type": media_type, "X-Accel-Buffering": "no"}
        super().__init__(parts, headers=headers)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        with self._places.one():
            await super().__call__(scope, receive, send)


def make_app(api: Api) -> Starlette:
    """The application, whose every answer that is no picture and no file is JSON."""

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error.answer()

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        codes = {404: "not-found", 405: "wrong-method"}
        texts = {404: "there is no such page", 405: f"{request.method} is not for this page"}
        text = texts.get(error.status_code, error.detail)
        code = codes.get(error.status_code, "http-error")
        return ApiError(error.status_code, code, text, error.headers).answer()

    async def mistake(request: Request, error: Exception) -> Response:
        return internal_error().answer()

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        ApiError: refuse,
        HTTPException: http_error,
        Exception: mistake,
    }
    app = Starlette(routes=api.routes(), exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def _static_files() -> dict[str, tuple[bytes, str, str]]:
    """Name -> bytes, type and ETag of the page's files, read once."""
    files = {}
    for path in sorted(STATIC.iterdir()):
        media_type = _TYPES.get(path.suffix)
        if media_type is not None and path.is_file():
            body = path.read_bytes()
            files[path.name] = (body, media_type, f'"{blake2b(body, digest_size=12).hexdigest()}"')
    return files
