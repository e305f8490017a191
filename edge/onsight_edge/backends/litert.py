"""LiteRT and its predecessor tflite-runtime: one Interpreter class under two names.

`litert-builtin` is LiteRT without XNNPACK, its default delegate: what that is worth can be measured with it.

API: https://ai.google.dev/edge/api/tflite/python/tf/lite/Interpreter,
https://ai.google.dev/edge/api/tflite/python/tf/lite/experimental/OpResolverType
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from onsight_edge.errors import BackendError, MissingExtraError, UnsupportedModelError
from onsight_edge.frame import TensorInfo
from onsight_edge.quiet import quiet_stderr

if TYPE_CHECKING:
    from numpy.typing import NDArray

# backend -> (module that holds Interpreter, distribution, extra of onsight that installs it)
_RUNTIMES = {
    "litert": ("ai_edge_litert.interpreter", "ai-edge-litert", ""),
    "litert-builtin": ("ai_edge_litert.interpreter", "ai-edge-litert", ""),
    "tflite-runtime": ("tflite_runtime.interpreter", "tflite-runtime", "tflite-runtime"),
}


class LiteRTBackend:
    """A .tflite model in a LiteRT or tflite-runtime interpreter."""

    def __init__(self, name: str, interpreter: Any, threads: int) -> None:
        self.name = name
        self.threads = threads
        self.metadata: dict[str, str] = {}
        self._interpreter = interpreter
        interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UnsupportedModelError(
                f"an image classifier has one input and one output, this file has {len(inputs)} and {len(outputs)}"
            )
        self._input_index, self._output_index = inputs[0]["index"], outputs[0]["index"]
        self.input, self.output = _info(inputs[0]), _info(outputs[0])

    @property
    def detail(self) -> str:
        """Whether XNNPACK executes it: no delegate takes every file, and one that does not says nothing.

        Asked when wanted: only records and `onsight doctor` need it.
        """
        interpreter = self._interpreter
        if interpreter is None:
            return "closed"
        executed = [one["op_name"] for one in interpreter._get_ops_details()]
        parts = executed.count("DELEGATE")
        if not parts:
            return "built-in kernels"
        return "XNNPACK" if parts == 1 else f"XNNPACK in {parts} parts, built-in kernels between them"

    @property
    def version(self) -> str:
        """The installed distribution's version; looked up when asked for, since that costs start-up time."""
        import importlib.metadata  # brings the email package with it: 10 ms that only records need

        return importlib.metadata.version(_RUNTIMES[self.name][1])

    def infer(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """See `Backend.infer`."""
        interpreter = self._interpreter
        try:
            interpreter.set_tensor(self._input_index, batch)
            interpreter.invoke()
            output: NDArray[np.generic] = interpreter.get_tensor(self._output_index)
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"{self.name} failed to run the model: {_one_line(error)}") from error
        return output

    def resize(self, batch: int) -> None:
        """See `Resizable.resize`: files of a batch of 1 take others too, unless an operator has it built in."""
        interpreter = self._interpreter
        try:
            interpreter.resize_tensor_input(self._input_index, [batch, *self.input.shape[1:]])
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"{self.name}: this file takes no batch of {batch}: {_one_line(error)}") from error

    def close(self) -> None:
        """See `Backend.close`."""
        self._interpreter = None


def open_runtime(name: str, model: bytes, threads: int) -> LiteRTBackend:
    """Construct the runtime with the model in it.

    Raises:
        MissingExtraError: not installed. BackendError: installed, but it does not construct or takes no such model.
    """
    module_name, distribution, extra = _RUNTIMES[name]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not module_name.startswith(error.name):
            raise BackendError(f"{distribution} is installed but cannot be imported: {error}") from error
        raise MissingExtraError(distribution, extra, f"the backend {name}") from error
    except ImportError as error:
        raise BackendError(f"{distribution} is installed but cannot be imported: {_one_line(error)}") from error
    try:
        with quiet_stderr():  # it announces its delegate at every load and has no switch for that
            options: dict[str, Any] = {"model_content": model, "num_threads": threads}
            if name == "litert-builtin":
                options["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            return LiteRTBackend(name, module.Interpreter(**options), threads)
    except UnsupportedModelError:
        raise
    except Exception as error:  # the binding raises whatever its C++ side throws
        if "_ARRAY_API" in str(error):
            raise BackendError(
                f"{distribution} was built against NumPy 1 and NumPy {np.__version__} is installed: "
                f"give it an environment of its own with 'numpy<2' (docs/install.md)"
            ) from error
        raise BackendError(f"{name} does not take this model: {_one_line(error)}") from error


def _info(detail: dict[str, Any]) -> TensorInfo:
    shape = detail.get("shape_signature")
    shape = detail["shape"] if shape is None or not len(shape) else shape
    quantization = detail["quantization_parameters"]
    scales, zero_points = quantization["scales"], quantization["zero_points"]
    if len(scales) > 1:
        raise UnsupportedModelError(f"tensor {detail['name']!r} has a scale per channel; one was expected")
    return TensorInfo(
        detail["name"],
        tuple(int(size) for size in shape),
        np.dtype(detail["dtype"]).name,
        float(scales[0]) if len(scales) else 0.0,
        int(zero_points[0]) if len(zero_points) else 0,
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
