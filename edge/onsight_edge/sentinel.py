"""Watches what the classifier is fed, and says when it is not what the model was trained on.

A look takes the picture as the model saw it and holds a few numbers against the training pictures' own
(statistics.py). Nothing is said on one look's evidence: brightness and likeness must be off without a break for a
while, and evidence for swapped channels is summed over pictures that differ (a CUSUM test, Page 1954), because
a single scene may well have the colours of another one swapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from onsight_edge.frame import Frame, Notice, Prediction
from onsight_edge.statistics import InputStatistics, clipped_share, distances, features, luma, swapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

SWAPPED, DARK, OVEREXPOSED, BLACK, UNLIKE = "swapped", "dark", "overexposed", "black", "unlike"
INTERVAL_S = 0.2
HOLD_S = 1.0
HOLD_LOOKS = 5
_SHARE_OF_TIME = 0.02  # looking takes no more of it
_BLACK_LUMA, _BLACK_SPREAD = 6.0, 6.0  # mean and standard deviation, 0..255: a lens cap with its noise
_LEAST_CLIPPED = 0.25
_NEW_PICTURE = 4.0  # squared distance between features from which two pictures count as different ones
_MOST_EVIDENCE = 2.0  # of one picture for or against a swap: no single one decides
_SURE = 14.0  # summed log odds
_FAR = 1.5  # times the training's own limit

_TEXTS = {
    SWAPPED: (
        "red and blue look swapped: does the source deliver RGB where BGR is expected?",
        "the colours look right again",
    ),
    DARK: (
        "the pictures are darker than the training's: more light or a longer exposure",
        "the pictures are bright enough again",
    ),
    OVEREXPOSED: (
        "the pictures are overexposed: less light or a shorter exposure",
        "the pictures are no longer overexposed",
    ),
    BLACK: ("the picture is black: is the lens covered, or the camera without power?", "there is a picture again"),
    UNLIKE: (
        "the pictures are unlike the training's (colours, contrast or sharpness): do not trust the answers",
        "the pictures are like the training's again",
    ),
}


class Sees(Protocol):
    """What the sentinel needs of a Classifier."""

    @property
    def seen(self) -> NDArray[np.uint8]:
        """(height, width, channels) uint8, the last picture as the model saw it."""
        ...


class Sentinel:
    """Looks at what one classifier is fed. Used from the loop's thread only."""

    def __init__(
        self,
        classifier: Sees,
        statistics: InputStatistics,
        *,
        interval_s: float = INTERVAL_S,
        hold_s: float = HOLD_S,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Begin to watch.

        Args:
            classifier: after each of whose classifications `look` is called.
            statistics: of its training pictures.
            interval_s: seconds between two looks.
            hold_s: seconds, and at least 5 looks, for which brightness or likeness must be off before it is said, and
                right before it is said that it is over.
            clock_ns: for what a look costs: the next one waits until looking took no more than 2 % of the time.
        """
        self._classifier, self._statistics = classifier, statistics
        self._mean = np.asarray(statistics.mean)
        self._precision = np.asarray(statistics.precision)
        self._clipped = max(statistics.clipped, _LEAST_CLIPPED)
        self._far = _FAR * statistics.distance
        self._interval_ns, self._hold_ns, self._clock_ns = round(interval_s * 1e9), round(hold_s * 1e9), clock_ns
        self._next_ns = 0
        self._holds = {kind: _Hold() for kind in (BLACK, DARK, OVEREXPOSED, UNLIKE)}
        self._swap = _Swap(statistics.swap_weight if len(statistics.mean) == 8 else 0.0)

    def watch(self, classifier: Sees) -> None:
        """Look at another classifier from now on, which is fed the same pictures for the same model."""
        self._classifier = classifier

    def look(self, frame: Frame, prediction: Prediction, now_ns: int) -> tuple[Notice, ...]:
        """What began to be wrong, or is over, as of this picture; mostly nothing.

        Args:
            frame, prediction: what was classified just now.
            now_ns: `time.monotonic_ns()`.
        """
        if now_ns < self._next_ns:
            return ()
        began = self._clock_ns()
        notices = self._judge(self._classifier.seen, now_ns)
        cost = self._clock_ns() - began
        self._next_ns = now_ns + max(self._interval_ns, round(cost / _SHARE_OF_TIME))
        return notices

    def _judge(self, seen: NDArray[np.uint8], now_ns: int) -> tuple[Notice, ...]:
        statistics, pixels = self._statistics, seen[np.newaxis]
        found = features(pixels)
        light = float(luma(found)[0])
        colours = 1 if found.shape[1] == 3 else 3
        spread = float(np.expm1(found[0, colours : 2 * colours]).max())
        distance = float(distances(found, self._mean, self._precision)[0])
        black = light < _BLACK_LUMA and spread < _BLACK_SPREAD
        dark = not black and light < statistics.luma_low
        bright = float(clipped_share(pixels)[0]) > self._clipped or light > statistics.luma_high
        turned = float(distances(swapped(found), self._mean, self._precision)[0]) if colours == 3 else distance
        lit = not (black or dark or bright)
        unlike = lit and min(distance, turned) > self._far  # one that is like them when swapped is a matter of that
        notices = [
            Notice(kind, _TEXTS[kind][changed is False], now_ns, over=changed is False)
            for kind, off in ((BLACK, black), (DARK, dark), (OVEREXPOSED, bright), (UNLIKE, unlike))
            if (changed := self._holds[kind].note(off, now_ns, self._hold_ns)) is not None
        ]
        if lit and not unlike:
            changed = self._swap.note(found[0], distance, turned, self._precision)
            if changed is not None:
                notices.append(Notice(SWAPPED, _TEXTS[SWAPPED][not changed], now_ns, over=not changed))
        return tuple(notices)


class _Hold:
    """Whether something is off, believed only when it was so for a while."""

    def __init__(self) -> None:
        self._off = False
        self._looks = 0
        self._since_ns = 0

    def note(self, off: bool, now_ns: int, hold_ns: int) -> bool | None:
        """True when it begins to be off, False when it is over, None when nothing changed."""
        if off == self._off:
            self._looks = 0
            return None
        if self._looks == 0:
            self._since_ns = now_ns
        self._looks += 1
        if self._looks < HOLD_LOOKS or now_ns - self._since_ns < hold_ns:
            return None
        self._off, self._looks = off, 0
        return off


class _Swap:
    """Sums up what different pictures say for swapped channels, and for the channels as they are."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._last: NDArray[np.float32] | None = None
        self._sum = 0.0
        self._off = False

    def note(
        self, found: NDArray[np.float32], distance: float, turned: float, precision: NDArray[np.float64]
    ) -> bool | None:
        """True when a swap begins to be believed, False when it is over, None when nothing changed.

        Args:
            found: (8,) features of the picture.
            distance, turned: squared distances from the training's mean, as it is and with the channels swapped.
            precision: (8, 8) of the training's features.
        """
        if not self._weight:
            return None
        if self._last is not None:
            away = (found - self._last).astype(np.float64)
            if away @ precision @ away < _NEW_PICTURE:
                return None  # the same scene again, which says nothing new
        self._last = found
        evidence = self._weight * (distance - turned) / 2  # above 0: more usual when swapped
        evidence = min(max(evidence, -_MOST_EVIDENCE), _MOST_EVIDENCE)
        self._sum = max(0.0, self._sum - evidence if self._off else self._sum + evidence)
        if self._sum < _SURE:
            return None
        self._off, self._sum = not self._off, 0.0
        return self._off
