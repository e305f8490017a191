"""What takes part in a tuning: one variant in one runtime with one number of threads, opened, checked and warmed up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.plan import Combination
from onsight_benchmarks.rounds import BLOCK, SETTLE_MS, WARMUP, Block, timed_stages
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError, ModelError
from onsight_edge.golden import FILE, Golden, load_golden, replay

_BLOCK_S = 0.05  # of the fastest arm's block, at most: a round over all arms stays short where networks are large
_SLOWER_BLOCK = 2.0  # a slow arm's block may take so many times of the fastest's: it must not eat the budget
_SETTLED_S = 10 * SETTLE_MS / 1000  # from so long a call on
_WARM_S = 0.25  # of one arm's warm-up, at most, but two calls


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One of those that are compared.

    Attributes:
        variant: such as `tflite-int8`; for a bare file its format.
        one: what was opened.
        seconds: its fastest call while it was warmed up; infinite where it failed.
        objection: why it cannot be taken: it failed, or answers golden samples otherwise than at the export.
    """

    variant: str
    one: Combination
    seconds: float
    objection: tuple[str, str] | None = None

    @property
    def classifier(self) -> Classifier:
        """It, opened."""
        return self.one.classifier

    @property
    def label(self) -> str:
        """Variant, backend and threads in one word, as in latency records."""
        return f"{self.variant}/{self.one.backend}/{self.one.threads}"


def prepare(
    combinations: Sequence[Combination], frame: NDArray[np.uint8], tell: Callable[[str, float], None]
) -> list[Arm]:
    """Warm up what was opened, and replay golden samples once for each variant in each runtime.

    Args:
        combinations: opened.
        frame: (H, W, 3) uint8 BGR, to warm up on.
        tell: told what is being done, and its share.
    """
    arms = []
    answered: dict[tuple[str | None, str], str | None] = {}
    samples: dict[bytes, Golden] = {}
    for done, one in enumerate(combinations):
        tell("warming up", done / len(combinations))
        file = one.classifier.model
        assert file is not None  # Classifier.open gave it
        pair = (one.variant, one.backend)
        try:
            if pair not in answered:
                answered[pair] = _golden_objection(one.classifier, file.golden, samples)
            wrong = answered[pair]
            if wrong is not None:
                arms.append(Arm(file.variant, one, float("inf"), ("golden", wrong)))
                continue
            arms.append(Arm(file.variant, one, _warm_up(timed_stages(one.classifier, frame))))
        except BackendError as error:
            arms.append(Arm(file.variant, one, float("inf"), ("failed", str(error))))
    return arms


def block_calls(seconds: float, fastest: float) -> int:
    """How many calls a block of an arm has: 10, fewer where calls take long, fewer still of slow arms.

    Args:
        seconds: one call of this arm.
        fastest: one call of the fastest.
    """
    most = max(1, min(BLOCK, int(_BLOCK_S / fastest)))
    return max(1, min(most, int(most * _SLOWER_BLOCK * fastest / seconds)))


def subject(arm: Arm, frame: NDArray[np.uint8], fastest: float) -> Callable[[int], Block]:
    """What `measure_rounds` calls: it makes no more calls than `block_calls` says.

    Calls that take long settle by themselves: the unmeasured ones before a block, which would double what it costs, are
    left out.
    """
    most, measure = block_calls(arm.seconds, fastest), timed_stages(arm.classifier, frame)
    if arm.seconds < _SETTLED_S:
        return lambda calls: measure(min(calls, most))
    return lambda calls: measure(most if calls == BLOCK else 0)


def _warm_up(measure: Callable[[int], Block]) -> float:
    started, fastest = time.monotonic(), float("inf")
    for call in range(WARMUP):
        fastest = min(fastest, float(measure(1)[0, -1]) / 1e9)
        if call and time.monotonic() - started > _WARM_S:
            break
    return fastest


def _golden_objection(classifier: Classifier, data: bytes | None, samples: dict[bytes, Golden]) -> str | None:
    if data is None:
        return None
    try:
        if data not in samples:
            samples[data] = load_golden(data, FILE)
        replay(classifier, samples[data])
    except ModelError as error:
        return str(error)
    return None
