"""What a comparison tells: which runs nothing else beats, which are alike, what over- or underfits, what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onsight_benchmarks.accuracy_intervals import difference


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a run when it is judged.

    Attributes:
        name, arch, recipe: as in RunFacts.
        correct, pictures: on the common test part.
        parameters: of the network.
        bytes, inference_ms: of its int8 file; None where it was not measured.
        gap: training minus validation accuracy, a share.
        finding, sentence: its diagnosis.
        interrupted: a signal ended its training.
    """

    name: str
    arch: str
    recipe: str
    correct: int
    pictures: int
    parameters: int
    bytes: int | None
    inference_ms: float | None
    gap: float
    finding: str
    sentence: str
    interrupted: bool


def pareto(costs: Sequence[float | None], gains: Sequence[float]) -> tuple[int, ...]:
    """Positions that no other beats: none costs at most as much and gains at least as much, one of both strictly.

    Args:
        costs: less is better; None is unknown and never on the front.
        gains: more is better, as many.

    Returns:
        Ascending by cost, then by position.
    """
    known = [(cost, gains[i], i) for i, cost in enumerate(costs) if cost is not None]
    front = [
        (cost, i)
        for cost, gain, i in known
        if not any(c <= cost and g >= gain and (c < cost or g > gain) for c, g, _ in known)
    ]
    return tuple(i for _, i in sorted(front))


def advise(runs: Sequence[Judged]) -> tuple[str, ...]:
    """Sentences for people, the most important first.

    Args:
        runs: sorted by accuracy, the best first; all on the same test pictures; at least one.
    """
    said: list[str] = []
    if len(runs) > 1:
        said += [_best(runs), *_small(runs), *_beaten(runs)]
    said += [_fit(run) for run in runs if run.finding in ("overfitting", "underfitting", "unclear")]
    said += _next(runs)
    return tuple(said)


def _apart(a: Judged, b: Judged) -> bool:
    low, _ = difference(a.correct, b.correct, a.pictures)
    return low > 0


def _best(runs: Sequence[Judged]) -> str:
    best = runs[0]
    alike = [run.name for run in runs[1:] if not _apart(best, run)]
    if alike:
        return (
            f"{best.name} is the most accurate, but {best.pictures:,} test pictures cannot tell it from "
            f"{_listed(alike)}: choose by cost, or test on more pictures."
        )
    return f"{best.name} is the most accurate, by more than chance on {best.pictures:,} test pictures explains."


def _small(runs: Sequence[Judged]) -> list[str]:
    """The cheapest run that is as good as the best, where that is another one."""
    best = runs[0]
    alike = [run for run in runs[1:] if not _apart(best, run)]
    said = []
    for what, costs in (
        ("smaller", {run.name: run.bytes for run in runs}),
        ("faster", {run.name: run.inference_ms for run in runs}),
    ):
        top = costs[best.name]
        cheaper = [(cost, run.name) for run in alike if (cost := costs[run.name]) is not None]
        if top is None or not cheaper:
            continue
        least, name = min(cheaper)
        if least < top:
            said.append(f"{name} is {top / least:.1f}x {what} than {best.name}, at an accuracy that is as good.")
    return said


def _beaten(runs: Sequence[Judged]) -> list[str]:
    """Runs that another one beats by accuracy, size and latency at once."""
    said = []
    for i, run in enumerate(runs):
        if run.bytes is None or run.inference_ms is None:
            continue
        for better in runs[:i]:
            if (
                better.bytes is not None
                and better.inference_ms is not None
                and _apart(better, run)
                and better.bytes <= run.bytes
                and better.inference_ms <= run.inference_ms
            ):
                said.append(f"{run.name} is beaten by {better.name} in accuracy, size and latency: drop it.")
                break
    return said


def _fit(run: Judged) -> str:
    return f"{run.name}: {run.sentence}" + (" Its training was interrupted." if run.interrupted else "")


def _next(runs: Sequence[Judged]) -> list[str]:
    """What to train next, as far as the runs beside each other tell."""
    said = []
    for run in runs:
        if run.finding != "overfitting":
            continue
        milder = [
            r for r in runs if r.arch == run.arch and r.recipe != run.recipe and r.gap < run.gap and _apart(r, run)
        ]
        if milder:
            said.append(
                f"{run.arch} gains {100 * (milder[0].correct - run.correct) / run.pictures:.1f} points with recipe "
                f"{milder[0].recipe} over {run.recipe}: its gap falls from {100 * run.gap:.1f} to "
                f"{100 * milder[0].gap:.1f} points."
            )
    largest = max(runs, key=lambda run: run.parameters)
    if len({run.parameters for run in runs}) > 1:
        if runs[0] is largest and largest.finding == "underfitting":
            said.append(
                f"The largest network, {largest.name}, is the best and underfits: train it longer, then larger."
            )
        elif largest.finding == "overfitting" and runs[0] is not largest:
            said.append(
                f"The largest network, {largest.name}, overfits and is not the best: regularise it before trying a "
                "larger one."
            )
    if all(run.finding == "balanced" for run in runs):
        said.append("Nothing over- or underfits: a larger --arch, --recipe best or --teacher RUN may gain more.")
    return said


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
