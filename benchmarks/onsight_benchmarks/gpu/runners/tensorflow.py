"""TensorFlow: the network as one function, compiled by XLA.

Waiting: https://www.tensorflow.org/api_docs/python/tf/test/experimental/sync_devices
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


def look(tf32: bool) -> Sight:
    """See `runners`."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    found = tf.config.list_physical_devices("GPU")
    if not found:
        cuda = tf.sysconfig.get_build_info().get("is_cuda_build")
        return Sight(tf.__version__, None, "sees no GPU" if cuda else "is built for the CPU alone")
    name = tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU")
    return Sight(tf.__version__, str(name))


def open_runner(job: Job, gpu: bool) -> TensorFlowRunner:
    """See `runners`."""
    return TensorFlowRunner(job, gpu)


class TensorFlowRunner:
    """See `Runner`."""

    def __init__(self, job: Job, gpu: bool) -> None:
        import tensorflow as tf

        self._tf = tf
        self._device = "/GPU:0" if gpu else "/CPU:0"
        # functions that XLA compiled for the CPU return when they are done
        self._wait = tf.test.experimental.sync_devices if gpu else lambda: None
        spec = job.model_spec
        width, height = spec.input_size_wh
        takes = tf.TensorSpec((job.batch, height, width, spec.channels), tf.uint8)
        with tf.device(self._device):
            function = tf.function(scores_function(load_network(job), spec), jit_compile=True, input_signature=[takes])
            self._scores = function.get_concrete_function()
        self.detail = "XLA"

    def upload(self, pictures: NDArray[Any]) -> Any:
        """See `Runner`."""
        on_device = self._put(pictures)
        self._wait()
        return on_device

    def compute(self, on_device: Any) -> Any:
        """See `Runner`."""
        scores = self._scores(on_device)
        self._wait()
        return scores

    def download(self, scores: Any) -> NDArray[Any]:
        """See `Runner`."""
        return np.asarray(scores.numpy())

    def answer(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """See `Runner`."""
        return np.asarray(self._scores(self._put(pictures)).numpy())

    def queued_ns(self, on_device: Sequence[Any], calls: int) -> int:
        """See `Runner`."""
        started = time.perf_counter_ns()
        for call in range(calls):
            self._scores(on_device[call % len(on_device)])
        self._wait()
        return time.perf_counter_ns() - started

    def _put(self, pictures: NDArray[Any]) -> Any:
        with self._tf.device(self._device):
            return self._tf.identity(self._tf.constant(pictures))
