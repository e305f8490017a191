"""PyTorch: the network exported to a graph, compiled by Inductor, captured in a CUDA graph.

Keras's own Python between the layers breaks `torch.compile` into pieces; `torch.export` leaves a graph without it. Each
step that a machine cannot take (no C++ compiler or Triton, an operator that cannot be captured) is left out, and
`detail` says so.
Waiting: https://docs.pytorch.org/docs/stable/notes/cuda.html#asynchronous-execution
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.gpu.job import Job
from onsight_benchmarks.gpu.keras_networks import load_network, scores_function
from onsight_benchmarks.gpu.runners import Sight

_BEFORE_CAPTURE = 3  # PyTorch's documentation: workspaces and cuDNN's choice are made by then


def look(tf32: bool) -> Sight:
    """See `runners`."""
    import torch

    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True  # the fastest convolution of those that cuDNN has, tried once a shape
    version = str(torch.__version__)
    if torch.cuda.is_available():
        return Sight(version, str(torch.cuda.get_device_name(0)))
    built = torch.version.cuda or getattr(torch.version, "hip", None)
    return Sight(version, None, "sees no GPU" if built else "is built for the CPU alone")


def open_runner(job: Job, gpu: bool) -> TorchRunner:
    """See `runners`."""
    return TorchRunner(job, gpu)


class TorchRunner:
    """See `Runner`."""

    def __init__(self, job: Job, gpu: bool) -> None:
        import torch

        self._torch, self._gpu = torch, gpu
        self._wait = torch.cuda.synchronize if gpu else lambda: None
        spec = job.model_spec
        width, height = spec.input_size_wh
        # one place for the input: a captured graph reads it from where it was captured
        shape = (job.batch, height, width, spec.channels)
        self._input = torch.zeros(shape, dtype=torch.uint8, device="cuda" if gpu else "cpu")
        how: list[str] = []
        model = load_network(job)
        with torch.inference_mode():
            self._scores = self._compiled(_exported(model, scores_function(model, spec), self._input), how)
            if gpu:
                self._scores = self._captured(self._scores, how)
        self.detail = ", ".join(how)

    def upload(self, pictures: NDArray[Any]) -> Any:
        """See `Runner`."""
        self._input.copy_(self._torch.from_numpy(pictures))
        self._wait()
        return self._input

    def compute(self, on_device: Any) -> Any:
        """See `Runner`."""
        with self._torch.inference_mode():
            scores = self._scores(on_device)
        self._wait()
        return scores

    def download(self, scores: Any) -> NDArray[Any]:
        """See `Runner`."""
        return np.array(scores.cpu().numpy())  # the CPU's tensor is written anew by the next call

    def answer(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """See `Runner`."""
        with self._torch.inference_mode():
            self._input.copy_(self._torch.from_numpy(pictures), non_blocking=True)
            return np.array(self._scores(self._input).cpu().numpy())

    def queued_ns(self, on_device: Sequence[Any], calls: int) -> int:
        """See `Runner`; on a GPU by its own clock, between two events."""
        events = [self._torch.cuda.Event(enable_timing=True) for _ in range(2)] if self._gpu else []
        started = time.perf_counter_ns()
        with self._torch.inference_mode():
            if events:
                events[0].record()
            for call in range(calls):
                self._scores(on_device[call % len(on_device)])
            if events:
                events[1].record()
        self._wait()
        if events:
            return int(events[0].elapsed_time(events[1]) * 1e6)  # milliseconds
        return time.perf_counter_ns() - started

    def _compiled(self, graph: Callable[[Any], Any], how: list[str]) -> Callable[[Any], Any]:
        try:
            compiled = self._torch.compile(graph, dynamic=False)
            compiled(self._input)
        except Exception as error:  # no compiler, no Triton, an operator that Inductor does not know
            how.append(f"torch.export without torch.compile ({type(error).__name__})")
            return graph
        how.append("torch.compile")
        return compiled  # type: ignore[no-any-return]

    def _captured(self, scores: Callable[[Any], Any], how: list[str]) -> Callable[[Any], Any]:
        torch = self._torch
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_BEFORE_CAPTURE):
                    scores(self._input)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                answer = scores(self._input)
        except Exception as error:
            with contextlib.suppress(RuntimeError):  # may tell of the failed capture once more
                torch.cuda.synchronize()
            how.append(f"no CUDA graph ({type(error).__name__})")
            return scores
        how.append("CUDA graph")

        def replay(_input: Any) -> Any:
            graph.replay()
            return answer

        return replay


def _exported(model: Any, scores: Callable[[Any], Any], example: Any) -> Callable[[Any], Any]:
    import torch

    class Scores(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model  # so that its weights are found

        def forward(self, pixels: Any) -> Any:
            return scores(pixels)

    return torch.export.export(Scores().eval(), (example,), strict=False).module()  # type: ignore[no-any-return]
