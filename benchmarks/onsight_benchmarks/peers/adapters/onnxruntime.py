"""A bare script around an ONNX Runtime session, on the processor.

Source: https://onnxruntime.ai/docs/api/python/api_summary.html (Load and run a model).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open an .onnx file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    session = onnxruntime.InferenceSession(job.model, options, providers=["CPUExecutionProvider"])
    name, dtype = session.get_inputs()[0].name, np.dtype(job.dtype)

    def classify(frame: Any) -> int:
        pixels = cv2.cvtColor(cv2.resize(frame, job.size_wh), cv2.COLOR_BGR2RGB)
        if job.planes_first:
            pixels = pixels.transpose(2, 0, 1)
        batch = np.ascontiguousarray(pixels[np.newaxis], dtype)
        return int(session.run(None, {name: batch})[0][0].argmax())

    return Opened(classify, str(onnxruntime.__version__), ", ".join(session.get_providers()))
