"""The run: every subject answers the pictures, then all take turns on one frame."""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from onsight_benchmarks.conditions import Watch
from onsight_benchmarks.environments import ready_python
from onsight_benchmarks.peers.cases import Case, find_cases
from onsight_benchmarks.peers.pictures import Pictures, write_pictures
from onsight_benchmarks.peers.results import case_results, targets_of
from onsight_benchmarks.peers.subjects import SUBJECTS, Subject
from onsight_benchmarks.picture import make_frame
from onsight_benchmarks.report import Report, finish
from onsight_benchmarks.rounds import BLOCK, SETTLE_CALLS, SETTLE_MS, WARMUP
from onsight_benchmarks.worker import WorkerProcess
from onsight_edge.errors import BenchmarkError, OnsightError, UsageError

ROUNDS = 150
STARTS = 3  # the last of a subject's processes is the one that is measured
LEAST_ROUNDS = 100  # below that the 99th percentile of a subject with one call a round is the maximum
PICTURES = 500
WORKER = "onsight_benchmarks.peers.worker"
_BLOCK_MS = 50.0  # the longest block: slow subjects make fewer calls a round
_OPEN_S, _LABELS_S, _BLOCK_S = 180.0, 900.0, 60.0

Progress = Callable[[str, float], None]


@dataclass
class Measured:
    """What is known of one subject so far.

    Attributes:
        given: the file it was given.
        opened: the workers' answers to `open`, one a fresh process.
        labels: of every picture.
        blocks: the calls of each round in nanoseconds.
        cores: processor time by wall time of each block.
        failed: why it is out, or why it never was in.
    """

    subject: Subject
    given: str = ""
    opened: list[dict[str, Any]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    blocks: list[list[int]] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    rss_mib: float | None = None
    failed: str | None = None


def measure(
    models: Sequence[str | Path] = ("default",),
    *,
    runs: Sequence[Path] = (),
    data: str | None = None,
    pictures: int = PICTURES,
    rounds: int = ROUNDS,
    starts: int = STARTS,
    threads: int = 1,
    subjects: Sequence[Subject] = SUBJECTS,
    image: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Measure onsight and the others.

    Args:
        models, runs: see `find_cases`.
        data, pictures: see `write_pictures`.
        rounds: blocks of each subject.
        starts: fresh processes of each, for init, first call and memory.
        threads: for one inference, of each runtime.
        subjects: who takes part; the first is what the others are held against.
        image, seed: of the frame that is timed, see `make_frame`, and of the order.
        progress: told what is being done and which share of the measuring is done.

    Raises:
        UsageError, ModelError, DataError: nothing that could be measured.
        BenchmarkError: onsight itself failed.
    """
    if min(rounds, starts, threads) < 1:
        raise UsageError("--rounds, --starts and --threads must be at least 1")
    tell: Progress = progress or (lambda what, share: None)
    frame, picture = make_frame(image, seed)
    watch = Watch()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="onsight-") as name:
        folder = Path(name).resolve()
        cases = find_cases(models, runs, folder)
        np.save(folder / "frame.npy", frame)
        tell("pictures", 0.0)
        shown = write_pictures(folder, data, pictures, seed)
        for case in cases:
            shown.check(case.files["tflite"].spec)
        for done, case in enumerate(cases):
            part = _Part(case, shown, folder / "frame.npy", threads, rounds, starts, seed)

            def told(what: str, share: float, part: _Part = part, done: int = done) -> None:
                tell(f"{part.case.name}: {what}", (done + share) / len(cases))

            found.append(case_results(case, part.run(subjects, told), shown.labels, seed))
    objections = [] if rounds >= LEAST_ROUNDS else [f"{rounds} rounds; at least {LEAST_ROUNDS} are needed for a p99"]
    return finish(
        "peers",
        watch,
        method={
            "order": "round robin of short blocks, each subject in a process of its own, one at a time",
            "picture": asdict(picture),
            "pictures": shown.name,
            "count": shown.count,
            "threads": threads,
            "seed": seed,
            "warmup": WARMUP,
            "rounds": rounds,
            "block": BLOCK,
            "block_ms": _BLOCK_MS,
            "starts": starts,
            "settle_calls": SETTLE_CALLS,
            "settle_ms": SETTLE_MS,
        },
        results={"cases": found},
        targets=targets_of(found),
        objections=tuple(objections),
        children=True,
    )


@dataclass(frozen=True)
class _Part:
    """One case's measuring."""

    case: Case
    shown: Pictures
    frame: Path
    threads: int
    rounds: int
    starts: int
    seed: int

    def run(self, subjects: Sequence[Subject], tell: Progress) -> list[Measured]:
        """The answers first, each subject alone; then the times, all of them in turns."""
        takes_part = [one for one in subjects if self.case.precision in one.precisions]
        everyone = [Measured(one) for one in takes_part]
        jobs: dict[str, dict[str, Any]] = {}
        for done, one in enumerate(everyone):
            tell(f"{one.subject.name} answers", 0.5 * done / len(everyone))
            with self._spared(one):
                jobs[one.subject.name] = self._answers(one)
        with contextlib.ExitStack() as stack:
            workers: dict[str, WorkerProcess] = {}
            for start in range(self.starts):
                tell(f"fresh processes, {start + 1} of {self.starts}", 0.5 + 0.1 * start / self.starts)
                for one in everyone:
                    if one.failed is None:
                        with self._spared(one):
                            worker = self._worker(one.subject)
                            stack.callback(worker.close)
                            self._open(one, worker, jobs[one.subject.name])
                            if start == self.starts - 1:
                                workers[one.subject.name] = worker
                            else:
                                worker.close()
            self._turns(everyone, workers, lambda share: tell("measuring", 0.6 + 0.4 * share))
        return everyone

    def _answers(self, one: Measured) -> dict[str, Any]:
        """Convert where need be and answer every picture, in a process that is not measured; returns the job."""
        job, one.given = self.case.job(one.subject, self.threads)
        worker = self._worker(one.subject)
        try:
            request = {"adapter": one.subject.adapter, "job": asdict(job)}
            if one.subject.converts:
                own = str(self.case.folder)
                job = replace(job, model=worker.ask({"do": "convert", **request, "folder": own}, _OPEN_S))
                request["job"] = asdict(job)
            worker.ask({"do": "open", **request, "frame": str(self.frame)}, _OPEN_S)
            one.labels = worker.ask({"do": "labels", "frames": str(self.shown.path)}, _LABELS_S)
        finally:
            worker.close()
        return asdict(job)

    def _open(self, one: Measured, worker: WorkerProcess, job: dict[str, Any]) -> None:
        request = {"do": "open", "adapter": one.subject.adapter, "job": job, "frame": str(self.frame)}
        answer = worker.ask(request, _OPEN_S)
        one.opened.append(answer)
        self._block(worker, WARMUP if answer["first_ms"] < _BLOCK_MS else 3)
        one.rss_mib = worker.ask({"do": "memory"}, _BLOCK_S)["rss_mib"]

    def _turns(
        self, everyone: list[Measured], workers: dict[str, WorkerProcess], tell: Callable[[float], None]
    ) -> None:
        calls: dict[str, int] = {}
        for one in everyone:
            if one.failed is None:
                with self._spared(one):
                    taken = self._block(workers[one.subject.name], 3)["ns"]
                    calls[one.subject.name] = max(1, min(BLOCK, int(_BLOCK_MS * 1e6 / float(np.median(taken)))))
        rng = random.Random(self.seed)
        order = list(everyone)
        for done in range(self.rounds):
            tell(done / self.rounds)
            rng.shuffle(order)
            for one in order:
                if one.failed is None:
                    with self._spared(one):
                        name = one.subject.name
                        block = self._block(workers[name], calls[name])
                        one.blocks.append(block["ns"])
                        one.cores.append(block["cores"])

    def _block(self, worker: WorkerProcess, calls: int) -> dict[str, Any]:
        settle = {"settle_calls": min(SETTLE_CALLS, calls), "settle_ms": SETTLE_MS}
        answer: dict[str, Any] = worker.ask({"do": "block", "calls": calls, **settle}, _BLOCK_S)
        return answer

    def _worker(self, subject: Subject) -> WorkerProcess:
        python: Path | None = Path(sys.executable)
        if subject.environment is not None:
            python = ready_python(subject.environment)
        if python is None:
            raise BenchmarkError(
                f"its environment is not made: python -m {__package__} --prepare (pip's answer is shown there)"
            )
        return WorkerProcess(WORKER, python=str(python), environment=_few_threads(self.threads))

    @contextlib.contextmanager
    def _spared(self, one: Measured) -> Any:
        """A subject that fails takes nobody with it; onsight itself must not."""
        try:
            yield
        except OnsightError as error:
            rounds = f" in round {len(one.blocks) + 1} of {self.rounds}" if len(one.opened) == self.starts else ""
            one.failed = f"{' '.join(str(error).split())}{rounds}"
            if one.subject == SUBJECTS[0]:
                raise BenchmarkError(f"{self.case.name}: onsight itself failed: {one.failed}") from error


def _few_threads(threads: int) -> dict[str, str]:
    """For libraries that take their number of threads from the environment, and for those that would take a GPU."""
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {
        **dict.fromkeys((*counts, "TF_NUM_INTEROP_THREADS"), str(threads)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
