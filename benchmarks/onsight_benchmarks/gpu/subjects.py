"""What takes turns: a network in one framework, precision and batch size, open in a worker, held against the CPU."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.gpu.frameworks import Framework, start
from onsight_benchmarks.gpu.job import ONNXRUNTIME, Job
from onsight_benchmarks.gpu.networks import Network
from onsight_benchmarks.measurement import Agreement
from onsight_benchmarks.rounds import BLOCK, Block
from onsight_benchmarks.worker import WorkerError
from onsight_edge.errors import BenchmarkError
from onsight_edge.postprocess import probabilities

OPEN_S = 1200.0  # a compiler that tries many kernels on a slow processor
BLOCK_S = 600.0
_CLOSE = 1e-3  # of a score: float32 in another order of adding
_CLEAR = 0.1  # by so much must the best score lead for a change of class to count as one
_FEW = 0.02  # of the pictures


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One open subject.

    Attributes:
        network, framework, precision, batch: what it is.
        backend: its name in the record, such as `keras-jax` or `onnxruntime-cuda`.
        number: in its worker.
        detail, init_ms, first_ms: what opening it said.
        agreement: with the CPU.
        objections: reasons of its own why it should not count.
        device_ns: one value a round.
    """

    network: Network
    framework: Framework
    precision: str
    batch: int
    backend: str
    number: int
    detail: str
    init_ms: float
    first_ms: float
    agreement: Agreement
    objections: tuple[str, ...]
    device_ns: list[float] = field(default_factory=list)

    @property
    def variant(self) -> str:
        """Such as `keras-bfloat16` or `onnx-float32`."""
        return f"keras-{self.precision}" if self.network.keras else self.network.model.variant

    def measure(self, calls: int) -> Block:
        """So many calls: (calls, stages) nanoseconds, stages as in `gpu.worker.STAGES`.

        Raises:
            BenchmarkError: the worker failed or died.
        """
        request = {"do": "block", "subject": self.number, "calls": calls}
        try:
            answer = self.framework.worker.ask(request, BLOCK_S)
        except WorkerError as error:
            raise BenchmarkError(f"{self.variant} in {self.backend}, batch {self.batch}: {error}") from error
        if calls == BLOCK:  # the others settle
            self.device_ns.append(float(answer["device_ns"]))
        return np.asarray(answer["stages_ns"], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the CPU answers.

    Attributes:
        scores: (N, classes) float32 probabilities.
        by: who answered, in words.
    """

    scores: NDArray[np.float32]
    by: str


def ask_cpu(network: Network, framework: str, pictures: Path, out: Path) -> Reference:
    """What a network answers on the CPU, in a process that sees no GPU.

    Raises:
        BenchmarkError: it cannot be executed there.
    """
    job = job_of(network, "float32", 32)
    try:
        with start(framework, gpu=False) as worker:
            worker.ask({"do": "look", "framework": framework, "tf32": False}, OPEN_S)
            worker.ask({"do": "reference", "job": job.to_json(), "pictures": str(pictures), "out": str(out)}, OPEN_S)
    except WorkerError as error:
        raise BenchmarkError(
            f"{network.path} gives no answers on the CPU to hold a GPU's against: {framework}: {error}"
        ) from error
    by = "onnxruntime" if framework == ONNXRUNTIME else f"keras-{framework} float32, not compiled,"
    return Reference(probabilities(np.load(out), network.spec), f"{by} on the CPU")


def open_subject(
    network: Network,
    framework: Framework,
    precision: str,
    batch: int,
    *,
    provider: str,
    warmup: int,
    pictures: Path,
    shown: str,
    reference: Reference,
    out: Path,
) -> Subject:
    """Compile a network in a worker and hold its answers against the CPU's.

    Args:
        network, framework, precision, batch: what.
        provider: ONNX Runtime's; empty for Keras.
        warmup: unmeasured calls.
        pictures: an .npy file of (N, height, width, channels) uint8.
        shown: what these are, in words.
        reference: the CPU's answers to them.
        out: a file to pass answers through.

    Raises:
        WorkerError: it cannot be loaded, compiled or executed there.
    """
    job, worker = job_of(network, precision, batch, provider), framework.worker
    opened = worker.ask({"do": "open", "job": job.to_json(), "pictures": str(pictures), "warmup": warmup}, OPEN_S)
    worker.ask({"do": "scores", "subject": opened["subject"], "pictures": str(pictures), "out": str(out)}, OPEN_S)
    agreement, objections = hold_against(probabilities(np.load(out), network.spec), reference, shown, precision)
    backend = f"keras-{framework.name}" if network.keras else f"onnxruntime-{provider.lower()}"
    return Subject(
        network, framework, precision, batch, backend, opened["subject"],
        opened["detail"], opened["init_ms"], opened["first_ms"], agreement, objections,
    )  # fmt: skip


def hold_against(
    scores: NDArray[np.float32], reference: Reference, shown: str, precision: str
) -> tuple[Agreement, tuple[str, ...]]:
    """How far answers agree with the CPU's, and what speaks against them.

    Full float32 must give the same scores to 0.001. Coarser arithmetic may change a class where two scores are close;
    where the CPU's best leads by more than 0.1, it may do so for at most 2 % of the pictures.
    """
    best, expected = scores.argmax(axis=1), reference.scores.argmax(axis=1)
    largest = float(np.abs(scores - reference.scores).max())
    agreement = Agreement(reference.by, len(scores), shown, int((best == expected).sum()), round(largest, 7))
    ordered = np.sort(reference.scores, axis=1)
    changed = int(((best != expected) & (ordered[:, -1] - ordered[:, -2] > _CLEAR)).sum())
    if not np.isfinite(scores).all():
        return agreement, ("some of its scores are not numbers",)
    if precision == "float32" and largest > _CLOSE:
        return agreement, (f"its scores differ from the CPU's by up to {largest:.3g}",)
    if changed > _FEW * len(scores):
        return agreement, (f"it names another class than the CPU for {changed} of {len(scores)} clear pictures",)
    return agreement, ()


def job_of(network: Network, precision: str, batch: int, provider: str = "") -> Job:
    """What a worker is told of a subject."""
    spec = json.dumps(network.network_spec.to_json())
    return Job(str(network.path), network.model.sha256, spec, precision, batch, provider)
