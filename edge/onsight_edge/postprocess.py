"""From a model's output tensor to a Prediction: the only place where it is done."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
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
        self._finish = self._chosen_finish()

    def __call__(self, output: NDArray[np.generic]) -> Prediction:
        """The prediction for one picture.

        Args:
            output: (1, classes) as the runtime gave it; copied, so the runtime may reuse it.

        Raises:
            BackendError: the best score is not a number.
        """
        scores = self.scores(output)[0]
        index = int(scores.argmax())
        score: float = scores.item(index)
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
        # a quantized byte has 256 possible values; a negative one counts from the table's end, as its bits do
        table, finish = self._table, self._finish
        real = output.astype(np.float32) if table is None else table[output]
        return real if finish is None else finish(real)

    def _chosen_finish(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
        """What is left to do after the table; of a temperature as much as possible goes into the table."""
        spec, table = self.spec, self._table
        if spec.temperature == 1.0:
            return softmax if spec.output == "logits" else None
        if table is None:
            return functools.partial(probabilities, spec=spec)
        if spec.output == "logits":
            self._table = table / np.float32(spec.temperature)
            return softmax
        self._table = _powers(table, spec.temperature)
        ones = np.ones((len(spec.classes), 1), np.float32)

        def normalise(powers: NDArray[np.float32]) -> NDArray[np.float32]:
            powers /= powers.dot(ones)  # sums the rows in a third of the time that .sum takes
            return powers

        return normalise


def probabilities(output: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float32]:
    """What a model's numbers mean as probabilities: the softmax where its spec asks for one, then the temperature.

    Args:
        output: (N, classes) float32, as the model or Keras gave them.
        spec: says what they are, and the temperature.

    Returns:
        (N, classes) float32; `output` itself where there is nothing to do.
    """
    if spec.output == "logits":
        return softmax(output if spec.temperature == 1.0 else output / np.float32(spec.temperature))
    return calibrate(output, spec.temperature)


def calibrate(scores: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """Probabilities divided by a temperature in the log domain: softmax(log p / T), or p ** (1 / T) normalised.

    Which class is best stays, even where two scores are so close that float32 no longer tells them apart.

    Args:
        scores: (N, classes) probabilities; they need not sum to exactly 1. None of them is written to.
        temperature: above 1 evens scores out, below 1 sharpens them. At 1 they are returned as they are.

    Returns:
        (N, classes) float32.
    """
    if temperature == 1.0:
        return np.asarray(scores, np.float32)
    wide: NDArray[np.float64] = np.maximum(scores, 0, dtype=np.float64)
    wide **= 1 / temperature
    np.maximum(wide, 1e-300, out=wide)  # so that a row of zeros becomes an even one and not 0 / 0
    wide /= np.add.reduce(wide, -1, keepdims=True)
    found = wide.astype(np.float32)
    best = scores.argmax(-1)
    differs = found.argmax(-1) != best
    if differs.any():
        for row in np.flatnonzero(differs):
            found[row, best[row]] = np.nextafter(found[row].max(), np.float32(2))
    return found


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


def _powers(table: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """A score table with the temperature in it, up to a factor that normalising takes out again."""
    share = np.maximum(table.astype(np.float64) / float(table.max()), 0.0)
    # above 0, as in `calibrate`; float32 holds it, and it is nothing beside the least power of a byte, (1 / 255) ** 10
    return np.asarray(np.maximum(share ** (1 / temperature), 2e-38), np.float32)
