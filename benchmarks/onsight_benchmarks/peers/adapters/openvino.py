"""OpenVINO on the same .onnx or .tflite file, latency hint, on the processor.

Source: https://docs.openvino.ai/2026/openvino-workflow/running-inference.html and its hello-world notebook: resize and
convert with OpenCV. The other documented way, both within the graph (PrePostProcessor), took nine times as long on
640x480 frames, so the peer gets the faster one.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open a model file."""
    import openvino

    core = openvino.Core()
    model = core.read_model(job.model)
    width, height = job.size_wh
    model.reshape([1, 3, height, width] if job.planes_first else [1, height, width, 3])
    compiled = core.compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": job.threads}
    )
    request, dtype = compiled.create_infer_request(), np.dtype(job.dtype)

    def classify(frame: Any) -> int:
        pixels = cv2.cvtColor(cv2.resize(frame, job.size_wh), cv2.COLOR_BGR2RGB)
        if job.planes_first:
            pixels = pixels.transpose(2, 0, 1)
        batch = np.ascontiguousarray(pixels[np.newaxis], dtype)
        return int(request.infer(batch, share_inputs=True, share_outputs=True)[0].argmax())

    precision = compiled.get_property("INFERENCE_PRECISION_HINT")
    return Opened(classify, openvino.__version__.split("-")[0], f"precision {precision.get_type_name()}")
