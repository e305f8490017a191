"""How often the sentinel finds what is wrong with the pictures, and how often it cries wolf.

Runs of 10 s with five looks a second, in simulated time, through the model's own preprocessing: test pictures of a
data set that pass by, one test picture that stays, and, where given, photographs (still, and cut-outs of them passing
by) and video files (10 s of each, from a random place). Each run is played as it is and perturbed. Detected: the right
warning came. False alarm: any warning on pictures as they are.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import summarise
from onsight_edge.bundle import open_model
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import DataError, ModelError, UsageError
from onsight_edge.frame import Frame, Prediction
from onsight_edge.images import SUFFIXES, read_image
from onsight_edge.preprocess import Preprocessor
from onsight_edge.sentinel import BLACK, DARK, OVEREXPOSED, SWAPPED, UNLIKE, Sentinel
from onsight_edge.sources.video import VideoSource

RUNS = 200
LOOKS = 50
LOOKS_A_SECOND = 5
_CUT_WH = (320, 240)
_NOBODY = Prediction(0, 1.0, np.ones(1, np.float32), ("",))
Picture = NDArray[np.uint8]
Change = Callable[[Picture, np.random.Generator], Picture]


def _as_it_is(image: Picture, rng: np.random.Generator) -> Picture:
    return image


def _swapped(image: Picture, rng: np.random.Generator) -> Picture:
    return np.ascontiguousarray(image[..., ::-1])


def _dark(image: Picture, rng: np.random.Generator) -> Picture:
    return cv2.convertScaleAbs(image, alpha=0.15)  # type: ignore[return-value]


def _overexposed(image: Picture, rng: np.random.Generator) -> Picture:
    return cv2.convertScaleAbs(image, alpha=3.0, beta=60)  # type: ignore[return-value]


def _black(image: Picture, rng: np.random.Generator) -> Picture:
    return np.abs(rng.normal(2, 3, image.shape)).astype(np.uint8)


def _noise(image: Picture, rng: np.random.Generator) -> Picture:
    return rng.integers(0, 256, image.shape, np.uint8)


def _one_colour(image: Picture, rng: np.random.Generator) -> Picture:
    return np.full_like(image, rng.integers(60, 200, 3, np.uint8))


# what a picture becomes -> the warning that must come; noise has the colours, contrast and sharpness of a lawn
CHANGES: dict[str, tuple[Change, str | None]] = {
    "as it is": (_as_it_is, None),
    "red and blue swapped": (_swapped, SWAPPED),
    "15 % of the light": (_dark, DARK),
    "3 times the light": (_overexposed, OVEREXPOSED),
    "lens cap with sensor noise": (_black, BLACK),
    "noise": (_noise, UNLIKE),
    "one colour": (_one_colour, UNLIKE),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """What came of the runs of one kind of pictures, changed in one way.

    Attributes:
        runs: how many.
        warned: the share with the right warning; of unchanged pictures the share with any.
        after_s: median seconds until that, None where it never came.
        others: share of runs with another warning, by kind.
    """

    runs: int
    warned: float
    after_s: float | None
    others: dict[str, float]


class _Seen:
    """What the model sees, without the model."""

    def __init__(self, preprocess: Preprocessor) -> None:
        self._preprocess = preprocess
        self.seen: Picture = np.zeros((1, 1, 3), np.uint8)

    def show(self, image_bgr: Picture) -> None:
        self.seen = self._preprocess.pixels(image_bgr)


def measure(
    model: str | Path = "default",
    *,
    data: str = "cifar10",
    photos: Path | None = None,
    videos: tuple[Path, ...] = (),
    runs: int = RUNS,
    seed: int = 0,
) -> Report:
    """Measure detection and false alarms.

    Args:
        model: any that has input_statistics in its spec.
        data: a data set whose test pictures are like the training's.
        photos: a folder of photographs.
        videos: video files.
        runs: of each kind and change; of a still kind each shows another picture.
        seed: of which pictures.

    Raises:
        UsageError: no runs. ModelError: the model does not know its training pictures. DataError: pictures are missing.
    """
    if runs < 1:
        raise UsageError("--runs must be at least 1")
    file = open_model(model)
    statistics = file.spec.input_statistics
    if statistics is None:
        raise ModelError(f"{file.path} does not say what its training pictures were like: export it again")
    seen = _Seen(Preprocessor(file.spec))
    sequences = _sequences(data, file.spec.input_size_wh, photos, videos)
    watch = Watch()
    found: dict[str, dict[str, Rate]] = {}
    for kind, sequence in sequences.items():
        found[kind] = {}
        for number, (name, (change, wanted)) in enumerate(CHANGES.items()):
            rngs = [np.random.default_rng((seed, number, run)) for run in range(runs)]
            told = [
                _told(Sentinel(seen, statistics, clock_ns=lambda: 0), seen, sequence(run, rng), change, rng)
                for run, rng in enumerate(rngs)
            ]
            found[kind][name] = _rate(told, wanted)
    passing = found["test pictures passing by"]
    return finish(
        "sentinel",
        watch,
        method={
            "model": describe_model(file),
            "data": data,
            "photographs": None if photos is None else len(_photographs(photos)),
            "videos": [video.name for video in videos],
            "runs": runs,
            "looks": LOOKS,
            "looks_a_second": LOOKS_A_SECOND,
            "seed": seed,
        },
        results={kind: {name: _json(rate) for name, rate in rates.items()} for kind, rates in found.items()},
        targets=(
            Target("false alarms, test pictures passing by, share of 10 s runs", passing["as it is"].warned, 0.01),
            *(
                Target(f"detected: {name}, test pictures passing by", rate.warned, 0.95, at_most=False)
                for name, rate in passing.items()
                if CHANGES[name][1] is not None and name != "noise"
            ),
        ),
        objections=() if runs >= RUNS else (f"{runs} runs of each; {RUNS} are needed",),
        timed=False,
    )


Sequence = Callable[[int, np.random.Generator], Iterator[Picture]]


def _sequences(
    data: str, size_wh: tuple[int, int], photos: Path | None, videos: tuple[Path, ...]
) -> dict[str, Sequence]:
    pictures = load_dataset(data).test.images
    if not len(pictures):
        raise DataError(f"{data} has no test pictures")
    frames = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) for picture in pictures]

    def passing(run: int, rng: np.random.Generator) -> Iterator[Picture]:
        return (frames[at] for at in rng.integers(0, len(frames), LOOKS))

    def still(run: int, rng: np.random.Generator) -> Iterator[Picture]:
        at = int(rng.integers(0, len(frames)))
        return (frames[at] for _ in range(LOOKS))

    found: dict[str, Sequence] = {"test pictures passing by": passing, "one test picture that stays": still}
    if photos is not None:
        shots = _photographs(photos)

        def photograph(run: int, rng: np.random.Generator) -> Iterator[Picture]:
            return (shots[run % len(shots)] for _ in range(LOOKS))

        def cuts(run: int, rng: np.random.Generator) -> Iterator[Picture]:
            return (_cut(shots[int(rng.integers(0, len(shots)))], rng) for _ in range(LOOKS))

        found |= {"one photograph that stays": photograph, "cut-outs of photographs passing by": cuts}
    for path in videos:
        clip = _looks(path)

        def film(run: int, rng: np.random.Generator, clip: list[Picture] = clip) -> Iterator[Picture]:
            start = int(rng.integers(0, max(1, len(clip) - LOOKS + 1)))
            return iter(clip[start : start + LOOKS])

        found[f"video {path.name}"] = film
    return found


def _photographs(folder: Path) -> list[Picture]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(f"{folder} holds no picture")
    return [_fitted(read_image(path)) for path in paths]


def _fitted(image: Picture) -> Picture:
    """At most 640 pixels wide and 480 high: what a camera gives."""
    scale = min(1.0, 640 / image.shape[1], 480 / image.shape[0])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _cut(image: Picture, rng: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    wide, high = min(_CUT_WH[0], width), min(_CUT_WH[1], height)
    left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    return image[top : top + high, left : left + wide]


def _looks(path: Path) -> list[Picture]:
    """Five frames of each second of a video."""
    source = VideoSource(path)
    step = max(1, round((source.fps or 30.0) / LOOKS_A_SECOND))
    found: list[Picture] = []
    while (frame := source.read()) is not None:
        if frame.index % step == 0:
            found.append(cv2.resize(frame.image_bgr, (320, 240), interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]
    source.close()
    return found


def _told(
    sentinel: Sentinel, seen: _Seen, pictures: Iterator[Picture], change: Change, rng: np.random.Generator
) -> dict[str, float]:
    """The warnings of one run, each with the seconds until it came."""
    told: dict[str, float] = {}
    for look, picture in enumerate(pictures):
        seen.show(change(picture, rng))
        now_s = (look + 1) / LOOKS_A_SECOND
        for notice in sentinel.look(Frame(picture, look, 0), _NOBODY, round(now_s * 1e9)):
            if not notice.over:
                told.setdefault(notice.kind, now_s)
    return told


def _rate(told: list[dict[str, float]], wanted: str | None) -> Rate:
    if wanted is None:
        after = [min(one.values()) for one in told if one]
        others = Counter(kind for one in told for kind in one)
    else:
        after = [one[wanted] for one in told if wanted in one]
        others = Counter(kind for one in told for kind in one if kind != wanted)
    return Rate(
        len(told),
        round(len(after) / len(told), 4),
        round(summarise(after, digits=2).p50, 2) if after else None,
        {kind: round(count / len(told), 4) for kind, count in sorted(others.items())},
    )


def _json(rate: Rate) -> dict[str, Any]:
    return {"runs": rate.runs, "warned": rate.warned, "after_s": rate.after_s, "others": rate.others}


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a model file or a bundle; default: the shipped")
    parser.add_argument("--data", default="cifar10", help="a data set like the training's (%(default)s)")
    parser.add_argument("--photos", type=Path, help="a folder of photographs")
    parser.add_argument("--video", type=Path, action="append", default=[], help="a video file; may be given again")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each kind and change (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of which pictures")
    options = parser.parse_args()
    report = measure(
        options.model,
        data=options.data,
        photos=options.photos,
        videos=tuple(options.video),
        runs=options.runs,
        seed=options.seed,
    )
    lines = []
    for kind, rates in report.results.items():
        lines.append(kind)
        for name, rate in rates.items():
            after = "" if rate["after_s"] is None else f" after {rate['after_s']:g} s"
            others = ", ".join(f"{other} {share:.1%}" for other, share in rate["others"].items())
            lines.append(f"  {name}: warned {rate['warned']:.1%}{after}" + (f" ({others})" if others else ""))
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
