"""From a picture to a model's input: the only place where it is done, for training, export, live and benchmarks.

Two steps, kept apart because they have different owners:

* pixels: crop or pad, resize, convert the colour. uint8 in, uint8 out. Decided by the ModelSpec alone, so that
  training pictures, calibration pictures and live frames are treated alike.
* encoding: pixels -> the numbers the input tensor stores. Decided by the spec and the file's TensorInfo.

The resize comes before the colour conversion: it leaves few pixels to convert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from onsight_edge.errors import DataError, UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLOUR_FROM_BGR = {"rgb": cv2.COLOR_BGR2RGB, "grey": cv2.COLOR_BGR2GRAY}


class Preprocessor:
    """Turns pictures into one model's input tensors, reusing its buffers.

    Not for two threads at once. Without `tensor` it yields the pixels themselves, as training wants them.
    """

    def __init__(self, spec: ModelSpec, tensor: TensorInfo | None = None) -> None:
        self.spec = spec
        width, height = spec.input_size_wh
        self._size_wh = (width, height)
        self._shape = (height, width, spec.channels)
        self._resized = np.empty((height, width, 3), np.uint8)
        self._double = np.empty((2 * height, 2 * width, 3), np.uint8)
        self._canvas = np.zeros((height, width, 3), np.uint8)
        self._pixels = np.empty(self._shape, np.uint8)
        self._encode = None if tensor is None else _Encoder(spec, tensor)

    def pixels(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The model's view of a picture.

        Args:
            image_bgr: (H, W, 3) uint8 BGR; (H, W), (H, W, 1) grey and (H, W, 4) BGRA are accepted too.

        Returns:
            (height, width, channels) uint8 in the spec's size and colour. The buffer is reused by the next call.

        Raises:
            DataError: not a uint8 picture.
        """
        image_bgr = as_bgr(image_bgr)
        resize = self.spec.resize
        if resize == "fit-shortest":
            image_bgr = _centre_cut(image_bgr, self._size_wh)
        if resize == "fit-longest":
            small = self._padded(image_bgr)
        else:
            small = self._resize(image_bgr, self._size_wh, self._resized)
        code = _COLOUR_FROM_BGR.get(self.spec.colour)
        if code is None:
            np.copyto(self._pixels, small)
        elif self.spec.colour == "grey":
            cv2.cvtColor(small, code, dst=self._pixels[..., 0])
        else:
            cv2.cvtColor(small, code, dst=self._pixels)
        return self._pixels

    def __call__(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.generic]:
        """The input tensor for a picture: batch of one, dtype of the file. Reused by the next call."""
        return self.encode(self.pixels(image_bgr))

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.generic]:
        """The input tensor for pixels that already have the model's size and colour.

        Args:
            pixels: (height, width, channels) uint8.

        Returns:
            (1, height, width, channels), or (1, channels, height, width) where the file wants it so.
        """
        if self._encode is None:
            return pixels[np.newaxis]
        return self._encode(pixels)

    def _resize(self, image: NDArray[np.uint8], size_wh: tuple[int, int], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        if (width, height) == size_wh:
            return image
        if width >= 4 * size_wh[0] and height >= 4 * size_wh[1]:
            # AREA over every source pixel can cost more than a small network. Four samples per output pixel, each
            # between four source pixels, and their mean cost a fraction of that.
            double_wh = (2 * size_wh[0], 2 * size_wh[1])
            double = self._double[: double_wh[1], : double_wh[0]]
            image = cv2.resize(image, double_wh, dst=double, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
            return cv2.resize(image, size_wh, dst=out, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
        shrinks = width > size_wh[0] or height > size_wh[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return cv2.resize(image, size_wh, dst=out, interpolation=how)  # type: ignore[return-value]

    def _padded(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        width, height = self._size_wh
        scale = min(width / image.shape[1], height / image.shape[0])
        inner_w = max(1, round(image.shape[1] * scale))
        inner_h = max(1, round(image.shape[0] * scale))
        left, top = (width - inner_w) // 2, (height - inner_h) // 2
        self._canvas[:] = 0
        inner = np.empty((inner_h, inner_w, 3), np.uint8)
        self._canvas[top : top + inner_h, left : left + inner_w] = self._resize(image, (inner_w, inner_h), inner)
        return self._canvas


class _Encoder:
    """Pixels 0..255 -> what the input tensor stores."""

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
        if self._as_it_is:
            return pixels[np.newaxis]
        if self._copied:
            self._picture[:] = pixels
        else:
            for channel in range(pixels.shape[-1]):  # a table look-up: no float arithmetic for a pixel
                np.take(self._stored[:, channel], pixels[..., channel], out=self._picture[..., channel])
        return self._tensor


def as_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of 1, 3 or 4 channels as (H, W, 3) uint8; three channels come back as they are.

    Raises:
        DataError: not uint8, empty, or another number of channels.
    """
    if image.dtype != np.uint8:
        raise DataError(f"a picture must be uint8 with values 0..255, not {image.dtype}")
    if image.ndim == 3 and image.shape[2] == 3 and image.size:
        return image
    if not image.size:
        raise DataError(f"the picture is empty: its shape is {image.shape}")
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if image.ndim == 3 and image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)  # type: ignore[return-value]
    raise DataError(f"a picture must be (height, width, 3), not {image.shape}")


def _centre_cut(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = min(width / size_wh[0], height / size_wh[1])
    cut_w = max(1, min(width, round(size_wh[0] * scale)))
    cut_h = max(1, min(height, round(size_wh[1] * scale)))
    left, top = (width - cut_w) // 2, (height - cut_h) // 2
    return image[top : top + cut_h, left : left + cut_w]


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
