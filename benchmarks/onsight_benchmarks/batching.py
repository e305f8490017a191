"""Classifying several pictures in one call of the runtime, with the same pre- and postprocessing as one at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onsight_edge.backends import Resizable
from onsight_edge.classifier import Classifier
from onsight_edge.errors import BackendError
from onsight_edge.frame import Prediction, Timings
from onsight_edge.postprocess import Postprocessor
from onsight_edge.preprocess import Preprocessor

_MOST_DIFFERENCE = 0.02  # of a score: kernels for batches may sum in another order, and a byte has steps of 1/256


class BatchClassifier:
    """Classifies `batch` pictures at a time with a Classifier's model in its runtime.

    The classifier must not be used for anything else meanwhile, nor afterwards: its runtime takes such batches only.

    Attributes:
        batch: pictures a call.
    """

    def __init__(self, classifier: Classifier, batch: int) -> None:
        """Make the runtime ready and check that a batch is answered as its pictures are one by one.

        Raises:
            BackendError: the file or the runtime takes no such batch, or answers it otherwise.
        """
        self.batch = batch
        self._backend = classifier.backend
        self._preprocess = Preprocessor(classifier.spec, classifier.backend.input)
        self._postprocess = Postprocessor(classifier.spec, classifier.backend.output)
        width, height = classifier.spec.input_size_wh
        drawn = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
        single = [classifier.classify(picture).scores for picture in drawn]
        first = self._preprocess(drawn[0])
        self._input = np.zeros((batch, *first.shape[1:]), first.dtype)
        if not isinstance(classifier.backend, Resizable):
            raise BackendError(f"{classifier.backend.name} takes one picture at a time")
        classifier.backend.resize(batch)
        together = [one.scores for one in self.classify_timed(drawn)[0]]
        apart = float(np.abs(np.asarray(single) - np.asarray(together)).max())
        if not apart <= _MOST_DIFFERENCE:
            raise BackendError(
                f"{classifier.backend.name} answers a batch of {batch} otherwise than its pictures one by one: "
                f"scores differ by up to {apart:.2g}"
            )

    def classify_timed(
        self, frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    ) -> tuple[list[Prediction], Timings]:
        """What the model says of each of `batch` pictures (H, W, 3) uint8 BGR, and where the time went."""
        started = time.perf_counter_ns()
        for row, frame in zip(self._input, frames, strict=True):
            row[...] = self._preprocess(frame)[0]
        prepared = time.perf_counter_ns()
        output = self._backend.infer(self._input)
        inferred = time.perf_counter_ns()
        predictions = [self._postprocess(output[i : i + 1]) for i in range(self.batch)]
        done = time.perf_counter_ns()
        return predictions, Timings(prepared - started, inferred - prepared, done - inferred)
