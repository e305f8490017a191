"""Who is compared: records, and in each the measurements, with a name for either."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.measurement import Measurement
from onsight_benchmarks.record import Record
from onsight_benchmarks.stats import Summary

_CHUNK = 10  # values that are drawn together where a record has no rounds
_MOST_BLOCKS = 400  # enough to resample
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
        return (device.model or device.cpu or device.machine) + (" (dry run, no GPU)" if self.dry_run else "")

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
        network_alone: it stands beside measurements that begin at the network's input, as a GPU's do: its time is
            that of the network, too, not from the frame on.
    """

    entry: Entry
    measured: Measurement
    label: str
    network_alone: bool = False

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
    def from_frame(self) -> bool:
        """Whether a call begins with the camera's frame; a GPU's begins with the network's input on the host."""
        return self.measured.latency_ms.get("preprocess") is not None

    @property
    def time_stage(self) -> str:
        """The stage that its time is: the whole call, or the network's part of it."""
        alone = self.network_alone and self.measured.latency_ms.get("inference") is not None
        return "inference" if alone else "end_to_end"

    @property
    def whole(self) -> Summary | None:
        """What calls took, in milliseconds."""
        return self.measured.latency_ms.get(self.time_stage)

    @property
    def p50_ms(self) -> float | None:
        """The median call."""
        return None if self.whole is None else self.whole.p50

    @property
    def pictures(self) -> int:
        """Pictures a call."""
        batch, scenario = self.measured.batch, self.measured.scenario
        return batch if scenario is None or not self.serial else max(batch, scenario.pictures_per_query)

    @property
    def fps(self) -> float:
        """Pictures a second, calls one after the other."""
        if self.time_stage == "end_to_end" or self.whole is None or self.whole.mean <= 0:
            return self.measured.throughput_fps
        return 1e3 * self.pictures / self.whole.mean

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Those that were measured, in the record's order."""
        return tuple(stage for stage, found in self.measured.latency_ms.items() if found is not None)

    def values_ms(self, stage: str) -> NDArray[np.float64] | None:
        """(calls,) every measured time in the order of measuring, or None where the record does not keep them."""
        values = (self.measured.values_us or {}).get(stage)
        return None if not values else np.asarray(values, np.float64) / 1e3

    def blocks_ms(self, stage: str) -> Blocks | None:
        """The stage's times in blocks: rounds, or ten neighbours where there are none; very many are joined.

        None where no values were kept.
        """
        values = self.values_ms(stage)
        if values is None:
            return None
        method = self.entry.record.method
        # one round is none: what LoadGen or a camera measured one after the other took no turns
        rounds = method.rounds > 1 and len(values) == method.rounds * method.block
        size = method.block if rounds else min(_CHUNK, len(values))
        size *= -(-(len(values) // size) // _MOST_BLOCKS)
        return Blocks(values[: len(values) // size * size].reshape(-1, size), rounds)


def begins_with_frame(entry: Entry) -> bool:
    """Whether any of its calls begins with a camera's frame."""
    return any(one.latency_ms.get("preprocess") is not None for one in entry.record.measurements)


def subjects_of(entry: Entry, *, network_alone: bool = False) -> list[Subject]:
    """A record's measurements, each under a label of its own; `network_alone`: see Subject."""
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
        name = label if seen[label] == 1 else f"{label} #{seen[label]}"
        found.append(Subject(entry, one, name, network_alone))
    return found


def _label(one: Measurement) -> str:
    scenario = one.scenario
    if scenario is None or scenario.name in _SINGLE:
        return one.label
    several = f" x{scenario.pictures_per_query}" if scenario.pictures_per_query > 1 and one.batch == 1 else ""
    return f"{one.label} {scenario.name}{several}"
