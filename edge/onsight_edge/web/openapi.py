"""The OpenAPI document: every route, what it takes and what it answers. Tests hold the server against it."""

from __future__ import annotations

from onsight_edge.version import __version__
from onsight_edge.web.schemas import FLAG, SCHEMAS, TEXT, WHOLE, Schema, ref, shape

_PLAIN = {"name": "plain", "in": "query", "schema": {"enum": ["0", "1"]}, "description": "1: nothing drawn on it."}


def _json(schema: Schema, text: str) -> Schema:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _binary(media_type: str, text: str) -> Schema:
    return {"description": text, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}


def _fps(most: int) -> Schema:
    return {
        "name": "fps",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": most},
        "description": "At most so many a second.",
    }


def _operation(
    name: str,
    text: str,
    answers: dict[str, Schema],
    *,
    errors: str = "",
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
) -> Schema:
    """One operation. Every one may be refused by the guard (`Error`); `errors` are its own statuses."""
    made: Schema = {"operationId": name, "summary": text, "responses": dict(answers)}
    for status in errors.split():
        made["responses"].setdefault(status, _json(ref("Error"), "Refused."))
    made["responses"]["default"] = _json(ref("Error"), "Refused: wrong host, origin, token, method, or too much.")
    if parameters:
        made["parameters"] = parameters
    if body:
        made["requestBody"] = {"required": True, "content": body}
    return made


def _patch(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def document() -> Schema:
    """The document, OpenAPI 3.1."""
    settings = _operation(
        "changeSettings",
        "Turn settings; those that are not given stay. Acts at once.",
        {"200": _json(ref("Settings"), "Those in force.")},
        errors="400 409 415 503",
        body={
            "application/json": {
                "schema": _patch(
                    threshold={"type": "number", "minimum": 0, "maximum": 1},
                    smooth={"type": "number", "minimum": 0, "maximum": 3600},
                    agree={"type": "integer", "minimum": 1, "maximum": 10_000},
                    hysteresis={"type": "number", "minimum": 0, "maximum": 1},
                    save=FLAG,
                )
            }
        },
    )
    picture = {"schema": {"type": "string", "format": "binary"}}
    paths: dict[str, Schema] = {
        "/healthz": {
            "get": _operation(
                "health",
                "Whether results really come.",
                {"200": _json(ref("Health"), "They do."), "503": _json(ref("Health"), "They do not.")},
            )
        },
        "/metrics": {
            "get": _operation("metrics", "For Prometheus.", {"200": _binary("text/plain", "The page.")}, errors="404")
        },
        "/snapshot.jpg": {
            "get": _operation(
                "snapshot",
                "The newest picture at its own size.",
                {"200": _binary("image/jpeg", "The picture.")},
                errors="400 503",
                parameters=[_PLAIN],
            )
        },
        "/stream.mjpg": {
            "get": _operation(
                "stream",
                "The live picture, endless.",
                {"200": _binary("multipart/x-mixed-replace", "JPEGs, one after the other.")},
                errors="400 503",
                parameters=[_PLAIN, _fps(15)],
            )
        },
        "/api/info": {"get": _operation("info", "What runs here.", {"200": _json(ref("Info"), "Facts.")})},
        "/api/state": {"get": _operation("state", "How it runs now.", {"200": _json(ref("State"), "The state.")})},
        "/api/history": {
            "get": _operation(
                "history",
                "Decisions and notices of this run, oldest first.",
                {"200": _json(shape(run=TEXT, events={"type": "array", "items": ref("Event")}), "The events.")},
                errors="400",
                parameters=[
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
                        "description": "At most so many, the newest.",
                    },
                    {"name": "after", "in": "query", "schema": TEXT, "description": "Those after the one of this id."},
                ],
            )
        },
        "/api/events": {
            "get": _operation(
                "events",
                "Server-sent events, endless: result, state, decision, notice, end.",
                {"200": _binary("text/event-stream", "The events.")},
                errors="400 503",
                parameters=[
                    _fps(10),
                    {"name": "after", "in": "query", "schema": TEXT, "description": "As Last-Event-ID."},
                    {"name": "Last-Event-ID", "in": "header", "schema": TEXT, "description": "Go on after this one."},
                ],
            )
        },
        "/api/image": {
            "post": _operation(
                "classify",
                "Classify a picture.",
                {"200": _json(ref("Classified"), "All scores.")},
                errors="400 413 415 500 503",
                body={
                    "image/jpeg": picture,
                    "image/png": picture,
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {"file": {"type": "string", "format": "binary"}},
                            "required": ["file"],
                        }
                    },
                },
            )
        },
        "/api/settings": {
            "get": _operation("settings", "The settings in force.", {"200": _json(ref("Settings"), "They.")}),
            "put": settings,
            "post": {**settings, "operationId": "changeSettingsByPost"},
        },
        "/api/recording": {
            "get": _operation("recording", "Is a video written?", {"200": _json(ref("Recording"), "The recording.")}),
            "post": _operation(
                "record",
                "Start or stop a video.",
                {"200": _json(ref("Recording"), "The recording.")},
                errors="400 409 415 507",
                body={
                    "application/json": {
                        "schema": {**_patch(action={"enum": ["start", "stop"]}), "required": ["action"]}
                    }
                },
            ),
        },
        "/api/collect": {
            "get": _operation("collected", "What was collected.", {"200": _json(ref("Collected"), "Counts.")}),
            "post": _operation(
                "collect",
                "Save a frame under a class name.",
                {"201": _json(ref("Saved"), "It was saved.")},
                errors="400 409 415 507",
                body={
                    "application/json": {
                        "schema": {
                            **_patch(label={"type": "string", "minLength": 1}, frame=WHOLE),
                            "required": ["label"],
                        }
                    }
                },
            ),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "onsight", "version": __version__, "description": "A live image classifier."},
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }
