"""What every sink is to the live loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from onsight_edge.frame import Notice, Result


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a sink is told before the first result.

    Attributes:
        source: the source's URI.
        live: whether the source has its own pace.
        fps: the source's frames a second, or None where unknown.
        size_wh: the frames' width and height in pixels, or None where unknown.
        model: the model's name.
        classes: the names it tells apart.
        request_stop: ends the run, as Ctrl-C does; a window's key q calls it.
    """

    source: str
    live: bool
    fps: float | None
    size_wh: tuple[int, int] | None
    model: str
    classes: tuple[str, ...]
    request_stop: Callable[[], None] = field(default=_nothing)


class Sink(Protocol):
    """One output. `open` runs in the thread that starts the run, `write` and `close` in the sink's own.

    Attributes:
        name: for the summary and for messages.
        wants_image: whether results come with their picture at its own size; else `frame.image_bgr` has shape
            (0, 0, 3).
        backlog: results that may wait while it writes. Beyond it the oldest is dropped and counted for a live
            source; a file's run waits.
    """

    name: str
    wants_image: bool
    backlog: int

    def open(self, info: RunInfo) -> None:
        """Get ready, before the source starts.

        Raises:
            SinkError: it cannot write; nothing was left behind.
        """
        ...

    def write(self, result: Result) -> None:
        """Take one result.

        Raises:
            SinkError: it was not written, and later ones will not be.
        """
        ...

    def close(self) -> None:
        """Finish what was begun; called once for every `open` that succeeded, after a failed `write` too.

        Raises:
            SinkError: what was written cannot be finished.
        """
        ...


@runtime_checkable
class TakesNotices(Protocol):
    """A sink that is also told what is wrong with the source or its pictures."""

    def notice(self, notice: Notice) -> None:
        """Take a notice, in the sink's own thread, in its place among the results.

        Raises:
            SinkError: as `Sink.write`.
        """
        ...
