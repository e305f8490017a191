"""How each record came about, as terms and words: what a reader needs to check it, or to take it again."""

from __future__ import annotations

from dataclasses import dataclass

from onsight_benchmarks.comparison.subjects import Entry
from onsight_benchmarks.series import Series

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class MethodTable:
    """A record's conditions: pairs of a term and its words, and what was left out."""

    entry: Entry
    terms: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]


def method(entry: Entry) -> MethodTable:
    """Everything but the figures that a record tells; what it does not know is left out."""
    record = entry.record
    device, gpu, how, seen = record.device, record.gpu, record.method, record.conditions
    shown = how.picture
    terms: list[tuple[str, str | None]] = [
        ("device", _joined(device.model, device.cpu, device.machine, f"{device.cores} cores", _mib(device.memory_mib))),
        ("system", _joined(device.os, _named("kernel", device.kernel), device.python)),
        ("packages", _joined(_named("NumPy", device.numpy), _named("OpenCV", device.opencv))),
        ("runtimes", "; ".join(dict.fromkeys(_runtime(one.backend) for one in record.measurements))),
    ]
    if gpu is not None:
        terms += [
            ("GPU", _joined(gpu.name, _named("driver", gpu.driver), _named("CUDA", gpu.cuda), _mib(gpu.memory_mib))),
            ("its clocks", _joined(_unit("SM", gpu.sm_mhz, "MHz"), _unit("memory", gpu.memory_mhz, "MHz"))),
            ("its power", _unit("", gpu.power_w, "W")),
        ]
    files = dict.fromkeys((one.model.file, one.model.bytes, one.model.sha256) for one in record.measurements)
    sources = dict.fromkeys(one.model.source_sha256 for one in record.measurements if one.model.source_sha256)
    terms += [
        ("model", ", ".join(dict.fromkeys(one.model.name for one in record.measurements))),
        ("exported from", ", ".join(source[:_DIGITS] for source in sources)),
        ("files", "; ".join(f"{file}, {size / 1000:,.1f} KB, {sha[:_DIGITS]}" for file, size, sha in files)),
        ("taken", record.taken),
        ("onsight", _joined(record.onsight.version, _named("commit", record.onsight.commit))),
        ("order", how.order),
        ("clock", how.clock),
        ("picture", f"{shown.name}, {shown.size_wh[0]}x{shown.size_wh[1]}, {shown.sha256[:_DIGITS]}"),
        ("calls", f"{_rounds(how.rounds, how.block)}, after {how.warmup} to warm up; seed {how.seed}"),
        (
            "settling",
            f"{how.settle_calls} calls and {how.settle_ms:g} ms before each block" if how.settle_calls else None,
        ),
        ("fresh processes", f"{how.fresh} for each measurement" if how.fresh else None),
        ("took", f"{seen.seconds:,.1f} s"),
        ("other work", None if seen.others_cores is None else f"{seen.others_cores:.2f} of {device.cores} cores"),
        ("governor", _change(seen.governor_before, seen.governor_after)),
        ("temperature", _change(_celsius(seen.temperature_c_before), _celsius(seen.temperature_c_after))),
        *_looks(seen.series),
        ("held back", _held(seen.throttled_before, seen.throttled_after)),
    ]
    known = tuple((term, words) for term, words in terms if words)
    skipped = tuple(dict.fromkeys(f"{one.variant} in {one.backend}: {one.reason}" for one in record.skipped))
    return MethodTable(entry, known, skipped)


def _runtime(backend: object) -> str:
    name, version, detail = (str(getattr(backend, key)) for key in ("name", "version", "detail"))
    return f"{name} {version}" + (f" ({detail})" if detail else "")


def _rounds(rounds: int, block: int) -> str:
    return f"{rounds:,} rounds of {block:,}" if rounds > 1 else f"{block:,} in one go"


def _joined(*words: str | None) -> str:
    return ", ".join(dict.fromkeys(word for word in words if word))


def _named(name: str, value: str | None) -> str | None:
    return None if value is None else f"{name} {value}"


def _unit(name: str, value: float | None, unit: str) -> str | None:
    return None if value is None else f"{name} {value:,.0f} {unit}".strip()


def _mib(value: int | None) -> str | None:
    return None if value is None else f"{value:,} MiB"


def _celsius(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} °C"


def _change(before: str | None, after: str | None) -> str | None:
    if before is None and after is None:
        return None
    return before if before == after else f"{before or 'unknown'}, then {after or 'unknown'}"


def _looks(series: Series | None) -> list[tuple[str, str | None]]:
    """From where to where the device's own figures went meanwhile."""
    if series is None:
        return []
    found: list[tuple[str, str | None]] = []
    for term, values, unit in (
        ("meanwhile", series.temperature_c, "°C"),
        ("clock", series.mhz, "MHz"),
        ("highest clock allowed", series.limit_mhz, "MHz"),
        ("power", series.power_w, "W"),
    ):
        known = [value for value in values or () if value is not None]
        if known:
            low, high = f"{min(known):,.4g}", f"{max(known):,.4g}"
            found.append((term, f"{low} {unit}" if low == high else f"{low} to {high} {unit}"))
    return found


def _held(before: dict[str, object] | None, after: dict[str, object] | None) -> str | None:
    """What a Raspberry Pi's firmware said, before and after."""
    if before is None and after is None:
        return None
    said: list[str] = []
    for state in (before or {}, after or {}):
        for key in ("now", "since_boot"):
            listed = state.get(key)
            said += map(str, listed) if isinstance(listed, list | tuple) else []
    return ", ".join(dict.fromkeys(said)) or "never since boot"
