"""What a tuning found out: one figure an arm, the choice, and why each other one is not it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onsight_benchmarks.measurement import MeasuredBackend, MeasuredModel
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.stats import Ratio, Summary, paired_ratio, summarise
from onsight_benchmarks.tuning.accuracy import Accuracy
from onsight_benchmarks.tuning.arms import Arm
from onsight_benchmarks.tuning.race import EVEN, FAR, Race
from onsight_benchmarks.verdict import judge


@dataclass(frozen=True, slots=True)
class Tried:
    """One arm, and what became of it.

    Attributes:
        model, backend: what was measured.
        accuracy: None where it is not known.
        calls, rounds: how often it was measured, in how many rounds.
        end_to_end_ms: one 640x480 frame, from picture to answer; None where it was not measured.
        ratio: to the chosen one, from the rounds that both were measured in; None where there are none.
        fate: `chosen`; `even` (left to the end, and as fast); `slower`; or not allowed: `p95`, `accuracy`, `golden`,
            `failed`.
        rung: in which it left, counted from 1; None where it never ran or stayed to the end.
        because: why it was not chosen, in words; empty for the chosen one.
    """

    model: MeasuredModel
    backend: MeasuredBackend
    accuracy: Accuracy | None
    calls: int
    rounds: int
    end_to_end_ms: Summary | None
    ratio: Ratio | None
    fate: str
    rung: int | None
    because: str

    @property
    def label(self) -> str:
        """Variant, backend and threads in one word."""
        return f"{self.model.variant}/{self.backend.name}/{self.backend.threads}"


@dataclass(frozen=True, slots=True)
class Int8:
    """How the int8 file of a format compares with its float32 file, each with its best number of threads.

    Attributes:
        of, to: labels.
        ratio: how many times of float32's time int8 takes.
    """

    of: str
    to: str
    ratio: Ratio

    @property
    def slower(self) -> bool:
        """Whether int8 is the slower one: by the rule of all comparisons, or so far behind that it soon left."""
        return judge(self.ratio).answer == "slower" or self.ratio.median > FAR


def choose(arms: Sequence[Arm], alive: Sequence[int], race: Race, known: Mapping[str, Accuracy]) -> list[int]:
    """Those left to the end, the one to take first.

    Those within 1.5 % of the fastest count as equally fast: of them fewer threads go first, then the more accurate,
    then the faster. A thread that gains nothing is one that the camera and the outputs do not have.
    """
    leader = race.leader(alive)
    middle = {arm: race.ratio(arm, leader)[1] for arm in alive}

    def key(arm: int) -> tuple[bool, float, float, float]:
        if middle[arm] > EVEN:
            return (True, middle[arm], 0, 0)
        accuracy = known.get(arms[arm].variant)
        return (False, arms[arm].one.threads, -accuracy.accuracy if accuracy else 0.0, middle[arm])

    return sorted(alive, key=key)


def describe(
    arms: Sequence[Arm],
    race: Race,
    chosen: int | None,
    refused: Mapping[int, tuple[str, str]],
    known: Mapping[str, Accuracy],
    most_p95_ms: float | None,
    seed: int,
) -> list[Tried]:
    """Every arm with its figures, the chosen one first, then those that may be taken, the fastest first.

    Args:
        arms: all that were opened.
        race: finished.
        chosen: None where none may be taken.
        refused: arm -> (fate, reason) of those that took no part.
        known: variant -> accuracy.
        most_p95_ms: what was asked for.
        seed: of the ratios' intervals.
    """
    ratios = {
        index: paired_ratio(*race.pairs(index, chosen), seed)
        for index in range(len(arms))
        if chosen is not None and race.times[index].keys() & race.times[chosen].keys()
    }
    tried = []
    files: dict[str, MeasuredModel] = {}
    for index, arm in enumerate(arms):
        file, backend = arm.classifier.model, arm.classifier.backend
        assert file is not None  # Classifier.open gave it
        if arm.variant not in files:
            files[arm.variant] = describe_model(file)
        blocks = list(race.times[index].values())
        ms = np.concatenate(blocks) / 1e6 if blocks else None
        summary = None if ms is None else summarise(ms, digits=6)
        left = race.left.get(index)
        if index == chosen:
            fate, because, rung = "chosen", "", None
        elif index in refused:
            (fate, because), rung = refused[index], None
        elif left is None:
            fate, rung = "even", None
            because = _even(arms[chosen], arm, ratios[index], known) if chosen is not None else ""
        elif left.reason == "p95":
            fate, rung = "p95", left.rung
            because = f"p95 {summary.p95:.3g} ms, at most {most_p95_ms:g} ms asked for" if summary else ""
        else:
            fate, rung = "slower", left.rung
            because = f"{left.ratio[1]:.2f}x of {arms[left.to].label}"
        tried.append(
            Tried(
                model=files[arm.variant],
                backend=MeasuredBackend(backend.name, backend.version, backend.threads, backend.detail),
                accuracy=known.get(arm.variant),
                calls=0 if ms is None else len(ms),
                rounds=len(blocks),
                end_to_end_ms=summary,
                ratio=ratios.get(index),
                fate=fate,
                rung=rung,
                because=because,
            )
        )
    places = ("chosen", "even", "slower", "p95", "accuracy", "golden", "failed")
    return sorted(
        tried,
        key=lambda one: (
            places.index(one.fate),
            -(one.rung or 0) if one.fate == "slower" else 0,
            one.ratio.median if one.ratio else 0.0,
            one.end_to_end_ms.p50 if one.end_to_end_ms else 0.0,  # where none was chosen, and there are no ratios
        ),
    )


def compare_int8(arms: Sequence[Arm], race: Race, seed: int) -> list[Int8]:
    """Every format's int8 file against its float32 file, where both were measured in one runtime."""
    found = []
    pairs = dict.fromkeys(
        (arm.variant.removesuffix("int8"), arm.one.backend) for arm in arms if arm.variant.endswith("-int8")
    )
    for model_format, backend in pairs:
        best = []
        for kind in ("int8", "float32"):
            mine = [
                index
                for index, arm in enumerate(arms)
                if (arm.variant, arm.one.backend) == (model_format + kind, backend) and race.times[index]
            ]
            if mine:
                best.append(race.leader(mine))
        if len(best) == 2 and race.times[best[0]].keys() & race.times[best[1]].keys():
            ratio = paired_ratio(*race.pairs(*best), seed)
            found.append(Int8(arms[best[0]].label, arms[best[1]].label, ratio))
    return found


def _even(chosen: Arm, arm: Arm, ratio: Ratio, known: Mapping[str, Accuracy]) -> str:
    """Why one that stayed to the end was not taken."""
    if ratio.median > EVEN:
        return f"{ratio.median:.2f}x, but not for sure"
    if arm.one.threads > chosen.one.threads:
        return "as fast, with more threads"
    mine, other = known.get(arm.variant), known.get(chosen.variant)
    if mine is not None and other is not None and mine.accuracy < other.accuracy:
        return "as fast, less accurate"
    return "as fast"
