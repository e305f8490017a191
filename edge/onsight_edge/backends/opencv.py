"""OpenCV's DNN module on ONNX files: nothing to install, for OpenCV stands in every onsight. For comparing.

API: https://docs.opencv.org/5.x/db/d30/classcv_1_1dnn_1_1Net.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from onsight_edge.errors import BackendError, UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.protobuf import walk
from onsight_edge.quiet import quiet_opencv

if TYPE_CHECKING:
    from numpy.typing import NDArray

# TensorProto.DataType (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 10: "float16"}
# field numbers of the same file
_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12
_NAME, _TYPE, _TENSOR_NAME = 1, 2, 8
_TENSOR, _ELEMENT, _SHAPE = 1, 1, 2
_REFUSED = "opencv does not take this model (it takes float files; onnxruntime takes more)"


class OpenCVBackend:
    """An .onnx model in a cv2.dnn network, on the processor.

    OpenCV's number of threads belongs to the process: it is set to `threads`, for whatever else OpenCV does here too.
    """

    def __init__(self, net: Any, given: TensorInfo, answer: TensorInfo, threads: int) -> None:
        self.name = "opencv"
        self.version = cv2.__version__
        self.threads = threads
        self.detail = "OpenCV DNN on the processor"
        self.metadata: dict[str, str] = {}
        self.input, self.output = given, answer
        self._net = net
        self._threads_before = cv2.getNumThreads()

    def infer(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """See `Backend.infer`."""
        if cv2.getNumThreads() != self.threads:
            cv2.setNumThreads(self.threads)
        try:
            self._net.setInput(batch)
            output: NDArray[np.generic] = self._net.forward()
        except cv2.error as error:
            raise BackendError(f"opencv failed to run the model: {_one_line(error)}") from error
        return output.reshape(len(batch), -1)

    def close(self) -> None:
        """See `Backend.close`."""
        self._net = None
        cv2.setNumThreads(self._threads_before)


def open_runtime(name: str, model: bytes, threads: int) -> OpenCVBackend:
    """Read the model and run it once: OpenCV finds out only then which operations it cannot do.

    Raises:
        BackendError: it takes no such model. UnsupportedModelError: not one input and one output.
    """
    try:
        given, answer = _ends(model)
    except (ValueError, IndexError, KeyError) as error:
        raise BackendError(f"{name} does not take this model: it is no ONNX file ({error})") from error
    with quiet_opencv():  # it logs what it raises
        try:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
            net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
            net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
        except cv2.error as error:
            raise BackendError(f"{_REFUSED}: {_one_line(error)}") from error
        backend = OpenCVBackend(net, given, answer, threads)
        try:
            backend.infer(np.zeros([1, *(max(1, size) for size in given.shape[1:])], given.dtype))
        except BackendError as error:
            backend.close()
            raise BackendError(f"{_REFUSED}: {error}") from error
    return backend


def _ends(model: bytes) -> tuple[TensorInfo, TensorInfo]:
    """The one input and the one output of an ONNX file; cv2.dnn tells neither's dtype."""
    graph = _message(dict(walk(memoryview(model)))[_GRAPH])
    weights: set[str] = set()
    found: dict[int, list[TensorInfo]] = {_INPUT: [], _OUTPUT: []}
    for number, value in walk(graph):
        if not isinstance(value, memoryview):
            continue
        if number == _INITIALIZER:  # before IR version 4 weights stood among the inputs
            weights.update(bytes(v).decode() for n, v in walk(value) if n == _TENSOR_NAME and not isinstance(v, int))
        elif number in found:
            found[number].append(_info(value))
    inputs = [one for one in found[_INPUT] if one.name not in weights]
    if len(inputs) != 1 or len(found[_OUTPUT]) != 1:
        raise UnsupportedModelError(
            f"an image classifier has one input and one output, this file has {len(inputs)} and {len(found[_OUTPUT])}"
        )
    return inputs[0], found[_OUTPUT][0]


def _info(value_info: memoryview) -> TensorInfo:
    fields = dict(walk(value_info))
    name = bytes(_message(fields[_NAME])).decode()
    tensor = dict(walk(_message(dict(walk(_message(fields[_TYPE])))[_TENSOR])))
    element = tensor[_ELEMENT]
    if element not in _DTYPES:
        raise UnsupportedModelError(
            f"tensor {name!r} has ONNX's type {element}; expected {', '.join(_DTYPES.values())}"
        )
    shape = tuple(_size(_message(size)) for number, size in walk(_message(tensor[_SHAPE])) if number == 1)
    return TensorInfo(name, shape, _DTYPES[element])


def _size(dimension: memoryview) -> int:
    size = dict(walk(dimension)).get(1, -1)
    return size if isinstance(size, int) else -1


def _message(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message should")
    return value


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
