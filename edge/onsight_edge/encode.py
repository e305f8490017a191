"""From pixels to the numbers that a model's input tensor stores, decided by the spec and the file's TensorInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onsight_edge.errors import UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Encoder:
    """Pixels 0..255 -> what the input tensor stores.

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
        self._table: NDArray[np.generic] | None = None
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
        same = dtype == np.uint8 and bool((stored == values).all())
        self._as_it_is = same and not nchw
        self._copied = same or (dtype.kind == "f" and spec.raw_pixels)
        self._stored = np.ascontiguousarray(stored)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """(height, width, channels) uint8 as the tensor, batch of one; overwritten by the next call.

        Where the tensor stores uint8 as it is, a view of `pixels`.
        """
        if self._as_it_is:
            return pixels[np.newaxis]
        if self._copied:
            self._picture[:] = pixels
        else:
            for channel in range(pixels.shape[-1]):  # a table look-up: no float arithmetic for a pixel
                np.take(self._stored[:, channel], pixels[..., channel], out=self._picture[..., channel])
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
