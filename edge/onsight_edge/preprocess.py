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
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from onsight_edge.encode import Encoder
from onsight_edge.errors import DataError
from onsight_edge.frame import TensorInfo
from onsight_edge.geometry import fit, reduction, view_of
from onsight_edge.resize import Step, resizing
from onsight_edge.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        self._encode = Encoder(spec, tensor) if tensor is not None else None
        self._shape: tuple[int, ...] = ()
        self._part: Any = None  # for pictures of that shape, with the steps
        self._steps: list[Step] = []

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
            self._part, self._steps = _steps(self.spec, image_bgr.shape, self.seen)
            self._shape = image_bgr.shape
        if image_bgr.dtype != np.uint8:
            raise DataError(f"a picture must be uint8 with values 0..255, not {image_bgr.dtype}")
        image = image_bgr if self._part is None else image_bgr[self._part]
        for step in self._steps:
            image = step(image)
        return self.seen

    def __call__(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.generic]:
        """The input tensor for a picture: batch of one, dtype of the file. Reused by the next call."""
        pixels = self.pixels(image_bgr)
        return self._batch if self._encode is None or self._encode.as_it_is else self._encode(pixels)

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


def _steps(spec: ModelSpec, shape: tuple[int, ...], seen: NDArray[np.uint8]) -> tuple[Any, list[Step]]:
    """What is done with every picture of one shape: its part, then steps; the last writes into `seen`.

    Steps are OpenCV's own functions, bound to their arguments: right after an inference nothing of Python is in the
    processor's caches, and each call in between would cost several times what it does in a loop.
    """
    height, width = shape[:2]
    channels = _channels(shape)
    found = fit((width, height), spec.input_size_wh, spec.resize, view_of(spec))
    left, top, cut_w, cut_h = found.cut
    placed = found.place
    seen[:] = 0  # the margins of `fit-longest`
    place = seen[placed.top : placed.top + placed.height, placed.left : placed.left + placed.width]
    conversion = _CONVERSIONS[channels, spec.colour]
    resized = (cut_w, cut_h) != found.inner_wh
    left_to_do = resized + found.transpose + (found.flip is not None) + (conversion is not None)

    def buffer(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        nonlocal left_to_do
        left_to_do -= 1
        return np.empty((size_wh[1], size_wh[0], channels), np.uint8) if left_to_do else place

    rows = slice(None)
    steps: list[Step] = []
    if resized:
        rows, steps = resizing((cut_w, cut_h), found.inner_wh, buffer(found.inner_wh))
    turned_wh = (placed.width, placed.height)
    if found.transpose:
        steps.append(functools.partial(cv2.transpose, dst=buffer(turned_wh)))  # type: ignore[arg-type]
    if found.flip is not None:
        steps.append(functools.partial(cv2.flip, flipCode=found.flip, dst=buffer(turned_wh)))  # type: ignore[arg-type]
    if conversion is not None:
        steps.append(functools.partial(cv2.cvtColor, code=conversion, dst=place))  # type: ignore[arg-type]
    if not steps:
        steps.append(functools.partial(_copy, out=place))
    first, last, step = rows.indices(cut_h)
    part = np.s_[top + first : top + last : step, left : left + cut_w]
    return None if part == np.s_[0:height:1, 0:width] else part, steps


def _copy(image: NDArray[np.uint8], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
    np.copyto(out, image.reshape(out.shape))
    return out


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
