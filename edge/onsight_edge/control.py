"""Changes that other threads ask of a live run, taken by its loop between two frames.

Whoever asks does the work: a model is opened, checked and warmed up in the asking thread while the loop goes on with
the old one. The loop reads one attribute a frame, swaps where that says so, and the asking thread closes what is no
longer used. So neither the camera nor the loop ever waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from onsight_edge.errors import OnsightError
from onsight_edge.judge import Judge, Settings
from onsight_edge.memory import give_back

_TAKEN_S = 10.0  # the loop looks ten times a second even while no frame comes


class Control:
    """The judge of one live run, and the one that shall follow it.

    Attributes:
        pending: what waits for the loop, which alone reads this between two frames; None mostly.
        revision: counts the changes that the loop took.
    """

    def __init__(self, judge: Judge) -> None:
        """Begin with the judge that the run begins with; its owner closes it."""
        self.pending: Judge | None = None
        self.revision = 0
        self._judge, self._first = judge, judge
        self._asking = threading.Lock()  # one change at a time: the next one is made of what this one leaves
        self._taken = threading.Condition()
        self._over = False

    @property
    def judge(self) -> Judge:
        """What judges now. Its classifier is the loop's: read what it is, do not call it."""
        return self._judge

    def adjust(self, change: Callable[[Settings], Settings]) -> Settings:
        """Turn settings; returns those in force once the loop has taken them.

        Args:
            change: from the present settings to the wanted ones.

        Raises:
            UsageError, ModelError: a number makes no sense; nothing was changed.
            OnsightError: the run has ended, or hangs.
        """
        with self._asking:
            judge = self._judge.adjusted(change(self._judge.settings))
            self._hand_over(judge)
            return judge.settings

    def replace(self, open_: Callable[[Settings], Judge]) -> Judge:
        """Go on with another model; returns its judge once the loop has taken it and the old model is closed.

        Args:
            open_: from the present settings to a judge with a runtime of its own; called in this thread.

        Raises:
            OnsightError: it cannot be opened, which changes nothing; the run has ended, or hangs.
        """
        with self._asking:
            before = self._judge
            judge = open_(before.settings)
            try:
                width, height = judge.classifier.spec.input_size_wh
                judge.classifier.classify_timed(np.zeros((height, width, 3), np.uint8))  # no frame pays for that
                self._hand_over(judge)
            except BaseException:
                judge.classifier.close()
                raise
            before.classifier.close()
            give_back()
            return judge

    def take(self) -> tuple[Judge, bool]:
        """What judges from now on, and whether that is another model: for the loop, where `pending` is set."""
        with self._taken:
            before, judge = self._judge, self.pending
            if judge is None:  # withdrawn in the meantime
                return before, False
            judge.resume(before)
            self._judge, self.pending = judge, None
            self.revision += 1
            self._taken.notify_all()
            return judge, judge.classifier.backend is not before.classifier.backend

    def close(self) -> None:
        """The run has ended: no change is taken any more, and a model that came after the first is closed.

        For the loop's thread.
        """
        with self._taken:
            self._over = True
            self._taken.notify_all()
        if self._judge.classifier.backend is not self._first.classifier.backend:
            self._judge.classifier.close()

    def _hand_over(self, judge: Judge) -> None:
        with self._taken:
            if self._over:
                raise OnsightError("the run has ended: nothing can be changed any more")
            self.pending = judge
            self._taken.wait_for(lambda: self.pending is None or self._over, _TAKEN_S)
            if self.pending is not None:
                self.pending = None
                why = "has ended" if self._over else f"took no change within {_TAKEN_S:g} s"
                raise OnsightError(f"the run {why}: everything is as it was")
