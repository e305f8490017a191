"""ONNX Runtime.

API: https://onnxruntime.ai/docs/api/python/api_summary.html
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onsight_edge.errors import BackendError, MissingExtraError, UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.quiet import quiet_stderr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CPU = "CPUExecutionProvider"
_RECORD_NODES = "session.record_ep_graph_assignment_info"
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}


class OnnxRuntimeBackend:
    """An .onnx model in an ONNX Runtime session.

    `detail` names the execution providers that really got the graph's nodes, not those that were asked for: ONNX
    Runtime falls back to the processor without a word, for a whole session or for single nodes.
    """

    def __init__(self, session: Any, threads: int, asked: Sequence[str] = ()) -> None:
        self.name = "onnxruntime"
        self.threads = threads
        self._session = session
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UnsupportedModelError(
                f"an image classifier has one input and one output, this file has {len(inputs)} and {len(outputs)}"
            )
        self.input, self.output = _info(inputs[0]), _info(outputs[0])
        self.detail = describe_providers(session, asked)
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self._input_name = self.input.name
        self._output_names = [self.output.name]

    @property
    def version(self) -> str:
        """The installed distribution's version."""
        import onnxruntime  # its wheels have several distribution names (-gpu, -openvino): ask the module

        return str(onnxruntime.__version__)

    def infer(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """See `Backend.infer`."""
        try:
            output: NDArray[np.generic] = self._session.run(self._output_names, {self._input_name: batch})[0]
        except Exception as error:  # the binding has exception classes of its own for every status
            raise BackendError(f"onnxruntime failed to run the model: {_one_line(error)}") from error
        return output

    def resize(self, batch: int) -> None:
        """See `Resizable.resize`: a session takes any batch where the file leaves it free."""
        if self.input.shape[0] not in (-1, batch):
            raise BackendError(f"onnxruntime: this file takes batches of {self.input.shape[0]} only, not of {batch}")

    def close(self) -> None:
        """See `Backend.close`."""
        self._session = None


def open_runtime(name: str, model: bytes, threads: int) -> OnnxRuntimeBackend:
    """Construct a session with the model in it.

    Raises:
        MissingExtraError: not installed. BackendError: it takes no such model.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnxruntime", "onnx", f"the backend {name}") from error
    except ImportError as error:
        raise BackendError(f"onnxruntime is installed but cannot be imported: {_one_line(error)}") from error
    onnxruntime.set_default_logger_severity(3)  # its warnings are of graph nodes and devices nobody here can change
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = _providers(onnxruntime)
    if providers != [_CPU]:
        options.add_session_config_entry(_RECORD_NODES, "1")
    try:
        # it prints what it raises and what it falls back to, and a provider that does not load cannot be kept quiet
        with quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
            session = onnxruntime.InferenceSession(model, options, providers=providers)
        return OnnxRuntimeBackend(session, threads, providers)
    except UnsupportedModelError:
        raise
    except Exception as error:
        raise BackendError(f"onnxruntime does not take this model: {_one_line(error)}") from error


def describe_providers(session: Any, asked: Sequence[str] = ()) -> str:
    """Which execution providers really execute a session's nodes.

    Args:
        session: an InferenceSession.
        asked: the providers it was constructed with, best first.

    Returns:
        A provider's name; where several share the nodes, each with its number of them, such as
        `CUDAExecutionProvider 38 nodes, CPUExecutionProvider 2 nodes`. What was asked for and got none is named behind.
    """
    got: list[str] = session.get_providers()
    nodes: Counter[str] = Counter()
    if got != [_CPU]:
        with contextlib.suppress(Exception):  # ONNX Runtime before 1.24, or a session that recorded nothing
            for part in session.get_provider_graph_assignment_info():
                nodes[part.ep_name] += len(part.get_nodes())
    busy = [name for name in dict.fromkeys((*got, *nodes)) if nodes[name]] or got[:1]
    unused = [name for name in asked if name not in busy and name != _CPU]
    said = busy[0] if len(busy) == 1 else ", ".join(f"{name} {nodes[name]} nodes" for name in busy)
    return said if not unused else f"{said} (asked for and not used: {', '.join(unused)})"


def _providers(onnxruntime: Any) -> list[str]:
    """What the session may use, best first.

    Not TensorRT, which a Jetson's build offers first: it compiles every model anew for minutes.
    """
    available = onnxruntime.get_available_providers()
    return [name for name in ("CUDAExecutionProvider", _CPU) if name in available] or available


def _info(argument: Any) -> TensorInfo:
    if argument.type not in _DTYPES:
        raise UnsupportedModelError(f"tensor {argument.name!r} is {argument.type}; expected {', '.join(_DTYPES)}")
    shape = tuple(size if isinstance(size, int) else -1 for size in argument.shape)
    return TensorInfo(argument.name, shape, _DTYPES[argument.type])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
