"""A script around cv2.dnn: `blobFromImage`, `setInput`, `forward`.

Source: https://docs.opencv.org/4.x/d6/d0f/group__dnn.html (blobFromImageWithParams), and OpenCV's
samples/dnn/classification.py.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open an .onnx file."""
    net = cv2.dnn.readNetFromONNX(job.model)
    given = cv2.dnn.Image2BlobParams()
    given.size = job.size_wh
    given.swapRB = True
    given.ddepth = cv2.CV_8U if job.dtype == "uint8" else cv2.CV_32F
    given.datalayout = cv2.DATA_LAYOUT_NCHW if job.planes_first else cv2.DATA_LAYOUT_NHWC

    def classify(frame: Any) -> int:
        net.setInput(cv2.dnn.blobFromImageWithParams(frame, given))
        return int(np.argmax(net.forward()))

    return Opened(classify, cv2.__version__)
