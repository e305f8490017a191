"""The page's first sight: one figure, what it says, and a tile for each record's fastest."""

from __future__ import annotations

from dataclasses import dataclass

from onsight_benchmarks.comparison.charts.figure import ms
from onsight_benchmarks.comparison.comparison import Comparison
from onsight_benchmarks.comparison.ratios import Relative, time_ratio, times
from onsight_benchmarks.comparison.subjects import Subject
from onsight_benchmarks.comparison.wording import span_words

_UNSURE = 0.1  # without an interval, a smaller difference makes no headline


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure and what it is."""

    figure: str
    words: str


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above everything.

    Attributes:
        title: of the page.
        figure, words: the headline and the sentence below it.
        caution: why the headline must not be believed; empty where nothing speaks against it.
        tiles: more figures.
    """

    title: str
    figure: str
    words: str
    caution: str
    tiles: tuple[Tile, ...]


def head(comparison: Comparison) -> Head:
    """The headline of one record: its fastest's median; of several: how many times as fast the fastest is."""
    return _of_one(comparison) if len(comparison.entries) == 1 else _of_several(comparison)


def _of_one(comparison: Comparison) -> Head:
    best = comparison.best[0]
    entry, one = best.entry, best.measured
    whole = best.whole
    if best.serial:
        tiles = [Tile(_fps(best.fps), "pictures a second, one after the other")]
        if whole is not None:
            tiles.append(Tile(f"{ms(whole.p99)} ms", "p99: one call in a hundred takes longer"))
    else:
        tiles = [Tile(_fps(best.fps), "results a second, at the camera's pace")]
        if one.age_ms is not None:
            tiles.append(Tile(f"{ms(one.age_ms.p99)} ms", "p99: one frame in a hundred was older"))
    if one.accuracy is not None and one.accuracy.pictures:
        tiles.append(Tile(f"{100 * one.accuracy.correct / one.accuracy.pictures:.2f} %", "accuracy, by its export"))
    if one.energy is not None:
        tiles.append(Tile(f"{one.energy.mj_per_picture:.3g} mJ", "a picture, idle power included"))
    if one.init_ms is not None:
        tiles.append(Tile(f"{one.init_ms:.0f} ms", "to open the model in a fresh process"))
    if one.rss_mib is not None:
        tiles.append(Tile(f"{one.rss_mib:.0f} MiB", "of memory in such a process"))
    count = len(comparison.subjects)
    if not best.serial and one.scenario is not None:
        figure = f"{ms(one.scenario.value)} ms"
        what = "nine frames in ten were no older when a result of them, or of a newer one, was published"
    elif whole is None or not best.one_frame:
        figure, what = f"{_fps(best.fps)} pictures/s", "pictures a second"
    else:
        figure, what = f"{ms(whole.p50)} ms", f"median, {span_words(comparison)}"
    fastest = f", the {'fastest' if best.serial else 'best'} of {count} measurements" if count > 1 else ""
    return Head(
        title=f"{one.model.name} on {entry.device}",
        figure=figure,
        words=f"{what}: {best.label}{fastest}.",
        caution=_caution(comparison),
        tiles=tuple(tiles),
    )


def _of_several(comparison: Comparison) -> Head:
    models = list(dict.fromkeys(one.measured.model.name for one in comparison.subjects))
    title = f"{' and '.join(models[:2])}{' and others' if len(models) > 2 else ''}: {_devices(comparison)}"
    timed = sorted((b for b in comparison.best if b.one_frame and b.p50_ms and not b.entry.dry_run), key=_p50)
    tiles = tuple(_tile(one) for one in comparison.best)
    if len(timed) < 2:
        figure, words = f"{len(comparison.entries)} records", "No two of them time single frames that compare."
        if any(entry.dry_run for entry in comparison.entries):
            figure, words = (
                "A dry run",
                "A GPU's measurement was rehearsed on a processor: nothing to compare with yet.",
            )
        return Head(title, figure, words, _caution(comparison), tiles)
    fast, slow = timed[0], timed[-1]
    relative = time_ratio(fast, slow, comparison.seed)
    assert relative is not None  # both have a p50 above 0
    told_apart = relative.ratio < 1 - _UNSURE if relative.answer is None else relative.answer == "faster"
    if not told_apart:
        figure = "No difference"
        words = f"{fast.name} takes {relative} of the time of {slow.name}: nothing that this could show."
    else:
        figure = f"{fast.entry.letter} is {times(1 / relative.ratio)}× as fast as {slow.entry.letter}"
        words = (
            f"{fast.entry.letter} ({fast.entry.device}, {fast.label}) takes {ms(fast.p50_ms or 0)} ms, "
            f"{slow.entry.letter} ({slow.entry.device}, {slow.label}) {ms(slow.p50_ms or 0)} ms"
            f"{_surely(relative)}. Median, {span_words(comparison)}."
        )
    return Head(title, figure, words, _caution(comparison), tiles)


def _surely(relative: Relative) -> str:
    if relative.low is None or relative.high is None or relative.low <= 0:
        return ""
    return f": {times(1 / relative.high)} to {times(1 / relative.low)} times as fast (interval)"


def _tile(best: Subject) -> Tile:
    figure = f"{_fps(best.fps)} /s" if best.p50_ms is None else f"{ms(best.p50_ms)} ms"
    return Tile(figure, f"{best.entry.letter}, {best.entry.device}: {best.label}")


def _caution(comparison: Comparison) -> str:
    dry = [entry.letter for entry in comparison.entries if entry.dry_run]
    invalid = [e.letter for e in comparison.entries if not e.record.valid and not e.dry_run]
    said = []
    if dry:
        are = "is a dry run" if len(dry) == 1 else "are dry runs"
        said.append(f"{_and(dry)} {are} without a GPU: no GPU's figures.")
    if invalid:
        who = "This record does" if len(comparison.entries) == 1 else _and(invalid) + (" does", " do")[len(invalid) > 1]
        said.append(f"{who} not count as valid.")
    return " ".join(said)


def _devices(comparison: Comparison) -> str:
    names = list(dict.fromkeys(entry.device for entry in comparison.entries))
    return " against ".join(names) if len(names) < 3 else _and(names)


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _fps(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _p50(subject: Subject) -> float:
    return subject.p50_ms or 0.0
