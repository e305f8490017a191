"""One framework in a process of its own: python -m onsight_benchmarks.gpu.worker

    {"do": "look", "framework": F, "tf32": B}                  -> version gpu why providers
    {"do": "reference", "job": {...}, "pictures": F, "out": F}  -> what plain Keras answers, or ONNX Runtime on the CPU
    {"do": "open", "job": {...}, "pictures": F, "warmup": N}    -> subject detail init_ms first_ms
    {"do": "scores", "subject": N, "pictures": F, "out": F}     -> nothing; the answers are in the file
    {"do": "block", "subject": N, "calls": N}                   -> stages_ns device_ns

See onsight_benchmarks.worker for the protocol. Clocks are read here.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.gpu.job import FRAMEWORKS, ONNXRUNTIME, Job
from onsight_benchmarks.gpu.runners import Runner, Sight
from onsight_benchmarks.worker import serve
from onsight_edge.errors import BenchmarkError

STAGES = ("h2d", "compute", "d2h", "end_to_end")
_ROTATED = 4  # batches of different pictures that take turns, so that no call finds its own input in a cache
_REFERENCE_BATCH = 32


class GpuWorker:
    """What the requests are asked of."""

    def __init__(self) -> None:
        self._framework = ""
        self._gpu = False
        self._runners: list[Runner] = []
        self._batches: list[list[NDArray[np.uint8]]] = []

    def look(self, framework: str, tf32: bool) -> dict[str, Any]:
        """Import a framework and say what GPU it sees."""
        self._framework = framework
        sight: Sight = self._module().look(tf32)
        self._gpu = sight.gpu is not None
        return {"version": sight.version, "gpu": sight.gpu, "why": sight.why, "providers": list(sight.providers)}

    def open(self, job: dict[str, Any], pictures: str, warmup: int) -> dict[str, Any]:
        """Load and compile a network, answer once, and warm up. `init_ms` is the compiling."""
        asked = Job(**job)
        if self._framework != ONNXRUNTIME:
            self._load(asked)
        started = time.perf_counter_ns()
        runner: Runner = self._module().open_runner(asked, self._gpu)
        ready = time.perf_counter_ns()
        batches = _rotated(np.load(pictures, allow_pickle=False), asked.batch)
        before = time.perf_counter_ns()
        runner.answer(batches[0])
        answered = time.perf_counter_ns()
        self._runners.append(runner)
        self._batches.append(batches)
        number = len(self._runners) - 1
        self.block(number, max(1, warmup))
        return {
            "subject": number,
            "detail": runner.detail,
            "init_ms": round((ready - started) / 1e6, 3),
            "first_ms": round((answered - before) / 1e6, 4),
        }

    def scores(self, subject: int, pictures: str, out: str) -> None:
        """What a subject answers for every picture: (N, classes) float32 in an .npy file."""
        runner, shown = self._runners[subject], np.load(pictures, allow_pickle=False)
        batch = len(self._batches[subject][0])
        answers = [runner.answer(one).copy() for one in _cut(shown, batch)]
        np.save(out, np.concatenate(answers)[: len(shown)])

    def block(self, subject: int, calls: int) -> dict[str, Any]:
        """Measure so many calls: from host to host without a wait between, then stage by stage, then queued.

        Returns:
            `stages_ns`: a row of STAGES for each call. `device_ns`: of one call when all are launched one after the
            other with one wait at the end, the pictures being on the device.
        """
        runner, batches, clock = self._runners[subject], self._batches[subject], time.perf_counter_ns
        whole = []
        for call in range(calls):
            pictures = batches[call % len(batches)]
            started = clock()
            runner.answer(pictures)
            whole.append(clock() - started)
        rows = []
        for call in range(calls):
            pictures = batches[call % len(batches)]
            started = clock()
            on_device = runner.upload(pictures)
            uploaded = clock()
            scores = runner.compute(on_device)
            computed = clock()
            runner.download(scores)
            rows.append([uploaded - started, computed - uploaded, clock() - computed, whole[call]])
        resident = [runner.upload(pictures) for pictures in batches]
        return {"stages_ns": rows, "device_ns": runner.queued_ns(resident, calls) / calls}

    def reference(self, job: dict[str, Any], pictures: str, out: str) -> None:
        """The answers to hold a GPU's against: Keras's own, uncompiled, or ONNX Runtime's, where no GPU is seen."""
        if self._gpu:
            raise BenchmarkError("a reference comes from the CPU")
        asked, shown = Job(**job), np.load(pictures, allow_pickle=False)
        if self._framework == ONNXRUNTIME:
            asked = replace(asked, batch=self._module().fixed_batch(asked) or asked.batch)
            runner: Runner = self._module().open_runner(asked, False)
            answers = [runner.answer(one) for one in _cut(shown, asked.batch)]
        else:
            from keras import ops

            from onsight_benchmarks.gpu.keras_networks import scores_function

            scores = scores_function(self._load(asked), asked.model_spec)
            answers = [
                np.asarray(ops.convert_to_numpy(scores(ops.convert_to_tensor(one))))
                for one in _cut(shown, _REFERENCE_BATCH)
            ]
        np.save(out, np.concatenate(answers)[: len(shown)])

    def _load(self, job: Job) -> Any:
        from onsight_benchmarks.gpu.keras_networks import load_network

        return load_network(job)

    def _module(self) -> Any:
        if self._framework not in (*FRAMEWORKS, ONNXRUNTIME):
            raise BenchmarkError(f"no framework {self._framework!r}")
        return importlib.import_module(f"onsight_benchmarks.gpu.runners.{self._framework}")


def _rotated(pictures: NDArray[np.uint8], batch: int) -> list[NDArray[np.uint8]]:
    """A few different batches, each an array of its own."""
    indices = np.arange(batch * _ROTATED).reshape(_ROTATED, batch) % len(pictures)
    return [np.ascontiguousarray(pictures[row]) for row in indices]


def _cut(pictures: NDArray[np.uint8], batch: int) -> list[NDArray[np.uint8]]:
    """All pictures in whole batches; the last is filled up with the first pictures."""
    count = -(-len(pictures) // batch)
    indices = np.arange(count * batch).reshape(count, batch) % len(pictures)
    return [np.ascontiguousarray(pictures[row]) for row in indices]


if __name__ == "__main__":
    serve(GpuWorker())
