"""The status line: what the model sees now, how fast, how fresh. On standard error."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from onsight_edge.frame import SOURCE_LOST, UNKNOWN, Notice, Result
from onsight_edge.quiet import wait_for_stderr
from onsight_edge.sinks.sink import RunInfo

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_LINE_EVERY_S = 1.0
_REFRESH_EVERY_S = 0.1


class StatusSink:
    """One line that renews itself ten times a second on a terminal; elsewhere one plain line a second."""

    name = "status"
    wants_image = False
    backlog = 1
    relaxed = True

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`, by default standard error; where there is none, nowhere."""
        self._stream: TextIO | None = sys.stderr if stream is None else stream  # None: a process may have no stderr
        self._live: Live | None = None
        self._last_s = 0.0
        self._last: Result | None = None

    def open(self, info: RunInfo) -> None:
        """Begin the line."""
        if self._stream is None or not self._stream.isatty():
            return
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text  # noqa: F401  (imported now and not while the first frames wait)

        self._live = Live(console=Console(file=self._stream), auto_refresh=False, transient=False)
        self._live.start()

    def write(self, result: Result) -> None:
        """Show a result, unless the line is too young to be renewed."""
        if self._stream is None:
            return
        self._last = result
        now = time.monotonic()
        if now - self._last_s < (_LINE_EVERY_S if self._live is None else _REFRESH_EVERY_S):
            return
        self._last_s = now
        wait_for_stderr()  # a damaged picture may be silenced just now, and this line with it
        if self._live is None:
            print(plain_line(result), file=self._stream, flush=True)
        else:
            self._live.update(_styled(result), refresh=True)

    def notice(self, notice: Notice) -> None:
        """Say it in a line of its own, above the one that renews itself."""
        if self._stream is None:
            return
        wait_for_stderr()
        line = f"{'over' if notice.over else 'notice'}: {notice.text}"
        if self._live is None:
            print(line, file=self._stream, flush=True)
        else:
            self._live.console.print(line, style="dim" if notice.over else "yellow", highlight=False, markup=False)
            if notice.kind == SOURCE_LOST:
                self._last = None
                self._live.update("waiting for the source to come back", refresh=True)

    def close(self) -> None:
        """Leave the last state standing."""
        if self._live is not None:
            if self._last is not None:
                self._live.update(_styled(self._last), refresh=True)
            self._live.stop()


def plain_line(result: Result) -> str:
    """`cat 0.93  29.9 fps  age 4.1 ms  dropped 0  frame 120`, and the truth where it is known."""
    line = (
        f"{result.label} {result.score:.2f}  {result.fps:.1f} fps  "
        f"age {result.age_ms:.1f} ms  dropped {result.dropped}  frame {result.frame.index}"
    )
    return line if result.frame.truth is None else f"{line}  truth {result.frame.truth}"


def _styled(result: Result) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{result.label:<14}", style="bold dim" if result.label == UNKNOWN else "bold green")
    filled = round(10 * min(max(result.score, 0.0), 1.0))
    text.append("━" * filled, style="green").append("━" * (10 - filled), style="bright_black")
    text.append(f" {result.score:.2f}")
    for name, value in (("fps", f"{result.fps:.1f}"), ("age", f"{result.age_ms:.1f} ms")):
        text.append(f"   {name} ", style="dim").append(value)
    text.append("   dropped ", style="dim").append(str(result.dropped), style="yellow" if result.dropped else "")
    if result.frame.truth is not None:
        right = result.frame.truth == result.label
        text.append("   truth ", style="dim").append(result.frame.truth, style="green" if right else "red")
    return text
