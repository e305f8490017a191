"""MNN, its model made of the float .tflite with its own converter.

Source: https://mnn-docs.readthedocs.io/en/latest/start/python.html (Session API). The converter's command installs a
package with pip and reports its use over the network; the function behind it, called here, does neither.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def convert(job: Job, folder: Path) -> Path:
    """Call the converter."""
    import _tools
    import MNN  # noqa: F401 - its folder holds what _tools links with

    found = folder / "mnn.mnn"
    arguments = [
        "mnnconvert",
        "-f",
        "TFLITE",
        "--modelFile",
        job.model,
        "--MNNModel",
        str(found),
        "--bizCode",
        "onsight",
    ]
    if not _tools.mnnconvert(arguments) or not found.exists():
        raise RuntimeError("mnnconvert failed")
    return found


def open_subject(job: Job) -> Opened:
    """Open an .mnn file."""
    import MNN

    interpreter = MNN.Interpreter(job.model)
    session = interpreter.createSession({"backend": "CPU", "numThread": job.threads, "precision": "high"})
    given, answer = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)
    width, height = job.size_wh
    real, order = MNN.Halide_Type_Float, MNN.Tensor_DimensionType_Tensorflow
    scores = MNN.Tensor((1, job.classes), real, np.zeros((1, job.classes), np.float32), order)

    def classify(frame: Any) -> int:
        pixels = cv2.cvtColor(cv2.resize(frame, job.size_wh), cv2.COLOR_BGR2RGB)
        batch = pixels[np.newaxis].astype(np.float32)
        given.copyFrom(MNN.Tensor((1, height, width, 3), real, batch, order))
        interpreter.runSession(session)
        answer.copyToHostTensor(scores)
        return int(np.argmax(scores.getData()))

    return Opened(classify, importlib.metadata.version("MNN"))
