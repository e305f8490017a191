"""The waterfall: the reference, then every file beside it on the same test pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onsight_edge.spec import ModelSpec
from onsight_export.options import DEFAULT_MAX_DROP, DEFAULT_MIN_AGREEMENT
from onsight_export.parity.files import Opened
from onsight_export.parity.step import Answers, compare
from onsight_export.parity.tolerance import objections

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """What everything is asked.

    Attributes:
        pixels: (N, height, width, channels) uint8 in the reference's size and colour.
        labels: (N,) positions in the reference's classes.
        names: (N,) of the pictures.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One file, held against the reference.

    Attributes:
        name, number_format: as of `Opened`.
        backend: what executed it, with version.
        bytes, sha256: of the file.
        answers: beside the reference.
        objections: every reason why it is broken; empty where it is sound.
        scores: (N, classes) float32.
    """

    name: str
    number_format: str
    backend: str
    bytes: int
    sha256: str
    answers: Answers
    objections: tuple[str, ...]
    scores: NDArray[np.float32]

    @property
    def broken(self) -> bool:
        """Whether it leaves what its number format explains."""
        return bool(self.objections)


def measure_steps(
    files: Sequence[Opened],
    reference: NDArray[np.float32],
    pictures: Pictures,
    spec: ModelSpec,
    *,
    max_drop_points: float = DEFAULT_MAX_DROP,
    min_agreement: float = DEFAULT_MIN_AGREEMENT,
    count: int = 12,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> tuple[Step, ...]:
    """Ask every file about every picture, one picture at a time, as it runs live.

    Args:
        files: opened.
        reference: (N, classes) probabilities of the reference.
        pictures: N of them.
        spec: the reference's.
        max_drop_points, min_agreement: see `objections`.
        count: worst pictures of each step.
        seed: of the bootstrap.
        progress: told what is going on.
    """
    steps = []
    for file in files:
        parts, done = [], 0
        for part in file.scores(pictures.pixels):
            parts.append(part)
            done += len(part)
            progress(file.name, done, len(pictures.pixels))
        scores = np.concatenate(parts)
        answers = compare(reference, scores, pictures.labels, spec.classes, pictures.names, count=count, seed=seed)
        why = objections(answers, file.number_format, max_drop_points=max_drop_points, min_agreement=min_agreement)
        steps.append(
            Step(
                name=file.name,
                number_format=file.number_format,
                backend=file.backend,
                bytes=len(file.file.data),
                sha256=file.file.sha256,
                answers=answers,
                objections=why,
                scores=scores,
            )
        )
    return tuple(steps)
