"""Events: the moments at which the decision changes, and the notices between them, as JSON with stable ids.

Every output of a run that tells events (file, MQTT, webhook, web page) makes them here, so that the same moment has the
same text and the same id everywhere.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from time import monotonic_ns
from typing import Any

from onsight_edge.frame import MODEL_CHANGED, SOURCE_BACK, SOURCE_LOST, Notice, Result

SINK_FAILED, SINK_BACK, REFUSED, OUTBOX = "sink-failed", "sink-back", "refused", "outbox"  # kinds of outputs' notices
_ENDS = {SOURCE_BACK: SOURCE_LOST, SINK_BACK: SINK_FAILED}  # the others end under their own name
_MOMENTS = frozenset({MODEL_CHANGED, REFUSED, OUTBOX, "granted", "torn"})  # told once, and never over


def new_run_id() -> str:
    """An id for one run: when it started, and four random bytes for devices that start without the time of day."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"


def wall_time(at_ns: int) -> str:
    """A `time.monotonic_ns()` of a moment ago as the clock on the wall showed it: ISO 8601, UTC, milliseconds."""
    ago = timedelta(microseconds=(monotonic_ns() - at_ns) / 1000)
    return (datetime.now(timezone.utc) - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventMaker:
    """Finds the events among the results of one run; without a decider every change of the label is one."""

    def __init__(self, run: str) -> None:
        """Make ids that begin with `run`, see `new_run_id`."""
        self.run = run
        self._before: str | None = None
        self._earlier: str | None = None

    def of_result(self, result: Result) -> dict[str, Any] | None:
        """`{"event": "cat", "before": "dog", "score": 0.93, "at": "2026-...Z", "frame": 1204, "id": ...}`.

        None where the decision is what it was. The id is made of the run's and the frame's number: it does not depend
        on who asks, nor on results that one output never saw.
        """
        if result.label == self._before:
            return None
        event: dict[str, Any] = {
            "event": result.label,
            "before": self._before,
            "score": round(result.score, 6),
            "at": wall_time(result.frame.captured_ns),
            "frame": result.frame.index,
            "id": f"{self.run}-{result.frame.index}",
        }
        if result.frame.name is not None:
            event["name"] = result.frame.name
        self._earlier, self._before = self._before, result.label
        return event

    def take_back(self) -> None:
        """The last event of a result could not be written: the same result will make it again."""
        self._before = self._earlier

    def of_notice(self, notice: Notice) -> dict[str, Any]:
        """`{"notice": "dark", "text": ..., "over": false, "at": "2026-...Z", "id": ...}`."""
        word = f"{notice.kind}{'-over' if notice.over else ''}"
        return {
            **notice.to_json(),
            "at": wall_time(notice.at_ns),
            "id": f"{self.run}-{word}-{notice.at_ns // 1000}",
        }


def trouble_of(notice: Notice) -> tuple[str, str] | None:
    """What trouble this notice begins or ends: its kind, and which output has it, since several may fail at once.

    The second is empty for other kinds. None for a notice that only says what happened.
    """
    if notice.kind in _MOMENTS:
        return None
    kind = _ENDS.get(notice.kind, notice.kind)
    return kind, notice.text.partition(":")[0] if kind == SINK_FAILED else ""
