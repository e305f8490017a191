"""What a client may change: settings, a recording, the pictures that are collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from onsight_edge.collect import Collector, Saved
from onsight_edge.control import Control
from onsight_edge.errors import DataError, ModelError, OnsightError, SinkError, UsageError
from onsight_edge.frame import Frame
from onsight_edge.judge import Settings
from onsight_edge.web.answers import ApiError, answer, read_json, refused
from onsight_edge.web.hub import Hub
from onsight_edge.web.pictures import Pictures
from onsight_edge.web.public import public_text
from onsight_edge.web.recording import Recorder

_NUMBER: tuple[type, ...] = (int, float)
_SETTINGS = {"threshold": _NUMBER, "smooth": _NUMBER, "agree": (int,), "hysteresis": _NUMBER, "save": (bool,)}
_MOST_SMOOTH_S, _MOST_AGREE = 3600.0, 10_000
_NO_FOLDER = "there is no folder for it: start onsight run with --web-folder FOLDER"


class Changes:
    """Answers what changes something. Files are written in the executor's threads."""

    def __init__(
        self,
        hub: Hub,
        control: Control,
        pictures: Pictures,
        executor: Executor,
        *,
        collector: Collector | None,
        recorder: Recorder | None,
        save: Callable[[Settings], None] | None,
    ) -> None:
        self._hub, self._control, self._pictures, self._executor = hub, control, pictures, executor
        self.collector, self.recorder, self._save = collector, recorder, save

    def settings_json(self) -> dict[str, Any]:
        """The settings in force, and whether they can be saved."""
        return {**asdict(self._control.judge.settings), "savable": self._save is not None}

    def recording_json(self) -> dict[str, Any]:
        """The recording, and whether there can be one."""
        if self.recorder is None:
            return {"possible": False, "recording": False, "name": None, "seconds": None, "error": None}
        found = self.recorder.to_json()
        return {"possible": True, **found, "error": found["error"] and public_text(found["error"])}

    async def settings(self, request: Request) -> Response:
        """`GET` and `PUT /api/settings`."""
        if request.method not in ("PUT", "POST"):
            return answer(self.settings_json())
        given = await read_json(request, _SETTINGS)
        save = given.pop("save", False)
        if save and self._save is None:
            raise ApiError(409, "no-config", "nothing was changed: settings are saved into the file given by --config")
        if given.get("smooth", 0) > _MOST_SMOOTH_S or given.get("agree", 1) > _MOST_AGREE:
            raise ApiError(
                400, "bad-value", f"smooth is at most {_MOST_SMOOTH_S:g} seconds, agree at most {_MOST_AGREE} results"
            )
        try:
            settings = self._control.judge.settings
            if given:
                settings = await self._in_thread(self._control.adjust, lambda now: replace(now, **given))
            if save and self._save is not None:
                await self._in_thread(self._save, settings)
        except (UsageError, ModelError) as error:
            raise refused(error, 400, "bad-value") from error
        except OnsightError as error:
            raise refused(error, 503, "not-changed", public_text(str(error))) from error
        return answer({**self.settings_json(), "saved": save})

    async def recording(self, request: Request) -> Response:
        """`GET` and `POST /api/recording`."""
        if request.method == "POST":
            action = (await read_json(request, {"action": (str,)})).get("action")
            if action not in ("start", "stop"):
                raise ApiError(400, "bad-value", "action must be start or stop")
            if self.recorder is None:
                raise ApiError(409, "no-folder", _NO_FOLDER)
            try:
                await self._in_thread(self.recorder.start if action == "start" else self.recorder.stop)
            except SinkError as error:
                raise refused(error, 507, "no-room", public_text(str(error))) from error
        return answer(self.recording_json())

    async def collect(self, request: Request) -> Response:
        """`GET` and `POST /api/collect`."""
        if request.method != "POST":
            return answer(await self._in_thread(self._collected))
        given = await read_json(request, {"label": (str,), "frame": (int,)})
        if "label" not in given:
            raise ApiError(400, "bad-value", "a label is needed: the class whose picture this is")
        if self.collector is None:
            raise ApiError(409, "no-folder", _NO_FOLDER)
        newest = self._hub.newest
        frame = newest.frame if newest is not None and "frame" not in given else None
        frame = self._pictures.shown(given["frame"]) if "frame" in given else frame
        if frame is None:
            code, text = ("no-frame", "no frame has come yet") if newest is None else ("gone", "that frame is gone")
            raise ApiError(409, code, text)
        try:
            saved, size_wh = await self._in_thread(_save_frame, self.collector, given["label"], frame)
        except DataError as error:
            raise refused(error, 400, "bad-value") from error
        except SinkError as error:
            raise refused(error, 507, "no-room", public_text(str(error))) from error
        about = {
            "name": saved.name,
            "label": saved.label,
            "frame": frame.index,
            "size_wh": size_wh,
            "bytes": saved.size,
        }
        return answer({"saved": about, **await self._in_thread(self._collected)}, 201)

    def _collected(self) -> dict[str, Any]:
        collector = self.collector
        if collector is None:
            return {"possible": False, "labels": {}, "bytes": 0, "budget_bytes": 0}
        return {
            "possible": True,
            "labels": collector.counts(),
            "bytes": collector.used_bytes(),
            "budget_bytes": collector.budget_bytes,
        }

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


def _save_frame(collector: Collector, label: str, frame: Frame) -> tuple[Saved, list[int]]:
    image = frame.picture()
    return collector.save(image, label, frame.index), [image.shape[1], image.shape[0]]
