"""What choosing needs of a network that is to be quantized, whatever format it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onsight_export.quantize.ranges import Range
from onsight_export.quantize.statistics import Values


class Network(Protocol):
    """A float network ready to be quantized again and again.

    Attributes:
        name: of the variant, for messages: `tflite-int8`.
        layers: what can be left in float, in the order in which they run, by Keras name.
    """

    name: str
    layers: tuple[str, ...]

    def observe(self, pictures: NDArray[np.uint8]) -> Iterator[tuple[int, Values]]:
        """See `statistics.Observe`; yields every tensor that needs a range, except the input, which has 0..255."""
        ...

    def quantize(self, ranges: Mapping[str, Range], left_float: frozenset[str]) -> Any:
        """The file's content with these ranges, and these layers in float.

        Raises:
            ModelError: the quantizer refused.
        """
        ...

    def scores(self, made: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, classes) what a file that `quantize` made answers."""
        ...
