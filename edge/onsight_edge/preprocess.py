"""From a picture to a model's input: the only place where it is done, for training, export, live and benchmarks.

Two steps, kept apart because they have different owners:

* pixels: cut, resize, turn, convert the colour. uint8 in, uint8 out. Decided by the ModelSpec alone, so that training
  pictures, calibration pictures and live frames are treated alike.
* encoding (encode.py): pixels -> the numbers the input tensor stores. Decided by the spec and the file's TensorInfo.

The resize comes first: it leaves few pixels to turn and to convert. What depends on the frame's size alone is worked
out once for each size, with its buffers, so that a frame of the same size as the last costs no allocation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from onsight_edge.encode import Encoder
from onsight_edge.errors import DataError
from onsight_edge.frame import TensorInfo
from onsight_edge.geometry import fit, reduction, view_of
from onsight_edge.resize import Resizer
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Step = Callable[["NDArray[np.uint8]", "NDArray[np.uint8]"], None]  # from a picture into a buffer
# (channels of the picture, the spec's colour) -> OpenCV's conversion; None: as it is
_CONVERSIONS = {
    (1, "rgb"): cv2.COLOR_GRAY2BGR,
    (1, "bgr"): cv2.COLOR_GRAY2BGR,
    (1, "grey"): None,
    (3, "rgb"): cv2.COLOR_BGR2RGB,
    (3, "bgr"): None,
    (3, "grey"): cv2.COLOR_BGR2GRAY,
    (4, "rgb"): cv2.COLOR_BGRA2RGB,
    (4, "bgr"): cv2.COLOR_BGRA2BGR,
    (4, "grey"): cv2.COLOR_BGRA2GRAY,
}


class Preprocessor:
    """Turns pictures into one model's input tensors, reusing its buffers.

    Not for two threads at once. Without `tensor` it yields the pixels themselves, as training wants them.

    Attributes:
        spec: decides the pixels.
        seen: (height, width, channels) uint8, the last picture as the model saw it; overwritten by the next.
    """

    def __init__(self, spec: ModelSpec, tensor: TensorInfo | None = None) -> None:
        self.spec = spec
        width, height = spec.input_size_wh
        self.seen: NDArray[np.uint8] = np.zeros((height, width, spec.channels), np.uint8)
        self._batch = self.seen[np.newaxis]
        self._encode = None if tensor is None else Encoder(spec, tensor)
        self._shape: tuple[int, ...] = ()
        self._steps: _Steps  # for pictures of that shape

    def pixels(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The model's view of a picture.

        Args:
            image_bgr: (H, W, 3) uint8 BGR; (H, W), (H, W, 1) grey and (H, W, 4) BGRA are accepted too.

        Returns:
            `seen`: (height, width, channels) uint8 in the spec's size and colour, reused by the next call.

        Raises:
            DataError: not a uint8 picture.
        """
        if image_bgr.shape != self._shape:
            self._steps = _Steps(self.spec, image_bgr.shape, _channels(image_bgr.shape), self.seen)
            self._shape = image_bgr.shape
        if image_bgr.dtype != np.uint8:
            raise DataError(f"a picture must be uint8 with values 0..255, not {image_bgr.dtype}")
        self._steps.run(image_bgr)
        return self.seen

    def __call__(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.generic]:
        """The input tensor for a picture: batch of one, dtype of the file. Reused by the next call."""
        pixels = self.pixels(image_bgr)
        return self._batch if self._encode is None else self._encode(pixels)

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

    def reduction(self, frame_wh: tuple[int, int]) -> int:
        """The most by which a JPEG of this size may be reduced while it is decoded: 1, 2, 4 or 8.

        What is looked at then still covers the model's input 1.5 times (`geometry.reduction`).
        """
        return reduction(frame_wh, self.spec.input_size_wh, self.spec.resize, view_of(self.spec))


class _Steps:
    """What is done with every picture of one shape: each step writes into a buffer of its own, the last into `seen`."""

    def __init__(self, spec: ModelSpec, shape: tuple[int, ...], channels: int, seen: NDArray[np.uint8]) -> None:
        height, width = shape[:2]
        found = fit((width, height), spec.input_size_wh, spec.resize, view_of(spec))
        left, top, cut_w, cut_h = found.cut
        self._cut = None if (cut_w, cut_h) == (width, height) else np.s_[top : top + cut_h, left : left + cut_w]
        left, top, placed_w, placed_h = found.place
        seen[:] = 0  # the margins of `fit-longest`
        place = seen[top : top + placed_h, left : left + placed_w]
        inner_w, inner_h = found.inner_wh
        inner, turned = (inner_h, inner_w, channels), (placed_h, placed_w, channels)
        steps: list[tuple[_Step, tuple[int, ...]]] = []
        if (cut_w, cut_h) != found.inner_wh:
            steps.append((Resizer((cut_w, cut_h), found.inner_wh, channels), inner))
        if found.transpose:
            steps.append((_transpose, turned))
        if found.flip is not None:
            steps.append((functools.partial(_flip, code=found.flip), turned))
        conversion = _CONVERSIONS[channels, spec.colour]
        if conversion is not None:
            steps.append((functools.partial(_convert, code=conversion), place.shape))
        if not steps:
            steps.append((_copy, place.shape))
        *before, (last, _) = steps
        self._steps = [(step, np.empty(size, np.uint8)) for step, size in before] + [(last, place)]

    def run(self, image: NDArray[np.uint8]) -> None:
        if self._cut is not None:
            image = image[self._cut]
        for step, out in self._steps:
            step(image, out)
            image = out


def _transpose(image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    cv2.transpose(image, dst=out)


def _flip(image: NDArray[np.uint8], out: NDArray[np.uint8], code: int) -> None:
    cv2.flip(image, code, dst=out)


def _convert(image: NDArray[np.uint8], out: NDArray[np.uint8], code: int) -> None:
    cv2.cvtColor(image, code, dst=out)


def _copy(image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    np.copyto(out, image.reshape(out.shape))


def _channels(shape: tuple[int, ...]) -> int:
    """How many channels a picture of this shape has.

    Raises:
        DataError: empty, or another number than 1, 3 and 4.
    """
    if 0 in shape:
        raise DataError(f"the picture is empty: its shape is {shape}")
    if len(shape) == 2:
        return 1
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        return shape[2]
    raise DataError(f"a picture must be (height, width, 3), not {shape}")
