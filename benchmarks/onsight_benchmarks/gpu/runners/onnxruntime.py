"""ONNX Runtime: a bundle's .onnx file by CUDA or TensorRT, inputs and outputs bound on the device.

API: https://onnxruntime.ai/docs/api/python/api_summary.html#data-on-device, CUDA graphs:
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_benchmarks.gpu.job import Job
from onsight_benchmarks.gpu.runners import Sight
from onsight_edge.errors import BackendError, IntegrityError
from onsight_edge.files import sha256_bytes

PROVIDERS = {
    "CUDA": "CUDAExecutionProvider",
    "TensorRT": "TensorrtExecutionProvider",
    "CPU": "CPUExecutionProvider",
}


def look(tf32: bool) -> Sight:
    """See `runners`; of TF32 the job's precision decides."""
    import onnxruntime

    version = str(onnxruntime.__version__)
    available = onnxruntime.get_available_providers()
    there = tuple(name for name in ("CUDA", "TensorRT") if PROVIDERS[name] in available)
    if not there:
        return Sight(version, None, "has neither CUDA nor TensorRT")
    return Sight(version, "GPU", providers=there)  # which one it is, it does not say


def open_runner(job: Job, gpu: bool) -> OnnxRuntimeRunner:
    """See `runners`."""
    return OnnxRuntimeRunner(job, gpu)


def fixed_batch(job: Job) -> int | None:
    """The only batch that a file takes, None where it takes any."""
    import onnxruntime

    session = onnxruntime.InferenceSession(Path(job.path).read_bytes(), providers=[PROVIDERS["CPU"]])
    batch = session.get_inputs()[0].shape[0]
    return batch if isinstance(batch, int) else None


class OnnxRuntimeRunner:
    """See `Runner`. The file's input type is part of the upload: what stores float32 takes four times the bytes."""

    def __init__(self, job: Job, gpu: bool) -> None:
        import onnxruntime

        data = Path(job.path).read_bytes()
        if sha256_bytes(data) != job.sha256:
            raise IntegrityError(f"{Path(job.path).name} has changed meanwhile")
        onnxruntime.set_default_logger_severity(3)
        self._place = ("cuda", 0) if gpu else ("cpu", 0)
        name = job.provider if gpu else "CPU"
        self.detail = PROVIDERS[name]
        try:
            self._open(job, data, name, graph=gpu)
            if gpu:
                self.detail += ", CUDA graph"
        except Exception as error:  # nodes that stay on the CPU cannot be captured
            if not gpu or isinstance(error, BackendError):
                raise
            self._open(job, data, name, graph=False)
            self.detail += f", no CUDA graph ({type(error).__name__})"

    def _open(self, job: Job, data: bytes, name: str, *, graph: bool) -> None:
        """Open a session and execute it once, which captures its graph."""
        import onnxruntime

        captured = "1" if graph else "0"
        cuda = ("CUDAExecutionProvider", {"use_tf32": "0", "enable_cuda_graph": captured if name == "CUDA" else "0"})
        half = "1" if job.precision == "float16" else "0"
        providers: dict[str, list[tuple[str, dict[str, str]]]] = {
            "CUDA": [cuda],
            # what TensorRT does not take goes to CUDA
            "TensorRT": [(PROVIDERS[name], {"trt_fp16_enable": half, "trt_cuda_graph_enable": captured}), cuda],
            "CPU": [(PROVIDERS["CPU"], {})],
        }
        self._session = onnxruntime.InferenceSession(data, providers=providers[name])
        got = self._session.get_providers()[0]
        if got != PROVIDERS[name]:
            raise BackendError(
                f"onnxruntime did not take {PROVIDERS[name]} but {got}: a library that it needs is missing"
            )
        self._encode = _encoder(job, self._session)
        width, height = job.model_spec.input_size_wh
        shape = (job.batch, height, width, job.model_spec.channels)
        first = self._encode(np.zeros(shape, np.uint8))
        # one place for input and output: a captured graph reads and writes where it was captured
        self._input = onnxruntime.OrtValue.ortvalue_from_numpy(first, *self._place)
        scores = np.zeros((job.batch, len(job.model_spec.classes)), np.float32)
        self._scores = onnxruntime.OrtValue.ortvalue_from_numpy(scores, *self._place)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self._session.get_inputs()[0].name, self._input)
        self._binding.bind_ortvalue_output(self._session.get_outputs()[0].name, self._scores)
        self._no_wait = onnxruntime.RunOptions()
        self._no_wait.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._session.run_with_iobinding(self._binding)

    def upload(self, pictures: NDArray[Any]) -> Any:
        """See `Runner`."""
        self._input.update_inplace(self._encode(pictures))
        return self._input

    def compute(self, on_device: Any) -> Any:
        """See `Runner`."""
        self._session.run_with_iobinding(self._binding)  # returns when it is done
        return self._scores

    def download(self, scores: Any) -> NDArray[Any]:
        """See `Runner`."""
        return np.array(scores.numpy())

    def answer(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """See `Runner`."""
        # waits before the download: the copy goes by another stream than the computing
        return self.download(self.compute(self.upload(pictures)))

    def queued_ns(self, on_device: Sequence[Any], calls: int) -> int:
        """See `Runner`."""
        started = time.perf_counter_ns()
        for _ in range(calls):
            self._session.run_with_iobinding(self._binding, self._no_wait)
        self._binding.synchronize_outputs()
        return time.perf_counter_ns() - started


def _encoder(job: Job, session: Any) -> Any:
    """From (batch, height, width, channels) uint8 to the file's input tensor, as edge's Encoder makes one picture's."""
    spec, tensor = job.model_spec, session.get_inputs()[0]
    dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}.get(tensor.type)
    if dtype is None:
        raise BackendError(f"{Path(job.path).name} takes {tensor.type}; expected float32, float16 or uint8 pictures")
    width, height = spec.input_size_wh
    channels_first = list(tensor.shape[1:]) == [spec.channels, height, width] != [height, width, spec.channels]
    mean, std = np.asarray(spec.mean, np.float32), np.asarray(spec.std, np.float32)

    def encode(pictures: NDArray[Any]) -> NDArray[Any]:
        values = pictures if spec.raw_pixels else (pictures - mean) / std
        values = values.transpose(0, 3, 1, 2) if channels_first else values
        return np.ascontiguousarray(values, dtype)

    return encode
