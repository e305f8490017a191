"""Runs beside each other: accuracy against parameters, MACs, int8 size and measured int8 latency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from onsight_benchmarks.rounds import ITERATIONS
from onsight_benchmarks.runs import LeftOut, RunFacts, group_runs, read_run, unfinished
from onsight_benchmarks.runs_advice import Judged, advise, pareto
from onsight_benchmarks.runs_int8 import Int8, Latencies, known_macs, measure_latencies, open_int8
from onsight_benchmarks.stats import Summary
from onsight_edge.device import DeviceInfo, describe_device
from onsight_edge.errors import ModelError, OnsightError, UsageError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of a comparison.

    Attributes:
        label: its folder's name, or its path where two folders have one name.
        facts: what its folder tells.
        macs: multiply-accumulates of one picture; None where nobody has counted.
        int8: its int8 file; None where it was not made. latency: stage -> Summary in ms; None where not measured.
        remark: why something is missing, in one line; empty where nothing is.
    """

    label: str
    facts: RunFacts
    macs: int | None = None
    int8: Int8 | None = None
    latency: dict[str, Summary] | None = None
    remark: str = ""

    @property
    def int8_accuracy(self) -> float | None:
        """Of the int8 file, 0..1."""
        return None if self.int8 is None else self.int8.correct / self.int8.pictures

    @property
    def bytes(self) -> int | None:
        """Of the int8 file."""
        return None if self.int8 is None else self.int8.bytes

    @property
    def inference_ms(self) -> float | None:
        """Median of the runtime's part of an int8 classification."""
        return None if self.latency is None else self.latency["inference"].p50

    @property
    def gain(self) -> float:
        """What a Pareto front holds costs against: the int8 file's accuracy, before there is one the network's."""
        return self.facts.accuracy if self.int8_accuracy is None else self.int8_accuracy


@dataclass(frozen=True, slots=True)
class Ranking:
    """Runs that were tested on the same pictures.

    Attributes:
        dataset: its name. pictures: in the test part.
        runs: the most accurate first.
        front_bytes, front_latency: labels of the runs that no other beats in int8 accuracy against the int8 file's
            size, or its latency; the cheapest first.
        advice: sentences for people.
    """

    dataset: str
    pictures: int
    runs: tuple[ComparedRun, ...]
    front_bytes: tuple[str, ...]
    front_latency: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare_runs` found.

    Attributes:
        rankings: one a test part; more than one only where runs of different data were named.
        left_out: folders that were not compared.
        latencies: how the times were measured; None where they were not.
        device: where they were.
    """

    rankings: tuple[Ranking, ...]
    left_out: tuple[LeftOut, ...]
    latencies: Latencies | None
    device: DeviceInfo


def compare_runs(
    folders: Sequence[Path],
    *,
    measure: bool = True,
    iterations: int = ITERATIONS,
    seed: int = 0,
    left_out: Sequence[LeftOut] = (),
    progress: Progress = lambda what, done, total: None,
) -> Comparison:
    """Compare runs.

    Args:
        folders: run folders; one that is named twice counts once. Those still being trained are left out.
        measure: make each run's int8 file (kept in the cache folder), check it on all test pictures, and time the
            files of all runs in turns. Where it cannot be done for a run, that run's `remark` says why.
        iterations: measured calls of each int8 file.
        seed: of the order of measuring.
        left_out: folders that were left out before, to be reported with the rest.
        progress: told what is going on.

    Raises:
        ModelError: a folder is not a run or damaged, or no finished run is left.
        UsageError: no folder was given.
    """
    if not folders and not left_out:
        raise UsageError("no run to compare: name run folders, such as runs/NAME")
    missing = [*left_out]
    facts: list[RunFacts] = []
    for folder in {folder.resolve(): folder for folder in folders}.values():
        if reason := unfinished(folder):
            missing.append(LeftOut(str(folder), reason))
        else:
            facts.append(read_run(folder))
    if not facts:
        each = "; ".join(f"{one.folder}: {one.reason}" for one in missing)
        raise ModelError(f"no finished run to compare ({each})")
    labels = _labels(facts)
    runs = []
    for number, (label, run) in enumerate(zip(labels, facts, strict=True)):
        progress(f"int8 of {label}" if measure else f"read {label}", number, len(facts))
        runs.append(_completed(label, run, measure, progress))
    latencies = None
    timed = [index for index, run in enumerate(runs) if run.int8 is not None]
    if timed:
        latencies = measure_latencies(
            [one.bundle for index in timed if (one := runs[index].int8) is not None],
            iterations=iterations,
            seed=seed,
            progress=lambda share: progress("measure latencies", round(100 * share), 100),
        )
        for index, stages in zip(timed, latencies.stages, strict=True):
            runs[index] = replace(runs[index], latency=stages)
    place = {id(run.facts): run for run in runs}
    rankings = tuple(_rank([place[id(one)] for one in group]) for group in group_runs(facts))
    return Comparison(rankings, tuple(missing), latencies, describe_device())


def _labels(facts: Sequence[RunFacts]) -> list[str]:
    seen = Counter(run.name for run in facts)
    return [run.name if seen[run.name] == 1 else str(run.folder) for run in facts]


def _completed(label: str, run: RunFacts, measure: bool, progress: Progress) -> ComparedRun:
    remarks = []
    int8: Int8 | None = None
    macs: int | None = run.macs
    if measure:
        try:
            int8 = open_int8(run, lambda what, done, total: progress(f"{label}: {what}", done, total))
        except OnsightError as error:
            remarks.append(f"int8 not measured: {error}")
    try:
        macs = known_macs(run, count=measure)
    except OnsightError as error:
        remarks.append(f"MACs not counted: {error}")
    return ComparedRun(label, run, macs, int8, None, "; ".join(remarks))


def _rank(runs: Sequence[ComparedRun]) -> Ranking:
    ranked = sorted(runs, key=lambda run: (-run.facts.accuracy, run.facts.parameters, run.label))
    gains = [run.gain for run in ranked]

    def front(costs: Sequence[float | None]) -> tuple[str, ...]:
        return tuple(ranked[index].label for index in pareto(costs, gains))

    return Ranking(
        dataset=ranked[0].facts.dataset,
        pictures=ranked[0].facts.pictures,
        runs=tuple(ranked),
        front_bytes=front([run.bytes for run in ranked]),
        front_latency=front([run.inference_ms for run in ranked]),
        advice=advise([_judged(run) for run in ranked]),
    )


def _judged(run: ComparedRun) -> Judged:
    facts = run.facts
    return Judged(
        name=run.label,
        arch=facts.arch,
        recipe=facts.recipe,
        correct=facts.correct,
        pictures=facts.pictures,
        parameters=facts.parameters,
        bytes=run.bytes,
        inference_ms=run.inference_ms,
        gap=facts.gap,
        finding=facts.finding,
        sentence=facts.sentence,
        interrupted=facts.interrupted,
    )
