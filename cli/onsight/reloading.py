"""SIGHUP: the configuration and the model are read again while the camera goes on.

All of it happens on a thread of its own. The loop goes on with what it has until the new model is open, checked and
warm; where anything is wrong it goes on with what it has, and a line says why.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from onsight.judging import open_judge
from onsight_edge.errors import OnsightError, UsageError

if TYPE_CHECKING:
    from onsight_edge.control import Control
    from onsight_edge.judge import Judge

# what of a call is looked at again; the rest holds from the start to the end of a run
_AGAIN = frozenset(
    (
        *("model", "variant", "backend", "threads", "spec", "profile", "no_profile"),
        *("threshold", "roi", "rotate", "flip", "smooth", "agree", "hysteresis", "no_sentinel", "config"),
    )
)
_ARGUMENTS = "onsight.arguments"


class Repeatable(click.Command):
    """A command whose call can be read a second time, with the files that it names as they are by then."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """See click; the arguments stay in the context's `meta`."""
        arguments = tuple(args)
        context = super().make_context(info_name, args, parent, **extra)
        context.meta[_ARGUMENTS] = arguments
        return context


class Reloader:
    """Reads a run's call again when asked to."""

    def __init__(self, call: click.Context, say: Callable[[str], None]) -> None:
        """For the run that `call` started; `say` gets a line for people after each reading."""
        self._call, self._say = call, say
        self._asked = threading.Event()
        self._over = False

    def ask(self) -> None:
        """Read everything again, soon or once the run answers; safe in a signal handler."""
        self._asked.set()

    @contextmanager
    def answering(self, control: Control, frame_wh: tuple[int, int] | None) -> Iterator[None]:
        """Meanwhile it is done what was and is asked; at the end, what is being read right then is finished first."""
        thread = threading.Thread(target=self._run, args=(control, frame_wh), name="reload", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            self._asked.set()
            thread.join()

    def _run(self, control: Control, frame_wh: tuple[int, int] | None) -> None:
        while self._asked.wait() and not self._over:
            self._asked.clear()
            try:
                self._say(self._reload(control, frame_wh))
            except (OnsightError, OSError) as error:
                self._say(f"nothing was changed: {error}")
            except Exception as error:  # whatever a library makes of a damaged file; the next one may be whole
                self._say(f"nothing was changed: {type(error).__name__}: {error}")

    def _reload(self, control: Control, frame_wh: tuple[int, int] | None) -> str:
        call = read_again(self._call)
        waiting = sorted(flag for flag, name in _flags(call) if name not in _AGAIN and self._differs(call, name))
        judge = open_judge(call, frame_wh, quiet=True)
        done = _take(control, judge)
        self._call = call if not waiting else self._call
        if waiting:
            return f"{done}; {', '.join(waiting)} will change when it is started again"
        return done

    def _differs(self, call: click.Context, name: str) -> bool:
        return bool(call.params.get(name) != self._call.params.get(name))


def _take(control: Control, judge: Judge) -> str:
    now = control.judge
    if _same_model(now, judge):
        judge.classifier.close()
        wanted = judge.settings
        if wanted == now.settings:
            return "read again: nothing has changed"
        control.adjust(lambda _: wanted)
        return "read again: other settings hold now"
    control.replace(lambda _: judge)
    return f"read again: {judge.classifier.spec.name} ({_variant(judge)}) answers from now on"


def read_again(call: click.Context) -> click.Context:
    """The same call, with the configuration file as it is now.

    Raises:
        UsageError: the file is wrong by now.
    """
    try:
        return call.command.make_context(call.info_name, list(call.meta[_ARGUMENTS]), parent=call.parent)
    except click.ClickException as error:
        raise UsageError(error.format_message()) from error


@contextmanager
def reload_on_hangup(reloader: Reloader, stop: threading.Event) -> Iterator[None]:
    """SIGHUP asks `reloader`; but where it tells that the run's terminal has gone, it ends the run, by `stop`.

    One that was ignored from the start, as under nohup, stays ignored.
    """
    number = getattr(signal, "SIGHUP", None)  # not on Windows
    if number is None or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    had_terminal = _has_terminal()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if had_terminal and not _has_terminal():
            stop.set()
        else:
            reloader.ask()

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before or signal.SIG_DFL)


def say_on_stderr(line: str) -> None:
    """One line; a terminal that has gone is no fault."""
    try:
        sys.stderr.write(f"onsight: {line}\n")  # at once: other threads have lines to write too
        sys.stderr.flush()
    except OSError:
        return


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _flags(call: click.Context) -> list[tuple[str, str]]:
    return [(max(one.opts, key=len), one.name or "") for one in call.command.params]


def _same_model(one: Judge, other: Judge) -> bool:
    """Whether both execute the same file in the same way on the same part of the frame."""

    def what(judge: Judge) -> tuple[object, ...]:
        classifier, backend = judge.classifier, judge.classifier.backend
        assert classifier.model is not None  # Classifier.open gave it
        spec = replace(classifier.spec, threshold=0.0)
        watched = judge.sentinel is not None
        return classifier.model.sha256, spec, backend.name, backend.threads, watched, judge.settings.decides

    return what(one) == what(other)


def _variant(judge: Judge) -> str:
    model = judge.classifier.model
    return "" if model is None else model.variant
