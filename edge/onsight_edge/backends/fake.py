"""A backend without a model, for tests of what stands around one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.frame import TensorInfo
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FakeBackend:
    """Answers with what `scores_of` says of the batch, after `seconds` that pass without the GIL."""

    name = "fake"
    version = "0"
    threads = 1
    detail = "no model"

    def __init__(
        self,
        spec: ModelSpec,
        scores_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
        seconds: float = 0.0,
    ) -> None:
        width, height = spec.input_size_wh
        self.input = TensorInfo("pixels", (-1, height, width, spec.channels), "uint8")
        self.output = TensorInfo("scores", (-1, len(spec.classes)), "float32")
        self.metadata: dict[str, str] = {}
        self._scores_of = scores_of
        self._seconds = seconds

    def infer(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """See `Backend.infer`."""
        if self._seconds:
            time.sleep(self._seconds)
        return self._scores_of(np.asarray(batch, np.uint8))

    def close(self) -> None:
        """See `Backend.close`."""
