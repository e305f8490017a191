"""What figures mean, in words that screen and page share."""

from __future__ import annotations

from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.ratios import Relative, times
from onsight_benchmarks.comparison.subjects import Subject
from onsight_benchmarks.measurement import Scenario

_METRICS = {
    "p90_ms": "p90 {:.3f} ms",
    "p99_ms": "p99 {:.3f} ms",
    "age_p90_ms": "age p90 {:.1f} ms",
    "pictures_per_s": "{:,.0f} pictures/s",
}


def span_words(comparison: Comparison) -> str:
    """From where to where a call's time goes."""
    if comparison.network_alone:
        return "the network alone, from its input to its scores"
    if not any(subject.serial for subject in comparison.subjects):
        return "answered frames, from due to an output"
    if all(subject.from_frame for subject in comparison.subjects):
        return "from the frame to the prediction"
    return "from the network's input on the host to its scores there"


def best_sentence(comparison: Comparison, best: Subject) -> str:
    """A record's fastest, beside the reference where it is another."""
    p50 = best.p50_ms
    figure = f"{best.fps:,.0f} pictures a second" if p50 is None else f"{p50:.3f} ms a call"
    if not best.serial and best.measured.scenario is not None:
        figure = scenario_words(best.measured.scenario)
    which = "fastest" if best.serial else "youngest frames"
    whose = f"{best.entry.letter}'s {which}" if len(comparison.entries) > 1 else which.capitalize()
    said = f"{whose} on {best.entry.device}: {best.label}, {figure}"
    beside = comparison.relative(best)
    whole = None if beside is None else beside.time
    if whole is None:
        return said + "."
    return f"{said}: {relative_words(whole, comparison.reference.name)}."


def relative_words(relative: Relative, other: str) -> str:
    """`0.16x (0.15-0.17) of the time of A tflite-int8/litert/1, 6.2 times as fast`."""
    said = f"{relative} of the time of {other}"
    if relative.answer == "no difference":
        return f"{said}, no difference that this could show"
    if relative.ratio < 1:
        return f"{said}, {times(1 / relative.ratio)} times as fast"
    return said


def scenario_words(scenario: Scenario) -> str:
    """A scenario and its figure: `single-stream, p90 1.234 ms`."""
    figure = _METRICS.get(scenario.metric, f"{scenario.metric.replace('{', '')} {{:g}}").format(scenario.value)
    several = f", {scenario.pictures_per_query} a query" if scenario.pictures_per_query > 1 else ""
    return f"{scenario.name}{several}: {figure}"
