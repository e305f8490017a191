"""From a model's output tensor to a Prediction: the only place where it is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.errors import BackendError, UnsupportedModelError
from onsight_edge.frame import Prediction, TensorInfo
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Postprocessor:
    """Reads one model's output tensors."""

    def __init__(self, spec: ModelSpec, tensor: TensorInfo) -> None:
        count = tensor.shape[-1]
        if count not in (-1, len(spec.classes)):
            raise UnsupportedModelError(
                f"output {tensor.name!r} has {count} scores, the spec names {len(spec.classes)} classes"
            )
        self.spec = spec
        self._table = _score_table(tensor)

    def __call__(self, output: NDArray[np.generic]) -> Prediction:
        """The prediction for one picture.

        Args:
            output: (1, classes) as the runtime gave it; copied, so the runtime may reuse it.

        Raises:
            BackendError: the best score is not a number.
        """
        scores = self.scores(output)[0]
        index = int(scores.argmax())
        score = float(scores[index])
        if not score < math.inf:  # NaN, too: argmax finds it
            raise BackendError(
                f"the model answered {score} for {self.spec.classes[index]}: its file is damaged or its "
                "input is not what its spec says"
            )
        return Prediction(index, score, scores, self.spec.classes, score < self.spec.threshold)

    def scores(self, output: NDArray[np.generic]) -> NDArray[np.float32]:
        """Probabilities for a batch.

        Args:
            output: (batch, classes) in the dtype that the file stores.

        Returns:
            (batch, classes) float32, a fresh array.
        """
        # a quantized byte has 256 possible values: looked up by its bits
        table = self._table
        real = output.astype(np.float32) if table is None else table[output.view(np.uint8)]
        return softmax(real) if self.spec.output == "logits" else real


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities along the last axis; the maximum is subtracted first, so that nothing overflows."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def _score_table(tensor: TensorInfo) -> NDArray[np.float32] | None:
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return None
    if not tensor.quantized or dtype.itemsize != 1:
        raise UnsupportedModelError(
            f"output {tensor.name!r} stores {tensor.dtype}; expected float32, or quantized int8 or uint8"
        )
    stored = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float64)  # widened, so that nothing wraps
    return ((stored - tensor.zero_point) * tensor.scale).astype(np.float32)
