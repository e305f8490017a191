"""A larger network's run, whose answers a smaller one learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onsight_edge.errors import ModelError
from onsight_edge.spec import Colour
from onsight_train.evaluate import open_run


class Teacher:
    """A trained network that is asked about the very pictures its student sees (Beyer 2022: a consistent teacher).

    Its answers cannot be stored, since no picture comes twice alike: every batch costs a forward pass of the teacher
    beside the student's step.

    Attributes:
        folder: the run it was opened from.
    """

    def __init__(self, folder: Path, model: Any, columns: Sequence[int]) -> None:
        self.folder = folder
        self._model = model
        self._columns = np.asarray(columns, np.intp)

    @classmethod
    def open(cls, folder: Path, classes: Sequence[str], size_wh: tuple[int, int], colour: Colour) -> Teacher:
        """The teacher of a run folder, for a student of these classes, this picture size and colour.

        Classes are matched by name; their order may differ.

        Raises:
            ModelError: not a run folder, or it answers or takes something else than the student.
            MissingExtraError: Keras is not installed.
        """
        model, spec = open_run(folder)
        theirs = (spec.input_size_wh, spec.colour)
        if theirs != (size_wh, colour):
            raise ModelError(
                f"the teacher {folder} takes {_pictures(*theirs)}, the student {_pictures(size_wh, colour)}: "
                "train one like the other (--imgsz)"
            )
        if sorted(spec.classes) != sorted(classes):
            raise ModelError(
                f"the teacher {folder} does not know the student's classes: {_differences(spec.classes, classes)}; "
                "teach with a run on the same classes"
            )
        return cls(folder, model, [spec.classes.index(name) for name in classes])

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities, in the student's order of classes.

        Args:
            images: (N, height, width, channels) uint8, as augmented for the student.

        Returns:
            (N, classes) float32.
        """
        answers = np.asarray(self._model.predict_on_batch(images), np.float32)
        chosen: NDArray[np.float32] = answers[:, self._columns]
        return chosen


def _pictures(size_wh: tuple[int, int], colour: Colour) -> str:
    return f"{colour} pictures of {size_wh[0]}x{size_wh[1]}"


def _differences(theirs: Sequence[str], ours: Sequence[str], most: int = 3) -> str:
    parts = []
    for who, missing in (("the teacher lacks", set(ours) - set(theirs)), ("it has", set(theirs) - set(ours))):
        if missing:
            names = sorted(missing)
            more = f" and {len(names) - most} more" if len(names) > most else ""
            parts.append(f"{who} {', '.join(names[:most])}{more}")
    return ", ".join(parts)
