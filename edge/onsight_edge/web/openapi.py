"""The OpenAPI document: every route, what it takes and what it answers. Tests hold the server against it."""

from __future__ import annotations

from typing import Any

from onsight_edge.version import __version__

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_SIZE: Schema = {"type": "array", "items": _WHOLE, "minItems": 2, "maxItems": 2}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(optional: dict[str, Schema] | None = None, /, **required: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_PERCENTILES = _object(p50=_NUMBER, p90=_NUMBER, p99=_NUMBER)
_SETTINGS = _object(
    {"saved": _FLAG},
    threshold=_NUMBER,
    smooth=_or_null(_NUMBER),
    agree=_or_null(_WHOLE),
    hysteresis=_or_null(_NUMBER),
    savable=_FLAG,
)
_RECORDING = _object(
    possible=_FLAG, recording=_FLAG, name=_or_null(_TEXT), seconds=_or_null(_NUMBER), error=_or_null(_TEXT)
)
_RESULT = _object(
    {"decision": _TEXT, "decision_score": _NUMBER, "truth": _TEXT, "name": _TEXT},
    at=_TEXT,
    frame=_WHOLE,
    label=_TEXT,
    score=_NUMBER,
    top={"type": "array", "items": {"type": "array", "prefixItems": [_TEXT, _NUMBER], "minItems": 2, "maxItems": 2}},
    age_ms=_NUMBER,
    preprocess_ms=_NUMBER,
    inference_ms=_NUMBER,
    postprocess_ms=_NUMBER,
    dropped=_WHOLE,
    fps=_NUMBER,
)
_EVENT: Schema = {
    "oneOf": [
        _object(
            {"name": _TEXT},
            id=_TEXT,
            at=_TEXT,
            kind={"const": "decision"},
            event=_TEXT,
            before=_or_null(_TEXT),
            score=_NUMBER,
            frame=_WHOLE,
        ),
        _object(id=_TEXT, at=_TEXT, kind={"const": "notice"}, notice=_TEXT, text=_TEXT, over=_FLAG),
    ]
}
_SINK = _object(name=_TEXT, written=_WHOLE, dropped=_WHOLE, error=_or_null(_TEXT))
_SCHEMAS: dict[str, Schema] = {
    "Error": _object(error=_object(code=_TEXT, message=_TEXT)),
    "Settings": _SETTINGS,
    "Recording": _RECORDING,
    "Result": _RESULT,
    "Event": _EVENT,
    "Collected": _object(possible=_FLAG, labels=_map(_WHOLE), bytes=_WHOLE, budget_bytes=_WHOLE),
    "Saved": _object(
        saved=_object(name=_TEXT, label=_TEXT, frame=_WHOLE, size_wh=_SIZE, bytes=_WHOLE),
        possible=_FLAG,
        labels=_map(_WHOLE),
        bytes=_WHOLE,
        budget_bytes=_WHOLE,
    ),
    "Health": _object(status={"enum": ["ok", "starting", "stalled"]}, since_ms=_or_null(_NUMBER)),
    "Info": _object(
        onsight=_TEXT,
        started=_TEXT,
        run=_TEXT,
        model=_object(
            name=_TEXT,
            variant=_or_null(_TEXT),
            sha256=_or_null(_TEXT),
            input_size_wh=_SIZE,
            classes={"type": "array", "items": _TEXT},
        ),
        backend=_object(name=_TEXT, version=_TEXT, threads=_WHOLE, detail=_TEXT),
        source=_object(name=_TEXT, live=_FLAG, fps=_or_null(_NUMBER), size_wh=_or_null(_SIZE)),
        device={"type": "object"},
        sentinel=_FLAG,
        settings=_ref("Settings"),
    ),
    "State": _object(
        at=_TEXT,
        flowing=_FLAG,
        result=_or_null(_ref("Result")),
        since_ms=_or_null(_NUMBER),
        fps=_NUMBER,
        age_ms=_or_null(_PERCENTILES),
        classified=_WHOLE,
        dropped=_WHOLE,
        uptime_s=_NUMBER,
        source=_or_null(_object(skipped=_WHOLE, frozen=_WHOLE, resized=_WHOLE, reopened=_WHOLE)),
        device=_object(
            temperature_c=_or_null(_NUMBER),
            mhz=_or_null(_NUMBER),
            governor=_or_null(_TEXT),
            held_back={"type": "array", "items": _TEXT},
        ),
        notices={"type": "array", "items": _object(notice=_TEXT, text=_TEXT, since=_TEXT)},
        settings=_ref("Settings"),
        recording=_ref("Recording"),
        sinks={"type": "array", "items": _SINK},
        last_event=_or_null(_TEXT),
    ),
    "Classified": _object(
        result=_object(classification=_map(_NUMBER), label=_TEXT, score=_NUMBER),
        timing=_object(decode=_NUMBER, dsp=_NUMBER, classification=_NUMBER, postprocess=_NUMBER, anomaly=_NUMBER),
        image=_object(width=_WHOLE, height=_WHOLE),
    ),
}
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
        made["responses"].setdefault(status, _json(_ref("Error"), "Refused."))
    made["responses"]["default"] = _json(_ref("Error"), "Refused: wrong host, origin, token, method, or too much.")
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
        {"200": _json(_ref("Settings"), "Those in force.")},
        errors="400 409 415 503",
        body={
            "application/json": {
                "schema": _patch(
                    threshold={"type": "number", "minimum": 0, "maximum": 1},
                    smooth={"type": "number", "minimum": 0, "maximum": 3600},
                    agree={"type": "integer", "minimum": 1, "maximum": 10_000},
                    hysteresis={"type": "number", "minimum": 0, "maximum": 1},
                    save=_FLAG,
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
                {"200": _json(_ref("Health"), "They do."), "503": _json(_ref("Health"), "They do not.")},
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
        "/api/info": {"get": _operation("info", "What runs here.", {"200": _json(_ref("Info"), "Facts.")})},
        "/api/state": {"get": _operation("state", "How it runs now.", {"200": _json(_ref("State"), "The state.")})},
        "/api/history": {
            "get": _operation(
                "history",
                "Decisions and notices of this run, oldest first.",
                {"200": _json(_object(run=_TEXT, events={"type": "array", "items": _ref("Event")}), "The events.")},
                errors="400",
                parameters=[
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
                        "description": "At most so many, the newest.",
                    },
                    {"name": "after", "in": "query", "schema": _TEXT, "description": "Those after the one of this id."},
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
                    {"name": "after", "in": "query", "schema": _TEXT, "description": "As Last-Event-ID."},
                    {"name": "Last-Event-ID", "in": "header", "schema": _TEXT, "description": "Go on after this one."},
                ],
            )
        },
        "/api/image": {
            "post": _operation(
                "classify",
                "Classify a picture.",
                {"200": _json(_ref("Classified"), "All scores.")},
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
            "get": _operation("settings", "The settings in force.", {"200": _json(_ref("Settings"), "They.")}),
            "put": settings,
            "post": {**settings, "operationId": "changeSettingsByPost"},
        },
        "/api/recording": {
            "get": _operation("recording", "Is a video written?", {"200": _json(_ref("Recording"), "The recording.")}),
            "post": _operation(
                "record",
                "Start or stop a video.",
                {"200": _json(_ref("Recording"), "The recording.")},
                errors="400 409 415 507",
                body={
                    "application/json": {
                        "schema": {**_patch(action={"enum": ["start", "stop"]}), "required": ["action"]}
                    }
                },
            ),
        },
        "/api/collect": {
            "get": _operation("collected", "What was collected.", {"200": _json(_ref("Collected"), "Counts.")}),
            "post": _operation(
                "collect",
                "Save a frame under a class name.",
                {"201": _json(_ref("Saved"), "It was saved.")},
                errors="400 409 415 507",
                body={
                    "application/json": {
                        "schema": {
                            **_patch(label={"type": "string", "minLength": 1}, frame=_WHOLE),
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
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }
