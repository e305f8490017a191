"""What bringing a 640x480 frame down to a network's input costs, and what it changes.

Cost: every way (down_scaling.py) and the model's bare invoke take turns in one process, one OpenCV thread, as in
onsight_benchmarks.rounds; the ratios are medians of the ratios of the blocks' medians.

What it changes: the share of frames that get the label which they get when every pixel is averaged (`INTER_AREA`), by
the int8 file and by the float32 file of the same bundle, and the mean absolute difference from that average. Frames
are a data set's test pictures magnified to 640x480 (cubic and linear), and crops of photographs: rectangles of 4:3,
between half and all of the largest that fits, anywhere in the picture, brought to 640x480. Drawn from a seed.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.down_scaling import FLOOR, OURS, REFERENCE, ways
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import FRAME_SIZE_WH, make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, measure_rounds, timed_call
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.bundle import ModelFile, open_model
from onsight_edge.classifier import Classifier
from onsight_edge.datasets import load_dataset
from onsight_edge.errors import BenchmarkError
from onsight_edge.files import sha256_bytes
from onsight_edge.images import SUFFIXES, read_image

MOST_RATIO = 0.15
LEAST_AGREEMENT = 0.995
ITERATIONS = 1000
CROPS = 5000
JUDGES = ("tflite-int8", "tflite-float32")
_MAGNIFIED = {"cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR}
_LARGE = 512  # pixels of the smaller side: a photograph


@dataclass(frozen=True, slots=True)
class Frames:
    """What a way is judged on.

    Attributes:
        name: for the record.
        count: how many frames.
        sha256: of what they were made of.
        labels: the truth, where it is known.
    """

    name: str
    count: int
    sha256: str
    labels: NDArray[np.int64] | None = None


def measure(
    bundle: str | Path,
    data: str | None = "cifar10",
    *,
    photographs: Path | None = None,
    limit: int | None = None,
    crops: int = CROPS,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> Report:
    """Measure cost and agreement.

    Args:
        bundle: with a `tflite-int8` variant, and a `tflite-float32` one as second judge where it is there.
        data: a data set whose test pictures are magnified; None leaves them out.
        photographs: a folder of large pictures; None leaves them out.
        limit: only so many of the data set's pictures, stratified.
        crops: of photographs, all of them in turn.
        iterations: timed calls of each way.
        seed: of the crops, the order of the timing, and the frame that is timed.

    Raises:
        BenchmarkError: the folder holds no picture. ModelError, DataError: no such bundle or data set.
    """
    file = open_model(bundle, variant=JUDGES[0])
    size_wh = file.spec.input_size_wh
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    watch = Watch()
    try:
        cost = _cost(file, iterations, seed)
        judges = [Classifier.open(bundle, variant=name, threads=1) for name in _judges(bundle)]
        found = []
        if data is not None:
            test = load_dataset(data, size_wh=size_wh, limit=limit).test
            digest = sha256_bytes(test.images.tobytes())
            for how, flag in _MAGNIFIED.items():
                frames = Frames(f"{data} test pictures, magnified {how}", len(test), digest, test.labels)
                magnified = (
                    cv2.resize(np.ascontiguousarray(image[..., ::-1]), FRAME_SIZE_WH, interpolation=flag)
                    for image in test.images
                )
                found.append(_changes(frames, magnified, judges, size_wh))  # type: ignore[arg-type]
        if photographs is not None:
            read = _photographs(photographs)
            digest = sha256_bytes(b"".join(image.tobytes() for image in read))
            frames = Frames(f"crops of {len(read)} photographs", crops, digest)
            found.append(_changes(frames, _crops(read, crops, seed), judges, size_wh))
    finally:
        cv2.setNumThreads(threads)
    targets = [Target("resize over the int8 file's invoke", cost[OURS]["of_invoke"].median, MOST_RATIO)]
    for one in found:
        for judge, agreement in one["ways"][OURS]["agreement"].items():
            what = f"same label as with the area average, {one['frames']}, by {judge}"
            targets.append(Target(what, agreement, LEAST_AGREEMENT, at_most=False))
    return finish(
        "preprocess",
        watch,
        method={
            "model": describe_model(file),
            "size_wh": list(size_wh),
            "frame_wh": list(FRAME_SIZE_WH),
            "opencv_threads": 1,
            "seed": seed,
            "iterations": iterations,
            "block": BLOCK,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
        },
        results={"cost": cost, "changes": found},
        targets=tuple(targets),
    )


def _cost(file: ModelFile, iterations: int, seed: int) -> dict[str, dict[str, Any]]:
    """By way: the time of a call in microseconds, and how many times the invoke's it is."""
    from ai_edge_litert.interpreter import Interpreter

    frame, _ = make_frame(None, seed)
    interpreter = Interpreter(model_content=file.data, num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    tried = {name: way for name, way in ways(FRAME_SIZE_WH, file.spec.input_size_wh).items() if name != FLOOR}
    calls = [timed_call(interpreter.invoke), *(timed_call(partial(way, frame)) for way in tried.values())]
    rounds = measure_rounds(calls, iterations=iterations, rng=random.Random(seed))
    medians = [[float(np.median(block)) for block in blocks] for blocks in rounds]
    found: dict[str, dict[str, Any]] = {}
    for name, blocks, own in zip(("invoke", *tried), rounds, medians, strict=True):
        found[name] = {
            "us": summarise(np.concatenate(blocks)[:, 0] / 1e3, digits=3),
            "of_invoke": paired_ratio(own, medians[0], seed),
        }
    return found


def _changes(
    frames: Frames, pictures: Iterator[NDArray[np.uint8]], judges: list[Classifier], size_wh: tuple[int, int]
) -> dict[str, Any]:
    """For every way: how often its label is the reference's, by judge, how far its pixels are away, how often right."""
    tried = ways(FRAME_SIZE_WH, size_wh)
    labels = {name: np.empty((len(judges), frames.count), np.int64) for name in tried}
    away = dict.fromkeys(tried, 0.0)
    for place, picture in enumerate(pictures):
        reference = tried[REFERENCE](picture).astype(np.int16)
        for name, way in tried.items():
            small = way(picture)
            away[name] += float(np.abs(small - reference).mean())
            pixels = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[np.newaxis]
            for row, judge in enumerate(judges):
                labels[name][row, place] = judge.scores(pixels)[0].argmax()  # type: ignore[arg-type]
    names = [judge.model.variant for judge in judges if judge.model is not None]
    found: dict[str, dict[str, Any]] = {}
    for name in tried:
        same = (labels[name] == labels[REFERENCE]).mean(axis=1)
        found[name] = {
            "agreement": {judge: round(float(share), 6) for judge, share in zip(names, same, strict=True)},
            "mean_difference": round(away[name] / frames.count, 4),
        }
        if frames.labels is not None:
            right = (labels[name] == frames.labels).mean(axis=1)
            found[name]["accuracy"] = {judge: round(float(share), 6) for judge, share in zip(names, right, strict=True)}
    return {"frames": frames.name, "count": frames.count, "sha256": frames.sha256, "ways": found}


def _judges(bundle: str | Path) -> list[str]:
    from onsight_edge.bundle import DEFAULT_MODEL, Bundle

    variants = Bundle.open(DEFAULT_MODEL if str(bundle) == "default" else Path(bundle)).variants
    return [name for name in JUDGES if name in variants]


def _photographs(folder: Path) -> list[NDArray[np.uint8]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    found = [image for image in map(read_image, paths) if min(image.shape[:2]) >= _LARGE // 2]
    if not found:
        raise BenchmarkError(f"{folder} holds no photograph: expected pictures of at least {_LARGE // 2} pixels a side")
    return found


def _crops(photographs: list[NDArray[np.uint8]], count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    draw = np.random.default_rng(seed)
    wide, high = FRAME_SIZE_WH
    for number in range(count):
        image = photographs[number % len(photographs)]
        height, width = image.shape[:2]
        cut_w = int(min(width, height * wide / high) * draw.uniform(0.5, 1))
        cut_h = cut_w * high // wide
        left, top = draw.integers(0, width - cut_w + 1), draw.integers(0, height - cut_h + 1)
        how = cv2.INTER_AREA if cut_w > wide else cv2.INTER_CUBIC
        cut = image[top : top + cut_h, left : left + cut_w]
        yield cv2.resize(cut, FRAME_SIZE_WH, interpolation=how)  # type: ignore[misc]


def _table(report: Report) -> list[str]:
    cost, changes = report.results["cost"], report.results["changes"]
    lines = [f"invoke p50 {cost['invoke']['us'].p50:.0f} us"]
    lines += [f"{letter}: {one['count']:,} {one['frames']}" for letter, one in zip("abcdef", changes, strict=False)]
    names = dict.fromkeys([*cost, *(name for one in changes for name in one["ways"])])
    for name in names:
        if name == "invoke":
            continue
        timed = f"{cost[name]['us'].p50:5.0f} us {cost[name]['of_invoke'].median:.3f}x" if name in cost else 15 * " "
        parts = []
        for letter, one in zip("abcdef", changes, strict=False):
            way = one["ways"][name]
            shares = "/".join(f"{100 * share:.2f}" for share in way["agreement"].values())
            parts.append(f"{letter} {shares} % ±{way['mean_difference']:.2f}")
        lines.append(f"{name:30s} {timed}  {'  '.join(parts)}")
    return lines


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("bundle", nargs="?", default="default", help="with tflite-int8 and tflite-float32")
    parser.add_argument("data", nargs="?", default="cifar10", help="a data set; `none` leaves it out")
    parser.add_argument("--photographs", type=Path, help="a folder of photographs")
    parser.add_argument("--limit", type=int, help="only so many of the data set's pictures")
    parser.add_argument("--crops", type=int, default=CROPS, help="of the photographs (%(default)s)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="timed calls of each way (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of crops, order and the synthetic frame")
    options = parser.parse_args()
    report = measure(
        options.bundle,
        None if options.data == "none" else options.data,
        photographs=options.photographs,
        limit=options.limit,
        crops=max(1, options.crops),
        iterations=max(1, options.iterations),
        seed=options.seed,
    )
    return report, options, _table(report)


if __name__ == "__main__":
    run_command(_command)
