"""A bare script around LiteRT's or tflite-runtime's Interpreter.

Source: https://ai.google.dev/edge/litert/inference (Load and run a model in Python): resize to the input, `set_tensor`,
`invoke`, `get_tensor`. The colours are converted after the resize, which is the faster order.

`option` is the module that holds the Interpreter, and after a colon the resize: nothing for `cv2.resize` as it stands,
which reads four pixels for one of the result whatever lies between, or `area` for what OpenCV's own documentation of
`resize` advises for shrinking, the mean over all (https://docs.opencv.org/4.x/da/d54/group__imgproc__transform.html).
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open a .tflite file."""
    runtime, _, resize = job.option.partition(":")
    how = cv2.INTER_AREA if resize == "area" else cv2.INTER_LINEAR
    module = importlib.import_module(runtime)
    interpreter = module.Interpreter(model_path=job.model, num_threads=job.threads)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    dtype = np.dtype(job.dtype)

    def classify(frame: Any) -> int:
        pixels = cv2.cvtColor(cv2.resize(frame, job.size_wh, interpolation=how), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(given, pixels[np.newaxis].astype(dtype, copy=False))
        interpreter.invoke()
        return int(interpreter.get_tensor(answer)[0].argmax())

    return Opened(classify, importlib.metadata.version(runtime.split(".")[0].replace("_", "-")))
