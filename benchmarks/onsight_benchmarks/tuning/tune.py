"""`onsight tune`: open everything, refuse what is not right enough, let the rest race, and take the fastest.

Method and rules: docs/tune.md.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.plan import ALL, open_all
from onsight_benchmarks.report import Report, Target, finish
from onsight_benchmarks.rounds import SETTLE_CALLS, SETTLE_MS
from onsight_benchmarks.tuning.accuracy import (
    Accuracy,
    Floor,
    Labelled,
    Reported,
    check_floor,
    measure_accuracies,
    read_report,
)
from onsight_benchmarks.tuning.arms import Arm, prepare
from onsight_benchmarks.tuning.contest import Exhaustive, Progress, decide, make_race, measure_all
from onsight_benchmarks.tuning.outcome import Int8, Tried, compare_int8, describe
from onsight_benchmarks.tuning.race import EVEN, Race
from onsight_benchmarks.verdict import LEAST_ROUNDS
from onsight_edge.errors import UsageError
from onsight_edge.profile import Profile, ProfiledDevice, ProfiledModel, identify

KIND = "tune"
BUDGET_S = 60.0
MOST_OVER_BEST = 1.03


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out.

    Attributes:
        report: the record.
        tried: every combination, the chosen one first.
        int8: int8 against float32.
        profile: what `onsight run` is to use; None where nothing may be taken.
        notes: what a reader should know, each one line.
        exhaustive: where it was asked for.
    """

    report: Report
    tried: tuple[Tried, ...]
    int8: tuple[Int8, ...]
    profile: Profile | None
    notes: tuple[str, ...]
    exhaustive: Exhaustive | None


def tune(
    model: str | Path = "default",
    *,
    variants: Sequence[str] = (ALL,),
    backends: Sequence[str] = (ALL,),
    threads: Sequence[int] = (1,),
    budget_s: float = BUDGET_S,
    max_drop: float | None = None,
    min_accuracy: float | None = None,
    p95_ms: float | None = None,
    data: Labelled | None = None,
    exhaustive: bool = False,
    image: Path | None = None,
    spec: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tuned:
    """Find what is fastest on this device.

    Args:
        model, variants, backends, threads, spec: what may be taken, see `open_all`.
        budget_s: seconds for opening, warming up and racing; measuring accuracy on `data` is not among them.
        max_drop: percentage points below Keras (on `data` of another set: below the most accurate variant) that may be
            lost; None: what the export allowed.
        min_accuracy: least share of right answers.
        p95_ms: most milliseconds that 95 of 100 frames may take, end to end.
        data: pictures to measure accuracy on, in place of what the export's report says.
        exhaustive: afterwards measure in full all that may be taken, and hold the choice against the best of them.
        image: a picture file in place of the synthetic frame.
        seed: of the order of measuring and of the synthetic frame.
        progress: told how far it is.

    Raises:
        UsageError: a number makes no sense. ModelError, DataError: no such model or picture.
        BenchmarkError: nothing to measure, or an accuracy is asked for of which nothing is known.
    """
    if budget_s <= 0 or (p95_ms is not None and p95_ms <= 0):
        raise UsageError("--budget and --p95 must be above 0")
    tell: Progress = progress or (lambda what, share: None)
    until = time.monotonic() + budget_s
    frame, picture = make_frame(image, seed)
    identity, reported = identify(model), read_report(model)
    tell("opening", 0.0)
    combinations, skipped = open_all(model, variants=variants, backends=backends, threads=threads, spec=spec)
    try:
        watch = Watch()
        arms = prepare(combinations, frame, tell)
        paused = time.monotonic()
        floor, known = _accuracies(arms, data, Floor(max_drop, min_accuracy), reported, tell)
        until += time.monotonic() - paused
        refused = _refused(arms, known, floor, measured=data is not None)
        racing = [index for index in range(len(arms)) if index not in refused]
        race = make_race(arms, racing, frame, p95_ms, random.Random(seed))
        chosen = decide(arms, racing, race, known, (until - budget_s, until), p95_ms, tell)
        seconds = round(time.monotonic() - (until - budget_s), 3)
        full = None
        if exhaustive and chosen is not None:
            full = measure_all(arms, racing, chosen, frame, p95_ms, seed, tell)
        tried = describe(arms, race, chosen, refused, known, p95_ms, seed)
        int8 = compare_int8(arms, race, seed)
    finally:
        for one in combinations:
            one.classifier.close()
    notes = _notes(race, chosen, known, budget_s, p95_ms)
    targets = []
    if full is not None:
        what = "the choice over the fastest of all measured in full, p50"
        targets.append(Target(what, full.ratio.median, MOST_OVER_BEST))
    report = finish(
        KIND,
        watch,
        method={
            "picture": picture,
            "seed": seed,
            "threads": list(dict.fromkeys(threads)),
            "budget_s": budget_s,
            "max_drop_points": floor.max_drop_points,
            "min_accuracy": floor.min_accuracy,
            "p95_ms": p95_ms,
            "even": EVEN,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
        },
        results={
            "model": identity,
            "choice": None if chosen is None else tried[0].label,
            "seconds": seconds,
            "rungs": race.rungs,
            "tried": tried,
            "int8": int8,
            "skipped": skipped,
            "exhaustive": full,
            "notes": notes,
        },
        targets=tuple(targets),
    )
    variant = None if chosen is None else combinations[chosen].variant
    profile = None if chosen is None else _profile(tried[0], variant, identity, report)
    return Tuned(report, tuple(tried), tuple(int8), profile, tuple(notes), full)


def _accuracies(
    arms: Sequence[Arm], data: Labelled | None, asked: Floor, reported: Reported, tell: Progress
) -> tuple[Floor, dict[str, Accuracy]]:
    """The floor that holds, and what is known of each variant."""
    usual = replace(asked, max_drop_points=reported.max_drop_points) if asked.max_drop_points is None else asked
    if data is not None:
        sound = sorted((arm for arm in arms if arm.objection is None), key=lambda arm: arm.seconds)
        fastest = {arm.variant: (arm.classifier, arm.seconds) for arm in reversed(sound)}
        return usual, measure_accuracies(fastest, data, usual, reported, tell)
    known = {arm.variant: reported.variants[arm.variant] for arm in arms if arm.variant in reported.variants}
    check_floor(asked, list(dict.fromkeys(arm.variant for arm in arms)), known)
    return (usual if known else asked), known


def _refused(
    arms: Sequence[Arm], known: dict[str, Accuracy], floor: Floor, *, measured: bool
) -> dict[int, tuple[str, str]]:
    """Arm -> (fate, reason) of those that may not be taken whatever they cost."""
    refused: dict[int, tuple[str, str]] = {}
    for index, arm in enumerate(arms):
        if arm.objection is not None:
            refused[index] = arm.objection
        elif arm.variant not in known:
            if measured:
                refused[index] = ("slower", f"far slower while warmed up: {1e3 * arm.seconds:.3g} ms")
            elif known:
                refused[index] = ("accuracy", "the export's report does not say how right it is")
        elif (objection := floor.objection(known[arm.variant])) is not None:
            refused[index] = ("accuracy", objection)
    return refused


def _notes(
    race: Race, chosen: int | None, known: dict[str, Accuracy], budget_s: float, p95_ms: float | None
) -> list[str]:
    notes = []
    if not known:
        notes.append("nothing is known of the variants' accuracy: --data measures it")
    if chosen is not None and len(race.times[chosen]) < LEAST_ROUNDS:
        rounds = len(race.times[chosen])
        often = "once" if rounds == 1 else f"{rounds} times"
        notes.append(
            f"{budget_s:g} s were too short to be sure: the choice was measured {often}; give it more --budget"
        )
    if chosen is not None and race.keeps_p95(chosen) is None:
        notes.append(f"that the p95 stays below {p95_ms:g} ms is likely, not sure: give it more --budget")
    return notes


def _profile(choice: Tried, variant: str | None, model: ProfiledModel, report: Report) -> Profile:
    assert choice.end_to_end_ms is not None  # nothing unmeasured is chosen
    return Profile(
        onsight=report.onsight.version,
        taken=report.taken,
        model=model,
        device=ProfiledDevice.of(report.device),
        variant=variant,
        backend=choice.backend.name,
        backend_version=choice.backend.version,
        threads=choice.backend.threads,
        p50_ms=choice.end_to_end_ms.p50,
        p95_ms=choice.end_to_end_ms.p95,
        accuracy=None if choice.accuracy is None else choice.accuracy.accuracy,
    )
