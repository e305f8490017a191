"""Records compared: each measurement with one that is the measure of all, and like with like."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.comparison.load import load_entries
from onsight_benchmarks.comparison.ratios import Relative, headline_ratio, stage_ratio, throughput_ratio, time_ratio
from onsight_benchmarks.comparison.remarks import cautions_on, remarks_on
from onsight_benchmarks.comparison.sameness import check_same
from onsight_benchmarks.comparison.subjects import Entry, Subject, begins_with_frame, subjects_of
from onsight_edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Beside:
    """One measurement beside another.

    Attributes:
        of, to: ratios say how many times of `to`'s time or throughput `of` takes or manages.
        time: of median calls, where both answer one frame a call, or both as many; see `Comparison.network_alone`.
        stages: the same by stage, of those that both have; `end_to_end` only where both begin alike.
        throughput: of pictures a second.
        headline: of their scenarios' figures, where both are of one scenario.
        energy: of millijoules a picture, where both have a sensor.
    """

    of: Subject
    to: Subject
    time: Relative | None
    stages: dict[str, Relative]
    throughput: Relative | None
    headline: Relative | None
    energy: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `onsight compare` found out.

    Attributes:
        entries: the records, in the order they were named.
        subjects: all measurements that are shown, record by record.
        reference: the measure of all: the fastest of the first record that times single frames, or what was asked for.
        best: each record's fastest that answers one frame a call; of a record without one, that with the most
            pictures a second, or of live ones alone the one with the youngest frames.
        beside: every other measurement beside the reference, in the order of `subjects`.
        alike: measurements of later records beside the first record's of the same variant, backend, threads, batch and
            scenario.
        network_alone: some records' calls begin with a frame and others' with the network's input, as a GPU's: all
            times and throughputs are of the network alone.
        cautions: why figures must not be believed, or records must not be compared, a sentence each.
        remarks: what else a reader should know.
        seed: of the bootstrap.
    """

    entries: tuple[Entry, ...]
    subjects: tuple[Subject, ...]
    reference: Subject
    best: tuple[Subject, ...]
    beside: tuple[Beside, ...]
    alike: tuple[Beside, ...]
    network_alone: bool
    cautions: tuple[str, ...]
    remarks: tuple[str, ...]
    seed: int

    def relative(self, subject: Subject) -> Beside | None:
        """A measurement beside the reference; None of the reference itself."""
        return next((one for one in self.beside if one.of is subject), None)


def compare_records(
    paths: Sequence[Path],
    *,
    to: str | None = None,
    only: Sequence[str] = (),
    different_models: bool = False,
    different_preprocessing: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare latency records.

    Args:
        paths: of the records; a single one compares its own measurements.
        to: label of the reference, `tflite-int8/litert/1`, of the first record that has it, or `B tflite-int8/litert/1`
            of that record.
        only: patterns of labels (`tflite-int8/*`); measurements that match none are left out.
        different_models, different_preprocessing: compare records of other weights or preprocessing all the same.
        seed: of the bootstrap.

    Raises:
        UsageError: no record, one named twice, or no measurement of that label or pattern. BenchmarkError: a file is no
            latency record, or they must not be compared.
    """
    entries = load_entries(paths)
    said = check_same(entries, different_models=different_models, different_preprocessing=different_preprocessing)
    return compare_entries(entries, to=to, only=only, said=said, seed=seed)


def compare_entries(
    entries: Sequence[Entry],
    *,
    to: str | None = None,
    only: Sequence[str] = (),
    said: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """Compare records that are read and may be compared; `said` are cautions on that. See `compare_records`."""
    network_alone = len({begins_with_frame(entry) for entry in entries}) > 1
    subjects = [subject for entry in entries for subject in subjects_of(entry, network_alone=network_alone)]
    if only:
        subjects = [s for s in subjects if any(_matches(s, pattern) for pattern in only)]
        if not subjects:
            raise UsageError(f"no measurement matches {' or '.join(only)}; there are {_labels(entries)}")
    best = [b for entry in entries if (b := _best([s for s in subjects if s.entry is entry])) is not None]
    single = [subject for subject in best if subject.one_frame] or best
    reference = single[0] if to is None else _named(subjects, to, entries)
    first = subjects[0].entry
    earlier = {s.label: s for s in reversed(subjects) if s.entry is first}
    return Comparison(
        entries=tuple(entries),
        subjects=tuple(subjects),
        reference=reference,
        best=tuple(best),
        beside=tuple(_beside(s, reference, seed) for s in subjects if s is not reference),
        alike=tuple(
            _beside(s, earlier[s.label], seed) for s in subjects if s.entry is not first and s.label in earlier
        ),
        network_alone=network_alone,
        cautions=(*said, *cautions_on(entries)),
        remarks=tuple(remarks_on(entries)),
        seed=seed,
    )


def _beside(of: Subject, to: Subject, seed: int) -> Beside:
    comparable = (of.one_frame and to.one_frame) or of.label == to.label
    alike = comparable and of.from_frame == to.from_frame
    stages = {s: stage_ratio(of, to, s, seed) for s in of.stages if comparable and (alike or s != "end_to_end")}
    ours, theirs = of.measured.energy, to.measured.energy
    return Beside(
        of=of,
        to=to,
        time=time_ratio(of, to, seed) if comparable else None,
        stages={stage: found for stage, found in stages.items() if found is not None},
        throughput=throughput_ratio(of, to, seed),
        headline=headline_ratio(of, to, seed),
        energy=ours.mj_per_picture / theirs.mj_per_picture
        if ours is not None and theirs is not None and theirs.mj_per_picture > 0
        else None,
    )


def _best(subjects: Sequence[Subject]) -> Subject | None:
    timed = [(s.p50_ms, place) for place, s in enumerate(subjects) if s.one_frame and s.p50_ms is not None]
    if timed:
        return subjects[min(timed)[1]]
    live = [(one.value, place) for place, s in enumerate(subjects) if (one := s.measured.scenario) and not s.serial]
    if live and len(live) == len(subjects):
        return subjects[min(live)[1]]
    return max(subjects, key=lambda s: s.fps, default=None)


def _matches(subject: Subject, pattern: str) -> bool:
    return fnmatch.fnmatchcase(subject.label, pattern) or fnmatch.fnmatchcase(subject.name, pattern)


def _named(subjects: Sequence[Subject], name: str, entries: Sequence[Entry]) -> Subject:
    for subject in subjects:
        if name in (subject.label, subject.name):
            return subject
    raise UsageError(f"--to {name}: no measurement is called so; there are {_labels(entries)}")


def _labels(entries: Sequence[Entry]) -> str:
    several = len(entries) > 1
    names = [s.name if several else s.label for entry in entries for s in subjects_of(entry)]
    shown, left = names[:12], len(names) - 12
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")
