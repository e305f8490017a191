"""From pixels to the numbers that a model's input tensor stores, decided by the spec and the file's TensorInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from onsight_edge.errors import UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BITS: dict[int, type[np.generic]] = {1: np.uint8, 2: np.uint16, 4: np.int32, 8: np.float64}  # by size: OpenCV's depths


class Encoder:
    """Pixels 0..255 -> what the input tensor stores.

    Attributes:
        as_it_is: the tensor stores the pixels themselves.

    Raises:
        UnsupportedModelError: the tensor takes no picture of the spec's size, or has no scale to store its values with.
    """

    def __init__(self, spec: ModelSpec, tensor: TensorInfo) -> None:
        width, height = spec.input_size_wh
        dtype = np.dtype(tensor.dtype)
        nchw = _is_nchw(tensor, spec)
        size = (spec.channels, height, width) if nchw else (height, width, spec.channels)
        self._tensor = np.empty((1, *size), dtype)
        # written to as (height, width, channels) whatever the order of the tensor
        self._picture = self._tensor[0].transpose(1, 2, 0) if nchw else self._tensor[0]
        values = np.arange(256, dtype=np.float64)[:, np.newaxis]
        real = (values - np.asarray(spec.mean)) / np.asarray(spec.std)
        real = np.broadcast_to(real, (256, spec.channels))
        if dtype.kind == "f":
            stored = real.astype(dtype)
        else:
            limits = np.iinfo(dtype)
            if not tensor.quantized and not spec.raw_pixels:
                raise UnsupportedModelError(
                    f"input {tensor.name!r} stores {dtype} without a scale, so mean and std cannot be applied"
                )
            scale = tensor.scale or 1.0
            stored = np.clip(np.rint(real / scale) + tensor.zero_point, limits.min, limits.max).astype(dtype)
        self.as_it_is = dtype == np.uint8 and bool((stored == values).all()) and not nchw
        # a raw float tensor is its pixels: a cast is faster than a look-up
        self._cast = dtype.kind == "f" and spec.raw_pixels
        # looked up by OpenCV as bits, which is all that a table holds
        self._table = np.ascontiguousarray(stored).view(_BITS[dtype.itemsize])[np.newaxis]
        looked_up = self._picture if not nchw else np.empty((height, width, spec.channels), dtype)
        self._looked_up = looked_up.view(_BITS[dtype.itemsize])
        self._moved = looked_up if nchw else None  # written anew, channel by channel

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """(height, width, channels) uint8 as the tensor, batch of one; overwritten by the next call.

        Where the tensor stores uint8 as it is, a view of `pixels`.
        """
        if self.as_it_is:
            return pixels[np.newaxis]
        if self._cast:
            np.copyto(self._picture, pixels, casting="unsafe")
            return self._tensor
        cv2.LUT(pixels, self._table, dst=self._looked_up)  # no arithmetic for a pixel
        if self._moved is not None:
            np.copyto(self._picture, self._moved)
        return self._tensor


def _is_nchw(tensor: TensorInfo, spec: ModelSpec) -> bool:
    width, height = spec.input_size_wh
    shape = tuple(tensor.shape[1:])
    if _fits(shape, (height, width, spec.channels)):
        return False
    if _fits(shape, (spec.channels, height, width)):
        return True
    raise UnsupportedModelError(
        f"input {tensor.name!r} has shape {tuple(tensor.shape)}; the spec's {width}x{height} {spec.colour} picture "
        f"needs [batch, {height}, {width}, {spec.channels}] or [batch, {spec.channels}, {height}, {width}]"
    )


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(a in (-1, b) for a, b in zip(shape, wanted, strict=True))
