"""Starts the run, keeps it busy in cycles, and looks at it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onsight_benchmarks.endurance.clients import Clients
from onsight_benchmarks.endurance.follow import Follower
from onsight_benchmarks.endurance.looks import Look, look
from onsight_benchmarks.endurance.outputs import CONFIGS, Places, flags
from onsight_benchmarks.endurance.receivers import Receiver, Subscriber
from onsight_benchmarks.mosquitto import Mosquitto, find_mosquitto
from onsight_benchmarks.startup import onsight_command
from onsight_edge.errors import BenchmarkError

TOPIC = "onsight/endurance"
_LOOKS = 30  # a cycle
_START_S, _END_S = 60.0, 60.0
_QUIET = 0.1  # of a cycle, at its end, without clients
_SETTLE = 0.4  # of that, before what is seen counts as quiet
_RECORD = (0.1, 0.25)  # from and to, of a cycle
_COLLECTS = 10  # a cycle
_OUTAGE = (0.5, 0.55)  # of the broker, in every second cycle
_TAKE_AWAY = 3  # recordings, when their budget is used up: as a user would


@dataclass(slots=True)
class Seen:
    """What was seen of one run.

    Attributes:
        looks: at the process, from when it was ready.
        results: (seconds since it was ready, age in ms, dropped so far) of each line of its JSON Lines.
        disordered: lines among them whose frame's number was not above the one before.
        rows: of its CSV. rotations: files of JSON Lines that were seen.
        events: ids of decisions in its events file, in their order.
        summary: the run's own. status: its exit status.
        reloads: SIGHUPs. reloaded: lines of it that told that they were heeded.
        posted: ids that the webhook's receiver took, and how often. posts_failed: that it failed on purpose.
        published: the same for MQTT; None without a broker. outages: of it.
        counts, failed: of the clients.
    """

    looks: list[Look] = field(default_factory=list)
    results: list[tuple[float, float, int]] = field(default_factory=list)
    disordered: int = 0
    rows: int = 0
    rotations: int = 0
    events: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    reloads: int = 0
    reloaded: int = 0
    posted: Counter[str] = field(default_factory=Counter)
    posts_failed: int = 0
    published: Counter[str] | None = None
    outages: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)


class _Logs:
    """Follows the run's three logs."""

    def __init__(self, places: Places, seen: Seen) -> None:
        self._seen = seen
        self._results = Follower(places.log("results.jsonl"))
        self._rows = Follower(places.log("results.csv"))
        self._events = Follower(places.log("events.jsonl"))
        self._last = -1

    def read(self, t_s: float) -> None:
        for line in self._results.lines():
            value = json.loads(line)
            if "frame" in value:
                self._seen.results.append((round(t_s, 2), value["age_ms"], value["dropped"]))
                self._seen.disordered += value["frame"] <= self._last
                self._last = value["frame"]
        self._seen.rows += sum(not line.startswith("at,") for line in self._rows.lines())
        for line in self._events.lines():
            value = json.loads(line)
            if "event" in value:
                self._seen.events.append(value["id"])
        self._seen.rotations = max(0, self._results.files - 1)

    def close(self) -> None:
        for one in (self._results, self._rows, self._events):
            one.close()


def watch_run(
    root: Path,
    model: str,
    *,
    cycles: int,
    cycle_s: float,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[Seen, list[str], str | None]:
    """Run `onsight run` for so many cycles.

    In each cycle: SIGHUP with another configuration at its beginning, a recording from the web page, some collected
    pictures, watchers and listeners that come and go, a receiver that fails; in every second one the broker is away for
    a while; at its end all clients leave, so that what the process still holds can be counted.

    Args:
        root: an empty folder for all that is written.
        model: what runs.
        cycles, cycle_s: how many, and how long each lasts.
        progress: told what happens and the share that is done.

    Returns:
        What was seen, the flags, and why MQTT was left out (None: it was not).

    Raises:
        BenchmarkError: it did not start, ended too soon, or did not end.
    """
    seen, places = Seen(), Places.under(root)
    places.config.write_text(CONFIGS[0], encoding="utf-8")
    with contextlib.ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.close)
        broker, subscriber, without = _mqtt(root, stack)
        url = None if broker is None else f"mqtt://127.0.0.1:{broker.port}/{TOPIC}"
        given = flags(places, cycle_s=cycle_s, webhook=receiver.url, mqtt=url)
        process = _start(root, [*onsight_command(), "run", model, *given], stack)
        began = _await_ready(process, places)
        clients = Clients(places.web_port, places.prometheus_port, stay_s=cycle_s / 5)
        stack.callback(clients.close)
        logs = _Logs(places, seen)
        stack.callback(logs.close)
        pace = _Pace(process, began, places, seen, logs)
        for number in range(cycles):
            progress(f"cycle {number + 1} of {cycles}", number / cycles)
            receiver.sound = number == cycles - 1
            _cycle(pace, clients, broker, number, began + number * cycle_s, cycle_s)
        progress("ending", 1.0)
        clients.close()
        process.send_signal(signal.SIGTERM)
        seen.status, seen.summary = _end(process, root)
        logs.read(time.monotonic() - began)
        time.sleep(0.5)  # what is on its way to the subscriber
        seen.posted, seen.posts_failed = receiver.ids, receiver.failed
        seen.published = None if subscriber is None else subscriber.ids
        seen.counts, seen.failed = dict(clients.counts), dict(clients.failed)
        lines = (root / "stderr").read_text(encoding="utf-8", errors="replace").splitlines()
        seen.reloaded = sum("read again:" in line for line in lines)
    return seen, given, without


class _Pace:
    """Lets the time pass while it looks."""

    def __init__(self, process: subprocess.Popen[bytes], began: float, places: Places, seen: Seen, logs: _Logs) -> None:
        self.process, self.places, self.seen = process, places, seen
        self.quiet = False
        self._began, self._logs = began, logs
        self._next = began

    def until(self, moment: float, every_s: float) -> None:
        """Look every so often until that `time.monotonic()`.

        Raises:
            BenchmarkError: the run has ended.
        """
        while True:
            now = time.monotonic()
            if self.process.poll() is not None:
                raise BenchmarkError(f"the run ended by itself, with status {self.process.returncode}: {self._told()}")
            if now >= self._next:
                t_s = now - self._began
                self.seen.looks.append(look(self.process.pid, t_s, self.places.folders, quiet=self.quiet))
                self._logs.read(t_s)
                self._next = now + every_s
            if now >= moment:
                return
            time.sleep(max(0.0, min(moment, self._next) - time.monotonic()))

    def _told(self) -> str:
        text = (self.places.root / "stderr").read_text(encoding="utf-8", errors="replace")
        return text.strip().rpartition("\n")[2]


def _cycle(pace: _Pace, clients: Clients, broker: Mosquitto | None, number: int, began: float, cycle_s: float) -> None:
    every_s = cycle_s / _LOOKS
    actions: list[tuple[float, Callable[[], object]]] = [
        (0.02, lambda: _reload(pace, number)),
        (_RECORD[0], lambda: _record(pace, clients)),
        (_RECORD[1], lambda: clients.post("/api/recording", {"action": "stop"})),
        *((0.3 + 0.5 * one / _COLLECTS, lambda: _collect(clients)) for one in range(_COLLECTS)),
    ]
    if broker is not None and number % 2:
        actions += [(_OUTAGE[0], broker.stop), (_OUTAGE[1], broker.start)]
        pace.seen.outages += 1
    for at, act in sorted(actions, key=lambda one: one[0]):
        pace.until(began + at * cycle_s, every_s)
        act()
    quiet_at = began + (1 - _QUIET) * cycle_s
    pace.until(quiet_at, every_s)
    clients.pause()
    pace.until(quiet_at + _SETTLE * _QUIET * cycle_s, every_s)
    pace.quiet = True
    pace.until(began + cycle_s, every_s / 4)
    pace.quiet = False
    clients.go_on()


def _reload(pace: _Pace, number: int) -> None:
    pace.places.config.write_text(CONFIGS[(number + 1) % len(CONFIGS)], encoding="utf-8")
    pace.process.send_signal(signal.SIGHUP)
    pace.seen.reloads += 1


def _record(pace: _Pace, clients: Clients) -> None:
    refused = (503, 507)  # the budget is used up: the server asks for videos to be taken away
    if clients.post("/api/recording", {"action": "start"}, expected=refused) in refused:
        for old in sorted(pace.places.folders["recordings"].glob("2*.mp4"))[:_TAKE_AWAY]:
            old.unlink()
        clients.post("/api/recording", {"action": "start"})


def _collect(clients: Clients) -> None:
    clients.post("/api/collect", {"label": "thing"}, expected=(507,))


def _mqtt(root: Path, stack: contextlib.ExitStack) -> tuple[Mosquitto | None, Subscriber | None, str | None]:
    program = find_mosquitto()
    if program is None:
        return None, None, "mosquitto is not installed: apt install mosquitto"
    broker = Mosquitto(program, root / "broker", persistent=True)
    stack.callback(broker.stop)
    subscriber = Subscriber(broker.port, f"{TOPIC}/event")
    stack.callback(subscriber.close)
    return broker, subscriber, None


def _start(root: Path, command: list[str], stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    out = stack.enter_context((root / "stdout").open("wb"))
    errors = stack.enter_context((root / "stderr").open("wb"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONSIGHT_")}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment)

    def end() -> None:
        if process.poll() is None:
            process.kill()
            process.wait()

    stack.callback(end)
    return process


def _await_ready(process: subprocess.Popen[bytes], places: Places) -> float:
    limit = time.monotonic() + _START_S
    while time.monotonic() < limit:
        if process.poll() is not None:
            text = (places.root / "stderr").read_text(encoding="utf-8", errors="replace").strip()
            raise BenchmarkError(f"onsight run did not start: {text.rpartition(chr(10))[2]}")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{places.web_port}/healthz", timeout=2) as answer,
        ):
            if answer.status == 200:
                return time.monotonic()
        time.sleep(0.1)
    raise BenchmarkError(f"onsight run was not ready within {_START_S:g} s")


def _end(process: subprocess.Popen[bytes], root: Path) -> tuple[int, dict[str, Any]]:
    try:
        status = process.wait(_END_S)
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"onsight run did not end within {_END_S:g} s of SIGTERM") from error
    try:
        summary: dict[str, Any] = json.loads((root / "stdout").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BenchmarkError(f"onsight run ended with status {status} and without a summary") from error
    return status, summary
