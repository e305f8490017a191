"""From predictions, which flicker, to a decision, which does not: smoothing, hysteresis, agreement.

Three remedies, each against another kind of flicker: scores are smoothed over time (noise from frame to frame), another
class must lead by a margin (two classes that are equally likely), and do so for several results in a row (one picture
that is odd). What is below the threshold after that is `unknown`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.errors import UsageError
from onsight_edge.frame import UNKNOWN, Decision, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTH_S, AGREE, HYSTERESIS = 0.25, 3, 0.1  # what a run decides by, where nobody says otherwise
_UNKNOWN = -1


class Decider:
    """Decides what is seen, one prediction after the other. Begins with `unknown`.

    Attributes:
        classes, smooth_s, agree, hysteresis, threshold: as given; not to be changed.
    """

    def __init__(
        self, classes: tuple[str, ...], *, smooth_s: float, agree: int, hysteresis: float, threshold: float
    ) -> None:
        """Begin.

        Args:
            classes: the names, in the order of the scores.
            smooth_s: time constant of the exponential smoothing in seconds: a step has reached 63 % after it,
                whatever the frame rate; 0 smooths nothing.
            agree: results in a row that must say the same before the decision changes.
            hysteresis: by how much another class's smoothed score must be above the present one's, 0..1; a class is
                left for `unknown` when it is below the threshold by as much, or below half of it.
            threshold: smoothed scores below it are `unknown`, 0..1.

        Raises:
            UsageError: a number makes no sense.
        """
        if not (smooth_s >= 0 and math.isfinite(smooth_s)):
            raise UsageError(f"smoothing takes 0 or more seconds, not {smooth_s}")
        if agree < 1:
            raise UsageError(f"at least 1 result must agree, not {agree}")
        if not (0 <= hysteresis <= 1 and 0 <= threshold <= 1):
            raise UsageError(f"hysteresis and threshold are 0..1, not {hysteresis} and {threshold}")
        self.classes, self.smooth_s, self.agree = classes, smooth_s, agree
        self.hysteresis, self.threshold = hysteresis, threshold
        self._smooth_ns = smooth_s * 1e9
        self._leave = max(threshold - hysteresis, threshold / 2)
        self._smoothed: NDArray[np.float32] | None = None
        self._at_ns = self._since_ns = 0
        self._present = self._candidate = _UNKNOWN
        self._streak = 0

    def __call__(self, prediction: Prediction, captured_ns: int) -> Decision:
        """The decision after one more prediction.

        Args:
            prediction: with as many scores as there are classes.
            captured_ns: when its frame was captured; not before the one of the last call.
        """
        smoothed = self._smooth(prediction.scores, captured_ns)
        best = int(smoothed.argmax())
        proposed = self._propose(smoothed, best)
        changed = False
        if proposed == self._present:
            self._streak = 0
        else:
            self._streak = self._streak + 1 if proposed == self._candidate else 1
            self._candidate = proposed
            if self._streak >= self.agree:
                self._present, self._since_ns, self._streak, changed = proposed, captured_ns, 0, True
        if self._present == _UNKNOWN:
            return Decision(UNKNOWN, float(smoothed[best]), self._since_ns, changed)
        return Decision(self.classes[self._present], float(smoothed[self._present]), self._since_ns, changed)

    def resume(self, before: Decider) -> None:
        """Go on from where another one stands, so that turning a setting makes nobody's decision blink.

        Args:
            before: will not be used any more. One that tells other classes apart has nothing to hand on.
        """
        if before.classes != self.classes:
            return
        self._smoothed, self._at_ns, self._since_ns = before._smoothed, before._at_ns, before._since_ns
        self._present, self._candidate, self._streak = before._present, before._candidate, before._streak

    def _smooth(self, scores: NDArray[np.float32], captured_ns: int) -> NDArray[np.float32]:
        smoothed, passed = self._smoothed, captured_ns - self._at_ns
        self._at_ns = captured_ns
        if smoothed is None:
            self._since_ns = captured_ns
        if smoothed is None or not self._smooth_ns:
            self._smoothed = scores.copy()
            return self._smoothed
        smoothed += np.float32(-math.expm1(-max(passed, 0) / self._smooth_ns)) * (scores - smoothed)
        return smoothed

    def _propose(self, smoothed: NDArray[np.float32], best: int) -> int:
        present = self._present
        if present == _UNKNOWN:
            return best if smoothed[best] >= self.threshold else _UNKNOWN
        if best != present and smoothed[best] - smoothed[present] >= self.hysteresis:
            return best if smoothed[best] >= self.threshold else _UNKNOWN
        return _UNKNOWN if smoothed[present] < self._leave else present
