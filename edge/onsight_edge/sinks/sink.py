"""What every sink is to the live loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from onsight_edge.events import new_run_id
from onsight_edge.frame import Notice, Result


@dataclass(frozen=True, slots=True)
class SinkSummary:
    """What became of one sink, or how it stands while the run goes on.

    Attributes:
        name: the sink's.
        written: results it took.
        dropped: results it never saw because it was too slow, had failed, or had no time left at the end.
        error: why it does not work, or None while it does.
        age_ms: how old the last picture was when its result reached the sink, waiting in the queue included.
        age_after_5s_ms: the same of the first result that reached it 5 s or more after the first.
        failures: how often it stopped working.
        restarts: how often it came back.
        last_failure: why it stopped the last time.
        counts: what the sink counts itself, by name; see each sink.
    """

    name: str
    written: int
    dropped: int
    error: str | None
    age_ms: float | None
    age_after_5s_ms: float | None
    failures: int = 0
    restarts: int = 0
    last_failure: str | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def with_report(self, own: SinkReport) -> SinkSummary:
        """This, and what the sink says of itself."""
        return replace(
            self,
            error=self.error or own.error,
            failures=self.failures + own.failures,
            restarts=self.restarts + own.restarts,
            last_failure=own.last_failure or self.last_failure,
            counts=own.counts,
        )


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What a sink with a connection of its own says of it; see `Reports`.

    Attributes:
        error: why nothing arrives at the moment, or None.
        failures, restarts, last_failure, counts: as in SinkSummary.
    """

    error: str | None = None
    failures: int = 0
    restarts: int = 0
    last_failure: str | None = None
    counts: dict[str, int] = field(default_factory=dict)


def _nothing() -> None:
    return None


def _unheard(notice: Notice) -> None:
    return None


def _none() -> tuple[SinkSummary, ...]:
    return ()


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
        run: an id that no other run has; ids of events begin with it.
        tell: hands a notice to everybody; any thread may call it.
        sinks: how all sinks of the run stand; any thread may call it.
        model_now: the name of the model that answers now, where that can change.
    """

    source: str
    live: bool
    fps: float | None
    size_wh: tuple[int, int] | None
    model: str
    classes: tuple[str, ...]
    request_stop: Callable[[], None] = field(default=_nothing)
    run: str = field(default_factory=new_run_id)
    tell: Callable[[Notice], None] = field(default=_unheard)
    sinks: Callable[[], tuple[SinkSummary, ...]] = field(default=_none)
    model_now: Callable[[], str] | None = None

    @property
    def current_model(self) -> str:
        """The name of the model that answers now; any thread may ask."""
        return self.model if self.model_now is None else self.model_now()


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
            SinkError: it was not written; later ones may be after `recover`, where the sink has that.
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


@runtime_checkable
class Recovers(Protocol):
    """A sink that can go on after a failure: a file on a disk that was full. Others are switched off."""

    def recover(self) -> None:
        """Get ready to write again; called in the sink's own thread, with pauses that grow, until it succeeds.

        Raises:
            SinkError: not yet.
        """
        ...


@runtime_checkable
class Picks(Protocol):
    """A sink that wants few of the pictures: the others are not decoded in full for it."""

    def picks(self, result: Result) -> bool:
        """Whether it wants this result; called in the sink's own thread, before `write`.

        The picture is there in whatever size the classifier saw it.
        """
        ...


@runtime_checkable
class Relaxed(Protocol):
    """A sink that can do without being woken for each result, which costs the loop most of what a sink costs it.

    While results keep coming it gets them up to 0.1 s later, several in a row; none of them is lost by that.

    Attributes:
        relaxed: true.
    """

    relaxed: bool


@runtime_checkable
class TakesUndecoded(Protocol):
    """A sink that wants pictures but decodes them itself, when it uses one: `frame.full` may be set.

    Attributes:
        takes_undecoded: true.
    """

    takes_undecoded: bool


@runtime_checkable
class Reports(Protocol):
    """A sink that has a connection of its own, and says how that stands."""

    def report(self) -> SinkReport:
        """The state and the counts; any thread may call it, after `close` too."""
        ...
