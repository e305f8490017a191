"""The Keras network itself, on TensorFlow, in three ways (`option`).

* `predict`: resize, convert, `model.predict(batch, verbose=0)`.
* `call`: the same with `model(batch, training=False)`, which https://keras.io/getting_started/faq/ (What's the
  difference between Model methods predict() and __call__()?) advises for small inputs.
* `tutorial`: what camera tutorials print: the whole frame converted and normalised in float, then resized, then
  `model.predict`. Our networks normalise within themselves, so the few resized numbers are multiplied back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from onsight_benchmarks.peers.job import Job, Opened


def open_subject(job: Job) -> Opened:
    """Open a .keras file."""
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(job.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(job.threads)
    model = keras.models.load_model(job.model, compile=False)

    def predict(frame: Any) -> int:
        pixels = cv2.cvtColor(cv2.resize(frame, job.size_wh), cv2.COLOR_BGR2RGB)
        return int(model.predict(pixels[np.newaxis].astype(np.float32), verbose=0)[0].argmax())

    def call(frame: Any) -> int:
        pixels = cv2.cvtColor(cv2.resize(frame, job.size_wh), cv2.COLOR_BGR2RGB)
        return int(np.asarray(model(pixels[np.newaxis].astype(np.float32), training=False))[0].argmax())

    def tutorial(frame: Any) -> int:
        real = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.float32) / 255.0
        small = cv2.resize(real, job.size_wh) * np.float32(255.0)
        return int(model.predict(small[np.newaxis], verbose=0)[0].argmax())

    ways: dict[str, Callable[[Any], int]] = {"predict": predict, "call": call, "tutorial": tutorial}
    return Opened(ways[job.option], str(keras.__version__), f"TensorFlow {tensorflow.__version__}")
