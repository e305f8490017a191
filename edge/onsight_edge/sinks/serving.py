"""All sinks of a run together: opened before it starts, and closed side by side at its end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from onsight_edge.sinks.run_end import RunEnd
from onsight_edge.sinks.sink import RunInfo, Sink, SinkSummary
from onsight_edge.sinks.worker import SinkWorker

_TICK_S = 0.1
_DRAIN_S = 3.0  # what sinks get at the end of a live run for what waits in their queues
_FINISH_S = 10.0  # and then for closing, before they are left behind
_HURRY_S = (0.0, 0.5)  # the same two after a second Ctrl-C


def open_all(sinks: Sequence[Sink], info: RunInfo) -> None:
    """Open them in their order; where one cannot be opened, those before it are closed again.

    Raises:
        SinkError: one cannot be opened.
    """
    with contextlib.ExitStack() as opened:
        for sink in sinks:
            sink.open(info)
            opened.callback(sink.close)
        opened.pop_all()  # all of them: they stay open


def close_all(
    workers: Sequence[SinkWorker], end: RunEnd, *, lossless: bool, in_a_hurry: bool
) -> tuple[SinkSummary, ...]:
    """Let all sinks finish side by side, with one limit for them all.

    Where the run ended by itself and loses nothing there is no limit, until it is told to end after all.
    """
    if in_a_hurry:
        _finish(workers, *_HURRY_S)
        return ()
    try:
        if lossless and end.since is None:
            for worker in workers:
                worker.close(None)
            for worker in workers:
                while not worker.wait(_TICK_S) and end.since is None:  # in steps, to see the end come
                    continue
        _finish(workers, _DRAIN_S, _FINISH_S)
    except KeyboardInterrupt:
        _finish(workers, *_HURRY_S)
        raise
    return tuple(worker.summary(_DRAIN_S + _FINISH_S) for worker in workers)


def _finish(workers: Sequence[SinkWorker], drain_s: float, finish_s: float) -> None:
    limit = time.monotonic() + drain_s + finish_s
    for worker in workers:
        worker.close(drain_s)
    for worker in workers:
        worker.wait(max(0.0, limit - time.monotonic()))
