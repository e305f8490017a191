"""Who is compared: records, and in each the measurements, with a name for either."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.measurement import Measurement
from onsight_benchmarks.record import Record

_CHUNK = 10  # values that are drawn together where a record has no rounds
_SINGLE = (None, "single-stream")  # scenarios in which the next frame comes when the last was answered


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that is compared.

    Attributes:
        letter: `A` for the first.
        name: its file's, without suffix; with as many folders as tell it from the others.
        record: what the file holds.
    """

    letter: str
    name: str
    record: Record

    @property
    def device(self) -> str:
        """What executed it, in words: the graphics processor, the board, or the processor."""
        if self.record.gpu is not None:
            return self.record.gpu.name
        device = self.record.device
        return device.model or device.cpu or device.machine

    @property
    def dry_run(self) -> bool:
        """Whether it only rehearses a GPU's record on a processor."""
        words = (*self.record.invalid_because, *(one.backend.detail for one in self.record.measurements))
        return any("dry run" in each.replace("-", " ").lower() for each in words)


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Times in the order of measuring, in blocks that were measured together.

    Attributes:
        values: (blocks, calls) milliseconds.
        rounds: whether the blocks are the record's rounds, in which all of its measurements took turns.
    """

    values: NDArray[np.float64]
    rounds: bool


@dataclass(frozen=True)
class Subject:
    """One measurement of a record.

    Attributes:
        entry: the record.
        measured: the measurement.
        label: variant/backend/threads, then what tells it from the record's other measurements.
    """

    entry: Entry
    measured: Measurement
    label: str

    @property
    def name(self) -> str:
        """The record's letter and the label."""
        return f"{self.entry.letter} {self.label}"

    @property
    def one_frame(self) -> bool:
        """Whether a call answers one frame, the next one coming when it is answered."""
        scenario = self.measured.scenario
        return self.measured.batch == 1 and (scenario is None or scenario.name in _SINGLE)

    @property
    def serial(self) -> bool:
        """Whether one call follows the other, so that its times say what its throughput is."""
        return self.measured.scenario is None or self.measured.scenario.name != "live"

    @property
    def p50_ms(self) -> float | None:
        """The median call, end to end."""
        whole = self.measured.latency_ms.get("end_to_end")
        return None if whole is None else whole.p50

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Those that were measured, in the record's order."""
        return tuple(stage for stage, found in self.measured.latency_ms.items() if found is not None)

    def values_ms(self, stage: str) -> NDArray[np.float64] | None:
        """(calls,) every measured time in the order of measuring, or None where the record does not keep them."""
        values = (self.measured.values_us or {}).get(stage)
        return None if not values else np.asarray(values, np.float64) / 1e3

    def blocks_ms(self, stage: str) -> Blocks | None:
        """The stage's times in blocks; without rounds, ten neighbours make a block. None where no values were kept."""
        values = self.values_ms(stage)
        if values is None:
            return None
        method = self.entry.record.method
        if method.rounds > 0 and len(values) == method.rounds * method.block:
            return Blocks(values.reshape(method.rounds, method.block), True)
        size = min(_CHUNK, len(values))
        return Blocks(values[: len(values) // size * size].reshape(-1, size), False)


def subjects_of(entry: Entry) -> list[Subject]:
    """A record's measurements, each under a label of its own."""
    measured = entry.record.measurements
    labels = [_label(one) for one in measured]
    for more in ([one.backend.detail for one in measured], [one.model.file for one in measured]):
        count = Counter(labels)
        labels = [
            f"{label} ({word})" if count[label] > 1 and word else label
            for label, word in zip(labels, more, strict=True)
        ]
    seen: Counter[str] = Counter()
    found = []
    for label, one in zip(labels, measured, strict=True):
        seen[label] += 1
        found.append(Subject(entry, one, label if seen[label] == 1 else f"{label} #{seen[label]}"))
    return found


def _label(one: Measurement) -> str:
    scenario = one.scenario
    if scenario is None or scenario.name in _SINGLE:
        return one.label
    several = f" x{scenario.pictures_per_query}" if scenario.pictures_per_query > 1 and one.batch == 1 else ""
    return f"{one.label} {scenario.name}{several}"
