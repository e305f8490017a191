"""The shapes of what the API answers, as JSON Schema: the components of the OpenAPI document."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
_SIZE: Schema = {"type": "array", "items": WHOLE, "minItems": 2, "maxItems": 2}


def or_null(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def shape(optional: dict[str, Schema] | None = None, /, **required: Schema) -> Schema:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def mapping(values: Schema) -> Schema:
    """An object with any keys and such values."""
    return {"type": "object", "additionalProperties": values}


def ref(name: str) -> Schema:
    """One of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


_PERCENTILES = shape(p50=NUMBER, p90=NUMBER, p99=NUMBER)
_SETTINGS = shape(
    {"saved": FLAG},
    threshold=NUMBER,
    smooth=or_null(NUMBER),
    agree=or_null(WHOLE),
    hysteresis=or_null(NUMBER),
    savable=FLAG,
)
_RECORDING = shape(possible=FLAG, recording=FLAG, name=or_null(TEXT), seconds=or_null(NUMBER), error=or_null(TEXT))
_RESULT = shape(
    {"decision": TEXT, "decision_score": NUMBER, "truth": TEXT, "name": TEXT},
    at=TEXT,
    frame=WHOLE,
    label=TEXT,
    score=NUMBER,
    top={"type": "array", "items": {"type": "array", "prefixItems": [TEXT, NUMBER], "minItems": 2, "maxItems": 2}},
    age_ms=NUMBER,
    preprocess_ms=NUMBER,
    inference_ms=NUMBER,
    postprocess_ms=NUMBER,
    dropped=WHOLE,
    fps=NUMBER,
)
_EVENT: Schema = {
    "oneOf": [
        shape(
            {"name": TEXT},
            id=TEXT,
            at=TEXT,
            kind={"const": "decision"},
            event=TEXT,
            before=or_null(TEXT),
            score=NUMBER,
            frame=WHOLE,
        ),
        shape(id=TEXT, at=TEXT, kind={"const": "notice"}, notice=TEXT, text=TEXT, over=FLAG),
    ]
}
_SINK = shape(name=TEXT, written=WHOLE, dropped=WHOLE, error=or_null(TEXT))
SCHEMAS: dict[str, Schema] = {
    "Error": shape(error=shape(code=TEXT, message=TEXT)),
    "Settings": _SETTINGS,
    "Recording": _RECORDING,
    "Result": _RESULT,
    "Event": _EVENT,
    "Collected": shape(possible=FLAG, labels=mapping(WHOLE), bytes=WHOLE, budget_bytes=WHOLE),
    "Saved": shape(
        saved=shape(name=TEXT, label=TEXT, frame=WHOLE, size_wh=_SIZE, bytes=WHOLE),
        possible=FLAG,
        labels=mapping(WHOLE),
        bytes=WHOLE,
        budget_bytes=WHOLE,
    ),
    "Health": shape(status={"enum": ["ok", "starting", "stalled"]}, since_ms=or_null(NUMBER)),
    "Info": shape(
        onsight=TEXT,
        started=TEXT,
        run=TEXT,
        model=shape(
            name=TEXT,
            variant=or_null(TEXT),
            sha256=or_null(TEXT),
            input_size_wh=_SIZE,
            classes={"type": "array", "items": TEXT},
        ),
        backend=shape(name=TEXT, version=TEXT, threads=WHOLE, detail=TEXT),
        source=shape(name=TEXT, live=FLAG, fps=or_null(NUMBER), size_wh=or_null(_SIZE)),
        device={"type": "object"},
        sentinel=FLAG,
        settings=ref("Settings"),
    ),
    "State": shape(
        at=TEXT,
        flowing=FLAG,
        result=or_null(ref("Result")),
        since_ms=or_null(NUMBER),
        fps=NUMBER,
        age_ms=or_null(_PERCENTILES),
        classified=WHOLE,
        dropped=WHOLE,
        uptime_s=NUMBER,
        source=or_null(shape(skipped=WHOLE, frozen=WHOLE, resized=WHOLE, reopened=WHOLE)),
        device=shape(
            temperature_c=or_null(NUMBER),
            mhz=or_null(NUMBER),
            governor=or_null(TEXT),
            held_back={"type": "array", "items": TEXT},
        ),
        notices={"type": "array", "items": shape(notice=TEXT, text=TEXT, since=TEXT)},
        settings=ref("Settings"),
        recording=ref("Recording"),
        sinks={"type": "array", "items": _SINK},
        last_event=or_null(TEXT),
    ),
    "Classified": shape(
        result=shape(classification=mapping(NUMBER), label=TEXT, score=NUMBER),
        timing=shape(decode=NUMBER, dsp=NUMBER, classification=NUMBER, postprocess=NUMBER, anomaly=NUMBER),
        image=shape(width=WHOLE, height=WHOLE),
    ),
}
