"""From process start to exit: `onsight predict photo.jpg` beside a bare script that does the same.

Fresh processes of the two alternate, the order within each pair drawn anew. The bare script (bare_predict.py) imports
numpy, cv2 and ai_edge_litert, reads the picture, resizes, converts, invokes and prints the label. Both find bytecode,
as what pip installed has it: in a temporary folder that the unmeasured runs fill, since a checkout may have none.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_benchmarks.stats import paired_ratio, summarise
from onsight_edge.bundle import open_model
from onsight_edge.errors import BenchmarkError, UsageError
from onsight_edge.files import write_text

MOST_RATIO = 1.3
RUNS = 20
_UNMEASURED = 2  # of each: they bring the files into the page cache
_BARE = Path(__file__).with_name("bare_predict.py")


def measure(
    model: str | Path = "default",
    *,
    variant: str | None = None,
    runs: int = RUNS,
    image: Path | None = None,
    seed: int = 0,
) -> Report:
    """Measure the start-up.

    Args:
        model, variant: a .tflite model that takes uint8; `default` is the shipped one.
        runs: processes of each side.
        image: a picture file; without one the synthetic frame as a JPEG.
        seed: of the order and the synthetic frame.

    Raises:
        UsageError: no runs. BenchmarkError: one of the two processes fails, or there is no onsight command.
    """
    if runs < 1:
        raise UsageError("start-up needs at least one run")
    frame, picture = make_frame(image, seed)
    file = open_model(model, variant=variant, model_format="tflite" if variant is None else None)
    with tempfile.TemporaryDirectory(prefix="onsight-") as folder:
        photo, labels = Path(folder) / "photo.jpg", Path(folder) / "labels.txt"
        if not cv2.imwrite(str(photo), frame):
            raise BenchmarkError(f"cannot write {photo}")
        write_text(labels, "\n".join(file.spec.classes) + "\n")
        named = [] if str(model) == "default" else [str(Path(model).resolve())]
        chosen = ["--variant", file.variant] if file.bundle and str(model) != "default" else []
        commands = {
            "onsight": [*onsight_command(), "predict", *named, *chosen, str(photo)],
            "bare": [sys.executable, str(_BARE), str(file.path.resolve()), str(labels), str(photo)],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        rng = random.Random(seed)
        for _ in range(_UNMEASURED):
            for command in commands.values():
                _run(command, folder)
        watch = Watch()
        for _ in range(runs):
            for name in rng.sample(sorted(commands), len(commands)):
                taken[name].append(_run(commands[name], folder))
    ratio = paired_ratio(taken["onsight"], taken["bare"], seed)
    medians = {name: summarise(values, digits=3) for name, values in taken.items()}
    return finish(
        "startup",
        watch,
        method={
            "model": describe_model(file),
            "picture": picture,
            "seed": seed,
            "runs": runs,
            "unmeasured": _UNMEASURED,
            "commands": {"onsight": "onsight predict photo.jpg", "bare": "python bare_predict.py"},
        },
        results={
            "process_ms": medians,
            "ratio": ratio,
            "ratio_of_medians": round(medians["onsight"].p50 / medians["bare"].p50, 4),
            "values_ms": {name: [round(value, 3) for value in values] for name, values in taken.items()},
        },
        targets=(Target("onsight predict over the bare script, process start to exit", ratio.median, MOST_RATIO),),
        objections=() if runs >= RUNS else (f"{runs} runs of each; at least {RUNS} are needed",),
        children=True,
    )


def onsight_command() -> list[str]:
    """The installed `onsight` command: the one beside this interpreter, else the one on the PATH.

    Raises:
        BenchmarkError: there is none.
    """
    beside = Path(sys.executable).with_name("onsight")
    if os.access(beside, os.X_OK):
        return [str(beside)]
    if found := shutil.which("onsight"):
        return [found]
    raise BenchmarkError("no `onsight` command beside this Python or on the PATH: pip install . in its checkout")


def _run(command: list[str], folder: str) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
    started = time.perf_counter_ns()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    taken_ms = (time.perf_counter_ns() - started) / 1e6
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise BenchmarkError(f"{Path(command[0]).name} {Path(command[1]).name} failed: {last}")
    return taken_ms


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("model", nargs="?", default="default", help="a .tflite model or a bundle; default: the shipped")
    parser.add_argument("--variant", help="which of a bundle's TFLite variants")
    parser.add_argument("--runs", type=int, default=RUNS, help="processes of each side (%(default)s)")
    parser.add_argument("--image", type=Path, help="a picture in place of the synthetic frame")
    parser.add_argument("--seed", type=int, default=0, help="of the order and the synthetic frame")
    options = parser.parse_args()
    report = measure(options.model, variant=options.variant, runs=options.runs, image=options.image, seed=options.seed)
    lines = [
        f"{name}: p50 {one.p50:.0f} ms, p90 {one.p90:.0f} ms" for name, one in report.results["process_ms"].items()
    ]
    lines.append(f"onsight / bare {report.results['ratio']}")
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
