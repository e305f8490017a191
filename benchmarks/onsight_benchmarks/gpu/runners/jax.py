"""JAX: the network compiled by XLA.

Waiting: https://docs.jax.dev/en/latest/benchmarking.html
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.gpu.job import Job
from onsight_benchmarks.gpu.keras_networks import load_network, scores_function
from onsight_benchmarks.gpu.runners import Sight

# matrix units of Ampere and later round float32 to TF32's 10 bits unless they are told not to
_ARITHMETIC = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "default"}


def look(tf32: bool) -> Sight:
    """See `runners`."""
    import jax

    del tf32  # the job's precision decides when it is compiled
    try:
        device = jax.devices("gpu")[0]
    except RuntimeError:
        return Sight(jax.__version__, None, "sees no GPU, only " + ", ".join({one.platform for one in jax.devices()}))
    return Sight(jax.__version__, str(device.device_kind))


def open_runner(job: Job, gpu: bool) -> JaxRunner:
    """See `runners`."""
    return JaxRunner(job, gpu)


class JaxRunner:
    """See `Runner`."""

    def __init__(self, job: Job, gpu: bool) -> None:
        import jax

        self._put = jax.device_put
        self._device = jax.devices("gpu" if gpu else "cpu")[0]
        spec = job.model_spec
        width, height = spec.input_size_wh
        scores = jax.jit(scores_function(load_network(job), spec))
        shape = jax.ShapeDtypeStruct((job.batch, height, width, spec.channels), np.uint8)
        with jax.default_matmul_precision(_ARITHMETIC[job.precision]):
            self._scores = scores.lower(shape).compile()
        self.detail = "XLA"

    def upload(self, pictures: NDArray[Any]) -> Any:
        """See `Runner`."""
        return self._put(pictures, self._device).block_until_ready()

    def compute(self, on_device: Any) -> Any:
        """See `Runner`."""
        return self._scores(on_device).block_until_ready()

    def download(self, scores: Any) -> NDArray[Any]:
        """See `Runner`."""
        return np.asarray(scores)

    def answer(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """See `Runner`."""
        return np.asarray(self._scores(self._put(pictures, self._device)))

    def queued_ns(self, on_device: Sequence[Any], calls: int) -> int:
        """See `Runner`."""
        started = time.perf_counter_ns()
        for call in range(calls):
            last = self._scores(on_device[call % len(on_device)])
        last.block_until_ready()  # a device executes in order
        return time.perf_counter_ns() - started
