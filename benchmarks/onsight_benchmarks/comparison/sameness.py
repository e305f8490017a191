"""Whether records may be compared: the same weights, the same way from a frame to the network's input."""

from __future__ import annotations

from collections.abc import Sequence

from onsight_benchmarks.comparison.subjects import Entry
from onsight_edge.errors import BenchmarkError

_DIGITS = 12  # of a digest that are shown


def check_same(entries: Sequence[Entry], *, different_models: bool, different_preprocessing: bool) -> list[str]:
    """Refuse records that hold other weights, or bring frames to the network another way.

    Two records hold the same weights where files of theirs have one digest, or were exported from one network.

    Args:
        entries: the records.
        different_models, different_preprocessing: let such records pass.

    Returns:
        What a reader must know of those that passed, one sentence each.

    Raises:
        BenchmarkError: they differ and nothing lets them pass; it names what differs.
    """
    remarks = []
    for differ, allowed, flag in (
        (_other_weights(entries), different_models, "--different-models"),
        (_other_preprocessing(entries), different_preprocessing, "--different-preprocessing"),
    ):
        if differ is None:
            continue
        if not allowed:
            raise BenchmarkError(f"{differ}; to compare them all the same add {flag}")
        remarks.append(differ)
    return remarks


def _other_weights(entries: Sequence[Entry]) -> str | None:
    first, *others = entries
    known = _weights(first)
    pending = list(others)
    while joined := [entry for entry in pending if _weights(entry) & known]:
        known = known.union(*(_weights(entry) for entry in joined))
        pending = [entry for entry in pending if entry not in joined]
    if not pending:
        return None
    other = pending[0]
    silent = [entry.name for entry in (first, other) if not _sources(entry)]
    if silent:
        tells = "neither tells" if len(silent) == 2 else f"{silent[0]} does not tell"
        return (
            f"nothing says that {first.name} ({_models(first)}) and {other.name} ({_models(other)}) hold the same "
            f"weights: they have no file in common, and {tells} what network its files were exported from"
        )
    return (
        f"{first.name} and {other.name} hold different weights: {_models(first)} was exported from "
        f"{_short(_sources(first))}, {_models(other)} from {_short(_sources(other))}"
    )


def _other_preprocessing(entries: Sequence[Entry]) -> str | None:
    first = entries[0]
    for other in entries[1:]:
        if _preprocessing(first) != _preprocessing(other):
            return (
                f"{first.name} and {other.name} bring frames to the network differently (size, colour, cropping or "
                f"range of values): preprocess_sha256 is {_short(_preprocessing(first))} in the one, "
                f"{_short(_preprocessing(other))} in the other"
            )
    return None


def _weights(entry: Entry) -> set[str]:
    return {one.model.sha256 for one in entry.record.measurements} | _sources(entry)


def _sources(entry: Entry) -> set[str]:
    return {one.model.source_sha256 for one in entry.record.measurements if one.model.source_sha256 is not None}


def _preprocessing(entry: Entry) -> set[str]:
    return {one.model.preprocess_sha256 for one in entry.record.measurements}


def _models(entry: Entry) -> str:
    return " and ".join(dict.fromkeys(one.model.name for one in entry.record.measurements))


def _short(digests: set[str]) -> str:
    return " and ".join(digest[:_DIGITS] for digest in sorted(digests))
