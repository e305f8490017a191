"""Instructions an arm64 processor executes for one 640x480 frame: whole `Classifier.classify`, and the bare invoke.

Counted by a QEMU plugin (tools/arm64/icount.c) around blocks of calls in a Debian arm64 userland, one thread, as
Cortex-A72 (Raspberry Pi 4) and Cortex-A76 (Raspberry Pi 5): a cost without noise, on any machine. No time is meant by
it: a Python instruction waits for memory more often than one of XNNPACK's. The bare invoke is set_tensor + invoke +
get_tensor of the same interpreter; what classify takes beyond it is pre- and postprocessing.

Needs this project's checkout, root and apt (for QEMU, once), and gcc.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.model_facts import describe_model
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, Target, arguments, finish, run_command
from onsight_edge.bundle import open_model
from onsight_edge.errors import BenchmarkError

CPUS = ("cortex-a72", "cortex-a76")
CALLS = 50
MOST_SHARE = 0.15
_WARMUP = 20
_MARK = 0x5EED00  # see icount.c
_GUEST = Path(__file__).resolve().parents[2] / "tools" / "arm64" / "guest.py"
_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Counted:
    """Guest instructions a call, on one processor.

    Attributes:
        model, variant: which model.
        cpu: which processor qemu was.
        classify: of `Classifier.classify` on the frame.
        invoke: of the interpreter alone.
        preprocess: of the frame to the input tensor.
        share: what classify takes on top of the invoke, as a share of the invoke.
    """

    model: str
    variant: str
    cpu: str
    classify: int
    invoke: int
    preprocess: int
    share: float


def measure(models: tuple[str, ...] = ("default",), *, release: str = "bookworm", calls: int = CALLS) -> Report:
    """Count.

    Args:
        models: bundles or .tflite files; of a bundle its tflite-int8.
        release: Debian's, of the userland.
        calls: of each kind; the count is the mean.

    Raises:
        BenchmarkError: no checkout, or the userland or the plugin cannot be had here.
    """
    if not _GUEST.is_file():
        raise BenchmarkError("instructions are counted with tools/arm64 of a checkout, and this onsight has none")
    _, picture = make_frame()
    watch = Watch()
    files = {model: open_model(model, model_format="tflite") for model in models}
    counted = tuple(
        count(model, release, cpu, calls, file.spec.name, prepare=(model, cpu) == (models[0], CPUS[0]))
        for model, file in files.items()
        for cpu in CPUS
    )
    return finish(
        "instructions",
        watch,
        method={
            "models": [describe_model(file) for file in files.values()],
            "userland": f"Debian {release} arm64, qemu-aarch64 user emulation",
            "threads": 1,
            "picture": picture,
            "warmup": _WARMUP,
            "calls": calls,
        },
        results={"counted": counted},
        targets=tuple(
            Target(f"{one.model} on {one.cpu}: classify beyond the invoke, share of the invoke", one.share, MOST_SHARE)
            for one in counted
        ),
        timed=False,
        children=True,
    )


def count(model: str, release: str, cpu: str, calls: int, name: str, *, prepare: bool = True) -> Counted:
    """One model on one processor.

    Args:
        model: `default`, a bundle or a .tflite file.
        release, calls: see `measure`.
        cpu: of CPUS.
        name: of the model, for the record.
        prepare: build the wheel and install it into the userland first.

    Raises:
        BenchmarkError: the userland's Python failed.
    """
    command = [sys.executable, str(_GUEST), "--release", release, "--cpu", cpu, "--count"]
    command += ["--"] if prepare else ["--as-is", "--"]
    where = model if model == "default" else str(Path(model).resolve())
    try:
        done = subprocess.run(
            [*command, "-m", __spec__.name if __spec__ else __name__, "--guest", "--calls", str(calls), where],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"counting on {cpu} took over {_TIMEOUT_S} s") from None
    if done.returncode:
        raise BenchmarkError(f"counting on {cpu} failed: {' '.join(done.stderr.split())[-400:]}")
    marks = read_marks(done.stderr)
    if sorted(marks) != list(range(6)):
        raise BenchmarkError(f"the plugin reported {sorted(marks)} on {cpu}; expected the marks 0 to 5")
    per_call = [round((marks[start + 1] - marks[start]) / calls) for start in (0, 2, 4)]
    classify, invoke, preprocess = per_call
    return Counted(name, "tflite-int8", cpu, classify, invoke, preprocess, round(classify / invoke - 1, 4))


def read_marks(text: str) -> dict[int, int]:
    """Mark -> instructions so far, from what the plugin wrote to stderr."""
    return {int(mark): int(total) for mark, total in re.findall(r"^icount (\d+) (\d+)$", text, re.MULTILINE)}


def be_counted(model: str, calls: int) -> None:
    """The guest's part: make the calls between marks.

    Raises:
        BenchmarkError: the model does not run in LiteRT.
    """
    import cv2

    from onsight_edge.classifier import Classifier
    from onsight_edge.preprocess import Preprocessor

    cv2.setNumThreads(1)  # the plugin counts without atomics
    frame, _ = make_frame()
    with Classifier.open(model, backend="litert", threads=1) as classifier:
        preprocess = Preprocessor(classifier.spec, classifier.backend.input)
        tensor = preprocess(frame).copy()
        infer = classifier.backend.infer
        mark = ctypes.CDLL(None).getpgid
        for start, call, given in ((0, classifier.classify, frame), (2, infer, tensor), (4, preprocess, frame)):
            for _ in range(_WARMUP):
                call(given)
            mark(_MARK + start)
            for _ in range(calls):
                call(given)
            mark(_MARK + start + 1)


def _command() -> tuple[Report, argparse.Namespace, list[str]]:
    parser = arguments(__doc__)
    parser.add_argument("models", nargs="*", default=["default"], help="bundles or .tflite files; default: the shipped")
    parser.add_argument("--release", default="bookworm", help="of Debian (%(default)s)")
    parser.add_argument("--calls", type=int, default=CALLS, help="of each kind (%(default)s)")
    parser.add_argument("--guest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guest:
        be_counted(options.models[0], options.calls)
        sys.exit(0)
    report = measure(tuple(options.models), release=options.release, calls=max(1, options.calls))
    lines = [
        f"{one.model} {one.cpu}: classify {one.classify:,}, invoke {one.invoke:,}, preprocess {one.preprocess:,} "
        f"instructions: {one.share:.1%} on top of the invoke"
        for one in report.results["counted"]
    ]
    return report, options, lines


if __name__ == "__main__":
    run_command(_command)
