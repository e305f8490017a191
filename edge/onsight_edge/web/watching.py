"""What a client may look at: facts, state, events, health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from onsight_edge.control import Control
from onsight_edge.device import describe_device
from onsight_edge.frame import Result
from onsight_edge.judge import Judge
from onsight_edge.sinks import RunInfo
from onsight_edge.sources.source import Health
from onsight_edge.telemetry import telemetry
from onsight_edge.version import __version__
from onsight_edge.web.answers import answer, json_bytes, whole_query
from onsight_edge.web.changes import Changes
from onsight_edge.web.hub import MOST_EVENTS, Hub, Sampler, result_json
from onsight_edge.web.public import public_source, public_text

RESULTS_A_SECOND = 10
_STATE_S = 1.0
_LEAST_FLOW_S = 5.0  # without a result for so long, and for so many periods, a run stands still
_PERIODS = 10.0


class Watching:
    """Answers what changes nothing."""

    def __init__(
        self,
        hub: Hub,
        control: Control,
        changes: Changes,
        executor: Executor,
        info: RunInfo,
        *,
        health: Callable[[], Health] | None,
    ) -> None:
        self._hub, self._control, self._changes, self._executor, self._info = hub, control, changes, executor, info
        self._health = health
        self._sampler = Sampler(_sample)
        self._began = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._device: dict[str, Any] | None = None
        # once for all who watch
        self._result: tuple[Result | None, dict[str, Any] | None] = (None, None)
        self._state_event: tuple[float, bytes] = (0.0, b"")

    async def info(self, request: Request) -> Response:
        """`GET /api/info`."""
        if self._device is None:
            self._device = await self._in_thread(lambda: describe_device().to_json())
        judge, version, detail = await self._in_thread(self._running)
        spec, model, backend = judge.classifier.spec, judge.classifier.model, judge.classifier.backend
        return answer(
            {
                "onsight": __version__,
                "started": self._began,
                "run": self._hub.run,
                "model": {
                    "name": spec.name,
                    "variant": None if model is None else model.variant,
                    "sha256": None if model is None else model.sha256,
                    "input_size_wh": list(spec.input_size_wh),
                    "classes": list(spec.classes),
                },
                "backend": {
                    "name": backend.name,
                    "version": version,
                    "threads": backend.threads,
                    "detail": detail,
                },
                "source": {
                    "name": public_source(self._info.source),
                    "live": self._info.live,
                    "fps": self._info.fps,
                    "size_wh": self._info.size_wh and list(self._info.size_wh),
                },
                "device": self._device,
                "sentinel": judge.sentinel is not None,
                "settings": self._changes.settings_json(),
            }
        )

    def _running(self) -> tuple[Judge, str, str]:
        """The judge, and version and detail of its runtime; asked anew where that was replaced meanwhile."""
        while True:
            judge = self._control.judge
            backend = judge.classifier.backend
            version, detail = backend.version, backend.detail
            if self._control.judge.classifier.backend is backend:
                return judge, str(version), detail

    async def state(self, request: Request) -> Response:
        """`GET /api/state`."""
        return answer(await self._state())

    async def history(self, request: Request) -> Response:
        """`GET /api/history`."""
        limit = whole_query(request, "limit", 100, 1, MOST_EVENTS)
        after = request.query_params.get("after")
        events, _ = self._hub.events_from(0 if after is None else self._hub.count_at(after))
        return answer({"run": self._hub.run, "events": events[-limit:]})

    async def healthz(self, request: Request) -> Response:
        """`GET /healthz`."""
        since_s = self._since_s()
        flowing = self.flowing()
        status = "ok" if flowing else "starting" if since_s is None else "stalled"
        value = {"status": status, "since_ms": None if since_s is None else round(since_s * 1e3, 1)}
        return answer(value, 200 if flowing else 503)

    def flowing(self) -> bool:
        """Whether results really come."""
        since_s, newest = self._since_s(), self._hub.newest
        if since_s is None or newest is None or self._hub.closed or self._hub.lost is not None:
            return False
        return since_s < max(_LEAST_FLOW_S, _PERIODS / newest.fps if newest.fps > 0 else 0.0)

    async def events(self, last_id: str | None, fps: int = RESULTS_A_SECOND) -> AsyncIterator[bytes]:
        """Server-sent events, until the run ends: first what was missed since `last_id`, then all that comes."""
        hub = self._hub
        yield b"retry: 2000\n\n"
        seen = None
        count = hub.count_at(last_id)
        state_at = 0.0
        while not hub.closed:
            began = time.monotonic()
            lines: list[bytes] = []
            events, count = hub.events_from(count)
            lines += [_event(event["kind"], event, event["id"]) for event in events]
            newest = hub.newest
            if newest is not None and newest is not seen:
                seen = newest
                lines.append(_event("result", self._newest_json()))
            if began - state_at >= _STATE_S:
                state_at = began
                if began - self._state_event[0] >= _STATE_S / 2:
                    self._state_event = (began, _event("state", await self._state()))
                lines.append(self._state_event[1])
            if lines:
                yield b"".join(lines)
                await asyncio.sleep(max(0.0, began + 1 / fps - time.monotonic()))
            await hub.changed(seen)
        yield _event("end", {"run": hub.run})

    async def _state(self) -> dict[str, Any]:
        newest, since_s = self._hub.newest, self._since_s()
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {
            "at": now,
            "flowing": self.flowing(),
            "result": self._newest_json(),
            "since_ms": None if since_s is None else round(since_s * 1e3, 1),
            "fps": 0.0 if newest is None or not self.flowing() else round(newest.fps, 2),
            "age_ms": self._hub.ages_ms(),
            "classified": self._hub.classified,
            "dropped": 0 if newest is None else newest.dropped,
            "uptime_s": round(time.monotonic() - self._hub.began, 1),
            "source": None if self._health is None else asdict(self._health()),
            "device": await self._in_thread(self._sampler) if self._sampler.old else self._sampler.value,
            "notices": self._hub.active(),
            "settings": self._changes.settings_json(),
            "recording": self._changes.recording_json(),
            "sinks": [
                {
                    "name": sink.name,
                    "written": sink.written,
                    "dropped": sink.dropped,
                    "error": sink.error and public_text(sink.error, self._info.source),
                }
                for sink in self._info.sinks()
            ],
            "last_event": self._hub.last_id,
        }

    def _newest_json(self) -> dict[str, Any] | None:
        newest = self._hub.newest
        if newest is not self._result[0]:
            self._result = (newest, None if newest is None else result_json(newest))
        return self._result[1]

    def _since_s(self) -> float | None:
        return None if self._hub.newest is None else time.monotonic() - self._hub.newest_at

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)


def _event(name: str, value: Any, identity: str | None = None) -> bytes:
    head = f"event: {name}\n" if identity is None else f"id: {identity}\nevent: {name}\n"
    return head.encode() + b"data: " + json_bytes(value) + b"\n\n"


def _sample() -> dict[str, Any]:
    found = telemetry()
    return {
        "temperature_c": None if found.temperature_c is None else round(found.temperature_c, 1),
        "mhz": found.mhz,
        "governor": found.governor,
        "held_back": list(found.held_back),
    }
