"""Does a network expect the values it is said to expect? Asked of pictures whose class is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onsight_edge.datasets.dataset import Dataset
from onsight_edge.errors import ModelError
from onsight_edge.postprocess import softmax
from onsight_edge.spec import ModelSpec
from onsight_export.fold import RANGES
from onsight_export.pictures import evenly
from onsight_export.quiet import quiet

if TYPE_CHECKING:
    import keras

_PICTURES = 500
_BATCH = 100
_CLEAR = 3.0  # standard errors of a paired difference
_Judged = tuple[NDArray[np.float64], NDArray[np.float64]]


def check_range(model: keras.Model, spec: ModelSpec, dataset: Dataset, name: str) -> None:
    """Feed some validation pictures as 0..255, as 0..1 and as -1..1, and compare the answers.

    Another range than 0..255 is clearly better where it finds more classes, or as many at a lower log loss, by more
    than three standard errors of the paired difference. A network fed another range than it learned from often still
    finds many classes: then it is its scores that are far off.

    Args:
        model: the network as it was given.
        spec: its size and classes.
        dataset: its validation part is taken, or its training part where that is empty.
        name: of the network, for the message.

    Raises:
        ModelError: another range is clearly better; the message says which, and the flag.
    """
    part, called = (dataset.validation, "validation") if len(dataset.validation) else (dataset.train, "training")
    chosen = evenly(len(part), _PICTURES)
    pixels, labels = part.images[chosen].astype(np.float32), part.labels[chosen]
    found = {text: _judge(_answers(model, (pixels - mean) / std), labels) for text, (mean, std) in RANGES.items()}
    raw_right, raw_loss = found["0..255"]
    better = [text for text in found if _better(found[text], found["0..255"])]
    if better:
        best = min(better, key=lambda text: (-found[text][0].mean(), found[text][1].mean()))
        right, loss = found[best]
        # between these two a lower loss says little: more contrast makes any network surer
        seems = [text for text in better if _in_errors(right - found[text][0]) <= _CLEAR]
        raise ModelError(
            f"{name} seems to expect {' or '.join(seems)}, not raw pixels: of {len(labels)} {called} pictures fed as "
            f"{best} it finds the class of {right.mean():.1%} (log loss {loss.mean():.2f}), fed as 0..255 of "
            f"{raw_right.mean():.1%} (log loss {raw_loss.mean():.2f}): say --range "
            f"{' or '.join(seems)}, or --range 0..255 if that is meant"
        )


def _better(one: _Judged, other: _Judged) -> bool:
    """Whether one is clearly better: in what it finds, or as good in that and clearly surer of the truth."""
    found, surer = _in_errors(one[0] - other[0]), _in_errors(other[1] - one[1])
    return found > _CLEAR or (found > -1 and surer > _CLEAR)


def _answers(model: keras.Model, batch: NDArray[np.float32]) -> NDArray[np.float64]:
    with quiet():  # Keras warns when it compiles the same network for other shapes
        parts = [model.predict_on_batch(batch[at : at + _BATCH]) for at in range(0, len(batch), _BATCH)]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _judge(answers: NDArray[np.float64], labels: NDArray[np.int64]) -> _Judged:
    """For each picture whether its class was found, and the log loss."""
    shares = (answers >= 0).all() and np.abs(answers.sum(axis=1) - 1).max() < 1e-3
    scores = answers if shares else softmax(answers.astype(np.float32)).astype(np.float64)
    truth = scores[np.arange(len(labels)), labels]
    return (scores.argmax(axis=1) == labels).astype(np.float64), -np.log(np.maximum(truth, 1e-12))


def _in_errors(difference: NDArray[np.float64]) -> float:
    """A paired difference's mean in its standard errors; 0 where there is none."""
    if not difference.any():
        return 0.0
    error = float(difference.std() / np.sqrt(len(difference)))
    return float(difference.mean()) / max(error, 1e-9)
