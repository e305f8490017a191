"""`--mqtt`: events, state and availability for home automation and whatever else listens to a broker."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from onsight_edge.device import board_model, read_text
from onsight_edge.errors import SinkError
from onsight_edge.events import EventMaker, trouble_of, wall_time
from onsight_edge.files import canonical_json
from onsight_edge.frame import SOURCE_LOST, Notice, Result
from onsight_edge.sinks.broker import Broker
from onsight_edge.sinks.connection import Connection
from onsight_edge.sinks.homeassistant import discovery
from onsight_edge.sinks.mqttlink import ONLINE, MqttLink
from onsight_edge.sinks.outbox import MOST, Outbox
from onsight_edge.sinks.sink import RunInfo, SinkReport
from onsight_edge.telemetry import telemetry
from onsight_edge.version import __version__

_SOONEST_S = 1.0  # between two states, where the decision flickers


class MqttSink:
    """Publishes below the broker's topic:

    `event`: `EventMaker`'s events and notices, with the QoS that was asked for, from a queue on the disk;
    `state`: retained JSON of the last result, when the decision changes and every so many seconds;
    `status`: retained `online`, and `offline` as the last will;
    `result`: every result or so many a second, where asked for, with QoS 0;
    and where Home Assistant looks, what `discovery` says.
    """

    name = "mqtt"
    wants_image = False
    backlog = 1024
    relaxed = True

    def __init__(
        self,
        broker: Broker,
        outbox: Path,
        *,
        most: int = MOST,
        every_s: float = 10.0,
        results_per_s: float = 0.0,
        discover: str | None = "homeassistant",
        machine: str | None = None,
    ) -> None:
        """Publish to `broker`.

        Args:
            broker: where.
            outbox: the file in which events wait, at most `most` of them.
            every_s: how often `state` is published at least.
            results_per_s: how many results a second are published at most; 0: none.
            discover: the topic below which Home Assistant looks; None: tell it nothing.
            machine: what tells this machine from others; None: its own id.
        """
        self.broker = broker
        self._path, self._most, self._every_s = outbox, most, every_s
        self._result_gap_s = 1 / results_per_s if results_per_s else None
        self._discover = discover
        self._identity = broker.identity(read_text(Path("/"), "etc/machine-id") or "" if machine is None else machine)
        self._outbox: Outbox | None = None
        self._link: MqttLink | None = None
        self._connection = Connection(self.name, lambda notice: None)
        self._events = EventMaker("")
        self._info: RunInfo | None = None
        self._classes: tuple[str, ...] = ()
        self._last: Result | None = None
        self._source_lost = False
        self._trouble: dict[tuple[str, str], str] = {}
        self._state_due = self._result_due = 0.0
        self._state_at = float("-inf")
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="mqtt state", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker answers."""
        return self._link is not None and self._link.ready

    def open(self, info: RunInfo) -> None:
        """Open the queue and begin to connect; the broker may be away.

        Raises:
            MissingExtraError: paho-mqtt is not installed.
            SinkError: the queue cannot be written, or a certificate cannot be read.
        """
        self._events = EventMaker(info.run)
        self._info, self._classes = info, info.classes
        self._connection = Connection(self.name, info.tell)
        self._outbox = Outbox(self._path, self._most)
        try:
            self._link = MqttLink(self.broker, self._identity, self._outbox, self._connection, self._greet)
        except Exception:
            self._outbox.close()
            raise
        self._connection.opened(self._outbox)
        self._link.start()
        self._ticker.start()

    def write(self, result: Result) -> None:
        """Queue an event if this result changed the decision; publish state and results as they are due.

        Raises:
            SinkError: the disk is full.
        """
        assert self._link is not None  # open
        event = self._events.of_result(result)
        if event is not None:
            try:
                self._put(event)
            except SinkError:
                self._events.take_back()
                raise
        if result.prediction.classes is not self._classes:
            self._classes = result.prediction.classes
            self._tell_home_assistant()
        self._last, self._source_lost = result, False
        now = time.monotonic()
        if event is not None or now >= self._state_due:
            self._publish_state(now)
        if self._result_gap_s is not None and now >= self._result_due:
            self._result_due = max(now, self._result_due + self._result_gap_s)
            line = {**result.to_json(), "at": wall_time(result.frame.captured_ns)}
            self._link.publish("result", canonical_json(line).encode(errors="replace"))

    def notice(self, notice: Notice) -> None:
        """Queue a notice, but none of this sink's own, and publish the state.

        Raises:
            SinkError: the disk is full.
        """
        if notice.text.startswith(f"{self.name}: "):
            return
        trouble = trouble_of(notice)
        if trouble is not None and notice.over:
            self._trouble.pop(trouble, None)
        elif trouble is not None:
            self._trouble[trouble] = notice.text
        if notice.kind == SOURCE_LOST:
            self._source_lost = True
        self._put(self._events.of_notice(notice))
        self._publish_state(time.monotonic())

    def recover(self) -> None:
        """Nothing to do: the queue stays open."""

    def report(self) -> SinkReport:
        """How the broker answers, and what became of the events."""
        link = self._link
        delivered, refused = (link.delivered, link.refused) if link else (0, 0)
        return self._connection.report(self._outbox, delivered=delivered, refused=refused)

    def close(self) -> None:
        """Send what waits for at most 3 s more, if the broker answers; the rest waits on the disk for the next run."""
        self._ended.set()
        if self._link is not None:
            self._link.close()
        if self._outbox is not None:
            self._outbox.close()

    @property
    def _model(self) -> str:
        return "" if self._info is None else self._info.current_model

    def _put(self, event: dict[str, Any]) -> None:
        assert self._outbox is not None and self._link is not None  # open
        self._connection.queue(self._outbox, event["id"], canonical_json(event).encode(errors="replace"))
        self._link.wake()

    def _greet(self) -> None:
        assert self._link is not None  # open
        self._link.publish("status", ONLINE, retain=True, qos=1)
        self._tell_home_assistant()
        self._publish_state(time.monotonic(), at_once=True)

    def _tell_home_assistant(self) -> None:
        assert self._link is not None  # open
        if self._discover is None:
            return
        payload = discovery(
            identity=self._identity,
            name=self.broker.topic.rpartition("/")[2],
            topic=self.broker.topic,
            model=self._model,
            classes=self._classes,
            board=board_model(),
            version=__version__,
            every_s=self._every_s,
            has_temperature=telemetry().temperature_c is not None,
        )
        topic = f"/{self._discover}/device/{self._identity}/config"
        self._link.publish(topic, canonical_json(payload).encode(), retain=True, qos=1)

    def _tick(self) -> None:
        """State goes on to be published while no result comes."""
        while not self._ended.wait(min(self._every_s, 1.0)):
            now = time.monotonic()
            if now >= self._state_due:
                self._publish_state(now)

    def _publish_state(self, now: float, *, at_once: bool = False) -> None:
        assert self._link is not None  # open
        if not at_once and now - self._state_at < _SOONEST_S:
            self._state_due = min(self._state_due, self._state_at + _SOONEST_S)
            return
        self._state_at, self._state_due = now, now + self._every_s
        self._link.publish("state", canonical_json(self._state()).encode(errors="replace"), retain=True)

    def _state(self) -> dict[str, Any]:
        last = self._last
        known = last is not None and not self._source_lost
        device = telemetry()
        return {
            "label": last.label if last is not None and known else None,
            "score": round(last.score, 4) if last is not None and known else None,
            "fps": round(last.fps, 2) if last is not None and known else 0.0,
            "age_ms": round(last.age_ms, 2) if last is not None and known else None,
            "dropped": last.dropped if last is not None else 0,
            "frame": last.frame.index if last is not None else None,
            "at": None if last is None else wall_time(last.frame.captured_ns),
            "model": self._model,
            "temperature_c": device.temperature_c,
            "held_back": list(device.held_back),
            "trouble": sorted(self._trouble.values()),
            "waiting": self._outbox.waiting if self._outbox else 0,
            "lost": self._outbox.lost if self._outbox else 0,
        }
