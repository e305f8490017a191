"""What the API answers: JSON, and one shape for all that goes wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from onsight_edge.errors import OnsightError

JSON_TYPE = "application/json"
MOST_JSON = 16 * 1024  # bytes of a JSON body


class ApiError(Exception):
    """An answer other than the one asked for.

    Attributes:
        status: HTTP's number.
        code: a word for programs; docs/web.md lists them.
        message: a line for people: what was wrong, what was expected.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        closing = {"Connection": "close"} if status == 413 else {}  # nobody waits for the rest of a body
        self.headers = {**closing, **(headers or {})}

    def answer(self) -> Response:
        """As a response: `{"error": {"code": ..., "message": ...}}`."""
        return answer({"error": {"code": self.code, "message": self.message}}, self.status, self.headers)


def internal_error() -> ApiError:
    """For what should not happen: tells nothing of what it was."""
    return ApiError(500, "internal", "the server made a mistake; its log says which")


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON that nobody keeps."""
    return Response(json_bytes(value), status, {"Cache-Control": "no-store", **(headers or {})}, JSON_TYPE)


def json_bytes(value: Any) -> bytes:
    """Compact JSON in UTF-8; NaN is refused, and half characters, which a file's name may hold, are replaced."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


async def read_json(request: Request, known: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The JSON object in a request's body.

    Args:
        request: its body is read.
        known: key -> the types that its value may have. A bool is no number here, and no number may be infinite.

    Raises:
        ApiError: no JSON object, too large, an unknown key, or a value of another type.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        raise ApiError(415, "not-json", f"expected a body of type {JSON_TYPE}, not {kind or 'none'}")
    body = b""
    async for part in request.stream():  # so that what is too much is never held in memory
        body += part
        if len(body) > MOST_JSON:
            raise ApiError(413, "too-large", f"expected at most {MOST_JSON} bytes of JSON")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "bad-json", "the body is no JSON") from error
    if not isinstance(value, dict):
        raise ApiError(400, "bad-json", "expected a JSON object")
    for key, found in value.items():
        if key not in known:
            raise ApiError(400, "unknown-key", f"unknown key {key[:40]!r}; known are {', '.join(known)}")
        types = known[key]
        if types == (int,) and isinstance(found, float) and found.is_integer():  # JSON's 3.0 is a whole number
            found = value[key] = int(found)
        fits = isinstance(found, types) and (bool in types or not isinstance(found, bool))
        if not fits or (isinstance(found, float) and not math.isfinite(found)):
            raise ApiError(400, "bad-value", f"{key} has a value of the wrong type")
    return value


def whole_query(request: Request, key: str, default: int, least: int, most: int) -> int:
    """A whole number from the query.

    Raises:
        ApiError: it is none, or out of range.
    """
    text = request.query_params.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise ApiError(400, "bad-query", f"{key} must be a whole number, {least}..{most}")
    return int(text)


def flag_query(request: Request, key: str) -> bool:
    """Whether the query says `key=1`.

    Raises:
        ApiError: it says something else than 0 or 1.
    """
    text = request.query_params.get(key, "0")
    if text not in ("0", "1"):
        raise ApiError(400, "bad-query", f"{key} must be 0 or 1")
    return text == "1"


def refused(error: OnsightError, status: int, code: str, text: str | None = None) -> ApiError:
    """An ApiError with what onsight says; `text` where that holds a path of this machine."""
    return ApiError(status, code, str(error) if text is None else text)
